"""One book under two sets of rules: numbers worked out by hand, and the same as asking for each account."""

import json
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions.desk import account, cross, isolated
from ringfence.books import Account, BookPosition
from ringfence.errors import InputError
from ringfence.questions.diff import NETTING, PARALLEL_FROM, Diff, Leg, diff
from ringfence.questions.diff_note import note
from ringfence.questions.diff_tables import COLUMNS, table_rows, to_json
from ringfence.questions.margin import margin
from ringfence.questions.measures import MEASURES, condition, measures, plain
from ringfence.questions.rule_changes import rule_changes
from ringfence.venues.overrides import load_spec
from ringfence.venues.rulebook import load

D = Decimal
BEFORE = "hyperliquid"
AFTER = "hyperliquid{BTC.maxLeverage=20}"
"""Maintenance margin of BTC rises from 1.25 % to 2.5 %, initial margin from 2.5 % to 5 %."""


@cache
def rules(spec):
    """The rulebook of a spec, read once."""
    return load_spec(spec)


def btc(usdc, name="desk", **more):
    """Long 1 BTC at 60000: initial margin 1500 and then 3000, maintenance margin 750 and then 1500."""
    return account(cross("BTC", "1", "60000", "60000", **more), usdc=usdc, name=name)


def compared(*accounts, before=BEFORE, after=AFTER, **more):
    return diff(accounts, rules(before), rules(after), more.pop("prices", {}), **more)


def values(found):
    return {name: str(value) for name, value in measures(found).items()}


BOOK = (btc("1000", "goes"), btc("2000", "short"), btc("5000", "safe"), btc("700", "gone already"))


def test_who_becomes_liquidatable_and_whose_free_collateral_runs_out():
    found = compared(*BOOK)
    assert {change.account: change.what for change in found.changes} == {
        "goes": "becomes liquidatable",
        "short": "free collateral runs out",
    }
    (goes, short) = found.changes
    assert (goes.before.maintenance_q, goes.after.maintenance_q) == (750_000_000, 1_500_000_000)
    assert (goes.before.liquidatable, goes.after.liquidatable) == (False, True)
    assert (short.before.free_q, short.after.free_q) == (500_000_000, -1_000_000_000)


def test_measures():
    told = values(compared(*BOOK))
    assert told["liquidatable"] == "1"
    assert (told["liquidatableBefore"], told["liquidatableAfter"]) == ("1", "2")
    assert D(told["liquidatableNotional"]) == 60000
    assert D(told["liquidatableEquity"]) == 1000
    assert (told["short"], told["saved"], told["relieved"]) == ("1", "0", "0")
    assert (D(told["initialMargin"]), D(told["initialMarginPercent"])) == (6000, 100)
    assert (D(told["maintenanceMargin"]), D(told["maintenanceMarginPercent"])) == (3000, 100)


def test_the_other_way_round_they_are_saved():
    told = values(compared(*BOOK, before=AFTER, after=BEFORE))
    assert (told["liquidatable"], told["saved"], told["short"], told["relieved"]) == ("0", "1", "0", "1")
    assert D(told["maintenanceMarginPercent"]) == -50


def test_no_difference_between_a_rulebook_and_itself():
    found = compared(*BOOK, after=BEFORE)
    assert (found.changes, found.liquidatable_before, found.liquidatable_after) == ([], 1, 1)
    assert rule_changes(load(BEFORE), load(BEFORE), found.markets) == []
    assert found.total.initial_before_q == found.total.initial_after_q


def test_subaccounts_of_one_account_are_told_apart():
    mixed = account(
        cross("ETH", "1", "3000", "3000"), isolated("BTC", "1", "60000", "60000", "1000"), usdc="5000"
    )
    (change,) = compared(mixed).changes
    assert (change.account, change.subaccount, change.notional_q) == ("desk", "desk/BTC", 60_000_000_000)
    (change,) = compared(account(*mixed.positions, usdc="0"), wanted="cross").changes
    assert (change.subaccount, change.what) == ("desk", "becomes liquidatable")


