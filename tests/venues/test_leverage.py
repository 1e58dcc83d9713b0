import pytest

from ringfence.venues.leverage import leverage_text
from ringfence.venues.rulebook import load


@pytest.mark.parametrize(
    ("venue", "market", "shown"),
    [
        ("hyperliquid", "BTC", "40x, 20x from 150000000"),
        ("hyperliquid", "GMX", "3x"),
        ("dydx-v4", "BTC", "50x"),
        ("dydx-v4", "SOL", "10x, falling to 1x as open interest grows from 20000000 to 50000000"),
    ],
)
def test_leverage_is_told_by_size(venue, market, shown):
    rulebook = load(venue)
    assert leverage_text(rulebook.margin_table(rulebook.ask(f"markets.{market}.margin"))) == shown
