"""Shocks as a command line states them: percentages, grids, betas, and names that a book does not have."""

from fractions import Fraction

import pytest

from ringfence.errors import InputError
from ringfence.questions.stress.shocks import (
    NOW,
    POINTS_MAX,
    check_market,
    check_names,
    map_shocks,
    path,
    percent,
    shocks,
    shown,
    wanted,
)

F = Fraction
BOOK = ["BTC", "ETH", "SOL"]


def factors(shock, *markets):
    return [shock.factor(market) for market in markets]


@pytest.mark.parametrize(
    ("text", "share"),
    [("-20%", F(-1, 5)), ("+5 %", F(1, 20)), ("0.25%", F(1, 400)), (" 1e1% ", F(1, 10)), ("0%", F(0))],
)
def test_percentages_are_exact(text, share):
    assert percent(text, "--move") == share


@pytest.mark.parametrize("text", ["-20", "20pct", "%", "x%", "--5%", "5%%", "", "nan%", "1 2%"])
def test_what_is_no_percentage_is_named(text):
    with pytest.raises(InputError, match=r"^--move BTC"):
        percent(text, f"--move BTC={text}")


def test_one_market_and_all_others():
    (shock,) = shocks(wanted(["BTC=-20%", "-10%"]))
    assert factors(shock, "BTC", "BTC-PERP", "btc/usdc:usdc", "ETH") == [F(4, 5), F(4, 5), F(4, 5), F(9, 10)]
    assert shock.label == "BTC -20%, all -10%"


def test_without_anything_all_markets_move_from_minus_to_plus_half():
    found = shocks(wanted())
    assert [shock.label for shock in found] == [
        *("-50%", "-40%", "-30%", "-20%", "-10%", "0%"),
        *("+10%", "+20%", "+30%", "+40%", "+50%"),
    ]
    assert factors(found[0], "BTC", "ANYTHING") == [F(1, 2), F(1, 2)]
    assert found[5].factor("BTC") == 1


def test_a_grid_of_one_market_holds_the_moves_of_others():
    found = shocks(wanted(["ETH=-30%"], "BTC=-10%:10%:10%"))
    assert [factors(shock, "BTC", "ETH", "SOL") for shock in found] == [
        [F(9, 10), F(7, 10), 1],
        [1, F(7, 10), 1],
        [F(11, 10), F(7, 10), 1],
    ]
    assert [shock.label for shock in found] == ["BTC -10%", "BTC 0%", "BTC +10%"]


def test_a_grid_ends_at_the_last_step_that_fits():
    assert [shock.label for shock in shocks(wanted(grid="0%:10%:4%"))] == ["0%", "+4%", "+8%"]


@pytest.mark.parametrize(
    ("grid", "sentence"),
    [
        ("-50%:50%", "expected FROM:TO:STEP"),
        ("=1%:2%:1%", "expected FROM:TO:STEP"),
        ("50%:-50%:5%", "a rising grid"),
        ("-50%:50%:0%", "a rising grid"),
        ("-50%:50%:-5%", "a rising grid"),
        ("-100%:50%:5%", "no move of a price"),
        ("-50:50:5", "expected a percentage"),
        (f"0%:{POINTS_MAX}%:1%", f"expected at most {POINTS_MAX}"),
    ],
)
def test_grids_that_cannot_be_used(grid, sentence):
    with pytest.raises(InputError, match=sentence):
        wanted(grid=grid)


def test_betas_follow_the_one_market_that_moves():
    (shock,) = shocks(wanted(["BTC=-20%"], betas=["ETH=1.5", "1.2"]))
    assert factors(shock, "BTC", "ETH", "SOL") == [F(4, 5), F(7, 10), F(19, 25)]


def test_betas_follow_a_grid_and_a_named_lead():
    found = shocks(wanted(grid="BTC=-10%:10%:20%", betas=["ETH=-0.5"]))
    assert [factors(shock, "ETH", "SOL") for shock in found] == [[F(21, 20), 1], [F(19, 20), 1]]
    (shock,) = shocks(wanted(["BTC=-20%", "SOL=-50%"], betas=["ETH=2"], lead="BTC"))
    assert factors(shock, "BTC", "ETH", "SOL") == [F(4, 5), F(3, 5), F(1, 2)]


