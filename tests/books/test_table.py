"""Accounts in CSV and Parquet tables."""

from decimal import Decimal

import duckdb
import pytest

from ringfence.books import read_accounts
from ringfence.errors import InputError

CSV = """\
account,collateral.USDC,collateral.ETH,symbol,side,contracts,entryPrice,markPrice,marginMode,leverage,collateral
desk-1,10000,2.5,BTC,long,0.5,60000,61000,cross,10,
desk-1,,,SOL,short,100,150,148,isolated,,1500
idle,77,,,,,,,,,
"""


@pytest.fixture
def read(tmp_path):
    """Write text to a CSV file and read the accounts in it."""

    def write_and_read(text):
        path = tmp_path / "book.csv"
        path.write_text(text)
        return read_accounts(path)

    return write_and_read


def test_csv(read):
    desk, idle = read(CSV)
    assert desk.collateral == {"USDC": Decimal(10000), "ETH": Decimal("2.5")}
    assert [(held.symbol, held.size, held.mode, held.collateral) for held in desk.positions] == [
        ("BTC", Decimal("0.5"), "cross", None),
        ("SOL", Decimal(-100), "isolated", Decimal(1500)),
    ]
    assert (idle.name, idle.collateral, idle.positions) == ("idle", {"USDC": Decimal(77)}, ())


def test_parquet_is_the_same(read, tmp_path):
    expected = read(CSV)
    source, target = tmp_path / "book.csv", tmp_path / "book.dat"
    duckdb.execute(f"COPY (SELECT * FROM read_csv('{source}')) TO '{target}' (FORMAT parquet)")
    assert read_accounts(target) == expected


def test_a_table_without_collateral_columns_does_not_say_what_backs_it(read):
    (account,) = read("symbol,side,contracts,entryPrice,marginMode\nBTC,long,1,5,cross\n")
    assert (account.name, account.collateral) == ("book", None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0.5", "half", "row 1 contracts: expected a decimal number"),
        (",SOL,", ",,", "row 2 symbol: missing; the row has collateral, contracts, entryPrice"),
        ("long", "up", "row 1 side: expected long or short, got 'up'"),
        ("148", "0", "row 2 markPrice: expected a number above 0"),
        ("1500", "", "row 2 collateral: missing"),
        ("idle,77", "desk-1,77", "row 3 collateral.USDC: 77 here, 10000 in an earlier row"),
        (
            "SOL,short,100,150,148,isolated,,1500",
            "BTC,long,1,1,1,cross,,",
            "row 2 symbol: BTC stands twice as cross",
        ),
        ("leverage", "levrage", "unknown column 'levrage'; did you mean leverage?"),
        (",side,", ",SIDE,", "unknown column 'SIDE'; did you mean side?"),
        (",symbol,", ",coin,", "unknown column 'coin'"),
        ("idle,77", ",77", "row 3 account: expected a text, got nothing"),
        ("idle,77,,,,,,,,,", "idle,77,,,,,,,,,,,,,", "row 3: 15 cells, expected 11 as in the header"),
    ],
)
def test_what_is_refused(read, tmp_path, old, new, said):
    assert old in CSV
    with pytest.raises(InputError) as caught:
        read(CSV.replace(old, new, 1))
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "book.csv"))
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("symbol,side\n", "the table has no rows"),
        ("account,venue\na,b\n", "no column named symbol"),
        ("symbol,side\n\xff\xfe", "row 1: 1 cells, expected 2"),
        ('symbol,side\n"BTC,long\n', "not a readable CSV table"),
        ("symbol,symbol\n", "column symbol stands twice"),
        ("account;symbol;side\n", "expected commas between the cells"),
        ("PAR1 but not really", "not a readable Parquet table"),
    ],
)
def test_tables_of_nothing(read, text, said):
    with pytest.raises(InputError, match=said):
        read(text)


def test_text_that_is_not_utf_8(tmp_path):
    path = tmp_path / "book.csv"
    path.write_bytes(CSV.encode().replace(b"idle", b"\xff\xfe"))
    with pytest.raises(InputError, match="not a readable CSV table"):
        read_accounts(path)


def test_a_pattern_of_files(tmp_path):
    path = tmp_path / "book[1].parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="rename the file"):
        read_accounts(path)
