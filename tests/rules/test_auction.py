"""Slices of a portfolio for a price that falls: discount, largest slice, price and what a bidder is paid."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.rules import auction as rule
from ringfence.rules.words import WAD
from rules.edges import natural, positive, signed, wad

pytestmark = pytest.mark.fuzz
shares = st.sampled_from((0, 1, WAD // 3, WAD - 1, WAD)) | st.integers(0, WAD)


@pytest.mark.parametrize(
    ("second", "discount"),
    [
        # Derive's simulated auctions: 0.98 falls to 0.8 in 100 s, then to zero in 14,400 s
        (0, "0.98"),
        (30, "0.926"),
        (99, "0.8018"),
        (100, "0.8"),
        (600, "139/180"),  # 0.8 x (1 - 500 / 14,400)
        (9_000, "11/36"),
        (14_500, "0"),
        (99_999, "0"),
    ],
)
def test_discount(second, discount):
    found = rule.discount_wad(second, 100, 14_400, wad("0.98"), wad("0.8"))
    assert 0 <= found - Fraction(discount) * WAD < 1


@pytest.mark.parametrize("second", [0, 5])
def test_an_auction_without_length_is_over(second):
    assert rule.discount_wad(second, 0, 0, WAD, WAD) == 0


@given(natural(32), natural(32), natural(32), positive(32), shares, shares)
def test_the_price_only_falls(second, later, fast, slow, start, cutoff):
    assume(cutoff <= start)
    now = rule.discount_wad(second, fast, slow, start, cutoff)
    assert 0 <= rule.discount_wad(second + later, fast, slow, start, cutoff) <= now <= start


def test_buffer_margin_lies_below_the_surplus():
    # Derive SRM_liquidation.t.sol, test_BMAfterLiquidation: equity 30, maintenance 51.75, buffer 5 %: -24.3375
    assert rule.buffer_margin_q(300_000, 517_500, 5, 100) == -243_375
    assert rule.buffer_margin_q(0, 1, 5, 100) == -2  # 1.05 asked, rounded up


@pytest.mark.parametrize(
    ("buffer", "equity", "reserved", "discount", "share"),
    [
        ("-24.3375", "30", "0", "0.8", "0.503491078355"),  # published as 50.34 %
        ("-100", "100", "0", "1", "1/2"),
        ("-100", "100", "50", "0", "2/3"),  # at no price the reserved cash alone lifts what is left
        ("0", "100", "0", "1", "0"),  # at the buffer margin nothing may be sold
        ("-100", "0", "0", "1", "1"),
        ("-1", "-100", "0", "1", "1"),  # worth less than nothing: all of it
    ],
)
def test_largest_slice(buffer, equity, reserved, discount, share):
    amounts = (int(Fraction(amount) * 10_000) for amount in (buffer, equity, reserved))
    found = rule.largest_slice_wad(*amounts, wad(discount))
    assert abs(found - Fraction(share) * WAD) < WAD // 10**11


@given(positive(), natural(), natural(), shares)
def test_the_largest_slice_lifts_the_rest_to_its_buffer_margin(short, equity, reserved, discount):
    """What stays: (1 - f) of the buffer margin without reserved cash, the cash, and the price of the slice."""
    assume(reserved <= equity)
    share = rule.largest_slice_wad(-short, equity, reserved, discount)
    kept = 1 - Fraction(share, WAD)
    price = (equity - reserved) * Fraction(discount, WAD) * Fraction(share, WAD)
    assert kept * (-short - reserved) + reserved + price >= 0
    assert 0 <= share <= WAD


@given(signed(), natural(), shares, shares)
def test_a_bidder_never_pays_less_nor_gets_more_than_the_slice(equity, reserved, share, discount):
    worth = rule.slice_q(equity, reserved, share)
    assert 0 <= (equity - reserved) * Fraction(share, WAD) - worth < 1
    price = rule.slice_price_q(worth, discount)
    assert price == 0 or 0 <= price - worth * Fraction(discount, WAD) < 1
    assert price <= max(worth, 0)


@pytest.mark.parametrize(
    ("start", "end", "second", "paid"),
    [
        # Derive PMRM_insolvent.json: equity -29.371585, net maintenance margin -251.768534
        (29_371_585, 251_768_534, 0, 29_371_585),
        (29_371_585, 251_768_534, 50, 140_570_059),  # half way
        (29_371_585, 251_768_534, 100, 251_768_534),
        (29_371_585, 251_768_534, 999, 251_768_534),
        # ... equity 10.628415: nothing at first, then up to 211.768534
        (0, 211_768_534, 0, 0),
        (0, 211_768_534, 100, 211_768_534),
    ],
)
def test_payout(start, end, second, paid):
    assert rule.payout_q(start, end, second, 100, WAD) == paid
    assert abs(rule.payout_q(start, end, second, 100, WAD // 2) - paid / 2) < 1


def test_an_insolvent_auction_without_length_pays_all_at_once():
    assert rule.payout_q(10, 110, 0, 0, WAD) == 110


@given(natural(), natural(), natural(32), positive(32), shares, shares)
def test_two_slices_are_never_paid_more_than_one(start, more, second, length, first, then):
    assume(first + then <= WAD)
    parts = [rule.payout_q(start, start + more, second, length, share) for share in (first, then)]
    assert sum(parts) <= rule.payout_q(start, start + more, second, length, first + then)


@pytest.mark.parametrize(
    ("size", "share", "step", "lots"),
    [
        (100, "0.5", 1, 50),
        (100, "0.501", 1, 51),
        (100, "0.5", 30, 60),
        (100, "0.95", 30, 100),  # never more than there are
        (100, "0", 1, 0),
        (7, "1", 5, 7),  # all of it, steps or not
    ],
)
def test_lots_of_a_slice(size, share, step, lots):
    assert rule.slice_b(size, wad(share), step) == lots


@given(natural(), shares, positive(32))
def test_a_slice_has_at_least_its_share_of_the_lots(size, share, step):
    lots = rule.slice_b(size, share, step)
    assert lots * WAD >= size * share
    assert lots == size or (lots % step == 0 and (lots - step) * WAD < size * share)


def test_start_fee():
    # Derive Test1: 2 % of 0.5480... x 120.628415 = 1.322084 (published liquidation fee 1.322084630165343)
    before = 120_628_414_810_940
    asked = 222_396_949_671_304
    buffer = rule.buffer_margin_q(before, asked, 2, 10)
    share = rule.largest_slice_wad(buffer, before, 0, WAD)
    assert rule.start_fee_q(before, share, 2, 100) // 10**9 == 1_322