def test_betas_follow_a_path():
    points = [("first", {"BTC": F(1), "ETH": F(1)}), ("second", {"BTC": F(9, 10), "ETH": F(4, 5)})]
    first, second = path(wanted(betas=["2"]), points, "BTC")
    assert factors(first, "BTC", "ETH", "SOL") == [1, 1, 1]
    assert factors(second, "BTC", "ETH", "SOL") == [F(9, 10), F(4, 5), F(4, 5)]
    (_, alone) = path(wanted(), points, "BTC")
    assert alone.factor("SOL") == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"betas": ["1.2"]}, "which market do the others follow"),
        ({"moves": ["-20%"], "betas": ["ETH=2"]}, "which market do the others follow"),
        ({"moves": ["BTC=-20%", "SOL=1%"], "betas": ["ETH=2"]}, "which market do the others follow"),
        ({"moves": ["BTC=-20%"], "betas": ["ETH=2"], "lead": "SOL"}, "no move to follow"),
        ({"moves": ["BTC=-20%"], "lead": "BTC"}, "nothing follows it"),
        ({"moves": ["BTC=-20%"], "betas": ["BTC-PERP=2"]}, "both given for BTC-PERP"),
        ({"moves": ["BTC=-20%"], "betas": ["ETH=5"]}, r"ETH=5 at BTC -20%: -100% is no move"),
    ],
)
def test_betas_that_cannot_be_followed(options, sentence):
    with pytest.raises(InputError, match=sentence):
        shocks(wanted(**options))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"moves": ["BTC=-20%", "BTC-PERP=-30%"]}, "the same as BTC=-20%"),
        ({"moves": ["-20%", "-30%"]}, "the same as -20%"),
        ({"moves": ["=-20%"]}, "expected a name"),
        ({"moves": ["BTC=-100%"]}, "no move of a price"),
        ({"moves": ["BTC=10001%"]}, "at most 10000%"),
        ({"moves": ["-20%"], "grid": "-5%:5%:1%"}, "both move all markets"),
        ({"funding": ["BTC=101%"]}, "from -100% to 100%"),
        ({"depegs": ["-5%"]}, "name the asset"),
        ({"depegs": ["usdc=-5%"]}, "what all prices are in"),
        ({"betas": ["ETH=much"]}, "expected a decimal number"),
    ],
)
def test_options_that_cannot_be_used(options, sentence):
    with pytest.raises(InputError, match=sentence):
        wanted(**options)


def test_funding_and_depegs_alone_leave_prices_where_they_are():
    (shock,) = shocks(wanted(funding=["BTC=0.5%", "-0.1%"], depegs=["USDT=-5%"]))
    assert (shock.rate("BTC"), shock.rate("ETH"), shock.peg("USDT"), shock.peg("ETH")) == (
        F(1, 200),
        F(-1, 1000),
        F(19, 20),
        1,
    )
    assert shock.factor("BTC") == 1
    assert not shock.is_now
    assert NOW.is_now


def test_funding_goes_with_every_point_of_a_grid():
    assert {shock.rate("BTC") for shock in shocks(wanted(grid="-5%:5%:5%", funding=["1%"]))} == {F(1, 100)}


def test_a_map_moves_one_market_and_leaves_the_mark_out():
    found = map_shocks(wanted(grid="-10%:10%:5%"), "BTC/USDC:USDC")
    assert [shock.label for shock in found] == ["-10%", "-5%", "+5%", "+10%"]
    assert factors(found[0], "BTC", "ETH") == [F(9, 10), 1]


def test_names_that_nobody_holds_say_what_there_is():
    with pytest.raises(
        InputError, match=r"--move BTCC: no account has a position in BTCC; did you mean BTC\?"
    ):
        check_names(wanted(["BTCC=-5%"]), BOOK, [])
    with pytest.raises(InputError, match=r"--funding XYZ: .*; there are BTC, ETH, SOL$"):
        check_names(wanted(funding=["XYZ=1%"]), BOOK, [])
    with pytest.raises(InputError, match=r"--depeg USDT: no account has collateral in USDT; there is none"):
        check_names(wanted(depegs=["USDT=-5%"]), BOOK, [])
    with pytest.raises(InputError, match=r"there are M0, .*M11 and 3 more"):
        check_market("--map", "zzz", [f"M{at}" for at in range(15)])
    assert check_market("--map", "eth-perp", BOOK) == "ETH"


@pytest.mark.parametrize(("share", "text"), [(F(-1, 5), "-20%"), (F(1, 3), "+33.3333%"), (F(0), "0%")])
def test_shares_are_shown_with_their_sign(share, text):
    assert shown(share) == text