def test_sums_by_market():
    found = compared(btc("9000"), account(cross("ETH", "-1", "3000", "3000"), name="eth"))
    assert {market: leg.positions for market, leg in found.markets.items()} == {"BTC": 1, "ETH": 1}
    leg = found.markets["ETH"]
    assert (leg.notional_q, leg.initial_before_q, leg.initial_after_q) == (
        3_000_000_000,
        120_000_000,
        120_000_000,
    )
    assert found.total.maintenance_after_q == 1_560_000_000


def test_prices_hold_on_both_sides():
    assert [change.what for change in compared(btc("12000"), prices={"BTC": D(50000)}).changes] == [
        "free collateral runs out"
    ]
    with pytest.raises(InputError, match="--price BTX: no account holds BTX"):
        compared(btc("12000"), prices={"BTX": D(1)})


def test_two_venues():
    found = compared(btc("1000"), after="dydx-v4")
    assert (found.before, found.after) == ("hyperliquid 2026-07", "dydx-v4 2026-03")
    # dYdX: 2 % and 60 % of that
    leg = found.markets["BTC"]
    assert (leg.initial_after_q, leg.maintenance_after_q) == (1_200_000_000, 720_000_000)


def test_two_versions():
    found = compared(btc("1000"), before="hyperliquid@2023")
    assert found.markets["BTC"].maintenance_before_q == 600_000_000


def test_what_one_side_cannot_hold_counts_on_neither():
    odd = account(cross("AAVE", "1", "100", "100"), name="odd")
    found = compared(btc("1000"), odd, after="dydx-v4")
    (refused,) = found.refused
    assert (refused.account, refused.rulebook, refused.kind) == (
        "odd",
        "dydx-v4 2026-03",
        "market not listed",
    )
    assert values(found)["refused"] == "1"
    assert set(found.markets) == {"BTC"}
    assert values(compared(btc("1000"), odd, before="dydx-v4", after=BEFORE))["refused"] == "0"
    with pytest.raises(InputError, match=r"no account can be compared: .*has no market 'AAVE'"):
        compared(odd, after="dydx-v4")


def test_accounts_may_be_held_another_way():
    found = compared(btc("1000"), wanted="isolated")
    assert [change.subaccount for change in found.changes] == ["desk/BTC"]


def test_the_venues_word_on_leverage_gives_way_to_changed_rules():
    """The file says 50x; asked about 40x against 20x, both sides are the rulebooks'."""
    stated = btc("1000", venue_max_leverage=D(50))
    hyperliquid = Account("desk", stated.collateral, stated.positions, venue="hyperliquid")
    leg = compared(hyperliquid).markets["BTC"]
    assert (leg.initial_before_q, leg.initial_after_q) == (1_500_000_000, 3_000_000_000)
    leg = compared(hyperliquid, after="hyperliquid{ETH.maxLeverage=2}").markets["BTC"]
    assert (leg.initial_before_q, leg.initial_after_q) == (1_200_000_000, 1_200_000_000)


def test_unknown_collateral_is_counted_as_unknown():
    bare = Account("bare", None, (cross("BTC", "1", "60000", "60000"),))
    found = compared(bare, btc("1000"))
    assert (found.unknown, values(found)["unknown"], len(found.changes)) == (1, "1", 1)
    assert found.total.positions == 2


def test_netting_has_a_row_of_its_own():
    hedged = account(cross("ETH", "1", "3000", "3000"), assets={"ETH": D(1)}, prices={"ETH": D(3000)})
    found = compared(hedged, before="generic", after="derive-pm")
    assert NETTING in found.markets
    (result,) = margin([hedged], load("derive-pm"))
    asked = sum(D(part["maintenanceMargin"].value) for part in result.subaccounts)
    assert found.total.maintenance_after_q == int(asked * 10**6)


def test_several_processes_say_the_same():
    book = [btc(str(500 + at % 2600), f"a{at}") for at in range(PARALLEL_FROM)]
    alone, together = compared(*book), compared(*book, workers=2)
    assert alone == together
    assert (alone.accounts, alone.subaccounts) == (PARALLEL_FROM, PARALLEL_FROM)


AMOUNTS = st.decimals("-2000", "20000", places=2)


