"""Options in books: from ccxt's symbols, from fields, and back."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ringfence.books import account_to_json
from ringfence.books.account import checked
from ringfence.books.files import accounts_of
from ringfence.books.options import OptionTerms
from ringfence.books.record import Place
from ringfence.books.table import read as read_table
from ringfence.errors import InputError

D = Decimal
EXPIRY_MS = int(datetime(2027, 3, 26, 8, tzinfo=UTC).timestamp() * 1000)
CALL = {
    "symbol": "ETH/USDC:USDC-270326-3000-C",
    "side": "long",
    "contracts": "2",
    "entryPrice": "400",
    "markPrice": "410",
    "marginMode": "cross",
}


def read(position, **account):
    document = {"account": "a", "collateral": {"USDC": "1"}, "positions": [position], **account}
    return checked(accounts_of(document, Place("book.json"), "a"))[0]


def terms(position):
    (found,) = read(position).positions
    return found.option


def without(*fields, **more):
    return {**{key: value for key, value in CALL.items() if key not in fields}, **more}


def test_a_symbol_of_ccxt_says_it_all():
    assert terms(CALL) == OptionTerms("ETH", "call", D(3000), EXPIRY_MS)
    put = terms(without(symbol="BTC/USD:USDC-261225-62500.5-P"))
    assert (put.underlying, put.kind, put.strike, put.day) == ("BTC", "put", D("62500.5"), "20261225")


def test_fields_say_the_same():
    fields = {"symbol": "ETH", "optionType": "call", "strike": "3000", "expiry": "2027-03-26"}
    assert terms(without(**fields)) == terms(CALL)
    for expiry in (EXPIRY_MS, str(EXPIRY_MS), "2027-03-26T08:00:00+00:00", "2027-03-26T09:00+01:00"):
        assert terms(without(**fields | {"expiry": expiry})).expiry_ms == EXPIRY_MS


def test_volatility_and_the_price_of_the_underlying():
    found = terms(without(impliedVolatility="0.65", underlyingPrice="2950.5"))
    assert (found.volatility, found.underlying_price) == (D("0.65"), D("2950.5"))


def test_an_option_has_the_name_of_a_market():
    assert terms(CALL).name("ETH") == "ETH-20270326-3000-C"
    assert (
        terms(
            without(symbol="ETH/USDC:USDC-270326-1e3-C", optionType="put", strike="1000.50", expiry=1)
        ).name("X")
        == "X-19700101-1000.5-P"
    )


def test_what_is_no_option():
    assert terms(without(symbol="ETH/USDC:USDC")) is None
    assert terms(without(symbol="ETH", strike=None)) is None
    assert terms(without(symbol="xyz:TSLA")) is None


@pytest.mark.parametrize(
    "position", [CALL, without(symbol="ETH", optionType="put", strike="1", expiry="2027-03-26")]
)
def test_writing_and_reading_back(position):
    first = read({**position, "impliedVolatility": "0.5"}, timestamp=7)
    assert accounts_of([account_to_json(first)], Place("x"), "a") == [first]


def test_calls_and_puts_of_one_symbol_stand_beside_each_other():
    fields = {"symbol": "ETH", "strike": "3000", "expiry": "2027-03-26"}
    positions = [without(**fields, optionType=kind) for kind in ("call", "put")]
    document = {"account": "a", "collateral": {"USDC": "1"}, "positions": [*positions, without(symbol="ETH")]}
    (account,) = checked(accounts_of(document, Place("x"), "a"))
    assert [position.option and position.option.kind for position in account.positions] == [
        "call",
        "put",
        None,
    ]
    document["positions"] = [positions[0], positions[0]]
    with pytest.raises(InputError, match="stands twice"):
        checked(accounts_of(document, Place("x"), "a"))


def test_options_in_a_list_of_ccxt_positions():
    (account,) = accounts_of([{**CALL, "info": {}}], Place("x"), "a")
    assert account.positions[0].option.strike == 3000


def test_options_in_a_table(tmp_path):
    path = tmp_path / "book.csv"
    path.write_text(
        "account,collateral.USDC,symbol,side,contracts,entryPrice,markPrice,marginMode,optionType,strike,expiry,"
        "impliedVolatility,timestamp\n"
        "a,10,ETH,long,1,3000,3000,cross,,,,,1795348800000\n"
        "a,,ETH,short,2,400,,cross,call,3200,2027-03-26,0.6,1795348800000\n"
    )
    (account,) = read_table(path, parquet=False)
    perpetual, option = account.positions
    assert (perpetual.option, option.option.strike, option.mark_price) == (None, D(3200), None)
    assert account.time_ms == 1795348800000


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"symbol": "ETH", "strike": "3000"}, "optionType: expected call or put, got nothing"),
        ({"symbol": "ETH", "optionType": "call"}, "strike: missing; expected a decimal number"),
        ({"symbol": "ETH", "optionType": "call", "strike": "0"}, "strike: expected a number above 0"),
        ({"symbol": "ETH", "optionType": "call", "strike": "1"}, "expiry: missing; expected a day"),
        (
            {"symbol": "ETH", "optionType": "both", "strike": "1"},
            "optionType: expected call or put, got 'both'",
        ),
        ({"optionType": "put"}, "optionType: put here, call in the symbol"),
        ({"strike": "3100"}, "strike: 3100 here, 3000 in the symbol"),
        ({"expiry": "2027-03-25"}, "expiry: 2027-03-25 here, 270326 in the symbol"),
        ({"expiry": "soon"}, "expiry: expected a day such as 2027-03-26, got 'soon'"),
        ({"expiry": "1e30"}, "expiry: expected a day such as"),
        ({"expiry": 10**25}, "is no time in milliseconds since 1970"),
        ({"expiry": -5}, "expiry: expected a number above 0"),
        ({"symbol": "ETH/USDC:USDC-271332-3000-C"}, "symbol: 271332 is no day"),
        ({"symbol": "ETH/USDC:USDC-270326-0-C"}, "strike: missing; expected a decimal number"),
        ({"impliedVolatility": "65"}, "impliedVolatility: expected a share per year such as 0.65, got 65"),
        ({"impliedVolatility": "-1"}, "impliedVolatility: expected a number above 0"),
        ({"underlyingPrice": "x"}, "underlyingPrice: expected a decimal number"),
    ],
)
def test_bad_options_are_one_line(more, said):
    with pytest.raises(InputError) as caught:
        read(without(**more))
    assert said in str(caught.value)
    assert str(caught.value).startswith("book.json: positions[0].")
    assert "\n" not in str(caught.value)
