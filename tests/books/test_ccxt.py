"""Positions as ccxt's fetchPositions returns them."""

import json
from decimal import Decimal

import pytest

from ringfence.books import read_accounts
from ringfence.errors import InputError

LONG = {
    "info": {"entryPx": "ignored"},
    "id": None,
    "symbol": "BTC/USDC:USDC",
    "timestamp": 1700000000000,
    "contracts": 0.5,
    "contractSize": 1,
    "side": "long",
    "entryPrice": 60000,
    "markPrice": 61000.1,
    "notional": 30500.05,
    "leverage": 10,
    "collateral": 3500.05,
    "initialMargin": 3000,
    "unrealizedPnl": 500.05,
    "liquidationPrice": 54321.5,
    "marginMode": "isolated",
    "hedged": False,
    "percentage": 16.67,
}


@pytest.fixture
def read(tmp_path):
    """Write positions to a file and read the account in it."""

    def write_and_read(*positions):
        path = tmp_path / "positions.json"
        path.write_text(json.dumps(positions))
        (account,) = read_accounts(path)
        return account

    return write_and_read


def test_an_isolated_position_loses_the_pnl_that_ccxt_has_in_its_collateral(read):
    account = read(LONG)
    (position,) = account.positions
    assert position.collateral == Decimal(3000)
    assert (position.size, position.mark_price) == (Decimal("0.5"), Decimal("61000.1"))
    assert (position.venue_liquidation_price, position.states_liquidation_price) == (Decimal("54321.5"), True)
    assert account.collateral == {}


def test_collateral_of_cross_positions_is_not_known(read):
    account = read({**LONG, "marginMode": "cross"})
    assert account.collateral is None
    assert account.positions[0].collateral is None


def test_mark_price_from_the_notional(read):
    account = read({**LONG, "markPrice": None})
    assert account.positions[0].mark_price == Decimal("61000.1")


def test_mark_price_from_the_pnl(read):
    short = {**LONG, "markPrice": None, "notional": None, "side": "short", "marginMode": "cross"}
    assert read({**short, "unrealizedPnl": -50.5}).positions[0].mark_price == Decimal(60101)


def test_no_mark_price_at_all(read):
    bare = {**LONG, "markPrice": None, "notional": None, "unrealizedPnl": None, "marginMode": "cross"}
    assert read(bare).positions[0].mark_price is None


def test_flat_positions_are_left_out(read):
    assert len(read(LONG, {**LONG, "symbol": "ETH/USDC:USDC", "contracts": 0, "side": None}).positions) == 1


def test_the_flag_where_there_is_no_margin_mode(read):
    isolated = {**LONG, "marginMode": None, "isolated": True}
    assert read(isolated).positions[0].mode == "isolated"
    assert read({**LONG, "marginMode": None}).positions[0].mode == "cross"


def test_ccxt_positions_inside_an_account_of_ours(tmp_path):
    path = tmp_path / "book.json"
    path.write_text(json.dumps({"account": "a", "collateral": {"USDC": "5"}, "positions": [LONG]}))
    (account,) = read_accounts(path)
    assert account.positions[0].collateral == Decimal(3000)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"contracts": None}, "[0].contracts: missing"),
        ({"contracts": -1}, "[0].contracts: expected a number above 0"),
        ({"side": "flat"}, "[0].side: expected long or short, got 'flat'"),
        ({"collateral": None}, "[0].collateral: missing"),
        ({"entryPrice": "x"}, "[0].entryPrice: expected a decimal number"),
    ],
)
def test_what_is_refused(read, changes, said):
    with pytest.raises(InputError) as caught:
        read({**LONG, **changes})
    assert said in str(caught.value)


def test_recorded_positions(shared):
    """ccxt's floats and the venue's own texts of the same accounts give the same account."""
    recorded = json.loads((shared / "data/ccxt_positions.json").read_text())["vectors"]
    isolated = [case for case in recorded if case["description"] == "isolated short HYPE"]
    ((parsed,),) = (case["parsed"] for case in isolated)
    assert parsed["collateral"] == 18.564417
    (case,) = isolated
    assert case["raw"]["assetPositions"][0]["position"]["marginUsed"] == "18.564417"


def test_the_venues_own_record_is_preferred(read, shared):
    recorded = json.loads((shared / "data/ccxt_positions.json").read_text())["vectors"]
    (case,) = (case for case in recorded if case["description"] == "isolated short HYPE")
    (parsed,) = case["parsed"]
    exact = read({**parsed, "info": case["raw"]["assetPositions"][0]})
    rounded = read(parsed)
    assert exact.venue == "hyperliquid"
    assert rounded.venue is None
    assert exact.positions[0].venue_max_leverage == 10
    assert exact.positions[0].collateral == rounded.positions[0].collateral == Decimal("19.171617")
