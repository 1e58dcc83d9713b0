"""A scanned table is the book that the reader reads: the same subaccounts, sums, names and complaints."""

import csv
from decimal import Decimal
from random import Random

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from questions.both_ways import answers, same_answers, survey
from questions.both_ways import scans_all as _scans_all  # noqa: F401 - a fixture
from ringfence.errors import InputError
from ringfence.kernel.columns import WIDTHS
from ringfence.questions.spread import silent
from ringfence.questions.stress import book, scan
from ringfence.questions.stress.book import Setting, open_book
from ringfence.questions.stress.cells import UNSTATED
from ringfence.questions.stress.columns import Columned
from ringfence.questions.stress.load import load as into_columns
from ringfence.questions.stress.reference import Bench
from ringfence.questions.stress.scan import COLLATERAL, plain_table
from ringfence.questions.stress.shocks import NOW
from ringfence.venues.rulebook import list_rulebooks, load

VENUES = tuple(sorted({info.venue for info in list_rulebooks()}))
MARKS = {"BTC": "61000", "ETH": "2950.5", "SOL": "148", "DOGE": "0.2", "EIGEN": "1"}
SETS = ("aevo", "derive", "derive-pm", "derive-pm2", "perp-v2", "vertex")
"""Venues that margin positions together."""

COLUMNS = (
    *("account", COLLATERAL, "symbol", "side", "contracts"),
    *("entryPrice", "markPrice", "marginMode", "leverage", "collateral"),
)

EFFORT = settings.default.max_examples // 100
"""How many times the usual examples the profile asks for."""

EXTREMES = (
    "3",
    "0.00000001",
    "1e-3",
    "987654321987654321",
    "0.000000000000000001",
    "+07.50000000000000000000000",
)

numbers = st.decimals("0.0001", "5000", places=4).map(str)


@st.composite
def rows(draw):
    """Rows of a book, now and then one that only the reader understands or refuses."""
    found = []
    for owner in range(draw(st.integers(1, 8))):
        name = draw(
            st.sampled_from((f"a{owner}", f"0x{owner:040x}", f"name {owner}", f" é{owner} ", f"#{owner}"))
        )
        held = draw(st.lists(st.sampled_from(sorted(MARKS)), max_size=4, unique=draw(st.integers(0, 7)) > 0))
        cash = draw(st.sampled_from(("", "0", "-5.5", "1e3", "0.1234567")) | numbers)
        if cash or not held:
            found.append({"account": name, COLLATERAL: cash or "1"})
        for symbol in held:
            isolated = draw(st.booleans())
            found.append(
                {
                    "account": name,
                    "symbol": draw(st.sampled_from((symbol, f"{symbol}/USDC:USDC"))),
                    "side": draw(st.sampled_from(("long", "short", "SHORT"))),
                    "contracts": draw(numbers | st.sampled_from(EXTREMES)),
                    "entryPrice": draw(numbers),
                    "markPrice": draw(st.sampled_from((MARKS[symbol],) * 9 + ("7.25",))),
                    "marginMode": "isolated" if isolated else draw(st.sampled_from(("cross", "Cross"))),
                    "leverage": draw(st.sampled_from(("", "3", "100"))),
                    "collateral": draw(numbers) if isolated else "",
                }
            )
    return draw(st.permutations(found)) if draw(st.booleans()) else found


def write(folder, listed, kind):
    """The rows as a CSV file, or as Parquet with all columns texts or sizes of a type of their own."""
    path = folder / "book.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(listed)
    if kind == "csv":
        return path
    target = folder / "book.parquet"
    with duckdb.connect() as connection:
        given = f"read_csv('{path}', all_varchar = true, header = true, nullstr = '')"
        if kind != "text":
            price = "DOUBLE" if kind == "DOUBLE" else "DECIMAL(12, 4)"
            typed = (("contracts", "left(contracts, 9)", kind), ("leverage", "leverage", "INTEGER"))
            typed += (("markPrice", "markPrice", price), ("entryPrice", "entryPrice", price))
            numbers = ", ".join(f'TRY_CAST({cell} AS {kind}) AS "{name}"' for name, cell, kind in typed)
            given = f"(SELECT * REPLACE ({numbers}) FROM {given})"
        connection.execute(f"COPY (SELECT * FROM {given}) TO '{target}' (FORMAT parquet)")
    return target


