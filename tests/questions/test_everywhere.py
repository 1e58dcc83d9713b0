"""The same book at every venue: one answer per mode, and a precise reason where there is none."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest

from questions.desk import account, cross, isolated
from ringfence.books import Account, BookPosition
from ringfence.errors import InputError
from ringfence.questions.everywhere import AS_HELD, COLUMNS, PARALLEL_FROM, held, standing, survey, table_rows
from ringfence.questions.everywhere_tables import show
from ringfence.questions.listings import COLLATERAL, INPUT, MARKET, POOLS, POSITIONS, UNKNOWN
from ringfence.questions.margin import margin
from ringfence.venues.overrides import load_spec
from ringfence.venues.rulebook import list_rulebooks, load

D = Decimal


def rows(answers, venue):
    (answer,) = (answer for answer in answers if answer.venue == venue)
    return {row.arrangement: row.summary for row in answer.rows}


def refusal(answers, venue):
    (answer,) = (answer for answer in answers if answer.venue == venue)
    (found,) = answer.refused
    return found


BELOW = "2513.99999999"
"""The first price step below 2,514: gmx-v2 does not liquidate at equality."""

BTC = cross("BTC", "1", "60000", "60000")
PAIR = account(BTC, cross("ETH", "-10", "3000", "3000"))


def test_a_venue_answers_once_for_each_of_its_modes():
    answers = survey([PAIR], {})
    assert {answer.venue for answer in answers} == {info.venue for info in list_rulebooks()}
    assert list(rows(answers, "hyperliquid")) == ["cross", "isolated"]
    assert list(rows(answers, "generic")) == ["cross", "isolated"]


def test_a_cross_book_is_answered_on_a_venue_that_has_isolated_margin_alone():
    alone = load_spec("generic{modes.cross.shared=false}")
    found, refused = held(PAIR, alone, {}, ["cross", "isolated"])
    ((name, built),) = found
    assert (name, built.mode, refused) == ("isolated", "cross", ())
    assert [part.subaccount for part in built.parts if part.held] == ["desk/BTC", "desk/ETH"]
    shares = [built.venue.subaccounts[f"desk/{symbol}"].quote_q for symbol in ("BTC", "ETH")]
    # 10000 split 2 : 1, less what the positions cost
    assert shares == [6_666_666_666 - 60_000_000_000, 3_333_333_333 + 30_000_000_000]


def test_the_figures_are_those_of_margin():
    summary = rows(survey([PAIR], {}), "hyperliquid")["cross"]
    (result,) = margin([PAIR], load("hyperliquid"))
    (part,) = result.subaccounts
    told = summary.to_json()
    for name in ("equity", "initialMargin", "maintenanceMargin", "liquidatable", "uniformMoveToLiquidation"):
        assert told[name] == part[name].value
    assert told["liquidationPrices"] == {p.symbol: p["liquidationPrice"].value for p in part.positions}
    # 90000 of notional over 60000 / 40 + 30000 / 25
    assert told["maxLeverage"] == "33.33"


def test_sums_and_the_nearest_liquidation_run_over_all_subaccounts():
    safe, close = (
        isolated("BTC", "1", "60000", "60000", "30000"),
        isolated("ETH", "10", "3000", "3000", "1000"),
    )
    summary = rows(survey([account(safe, close, usdc="5")], {}), "generic")["isolated"]
    told = summary.to_json()
    assert (told["equity"], told["maintenanceMargin"]) == ("31005", "900")
    # ETH: 1000 + 30000 x = 1 % x 30000 x (1 + x)
    assert told["uniformMoveToLiquidation"] == "-2.357"
    assert told["liquidationPrices"]["ETH"] == "2929.29292929"


def test_chosen_leverage_raises_initial_margin_and_not_what_is_possible():
    chosen = account(cross("BTC", "1", "60000", "60000", leverage=D(5)))
    told = rows(survey([chosen], {}), "hyperliquid")["cross"].to_json()
    assert (told["initialMargin"], told["maxLeverage"]) == ("12000", "40")


def test_a_mixed_book_is_also_answered_as_it_is_held():
    mixed = account(BTC, cross("ETH", "-10", "3000", "3000"), isolated("SOL", "1", "150", "150", "50"))
    found = rows(survey([mixed], {}), "hyperliquid")
    assert list(found) == ["cross", "isolated", AS_HELD]
    assert [line.subaccount for line in found[AS_HELD].prices] == ["desk", "desk", "desk/SOL"]
    lone = account(BTC, isolated("SOL", "1", "150", "150", "50"))
    assert list(rows(survey([lone], {}), "hyperliquid")) == ["cross", "isolated"]


def test_one_arrangement_may_be_asked_for():
    answers = survey([PAIR], {}, "isolated")
    assert list(rows(answers, "hyperliquid")) == ["isolated"]


def test_reasons_are_precise():
    odd = account(BTC, cross("NOSUCHCOIN", "1", "1", "1"), cross("NORTHIS", "1", "1", "1"))
    found = refusal(survey([odd], {}), "hyperliquid")
    assert (found.kind, found.subjects, found.mode) == (MARKET, ("NOSUCHCOIN", "NORTHIS"), "")
    assert found.short == "market not listed: NOSUCHCOIN, NORTHIS"
    assert "has no market 'NOSUCHCOIN'" in found.sentence
    mixed = account(BTC, assets={"ETH": D(1)}, prices={"ETH": D(1)})
    answers = survey([mixed], {})
    assert (refusal(answers, "hyperliquid").kind, refusal(answers, "hyperliquid").subjects) == (
        COLLATERAL,
        ("ETH",),
    )
    assert not [each for answer in answers if answer.venue == "generic" for each in answer.refused]


def test_a_mode_may_be_refused_alone():
    """Markets of two builders' pools share no cross subaccount; each alone they stand."""
    pools = account(cross("BTC", "1", "60000", "60000"), cross("xyz:TSLA", "1", "300", "300"))
    answers = survey([pools], {})
    assert list(rows(answers, "hyperliquid")) == ["isolated"]
    found = refusal(answers, "hyperliquid")
    assert (found.mode, found.kind, found.subjects) == ("cross", POOLS, ("BTC", "xyz:TSLA"))
    (answer,) = (each for each in answers if each.venue == "hyperliquid")
    told = {entry["mode"]: entry for entry in answer.to_json()}
    assert (len(told["isolated"]["accounts"]), told["isolated"]["refused"]) == (1, [])
    assert (told["cross"]["accounts"], told["cross"]["refused"][0]["kind"]) == ([], POOLS)