@st.composite
def books(draw):
    book = []
    for at in range(draw(st.integers(1, 4))):
        held = []
        for symbol, mark in (("BTC", 60000), ("ETH", 3000), ("SOL", 150)):
            for mode in draw(st.sets(st.sampled_from(["cross", "isolated"]))):
                worth = draw(st.integers(10, 200_000))
                size = D(worth) / mark if draw(st.booleans()) else -D(worth) / mark
                margin_q = D(worth) * draw(st.integers(-5, 20)) / 100 if mode == "isolated" else None
                leverage = draw(st.none() | st.integers(1, 60).map(D))
                held.append(
                    BookPosition(
                        symbol, size.quantize(D("1e-5")) or D(1), D(mark), D(mark), mode, leverage, margin_q
                    )
                )
        book.append(account(*held, usdc=draw(AMOUNTS), name=f"a{at}"))
    return book


@given(
    books(),
    st.sampled_from([BEFORE, AFTER, "generic", "dydx-v4"]),
    st.sampled_from([BEFORE, AFTER, "generic"]),
)
def test_every_change_is_what_margin_says(book, before, after):
    found = compared(*book, before=before, after=after)
    told = {(change.account, change.subaccount): change for change in found.changes}
    sums = [0, 0]
    for each in book:
        results = [margin([each], rules(spec))[0] for spec in (before, after)]
        for left, right in zip(*(result.subaccounts for result in results), strict=True):
            sums[0] += D(left["initialMargin"].value)
            sums[1] += D(right["initialMargin"].value)
            turned = (left["liquidatable"].value, right["liquidatable"].value)
            free = [D(part["freeCollateral"].value) < 0 for part in (left, right)]
            change = told.get((each.name, left.subaccount))
            assert (change is not None) == (turned[0] != turned[1] or free[0] != free[1])
            if change is not None:
                assert change.becomes_liquidatable == (turned == (False, True))
                assert change.is_saved == (turned == (True, False))
                assert change.becomes_short == (free == [False, True])
    assert [found.total.initial_before_q, found.total.initial_after_q] == [int(each * 10**6) for each in sums]


# -- what differs ---------------------------------------------------------------------------------------------------


def test_rules_that_differ_with_their_sources():
    (change,) = rule_changes(load_spec(BEFORE), load_spec(AFTER), ["BTC", "ETH"])
    assert change.what == "BTC: tiers"
    assert (
        change.before
        == "from 0 USD initial 2.5 %, maintenance 1.25 %; from 150,000,000 USD initial 5 %, maintenance 2.5 %"
    )
    assert change.after.startswith("from 0 USD initial 5 %, maintenance 2.5 %")
    assert "margin-tiers (2026-11)" in change.source_before
    assert change.source_after == "changed for the question: BTC.maxLeverage=20 (2026-11-22)"


def test_rules_of_markets_that_nobody_holds_do_not_matter():
    assert rule_changes(load_spec(BEFORE), load_spec(AFTER), ["ETH"]) == []


def test_rules_of_another_venue():
    changes = {change.what: change for change in rule_changes(load(BEFORE), load("dydx-v4"), ["BTC"])}
    assert (changes["BTC: initial"].before, changes["BTC: initial"].after) == ("not stated", "2 %")
    assert changes["policy.waterfall"].after == "insurance, deleverage"
    assert "BTC: pool" not in changes


# -- conditions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("liquidatable>0", True),
        ("liquidatable > 1", False),
        ("liquidatable>=1", True),
        ("liquidatable==1", True),
        ("liquidatable!=1", False),
        ("short<1", False),
        ("short<=1", True),
        ("maintenanceMarginPercent>99.99", True),
        ("liquidatableNotional>6e4", False),
        ("saved>-1", True),
    ],
)
def test_conditions(text, holds):
    told = measures(compared(*BOOK))
    assert condition(text).holds(told) is holds


