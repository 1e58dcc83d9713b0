"""The same account held another way: positions and money move, equity stays."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions.desk import cross, isolated
from ringfence.books import Account, BookPosition
from ringfence.questions.arrange import Held, arrange
from ringfence.questions.build import build
from ringfence.questions.listings import MODE, POSITIONS, CannotHoldError
from ringfence.questions.summary import summarize
from ringfence.venues.model import Mode
from ringfence.venues.rulebook import load

D = Decimal
SHARED = Mode("pooled", "", shared=True, removable=True, default=True)
ALONE = Mode("walled", "", shared=False, removable=True)
BOTH = (SHARED, ALONE)


def moved(wanted, *positions, usdc="1000", modes=None, **more):
    assets = more.pop("assets", {})
    collateral = None if usdc is None else {"USDC": D(usdc), **assets}
    account = Account("desk", collateral, positions, **more)
    held = [Held(position, position.symbol.split("-")[0]) for position in positions]
    marks = {each.market: each.position.mark_price for each in held}
    return arrange(account, held, wanted, lambda market: (modes or {}).get(market, BOTH), marks)


def equity(account):
    """Collateral, margins and PnL, worked out here."""
    total = sum(account.collateral.values())
    for position in account.positions:
        total += position.collateral or 0
        if position.entry_price is not None:
            total += position.size * (position.mark_price - position.entry_price)
    return total


def test_what_backs_cross_positions_is_split_by_notional():
    """Equity 1000 + 50 - 20 = 1030; notionals 300 and 100: 772.5 and 257.5, less each position's own PnL."""
    found = moved("isolated", cross("A", 3, "83.333333333333333333", 100), cross("B", -10, 8, 10))
    first, second = found.account.positions
    assert (first.mode, second.mode, found.mode) == ("isolated", "isolated", "walled")
    split = D("1000") + D("50.000000000000000001") - 20
    assert first.collateral == (split * 3 / 4).quantize(D("0.000001"), "ROUND_DOWN") - D(
        "50.000000000000000001"
    )
    assert second.collateral == (split / 4).quantize(D("0.000001"), "ROUND_DOWN") + 20
    assert found.notes == ("what backs cross positions is split over them in proportion to notional",)


def test_a_position_that_stands_alone_keeps_its_margin():
    found = moved("isolated", isolated("A", 1, 100, 90, 33), cross("B", 1, 10, 10))
    assert [position.collateral for position in found.account.positions] == [D(33), D(1000)]
    assert found.account.collateral == {"USDC": 0}


def test_margin_of_isolated_positions_joins_the_account():
    found = moved("cross", isolated("A", 1, 100, 90, 33), cross("B", 1, 10, 10))
    assert found.account.collateral == {"USDC": D(1033)}
    assert {(position.mode, position.collateral) for position in found.account.positions} == {("cross", None)}
    assert found.mode == "pooled"
    assert found.notes == ("margin of isolated positions joins the account's collateral",)


def test_a_market_without_the_mode_keeps_to_its_other_one():
    found = moved("cross", cross("A", 1, 300, 300), cross("B", 1, 100, 100), modes={"A": (ALONE,)})
    alone, shared = found.account.positions
    assert (alone.mode, alone.collateral, shared.mode) == ("isolated", D(750), "cross")
    assert found.account.collateral == {"USDC": D(250)}
    assert found.mode == "walled + pooled"
    assert found.notes == (
        "A: not offered cross, so it stands alone",
        "what backs cross positions is split over them in proportion to notional",
    )
    other = moved("isolated", cross("A", 1, 300, 300), cross("B", 1, 100, 100), modes={"A": (SHARED,)})
    assert [position.mode for position in other.account.positions] == ["cross", "isolated"]
    assert "A: not offered isolated, so it stays with the account" in other.notes


def test_a_venue_without_the_mode_cannot_hold_it_so():
    with pytest.raises(CannotHoldError, match="A and B cannot be held cross") as caught:
        moved("cross", cross("A", 1, 1, 1), cross("B", 1, 1, 1), modes={"A": (ALONE,), "B": (ALONE,)})
    assert (caught.value.kind, caught.value.subjects) == (MODE, ("A", "B"))


def test_positions_in_one_market_become_one():
    """3 at 80 and 1 at 100 are 4 at 85; the smaller leverage counts."""
    found = moved("cross", cross("A", 3, 80, 90, leverage=D(9)), isolated("A", 1, 100, 90, 7, leverage=D(4)))
    (merged,) = found.account.positions
    assert (merged.size, merged.entry_price, merged.leverage, merged.collateral) == (4, 85, 4, None)
    assert found.account.collateral == {"USDC": D(1007)}
    assert "A: its positions are netted" in found.notes


