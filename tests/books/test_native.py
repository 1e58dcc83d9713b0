"""Our own JSON: what is read, what is written back, and what is refused in one line."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.books import Account, BookPosition, account_to_json, read_accounts
from ringfence.errors import InputError

BTC = {
    "symbol": "BTC",
    "side": "long",
    "contracts": "0.5",
    "entryPrice": "60000",
    "markPrice": "61000",
    "marginMode": "cross",
    "leverage": "10",
}
SOL = {
    "symbol": "SOL",
    "side": "short",
    "contracts": "100",
    "entryPrice": "150",
    "markPrice": "148",
    "marginMode": "isolated",
    "collateral": "1500",
}
DESK = {"account": "desk-1", "collateral": {"USDC": "10000", "ETH": "2.5"}, "positions": [BTC, SOL]}


@pytest.fixture
def read(tmp_path):
    """Write a document to a file and read the accounts in it."""

    def write_and_read(document):
        path = tmp_path / "book.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return read_accounts(path)

    return write_and_read


def test_an_account(read):
    (account,) = read(DESK)
    assert account.name == "desk-1"
    assert account.collateral == {"USDC": Decimal(10000), "ETH": Decimal("2.5")}
    btc, sol = account.positions
    assert (btc.symbol, btc.size, btc.mode, btc.leverage, btc.collateral) == (
        "BTC",
        Decimal("0.5"),
        "cross",
        10,
        None,
    )
    assert (sol.size, sol.mode, sol.collateral) == (-100, "isolated", 1500)


@pytest.mark.parametrize("document", [[DESK], {"accounts": [DESK]}], ids=["list", "object"])
def test_a_list_of_accounts(read, document):
    assert read(document) == read(DESK)


def test_accounts_without_a_name_are_numbered(read):
    unnamed = {"collateral": {}, "positions": []}
    assert [account.name for account in read([unnamed, unnamed])] == ["account-1", "account-2"]
    assert [account.name for account in read(unnamed)] == ["book"]


def test_numbers_are_never_floats(read):
    (account,) = read(
        '{"account": "a", "collateral": {"USDC": 0.1000000000000000055511151231257827021181583404541015625},'
        ' "positions": []}'
    )
    assert account.collateral["USDC"] == Decimal("0.1000000000000000055511151231257827021181583404541015625")


def test_contract_size_multiplies(read):
    (account,) = read({**DESK, "positions": [{**BTC, "contracts": "30", "contractSize": "0.001"}]})
    assert account.positions[0].size == Decimal("0.030")


def test_a_symbol_may_stand_once_in_each_mode(read):
    (account,) = read({**DESK, "positions": [BTC, {**BTC, "marginMode": "isolated", "collateral": "1"}]})
    assert len(account.positions) == 2


def position(**changes):
    fields = {**BTC, **changes}
    return {**DESK, "positions": [{name: value for name, value in fields.items() if value is not ...}]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (position(contracts="-1"), "positions[0].contracts: expected a number above 0"),
        (position(contracts="0"), "positions[0].contracts: expected a number above 0"),
        (position(contracts="NaN"), "positions[0].contracts: expected a decimal number"),
        (position(contracts=True), "positions[0].contracts: expected a decimal number"),
        (position(contracts=[1]), "positions[0].contracts: expected a decimal number"),
        (position(contracts=...), "positions[0].contracts: missing"),
        (position(contracts="1e40"), "positions[0].contracts: expected a number between 1e-30 and 1e30"),
        (position(contracts="1" * 61), "positions[0].contracts: expected a decimal number of at most 60"),
        (position(markPrice="0"), "positions[0].markPrice: expected a number above 0"),
        (position(entryPrice=...), "positions[0].entryPrice: missing"),
        (position(side="buy"), "positions[0].side: expected long or short, got 'buy'"),
        (position(side=None), "positions[0].side: expected long or short, got nothing"),
        (position(marginMode=...), "positions[0].marginMode: expected cross or isolated"),
        (position(marginMode="portfolio"), "positions[0].marginMode: expected cross or isolated"),
        (position(marginMode="isolated"), "positions[0].collateral: missing"),
        (position(collateral="5"), "positions[0].collateral: a cross position has none of its own"),
        (position(leverage="-3"), "positions[0].leverage: expected a number above 0"),
        (position(symbol=7), "positions[0].symbol: expected a text"),
        (position(symbol=" "), "positions[0].symbol: expected 1 to 120 printable characters"),
        (position(colateral="5"), "positions[0]: unknown field 'colateral'"),
        ({**DESK, "positions": [BTC, BTC]}, "positions[1].symbol: BTC stands twice as cross"),
        ({**DESK, "positions": [BTC, 5]}, "positions[1]: expected an object, got 5"),
        ({**DESK, "positions": {}}, "positions: expected a list, got an object"),
        ({**DESK, "collateral": {"ETH": "-1"}}, "collateral.ETH: expected an amount of at least 0"),
        ({**DESK, "collateral": ["USDC"]}, "collateral: expected an object, got a list"),
        ({**DESK, "collateral": {"USDC": "ten"}}, "collateral.USDC: expected a decimal number"),
        ({**DESK, "account": "a/b"}, "account: a name may not contain '/'"),
        ({**DESK, "account": "red\x1b[31m"}, "account: expected 1 to 120 printable characters"),
        ({**DESK, "complete": "no"}, "complete: expected true or false"),
        ({**DESK, "prices": {"ETH": "0"}}, "prices.ETH: expected a number above 0"),
        ([DESK, DESK], "[1].account: 'desk-1' stands twice"),
        ({"accounts": [DESK, None]}, "accounts[1]: expected an object, got nothing"),
        ([], "holds no accounts"),
        ({}, "holds no accounts"),
        ("5", "expected an object or a list, got 5"),
        ("null", "expected an object or a list, got nothing"),
        ("{", "not valid JSON"),
        ('{"account": "a", "account": "b"}', "'account' stands twice in one object"),
        ('{"account": NaN}', "NaN is not a number"),
        ('{"account": 1e99999999999999999999}', "'1e99999999999999999999' is beyond all numbers"),
        (
            '{"account": "a", "collateral": {"USDC": 1e999}, "positions": []}',
            "collateral.USDC: expected a decimal",
        ),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_refused(read, tmp_path, document, said):
    with pytest.raises(InputError) as caught:
        read(document)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "book.json"))
    assert said in message
    assert "\n" not in message


numbers = st.decimals(min_value="1e-12", max_value="1e12", allow_nan=False, places=12).filter(bool)


@st.composite
def positions(draw, symbol, mode):
    return BookPosition(
        symbol=symbol,
        size=draw(numbers) * draw(st.sampled_from([1, -1])),
        entry_price=draw(numbers),
        mark_price=draw(st.none() | numbers),
        mode=mode,
        leverage=draw(st.none() | numbers),
        collateral=draw(numbers) if mode == "isolated" else None,
        venue_max_leverage=draw(st.none() | numbers),
        venue_liquidation_price=(shown := draw(st.none() | numbers)),
        states_liquidation_price=shown is not None or draw(st.booleans()),
    )


@st.composite
def accounts(draw):
    keys = draw(
        st.sets(
            st.tuples(
                st.sampled_from(["BTC", "ETH/USDC:USDC", "kPEPE"]), st.sampled_from(["cross", "isolated"])
            )
        )
    )
    return Account(
        name=draw(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=20)),
        collateral=draw(st.none() | st.dictionaries(st.sampled_from(["USDC", "ETH"]), numbers)),
        positions=tuple(draw(positions(symbol, mode)) for symbol, mode in sorted(keys)),
        venue=draw(st.none() | st.just("hyperliquid")),
        prices=draw(st.dictionaries(st.just("ETH"), numbers)),
        maintenance_margin=draw(st.none() | numbers),
        complete=draw(st.booleans()),
        time_ms=draw(st.none() | st.integers(0, 2**45)),
    )


@given(accounts())
def test_what_is_written_reads_back_equal(tmp_path_factory, account):
    path = tmp_path_factory.mktemp("books") / "account.json"
    path.write_text(json.dumps(account_to_json(account)))
    assert read_accounts(path) == [account]


def test_an_isolated_position_may_be_backed_by_assets(read):
    coins = SOL | {"collateral": {"USDC": "10", "WETH": "2"}}
    (account,) = read(DESK | {"positions": [coins]})
    (held,) = account.positions
    assert (held.collateral, held.assets) == (Decimal(10), {"WETH": Decimal(2)})
    assert read(account_to_json(account)) == [account]
    (bare,) = read(DESK | {"positions": [SOL | {"collateral": {"WETH": "2"}}]})
    assert bare.positions[0].collateral == 0
    with pytest.raises(InputError, match=r"positions\[0\].collateral.WETH: expected an amount of at least 0"):
        read(DESK | {"positions": [SOL | {"collateral": {"WETH": "-2"}}]})
    with pytest.raises(InputError, match="a cross position has none of its own"):
        read(DESK | {"positions": [BTC | {"collateral": {"WETH": "2"}}]})