def test_a_condition_says_what_it_found():
    told = measures(compared(*BOOK))
    assert condition("liquidatable>0").sentence(told) == (
        "--fail-if liquidatable>0: liquidatable is 1 (accounts with a subaccount that becomes liquidatable)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a measure, one of > >= < <= == !=, and a number, such as liquidatable>0"),
        ("liquidatable", "expected a measure"),
        ("liquidatable>", "expected a measure"),
        ("liquidatable=0", "expected a measure"),
        ("0<liquidatable", "no measure is called '0'"),
        ("liquidatable>>0", "expected a decimal number"),
        ("liquidatable>0 or short>0", "expected a measure"),
        ("liquidateable>0", "no measure is called 'liquidateable'; did you mean liquidatable?"),
        ("x>0", "no measure is called 'x'; there are liquidatable, "),
        ("short>many", "expected a decimal number"),
        ("short>nan", "expected a decimal number"),
    ],
)
def test_a_bad_condition_is_one_line(text, said):
    with pytest.raises(InputError) as caught:
        condition(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_share_of_nothing():
    empty = Diff("a", "b")
    assert measures(empty)["initialMarginPercent"] == 0
    assert set(measures(empty)) == set(MEASURES)
    more = Diff("a", "b", markets={"BTC": Leg(1, 1, 0, 1, 0, 1)})
    assert measures(more)["initialMarginPercent"].is_infinite()
    assert condition("initialMarginPercent>1000").holds(measures(more))
    assert plain(measures(more)["initialMarginPercent"]) == "infinite"


# -- what is written ------------------------------------------------------------------------------------------------


def test_rows_of_affected_subaccounts():
    first, second = (dict(zip(COLUMNS, row, strict=True)) for row in table_rows(compared(*BOOK)))
    assert (first["account"], first["what"], first["notional"]) == ("goes", "becomes liquidatable", "60000")
    assert (first["liquidatableBefore"], first["liquidatableAfter"]) == (False, True)
    assert (second["freeCollateralBefore"], second["freeCollateralAfter"]) == ("500", "-1000")


def test_json_has_everything():
    found = compared(*BOOK)
    changed = rule_changes(rules(BEFORE), rules(AFTER), found.markets)
    document = json.loads(json.dumps(to_json(found, measures(found), changed)))
    assert document["measures"]["liquidatable"] == "1"
    assert document["affected"][0]["after"] == {
        "equity": "1000",
        "initialMargin": "3000",
        "maintenanceMargin": "1500",
        "freeCollateral": "-2000",
        "liquidatable": True,
    }
    assert document["markets"]["BTC"]["maintenanceMarginAfter"] == "6000"
    assert document["rules"][0]["what"] == "BTC: tiers"


def page(found, changed=(), **more):
    options = {"book": "book.csv", "command": "ringfence diff book.csv"} | more
    return note(found, measures(found), changed, **options)


def test_the_note_says_what_matters_and_loads_nothing():
    found = compared(*BOOK)
    changed = rule_changes(rules(BEFORE), rules(AFTER), found.markets)
    text = page(found, changed)
    assert text == page(found, changed)
    assert "<h1>hyperliquid 2026-07 with BTC.maxLeverage=20</h1>" in text
    for words in ("1 account", "60,000 USD of notional", "becomes liquidatable", "free collateral runs out"):
        assert words in text
    assert "default-src &#x27;none&#x27;" in text
    assert "<script" not in text
    assert "http://" not in text
    assert "https://" not in text


def test_names_in_the_note_are_not_markup():
    text = page(
        compared(btc("1000", '<img src=x onerror="1">')), book="<b>.csv", command="ringfence diff '<b>.csv'"
    )
    assert "<img" not in text
    assert "<b>" not in text
    assert "&lt;img src=x onerror=&quot;1&quot;&gt;" in text


def test_a_note_of_a_change_that_hurts_nobody():
    text = page(compared(btc("9000")))
    assert "Nobody, at these marks." in text
    assert "None that matter to this book." in text


def test_the_note_names_the_first_and_counts_the_others():
    text = page(compared(*(btc("1000", f"a{at}") for at in range(60))))
    assert "And 10 more; --out affected.csv writes all of them." in text


def test_the_note_says_who_was_left_out():
    odd = account(cross("AAVE", "1", "100", "100"), name="odd")
    text = page(compared(btc("1000"), odd, after="dydx-v4"))
    assert "dydx-v4 2026-03 cannot hold 1 account (market not listed); they count on neither side." in text