def test_an_unknown_rule_is_a_reason():
    found, (refused,) = held(account(cross("ETH", "1", "1", "1")), load("vertex"), {}, ["cross"])
    assert (found, refused.kind) == ([], UNKNOWN)


def test_collateral_that_a_set_rule_nets_needs_no_position_beside_it():
    """A spot holding alone: the rule looks at the market that it moves with."""
    answers = survey([account(assets={"ETH": D(2)}, prices={"ETH": D(3000)})], {})
    assert rows(answers, "derive-pm")["cross"].equity_q == 16_000_000_000


def test_what_a_venue_states_of_unlisted_positions_holds_there_alone():
    partial = account(BTC, venue="hyperliquid", complete=False, maintenance_margin=D(1000))
    answers = survey([partial], {})
    assert list(rows(answers, "hyperliquid")) == ["cross"]
    assert rows(answers, "hyperliquid")["cross"].initial_q is None
    assert rows(answers, "hyperliquid")["cross"].max_leverage is None
    assert refusal(answers, "generic").kind == POSITIONS


def test_what_the_file_lacks_is_a_reason_everywhere():
    bare = account(BookPosition("BTC", D(1), D(1), None, "cross"))
    with pytest.raises(InputError, match=r"no venue can hold this: .*markPrice: missing"):
        survey([bare], {})
    answers = survey([bare, account(BTC, name="other")], {})
    assert refusal(answers, "generic").kind == INPUT


