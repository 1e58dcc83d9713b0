"""Perpetual Protocol's two versions and Aave: what their rulebooks answer, and what they refuse with which reason."""

import json

import pytest

from ringfence.books.files import read_accounts
from ringfence.errors import InputError
from ringfence.questions.margin import ask

WETH = {"account": "a", "prices": {"WETH": "1800"}, "positions": []}


def accounts(tmp_path, *books):
    file = tmp_path / "book.json"
    file.write_text(json.dumps(books))
    return read_accounts(file)


def position(mode, **fields):
    held = {"symbol": "ETH", "side": "long", "contracts": "10", "entryPrice": "2000", "marginMode": mode}
    return held | {"markPrice": "2000"} | fields


def figures(tmp_path, venue, book):
    ((answer,),) = ([*found.accounts] for found in ask(accounts(tmp_path, book), venue, {}))
    return answer


@pytest.mark.parametrize(
    ("owed", "status"),
    [
        ("-1494", False),
        ("-1494.000001", True),
    ],  # 83 % of 1,800 is 1,494: a health factor of exactly 1 is safe
)
def test_aave_liquidates_below_a_health_factor_of_one(tmp_path, owed, status):
    book = WETH | {"collateral": {"WETH": "1", "USDC": owed}}
    (subaccount,) = figures(tmp_path, "aave-v3", book).subaccounts
    assert subaccount["liquidatable"].value is status


def test_aave_says_why_it_holds_no_position(tmp_path):
    book = {"account": "a", "collateral": {"USDC": "9000"}, "positions": [position("cross")]}
    with pytest.raises(InputError, match="has no market 'ETH': it lends tokens against collateral"):
        ask(accounts(tmp_path, book), "aave-v3", {})


def test_perp_v1_holds_each_position_alone(tmp_path):
    cross = {"account": "a", "collateral": {"USDC": "9000"}, "positions": [position("cross")]}
    with pytest.raises(InputError, match="cannot be held cross"):
        ask(accounts(tmp_path, cross), "perp-v1", {})
    alone = {"account": "a", "positions": [position("isolated", collateral="3000")]}
    (found,) = figures(tmp_path, "perp-v1", alone).positions
    assert found["initialMargin"].value == "2000"
    assert found["maintenanceMargin"].value == "1250"


def test_perp_v2_judges_all_markets_together(tmp_path):
    btc = position("cross", symbol="BTC", contracts="1", entryPrice="30000", markPrice="30000")
    book = {"account": "a", "collateral": {"USDC": "6000"}, "positions": [position("cross"), btc]}
    (subaccount,) = figures(tmp_path, "perp-v2", book).subaccounts
    assert subaccount["maintenanceMargin"].value == "3125"  # 6.25 % of 50,000
    with pytest.raises(InputError, match="cannot be held isolated"):
        ask(
            accounts(tmp_path, {"account": "a", "positions": [position("isolated", collateral="1")]}),
            "perp-v2",
            {},
        )