@settings(
    max_examples=25 * EFFORT,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.fuzz
@given(
    rows(),
    st.sampled_from(VENUES + 4 * (*SETS, "gmx-v2")),
    st.sampled_from(("csv", "text", "DECIMAL(18, 8)", "DECIMAL(38, 18)", "DOUBLE")),
)
def test_a_scanned_book_is_the_book_that_is_read(tmp_path, listed, venue, kind):
    same_answers(*answers(write(tmp_path, listed, kind), venue))


@pytest.mark.parametrize("venue", VENUES)
def test_a_book_of_any_rulebook_is_the_book_that_is_read(tmp_path, venue):
    dice, listed = Random(venue), []
    symbols = {**dict.fromkeys(sorted(load(venue).symbols)[:6], "148"), **MARKS}
    for owner in range(60):
        cash = f"{10 ** dice.uniform(1, 5):.{dice.choice([0, 2, 6])}f}"
        for symbol in dice.sample(sorted(symbols), dice.randint(1, 4)):
            contracts = f"{10 ** dice.uniform(2, 5) / float(symbols[symbol]):.{dice.choice([3, 6])}f}"
            numbers = {"entryPrice": symbols[symbol], "markPrice": symbols[symbol], COLLATERAL: cash}
            side = dice.choice(("long", "short"))
            listed.append(leg(f"a{owner}", symbol, str(Decimal(contracts) + 1), side=side, **numbers))
    same_answers(*answers(write(tmp_path, listed, "csv"), venue))


@pytest.mark.parametrize("venue", SETS)
def test_positions_that_are_margined_together_go_into_columns(tmp_path, venue):
    listed = [
        leg(f"a{owner}", symbol, str(contracts), side=side, markPrice=MARKS[symbol])
        for owner in range(5)
        for symbol, contracts, side in (("BTC", owner + 1, "long"), ("ETH", 20 - 3 * owner, "short"))
        if symbol in load(venue).symbols
    ]
    book, left = scanned_of(tmp_path, listed, venue)
    assert left == []
    assert book.columns.netted
    assert len(book.columns) == 5


def test_positions_against_pools_go_into_columns(tmp_path):
    """A file says nothing of what pools hold and owe, so all profits are paid, on both ways."""
    listed = [
        leg(f"a{owner}", symbol, str(contracts), markPrice="70000", marginMode="isolated", collateral="900")
        for owner in range(5)
        for symbol, contracts in (("BTC", owner + 1), ("ETH", 1))
    ]
    book, left = scanned_of(tmp_path, listed, "gmx-v2")
    assert (left, len(book.columns), book.columns.netted) == ([], 5 + 10, True)  # cash, and each position
    same_answers(*answers(write(tmp_path, listed, "csv"), "gmx-v2"))


def test_a_size_that_cannot_be_read_on_the_finest_grid_is_left_to_the_reader(tmp_path):
    # Beside sizes of 18 decimals: no power of ten has as many digits as lie between them and a number unread.
    listed = [leg(f"a{owner}", contracts="0.000000000000000001") for owner in range(5)]
    _, left = scanned_of(tmp_path, [*listed, leg("b", contracts="1e999")], "perp-v1")
    assert "b" in left


# -- what is scanned ---------------------------------------------------------------------------------------------------


def scanned_of(folder, listed, venue="hyperliquid"):
    path = write(folder, listed, "csv")
    scan = plain_table(path).scan()
    book, odd = into_columns(Bench({venue: load(venue)}, venue), scan)
    return book, [name for name, left in zip(scan.names, odd, strict=True) if left]


def leg(account="a", symbol="BTC", contracts="1", **more):
    row = {"account": account, COLLATERAL: "3000", "symbol": symbol, "side": "long", "contracts": contracts}
    return row | {"entryPrice": "60000", "markPrice": "60000", "marginMode": "cross"} | more


def test_balances_are_rounded_once_and_costs_up(tmp_path):
    # 3 lots of 0.3333333 at 1.0000001: 0.99999999999... of cost; each cost is rounded up to atoms, the balance down.
    first = leg(contracts="0.3333333", entryPrice="1.0000001", symbol="ETH", markPrice="3000")
    book, apart = scanned_of(tmp_path, [first, leg(contracts="0.0000001", entryPrice="0.5")])
    assert apart == []
    (block,) = book.columns.blocks
    exact = Decimal("0.3333333") * Decimal("1.0000001"), Decimal("0.0000001") * Decimal("0.5")
    assert sorted(block.cost[0].tolist()) == [1, 333334]
    assert block.cash[0] == (3000 - sum(exact)) * 10**6 // 1
    assert list(book.names) == ["a"]


@pytest.mark.parametrize(
    "marks", [("#1", "#2", "3"), ("#1", "#2"), ("1", "#2", "#3", "#4"), ("'1", "'2", ";3")]
)
def test_no_row_is_taken_for_a_comment(tmp_path, marks):
    book, apart = scanned_of(tmp_path, [leg(name) for name in marks])
    assert (list(book.names), apart) == ([*marks], [])


def test_lines_above_the_header_are_not_skipped(tmp_path):
    path = write(tmp_path, [leg()], "csv")
    path.write_text(f"made by hand\n{path.read_text()}")
    reference, scanned = answers(path, "hyperliquid")
    assert "unknown column" in reference
    assert scanned == reference
    path.write_text(f"\n{write(tmp_path, [leg()], 'csv').read_text()}")
    assert plain_table(path) == "its first line is blank"
    reference, scanned = answers(path, "hyperliquid")
    assert list(survey(scanned)) == list(survey(reference))


def test_subaccounts_are_named_as_ever(tmp_path):
    alone = leg("b", marginMode="isolated", collateral="7") | {COLLATERAL: ""}
    book, apart = scanned_of(tmp_path, [leg("a"), alone, {"account": "c", COLLATERAL: "5"}])
    assert apart == []
    names = sorted(book.columns.name(at) for at in range(len(book.columns)))
    assert names == ["a", "b/BTC", "c"]
    owners = {book.columns.name(at): book.names[book.owner[at]] for at in range(len(book.columns))}
    assert owners == {"a": "a", "b/BTC": "b", "c": "c"}


@pytest.mark.parametrize(
    "odd",
    [
        leg("odd", contracts="1e-25"),
        leg("odd", contracts="0"),
        leg("odd", side="up"),
        leg("odd", markPrice="60001"),
        leg("odd", symbol="NOSUCH"),
        leg("odd", collateral="5"),
        leg("odd", marginMode="portfolio"),
        leg("odd", marginMode=""),
        leg("odd", entryPrice=""),
        leg("odd", leverage="much"),
        leg("odd", leverage=" "),
        leg("odd", leverage="-5"),
        leg("odd", leverage="1e40"),
        leg("odd", collateral=" "),
        leg("odd", contracts="1..5"),
        leg("odd", contracts="."),
        leg("odd", contracts="1 5"),
        leg("o/d"),
        leg("odd", contracts="0.0000000000000000000001"),
        {"account": "odd", COLLATERAL: "1", "side": "long"},
    ],
    ids=lambda row: ",".join(f"{name}={value}" for name, value in row.items() if leg().get(name) != value),
)
def test_what_needs_a_closer_look_is_left_to_the_reader(tmp_path, odd):
    book, apart = scanned_of(tmp_path, [leg("a"), leg("b"), leg("c"), odd])
    assert apart == [odd["account"]]
    assert list(book.names) == ["a", "b", "c"]


def test_who_has_more_positions_than_the_widest_class_is_left_to_the_reader(tmp_path):
    symbols = [name for name in load("hyperliquid").symbols if ":" not in name][: WIDTHS[-1] + 1]
    many = [leg("many", symbol=name, markPrice="1") for name in symbols]
    fewer = [leg("fewer", symbol=name, markPrice="1") for name in symbols[1:]]
    book, apart = scanned_of(tmp_path, [leg("a", symbol=symbols[0], markPrice="1"), *many, *fewer])
    assert (list(book.names), apart) == (["a", "fewer"], ["many"])
    assert [len(block.cash) for block in book.columns.blocks] == [1, 1]


@pytest.mark.parametrize(
    "numbers",
    [
        {"contracts": "123456789012345678"},
        {"contracts": "0.0000000000000000000001"},
        {"contracts": "100000", "entryPrice": "1000000000000"},
        {COLLATERAL: "123456789012345678"},
    ],
    ids=str,
)
def test_one_absurd_number_keeps_nobody_else_out_of_the_columns(tmp_path, numbers):
    book, apart = scanned_of(tmp_path, [leg("a", contracts="1.25"), leg("b"), leg("absurd") | numbers])
    assert (list(book.names), apart) == (["a", "b"], ["absurd"])
    assert book.columns.blocks[0].size.ravel().tolist() == [125_000, 100_000]


def test_rows_of_an_account_need_not_stand_together(tmp_path):
    eth = {"symbol": "ETH", "markPrice": "3000", "entryPrice": "3000"}
    alone = {"marginMode": "isolated", "collateral": "7", COLLATERAL: ""}
    rows = [leg("a", **eth), leg("b"), leg(" a "), leg("b", **eth, **alone), leg("a", symbol="SOL", **alone)]
    book, apart = scanned_of(tmp_path, [*rows, leg("c"), leg("b", **eth)])
    assert apart == ["a"]  # a name with spaces is the reader's
    names = [book.columns.name(at) for at in range(len(book.columns))]
    assert names == ["b/ETH", "c", "b"]
    ones, twos = book.columns.blocks
    assert ones.cash.tolist() == [7_000_000 - 3_000_000_000, 3_000_000_000 - 60_000_000_000]
    assert twos.cost.tolist() == [[60_000_000_000, 3_000_000_000]]


def test_sizes_of_wide_decimals_are_scanned_as_they_are(tmp_path):
    path = write(tmp_path, [leg("a", contracts="1.25"), leg("b", contracts="30")], "DECIMAL(38, 18)")
    scan = plain_table(path).scan()
    contracts = scan.legs.contracts
    assert (contracts.atoms.tolist(), contracts.places.tolist()) == ([125, 30], [2, 0])
    assert not scan.odd.any()


@pytest.mark.parametrize("kind", ["csv", "text", "DECIMAL(18, 8)", "DECIMAL(38, 18)", "DOUBLE"])
def test_numbers_of_any_type_are_the_same_numbers(tmp_path, kind):
    rows = [leg("a", contracts="1.25", markPrice="61000.5"), leg("b", contracts="0.3", leverage="5")]
    rows += [leg("a", "ETH", "7", markPrice="2950"), {"account": "c", COLLATERAL: "5"}]
    path = write(tmp_path, rows, kind)
    scan = plain_table(path).scan()
    contracts, entry = scan.legs.contracts, scan.legs.entry
    assert list(zip(contracts.atoms.tolist(), contracts.places.tolist(), strict=True)) == [
        *((125, 2), (3, 1), (7, 0)),
        (0, UNSTATED),
    ]
    assert entry.atoms.tolist() == [60000, 60000, 60000, 0]
    assert [(each.symbol, each.leverage, Decimal(each.mark or 0)) for each in scan.kinds] == [
        ("BTC", "", Decimal("61000.5")),
        ("BTC", "5", Decimal(60000)),
        ("ETH", "", Decimal(2950)),
        ("", "", Decimal(0)),
    ]
    assert not scan.odd.any()
    same_answers(*answers(path, "hyperliquid"))


def test_a_parquet_file_without_rows(tmp_path):
    reference, scanned = answers(write(tmp_path, [], "text"), "hyperliquid")
    assert scanned == reference
    assert "the table has no rows" in scanned


def test_marks_and_leverages_may_be_floats(tmp_path):
    listed = [
        leg("a", markPrice="60000.1", leverage="2.5"),
        leg("b", markPrice="60000.1"),
        leg("c", markPrice="nan"),
    ]
    text, target = write(tmp_path, listed, "text"), tmp_path / "floats.parquet"
    floats = "markPrice::DOUBLE AS markPrice, leverage::DOUBLE AS leverage"
    duckdb.sql(f"COPY (SELECT * REPLACE ({floats}) FROM '{text}') TO '{target}' (FORMAT parquet)")
    scan = plain_table(target).scan()
    assert [(kind.mark, kind.leverage) for kind in scan.kinds] == [
        ("60000.1", "2.5"),
        ("60000.1", ""),
        ("nan", ""),
    ]
    book, odd = into_columns(Bench({"hyperliquid": load("hyperliquid")}, "hyperliquid"), scan)
    assert odd.tolist() == [False, False, True]
    assert book.venue.markets["BTC"].mark == 600_001  # a decimal place
    with pytest.raises(InputError, match=r"floats.parquet: row 3 markPrice: expected a decimal number"):
        open_book(str(target), (), Setting("hyperliquid", {}, None))


@pytest.mark.parametrize("kind", ["csv", "text"])
def test_more_rows_than_are_numbered_are_refused(tmp_path, monkeypatch, kind):
    path = write(tmp_path, [leg("a"), leg("b"), leg("c")], kind)
    monkeypatch.setattr(scan, "ROWS_MAX", 3)
    assert plain_table(path).scan() is not None
    monkeypatch.setattr(scan, "ROWS_MAX", 2)
    with pytest.raises(InputError, match=r"more than 2 rows; split the book"):
        plain_table(path).scan()


def test_a_market_twice_is_left_to_the_reader(tmp_path):
    book, apart = scanned_of(tmp_path, [leg("a"), leg("b"), leg("b", symbol="BTC-PERP")])
    assert (list(book.names), apart) == (["a"], ["b"])


def test_collateral_that_contradicts_itself_is_left_to_the_reader(tmp_path):
    rows = [leg("a"), leg("b"), leg("b", symbol="ETH", markPrice="3000") | {COLLATERAL: "1"}]
    path = write(tmp_path, rows, "csv")
    with pytest.raises(InputError, match=r"book.csv: row 3 collateral.USDC: 1 here, 3000 in an earlier row"):
        open_book(str(path), (), Setting("hyperliquid", {}, None))


def test_pools_that_may_not_mix_are_left_to_the_reader(tmp_path):
    rows = [leg("a"), leg("b"), leg("b", symbol="xyz:XYZ100", markPrice="60000")]
    symbols = load("hyperliquid").symbols
    assert "xyz:XYZ100" in symbols
    book, apart = scanned_of(tmp_path, rows)
    assert (list(book.names), apart) == (["a"], ["b"])


def test_prices_of_the_question_replace_all_marks(tmp_path):
    path = write(tmp_path, [leg("a"), leg("b", markPrice="1")], "csv")
    setting = Setting("hyperliquid", {"BTC": Decimal(57000)}, None)
    surface, _, _ = open_book(str(path), (), setting)
    assert isinstance(surface, Columned)
    # 0 left of 3000 at 57000, and 712.5 asked, for each of the two.
    tally = surface.survey([NOW], silent).points[0]
    assert (tally.accounts, tally.deficit_q) == (2, 1_425_000_000)
    with pytest.raises(InputError, match="--price XRP: no account holds XRP"):
        open_book(str(path), (), Setting("hyperliquid", {"XRP": Decimal(1)}, None))


@pytest.mark.parametrize("column", ["venue", "maxLeverage", "collateral.ETH", "timestamp"])
def test_a_table_with_other_columns_is_read(tmp_path, column):
    path = tmp_path / "book.csv"
    path.write_text(
        f"account,{COLLATERAL},symbol,side,contracts,entryPrice,markPrice,marginMode,{column}\na,1,BTC,long,1,1,1,cross,\n"
    )
    assert plain_table(path) == f"a plain table has no column '{column}'"


def test_what_is_no_table_is_not_scanned(tmp_path):
    path = tmp_path / "book.csv"
    path.write_bytes(b"\xff\xfe\x00")
    assert plain_table(path) == "its columns cannot be told"
    assert plain_table(tmp_path / "nosuch.csv") == "it cannot be read"
    (tmp_path / "book.json").write_text("[]")
    assert plain_table(tmp_path / "book.json") == "it is neither Parquet nor a .csv file"
    path.write_text("account,symbol\na,BTC\n")
    assert plain_table(path) == "a plain table has the column collateral.USDC"


def test_a_book_too_large_to_be_read_singly_says_why_it_would_have_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "FILE_BYTES_MAX", 10)
    path = write(tmp_path, [leg("a") | {COLLATERAL: ""}], "csv")
    for setting, reason in (
        (Setting("hyperliquid", {}, "cross"), "--collateral and --mode change accounts one by one"),
        (Setting("hyperliquid", {}, None), "columns hold none of its accounts under hyperliquid"),
    ):
        with pytest.raises(
            InputError, match=rf"book.csv: \d+ bytes, expected at most 10 .* one by one: {reason}"
        ):
            open_book(str(path), (), setting)


def test_a_leverage_that_is_no_number_is_named_with_its_row(tmp_path):
    path = write(tmp_path, [leg("a"), leg("b", leverage="much")], "csv")
    with pytest.raises(InputError, match=r"book.csv: row 2 leverage: expected a decimal number"):
        open_book(str(path), (), Setting("hyperliquid", {}, None))