def test_unknown_collateral_leaves_margin_known():
    bare = Account("bare", None, (BTC,))
    told = rows(survey([bare], {}), "generic")["isolated"].to_json()
    assert (told["initialMargin"], told["equity"], told["liquidatable"]) == ("1200", None, None)
    assert told["liquidationPrices"] == {"BTC": None}
    assert told["uniformMoveToLiquidation"] is None


def test_an_account_without_positions_is_held_wherever_its_collateral_is():
    empty = account()
    answers = survey([empty], {})
    assert rows(answers, "generic")["cross"].to_json()["liquidationPrices"] == {}


def test_prices_of_the_question_hold_everywhere():
    told = rows(survey([account(BTC)], {"BTC": D(50000)}), "generic")["cross"].to_json()
    assert (told["equity"], told["liquidatable"]) == ("0", True)
    with pytest.raises(InputError, match="no account holds XRP"):
        survey([account(BTC)], {"XRP": D(1)})


def test_several_processes_say_the_same():
    book = [account(BTC, usdc=str(1000 + 10 * at), name=f"a{at}") for at in range(PARALLEL_FROM)]
    alone, together = (survey(book, {}, workers=workers, search=False) for workers in (1, 2))
    assert alone == together
    (generic,) = (answer for answer in alone if answer.venue == "generic")
    assert [row.summary.account for row in generic.rows] == [f"a{at // 2}" for at in range(2 * len(book))]


def test_progress_is_told():
    told = []
    survey([PAIR], {}, report=lambda *heard: told.append(heard))
    assert told == [(0, 1, "accounts"), (1, 1, "accounts")]


def test_json_of_an_answer():
    answers = survey([PAIR], {}, detail=True)
    (answer,) = (answer for answer in answers if answer.venue == "generic")
    cross_json, isolated_json = json.loads(json.dumps(answer.to_json()))
    assert (cross_json["mode"], isolated_json["mode"]) == ("cross", "isolated")
    (told,) = cross_json["accounts"]
    assert told["account"] == "desk"
    assert told["equity"] == told["subaccounts"][0]["equity"] == "10000"
    assert "explanations" not in told["subaccounts"][0]
    assert cross_json["then"] == "closed whole"
    explained = survey([PAIR], {}, explain=True)
    (answer,) = (answer for answer in explained if answer.venue == "generic")
    assert "explanations" in answer.to_json()[0]["accounts"][0]["subaccounts"][0]


def test_without_a_search_the_rest_is_the_same():
    quick = rows(survey([PAIR], {}, search=False), "generic")["cross"]
    whole = rows(survey([PAIR], {}), "generic")["cross"]
    assert (quick.prices, quick.move_ppm) == ((), None)
    assert (quick.equity_q, quick.maintenance_q, quick.liquidatable) == (
        whole.equity_q,
        whole.maintenance_q,
        whole.liquidatable,
    )


def test_rows_of_a_file():
    mixed = account(BTC, assets={"ETH": D(1)}, prices={"ETH": D(2000)})
    found = [dict(zip(COLUMNS, row, strict=True)) for row in table_rows(survey([mixed], {}))]
    (refused,) = (row for row in found if row["venue"] == "hyperliquid")
    assert (refused["refused"], refused["equity"], refused["mode"]) == (
        "collateral not accepted: ETH",
        None,
        None,
    )
    row = next(row for row in found if row["venue"] == "generic")
    assert (row["mode"], row["equity"], row["liquidatable"], row["refused"]) == (
        "cross",
        "11800",
        False,
        None,
    )
    assert row["liquidationPrices"].startswith("BTC 4868")


def test_one_venue_as_the_same_rows():
    answer = standing([PAIR], load("hyperliquid"), {})
    (row,) = answer.rows
    assert (row.arrangement, answer.venue) == (AS_HELD, "hyperliquid")
    assert row.summary.prices == rows(survey([PAIR], {}), "hyperliquid")["cross"].prices
    with pytest.raises(InputError, match="has no market"):
        standing([account(cross("NOSUCHCOIN", "1", "1", "1"))], load("hyperliquid"), {})


