"""Cases in which other tools get margin wrong, with the right answer derived; see docs/explain/known-defects.md."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from questions.desk import cross
from ringfence.books import Account, BookPosition
from ringfence.questions.margin import margin
from ringfence.venues.rulebook import load

D = Decimal
CENT = Fraction(1, 100)


@pytest.fixture(scope="module")
def brackets():
    """Brackets of 0.4 %, 0.5 %, 0.65 % and 1 % with maintenance amounts 0, 300, 1,500 and 12,000."""
    return load(str(Path(__file__).with_name("brackets.toml")))


def answer(rulebook, usdc, *positions):
    (result,) = margin([Account("desk", {"USDC": D(usdc)}, positions)], rulebook)
    return result


def trigger_below(exact):
    """The published price of a long whose trigger lies at `exact`: the highest price quantum below it."""
    return exact // CENT * CENT if exact % CENT else exact - CENT


def price(position):
    return Fraction(position["liquidationPrice"].value)


def test_another_positions_profit_counts_with_its_side(brackets):
    """freqtrade gives 53,293.17 for both: it takes the unrealized PnL of other trades without their side.

    Equity at BTC's price P: 12,000 + pnl(ETH) + P - 60,000. Asked: 0.4 % of P + 0.4 % of 20,000 = 0.004 P + 80.
    So P = (48,080 - pnl) / 0.996, where ETH from 2,500 to 2,000 makes -5,000 long and +5,000 short.
    """
    triggers = []
    for size, pnl in ((10, -5_000), (-10, 5_000)):
        found = answer(brackets, "12000", cross("BTC", 1, 60_000, 60_000), cross("ETH", size, 2_500, 2_000))
        assert price(found.positions[0]) == trigger_below((48_080 - pnl) / Fraction("0.996"))
        triggers.append(found.positions[0]["liquidationPrice"].value)
    assert triggers == ["53293.17", "43253.01"]


@pytest.mark.parametrize(
    ("size", "maintenance"),
    [
        (4, 400_000 * Fraction("0.005") - 300),  # freqtrade: bracket of the stake 40,000, so 1,600
        (40, 4_000_000 * Fraction("0.01") - 12_000),  # freqtrade: bracket of the stake 400,000, so 19,700
    ],
)
def test_the_bracket_is_that_of_the_notional_not_of_the_stake(brackets, size, maintenance):
    found = answer(brackets, "1000000", cross("BTC", size, 100_000, 100_000, leverage=D(10)))
    assert Fraction(found.positions[0]["maintenanceMargin"].value) == maintenance


def test_hyperliquids_price_knows_its_tiers():
    """freqtrade's formula has no tiers: 190,000,000 / (2,000 x (1 - 1/80)) = 96,202.53.

    2,000 BTC at 100,000 with 10,000,000 posted. Above 150,000,000 maintenance margin is N/40 - 1,875,000, where
    1,875,000 = 150,000,000 x (1/40 - 1/80). At P: 10,000,000 + 2,000 P - 200,000,000 = 2,000 P / 40 - 1,875,000,
    so P = 188,125,000 / 1,950 = 96,474.36, at a notional of 192.9 million, still above 150 million.
    """
    position = BookPosition("BTC", D(2_000), D(100_000), D(100_000), "isolated", collateral=D(10_000_000))
    found = answer(load("hyperliquid"), "0", position)
    exact = Fraction(188_125_000, 1_950)
    quantum = Fraction(found.positions[0].stated["priceQuantum"])
    assert price(found.positions[0]) == exact // quantum * quantum
    assert found.positions[0]["liquidationPrice"].value == "96474.3"


def test_other_positions_maintenance_moves_the_cross_price():
    """freqtrade's Hyperliquid formula leaves the maintenance margin of other positions out.

    BTC 1 at 60,000, wallet 12,000, ETH 10 at 2,000 flat: asked P/80 + 20,000/50. P (1 - 1/80) = 48,000 + 400.
    """
    book = (cross("BTC", 1, 60_000, 60_000), cross("ETH", 10, 2_000, 2_000))
    found = answer(load("hyperliquid"), "12000", *book)
    alone = answer(load("hyperliquid"), "12000", book[0])
    assert found.positions[0]["liquidationPrice"].value == "49012.6"  # 48,400 / 0.9875 = 49,012.658
    assert alone.positions[0]["liquidationPrice"].value == "48607.5"  # 48,000 / 0.9875 = 48,607.594


def test_isolated_maintenance_is_the_markets_own():
    """jesse: 3,000 x (1 - 1/10 + 0.4 %) = 2,712 for every market, and no number at all for cross margin.

    10 ETH at 3,000 with 3,000 posted: 3,000 + 10 P - 30,000 = 10 P / 50, so P = 27,000 / 9.8 = 2,755.10.
    """
    alone = BookPosition("ETH", D(10), D(3_000), D(3_000), "isolated", leverage=D(10), collateral=D(3_000))
    found = answer(load("hyperliquid"), "0", alone)
    assert found.positions[0]["liquidationPrice"].value == "2755.1"
    shared = answer(load("hyperliquid"), "3000", cross("ETH", 10, 3_000, 3_000, leverage=D(10)))
    assert shared.positions[0]["liquidationPrice"].value == "2755.1"


def test_each_market_has_its_own_ladder(brackets):
    """lrvx takes the tier of the sum: two legs of 40,000 at 0.4 % ask 320, not 80,000 x 0.5 % = 400."""
    legs = (cross("SOL", 400, 100, 100), cross("XRP", 400, 100, 100))
    for usdc, liquidatable in (("399", False), ("320", False), ("319.99", True)):
        (part,) = answer(brackets, usdc, *legs).subaccounts
        assert part["maintenanceMargin"].value == "320"
        assert part["liquidatable"].value is liquidatable


@pytest.mark.parametrize(
    ("size", "maintenance"), [("499.99", "199.996"), ("500", "200"), ("500.01", "200.005")]
)
def test_maintenance_is_continuous_at_a_boundary(brackets, size, maintenance):
    """lrvx jumps from 200 to 250 at 50,000; 50,001 x 0.5 % - 50,000 x 0.1 % is 200.005."""
    found = answer(brackets, "1000", cross("SOL", size, 100, 100))
    assert found.positions[0]["maintenanceMargin"].value == maintenance


@pytest.mark.parametrize("leverage", [1, 10, 20])
def test_maintenance_does_not_depend_on_the_leverage_chosen(brackets, leverage):
    """nautilus divides it by the leverage: 1,500 at 1x, 150 at 10x. It is 2.5 % of 60,000 at any leverage."""
    found = answer(brackets, "60000", cross("DOGE", 1, 60_000, 60_000, leverage=D(leverage)))
    assert found.positions[0]["maintenanceMargin"].value == "1500"
    assert found.positions[0]["initialMargin"].value == str(max(60_000 // leverage, 3_000))


def test_free_collateral_is_what_initial_margin_leaves():
    """Lean asks 5 % of everything and counts what maintenance margin leaves as free.

    1 BTC at 60,000 on Hyperliquid with 10,000: initial 60,000/40 = 1,500 leaves 8,500; maintenance is 750, not 3,000.
    """
    (part,) = answer(load("hyperliquid"), "10000", cross("BTC", 1, 60_000, 60_000)).subaccounts
    assert part["maintenanceMargin"].value == "750"
    assert part["freeCollateral"].value == "8500"
