"""Hyperliquid's clearinghouseState: equity comes out as the server states it, to the last digit."""

import json
from decimal import Decimal

import pytest

from ringfence.books import read_accounts
from ringfence.errors import InputError

STATE = {
    "marginSummary": {"accountValue": "1510.5", "totalNtlPos": "2100.0", "totalRawUsd": "0.0"},
    "crossMarginSummary": {"accountValue": "1010.5", "totalNtlPos": "1100.0", "totalRawUsd": "-89.5"},
    "crossMaintenanceMarginUsed": "11.0",
    "time": 1700000000000,
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": "BTC",
                "szi": "0.02",
                "leverage": {"type": "cross", "value": 20},
                "entryPx": "50000.0",
                "positionValue": "1100.0",
                "liquidationPx": None,
                "maxLeverage": 50,
            },
        },
        {
            "type": "oneWay",
            "position": {
                "coin": "ETH",
                "szi": "-0.5",
                "leverage": {"type": "isolated", "value": 10, "rawUsd": "1500.0"},
                "entryPx": "1900.0",
                "positionValue": "1000.0",
                "liquidationPx": "2941.1",
                "maxLeverage": 25,
            },
        },
    ],
}


@pytest.fixture
def read(tmp_path):
    """Write a document to a file and read the accounts in it."""

    def write_and_read(document):
        path = tmp_path / "state.json"
        path.write_text(json.dumps(document))
        return read_accounts(path)

    return write_and_read


def test_a_state(read):
    (account,) = read(STATE)
    btc, eth = account.positions
    assert account.collateral == {"USDC": Decimal("910.5")}, "account value less 0.02 x (55000 - 50000)"
    assert (btc.mark_price, btc.mode, btc.venue_max_leverage) == (Decimal(55000), "cross", 50)
    assert (btc.venue_liquidation_price, btc.states_liquidation_price) == (None, True)
    assert eth.collateral == Decimal(550), "rawUsd + szi x entry = 1500 - 950"
    assert eth.mark_price == Decimal(2000)
    assert (account.venue, account.time_ms, account.complete) == ("hyperliquid", 1700000000000, True)


def test_a_state_inside_a_capture(read):
    assert read({"a": [{"b": STATE}], "c": "x"})[0].name == "a[0].b"


def test_isolated_margin_without_raw_usd(read):
    position = STATE["assetPositions"][1]["position"]
    bare = {**position, "leverage": {"type": "isolated", "value": 10}, "marginUsed": "500.0"}
    (account,) = read(
        {**STATE, "assetPositions": [{"position": bare}], "crossMarginSummary": {"accountValue": "0"}}
    )
    assert account.positions[0].collateral == Decimal(550), "marginUsed less the PnL of -50"


def test_positions_that_are_not_listed_are_noticed(read):
    (account,) = read({**STATE, "assetPositions": STATE["assetPositions"][1:]})
    assert not account.complete
    assert account.maintenance_margin == 11


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"szi": "x"}, "szi: expected a decimal number"),
        ({"szi": None}, "szi: missing"),
        ({"positionValue": "0"}, "positionValue: expected a number above 0"),
        ({"leverage": 5}, "leverage: expected an object, got 5"),
        ({"leverage": {"type": "portfolio"}}, "leverage.type: expected cross or isolated"),
        ({"coin": None}, "coin: expected a text"),
        ({"entryPx": "-1"}, "entryPx: expected a number above 0"),
        ({"positionValue": "1e-29"}, "positionValue: expected the value of 0.02 at a price above 0"),
    ],
)
def test_what_is_refused(read, changes, said):
    position = {**STATE["assetPositions"][0]["position"], **changes}
    with pytest.raises(InputError) as caught:
        read({**STATE, "assetPositions": [{"type": "oneWay", "position": position}]})
    assert f"assetPositions[0].position.{said}" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "accounts", "positions"),
    [
        ("ccxt_positions.json", 4, 6),
        ("hyperliquid_liq_vectors.json", 9, 9),
        ("hyperliquid_sdk_cassettes.json", 1, 12),
        ("hyperliquid-math/fixtures/live/2026-07-19-mainnet-m3.json", 1, 3),
    ],
)
def test_recorded_states(shared, file, accounts, positions):
    found = read_accounts(shared / "data" / file)
    assert (len(found), sum(len(account.positions) for account in found)) == (accounts, positions)
    assert all(position.states_liquidation_price for account in found for position in account.positions)


def test_cash_is_the_servers_raw_usd(shared):
    """Collateral less what the positions cost is exactly what the server calls totalRawUsd."""
    document = json.loads((shared / "data/hyperliquid_sdk_cassettes.json").read_text())
    state = document["cassettes"]["test_get_user_state"][0]["response"]
    (account,) = read_accounts(shared / "data/hyperliquid_sdk_cassettes.json")
    cost = sum(position.size * position.entry_price for position in account.positions)
    assert account.collateral["USDC"] - cost == Decimal(state["crossMarginSummary"]["totalRawUsd"])