def test_an_isolated_position_is_backed_by_its_share_of_every_asset():
    """WETH moves with ETH: (30000 x 1.0056) / (10 + 2) = 2514 with gmx-v2's margin of 0.56 % of cost."""
    coins = account(
        cross("ETH", "10", "3000", "3000"), usdc="0", assets={"WETH": D(2)}, prices={"WETH": D(3000)}
    )
    summary = rows(survey([coins], {}), "gmx-v2")["isolated"]
    assert (summary.equity_q, summary.liquidatable, summary.prices[0].price) == (6_000_000_000, False, BELOW)


def test_collateral_of_a_position_may_be_an_asset():
    own = isolated("ETH", "10", "3000", "3000", "0", assets={"WETH": D(2)})
    (result,) = margin([account(own, usdc="0", prices={"WETH": D(3000)})], load("gmx-v2"))
    alone = next(part for part in result.subaccounts if part.mode == "isolated")
    assert (alone["equity"].value, alone.collateral) == ("6000", {"USDC": "0", "WETH": "2"})
    assert alone.positions[0]["liquidationPrice"].value == BELOW


def test_nobody_is_liquidatable_for_want_of_a_price():
    """The venue takes ETH and nobody says what it is worth: unknown, not liquidatable."""
    unpriced = account(cross("BTC", "1", "60000", "60000"), usdc="0", assets={"ETH": D(9)})
    for summary in rows(survey([unpriced], {}), "generic").values():
        assert (summary.liquidatable, summary.move_ppm) == (None, None)


@pytest.mark.parametrize("venue", ["gmx-v2", "perp-v2", "drift-v2"])
def test_profit_does_not_change_the_largest_leverage(venue):
    """These venues leave profit out of initial margin; the largest leverage is that of opening at the mark."""
    found = [
        rows(survey([account(cross("ETH", "10", entry, "3000"), usdc="20000")], {}), venue)
        for entry in ("2000", "3000")
    ]
    for name, winning in found[0].items():
        fresh = found[1][name]
        assert winning.max_leverage == fresh.max_leverage == Fraction(30_000_000_000, fresh.initial_q)
        assert winning.initial_q > fresh.initial_q


@pytest.mark.parametrize("venue", ["gmx-v2", "perp-v2", "drift-v2"])
def test_profit_that_does_not_count_is_explained(venue):
    wanted = None if venue != "gmx-v2" else "isolated"
    (result,) = margin([account(cross("ETH", "10", "2000", "3000"))], load(venue), {}, wanted)
    part = next(part for part in result.subaccounts if part.positions)
    text = "\n".join(part["initialMargin"].explain().lines())
    assert "uncounted_profit_q: " in text or "profit that does not count: 10000" in text


def test_a_market_held_twice_is_also_answered_as_it_is_held():
    twice = account(cross("ETH", "10", "3000", "3000"), isolated("ETH", "-4", "3000", "3000", "1000"))
    found = rows(survey([twice], {}), "hyperliquid")
    assert list(found) == ["cross", "isolated", AS_HELD]
    assert [line.subaccount for line in found[AS_HELD].prices] == ["desk", "desk/ETH"]
    alone = rows(survey([twice], {}), "gmx-v2")["isolated"]
    assert [line.subaccount for line in alone.prices] == ["desk/ETH long", "desk/ETH short"]


def test_the_reason_is_what_is_in_the_way():
    coins = account(BTC, assets={"ETH": D(1)}, prices={"ETH": D(3000)})
    assert refusal(survey([coins], {}), "gmx-v2").short == "collateral not accepted: ETH"


def test_what_no_venue_knows_is_said_of_all():
    with pytest.raises(InputError, match=r"collateral\.FOO: no venue takes FOO as collateral"):
        survey([account(BTC, assets={"FOO": D(3)})], {})


def test_liquidatable_is_never_broken(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    book = [account(cross("ETH", "10", "3000.123456", "3000.123456"), usdc="10")]
    show(survey(book, {}), book)
    assert "LIQUIDATABLE" in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "60")
    show(survey(book, {}), book)
    assert "LIQUIDATABLE" in capsys.readouterr().out