def test_opposite_positions_realize_their_gains():
    """Long 3 from 80 gains 30, short 1 from 100 gains 10; what is left stands at the mark of 90."""
    found = moved("cross", cross("A", 3, 80, 90), isolated("A", -1, 100, 90, 7))
    (merged,) = found.account.positions
    assert (merged.size, merged.entry_price, merged.collateral) == (2, 90, None)
    assert found.account.collateral == {"USDC": D(1047)}


def test_a_long_and_a_short_that_stand_alone_never_net():
    """Some venues hold both at once (GMX); none nets two positions that are judged apart."""
    found = moved("isolated", cross("A", 3, 80, 90), isolated("A", -1, 100, 90, 7))
    assert [(each.size, each.collateral) for each in found.account.positions] == [(3, D(1000)), (-1, D(7))]
    assert any("its long and its short stand alone" in note for note in found.notes)


def test_positions_that_cancel_out_leave_their_money():
    found = moved("cross", cross("A", 1, 80, 90), isolated("A", -1, 100, 90, 7))
    assert found.account.positions == ()
    assert found.account.collateral == {"USDC": D(1027)}


def test_without_collateral_a_share_of_it_is_unknown():
    found = moved("isolated", cross("A", 1, 80, 90), isolated("B", -1, 100, 90, 7), usdc=None)
    assert [position.collateral for position in found.account.positions] == [None, D(7)]
    assert found.account.collateral is None
    assert moved("cross", isolated("B", -1, 100, 90, 7), usdc=None).account.collateral is None


def test_other_collateral_is_split_by_notional():
    """1 of ETH over notionals of 200 and 100, rounded down; what that leaves stays with the account."""
    found = moved("isolated", cross("A", 2, 100, 100), cross("B", 1, 100, 100), assets={"ETH": D(1)})
    thirds = [D("0.666666666666666666"), D("0.333333333333333333")]
    assert [each.assets for each in found.account.positions] == [{"ETH": third} for third in thirds]
    assert found.account.collateral == {"USDC": D("0.000001"), "ETH": D("1e-18")}
    (note,) = found.notes
    assert note == "what backs cross positions is split over them in proportion to notional, ETH too"


def test_assets_of_an_isolated_position_follow_it():
    own = isolated("A", 1, 100, 100, 5, assets={"ETH": D(2)})
    joined = moved("cross", own, assets={"ETH": D(1)}).account
    assert (joined.collateral, joined.positions[0].assets) == ({"USDC": D(1005), "ETH": D(3)}, {})
    assert moved("isolated", own).account.positions == (own,)


def test_other_collateral_stays_in_the_account_held_cross():
    assert moved("cross", cross("A", 1, 80, 90), assets={"ETH": D(2)}).notes == ()


def test_what_is_not_listed_cannot_be_split():
    with pytest.raises(CannotHoldError, match="not all positions are listed") as caught:
        moved("isolated", cross("A", 1, 80, 90), complete=False)
    assert caught.value.kind == POSITIONS
    assert moved("cross", cross("A", 1, 80, 90), complete=False).account.positions


def test_an_account_without_positions():
    found = moved("cross")
    assert (found.account.collateral, found.notes, found.mode) == ({"USDC": D(1000)}, (), "cross")


AMOUNTS = st.decimals("-100000", "100000", places=6)
PRICES = st.decimals("0.0001", "90000", places=4)
SIZES = st.decimals("0.00001", "9999", places=5).flatmap(lambda size: st.sampled_from([size, -size]))


@st.composite
def books(draw):
    held = []
    for symbol in draw(st.sets(st.sampled_from(["BTC", "ETH", "SOL", "DOGE"]))):
        mark = draw(PRICES)
        for mode in draw(st.sets(st.sampled_from(["cross", "isolated"]), min_size=1)):
            entry = draw(PRICES) if mode == "isolated" else draw(PRICES | st.none())
            margin = draw(AMOUNTS) if mode == "isolated" else None
            held.append(BookPosition(symbol, draw(SIZES), entry, mark, mode, collateral=margin))
    return Account("a", {"USDC": draw(AMOUNTS)}, tuple(held))


@given(books(), st.sampled_from(["cross", "isolated"]))
def test_no_arrangement_makes_or_loses_money(account, wanted):
    """Equity is the same to the last digit, and in the engine to the few atoms that roundings of costs take."""
    generic = load("generic")
    built = build(account, generic, {}, wanted)
    exact = equity(account)
    assert abs(equity(built.account) - exact) <= D("1e-12")
    assert {position.mode for position in built.account.positions} <= {wanted}
    found = summarize(built).equity_q
    assert -4 * len(account.positions) - 1 <= found - exact * 10**6 <= 0
