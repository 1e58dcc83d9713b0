"""Synthetix Perps v2's numbers asked of our rules and engine: fill price, funding, keeper fees, liquidation.

One function reads a case and answers everything that its fields allow; kinds differ in which answers were recorded.
Numbers are exact to the wei and cut off where the contract cuts them off. The liquidation price is the one that the
venue displays; whether a position can be liquidated, and at which price it could be first, is the engine's answer.

Source: `Synthetixio/synthetix@1609d156`, `test/contracts/PerpsV2Market.js` and examples in the contracts' comments.
"""

from fractions import Fraction
from functools import cache
from typing import NamedTuple

from ...clearing.policy import CloseCost, Policy, SkewScaled
from ...clearing.risk import is_liquidatable
from ...clearing.solve import liquidation_price
from ...errors import InputError
from ...rules import keeper, skew
from ...rules.words import WAD
from ...units import to_fraction
from ...venues.rulebook import load
from . import synthetix
from .named import NamedKinds, where_stated
from .vectors import Case, Field, Ours, Range, UnsupportedError
from .wad import amount_wad, count, find, need, positive_wad, to_precision, wad, whole

UNIT = "sUSD"
FIXTURE = {
    "taker_fee": "0.003",
    "maker_fee": "0.001",
    "max_leverage": "10",
    "max_funding_velocity": "0.1",
    "min_keeper_fee": "20",
    "max_keeper_fee": "1000",
    "min_initial_margin": "100",
    "liquidation_fee_ratio": "0.0035",
    "liquidation_buffer_ratio": "0.0025",
    "keeper_liquidation_fee": "0",
    "premium_multiplier": "1",
}
"""What the venue's test suite sets up (`PerpsV2Market.js:60-80`); a case states what it changes. The skew scale is not
among them: a case without one leaves the price impact of size aside."""
UNSTATED_S = 10
"""Seconds for which a test may have run between its transactions: funding of a case that states neither is not known
any closer."""


class Terms(NamedTuple):
    """Parameters of a market, in 1e18 fixed point."""

    skew_scale: int
    taker_fee: int
    maker_fee: int
    max_leverage: int
    max_funding_velocity: int
    min_keeper_fee: int
    max_keeper_fee: int
    min_initial_margin: int
    liquidation_fee_ratio: int
    liquidation_buffer_ratio: int
    keeper_liquidation_fee: int
    premium_multiplier: int


class Held(NamedTuple):
    """A position: signed size, oracle price, the price it was filled at, and the skew before that."""

    size: int
    price: int
    fill: int
    skew: int


@cache
def rulebook_policy() -> Policy:
    """Everything about the venue that is not a market."""
    return load("synthetix-v2").margin_policy()


def terms(rule: Field) -> Terms:
    """The parameters that a case states, and the test suite's for the rest."""
    scale = rule.get("skew_scale")
    read = {name: _parameter(rule, name) for name in FIXTURE}
    stated = [name for name in ("taker_fee", "maker_fee") if rule.get(name)]
    if len(stated) == 1:  # the one fee that was charged, whichever side it was on
        read["taker_fee"] = read["maker_fee"] = read[stated[0]]
    return Terms(skew_scale=positive_wad(scale) if scale else 0, **read)


def _parameter(rule: Field, name: str) -> int:
    stated = rule.get(name)
    if stated is None:
        return int(to_fraction(FIXTURE[name], name) * WAD)
    if name == "max_leverage" and stated.fraction() < 1:
        raise InputError(f"{stated.where}: expected a number from 1 on, got {stated.raw}")
    return amount_wad(stated)


def position(case: Case, asked: Terms) -> Held:
    """The position of a case; its fill price is stated, or follows from the skew before it."""
    held, rule = case.body["positions"].only(), case.body["rule"]
    size, price = wad(held["size"]), positive_wad(need([held], "mark", "oracle", "price"))
    before = find([held, rule], "skew")
    skew_wad = wad(before) if before else 0
    stated = find([held], "entry_fill", "fill_price", "entry")
    fill = positive_wad(stated) if stated else skew.fill_price_wad(price, skew_wad, size, asked.skew_scale)
    return Held(size, price, fill, skew_wad)


@where_stated
def trade(case: Case) -> Ours:
    """What a position's size and price say of it, and what its margin does where the case states one."""
    asked = terms(case.body["rule"])
    held = position(case, asked)
    fee, maintenance, premium = liquidation(asked, held)
    ours: Ours = {
        "fill_price": whole(skew.fill_price_wad(held.price, held.skew, held.size, asked.skew_scale)),
        "notional": whole(skew.notional_wad(held.size, held.price)),
        "order_fee": whole(order_fee(asked, held)),
        "liquidation_fee": whole(fee),
        "flagger_fee": whole(fee),
        "liquidation_margin": whole(maintenance),
        "premium": whole(premium),
        "liquidation_premium": whole(premium),
    }
    given = find([case.body["positions"].only()], "margin") is not None or case.body.items("collateral")
    return {**ours, **margin(case, asked, held)} if given else ours


def liquidation(asked: Terms, held: Held) -> tuple[int, int, int]:
    """Flagger's fee, liquidation margin and liquidation premium of a position."""
    worth = skew.notional_wad(held.size, held.price)
    fee = keeper.clamped_fee_wad(
        worth, asked.liquidation_fee_ratio, asked.min_keeper_fee, asked.max_keeper_fee
    )
    maintenance = keeper.liquidation_margin_wad(
        worth, asked.liquidation_buffer_ratio, fee, asked.keeper_liquidation_fee
    )
    premium = skew.premium_wad(held.size, held.price, asked.skew_scale, asked.premium_multiplier)
    return fee, maintenance, premium


def order_fee(asked: Terms, held: Held) -> int:
    """Fee that was paid for the fill."""
    return skew.order_fee_wad(held.size, held.fill, held.skew, asked.maker_fee, asked.taker_fee)


def margin(case: Case, asked: Terms, held: Held) -> Ours:
    """What is left of a position's margin, what of it can go, and where the position is liquidated."""
    if held.size == 0:
        raise UnsupportedError("a position without size has no liquidation price")
    fee, maintenance, premium = liquidation(asked, held)
    put_up, per_unit = margin_wad(case, asked, held), funding_per_unit_wad(case, asked, held)
    pnl = skew.pnl_wad(held.size, held.price, held.fill)
    funded = skew.accrued_funding_wad(held.size, per_unit)
    remaining = max(0, put_up + pnl + funded)
    kept = skew.inaccessible_wad(
        skew.notional_wad(held.size, held.price), asked.max_leverage, asked.min_initial_margin
    )
    trigger = trigger_price(asked, held, put_up + funded)
    shown = skew.approximate_liquidation_price_wad(
        held.size, held.fill, put_up - premium, maintenance, per_unit
    )
    keepers = fee + asked.keeper_liquidation_fee
    unstated = unstated_funding_wad(case, asked, held)
    return {
        "margin": whole(put_up),
        "pnl": whole(pnl),
        "accrued_funding": whole(funded),
        "remaining_margin": whole(remaining),
        "accessible_margin": whole(max(0, remaining - kept)),
        "liquidation_price": Range(whole(shown - unstated), whole(shown + unstated)),
        "fee_pool": whole(max(0, remaining - keepers)) if trigger.liquidatable else Fraction(0),
        "can_liquidate": trigger.liquidatable,
        "trigger_price": trigger.price,
        **approximately(case, whole(shown)),
    }


def approximately(case: Case, price: Fraction) -> Ours:
    """A price within the tolerance that the case states; the tolerance holds when the two are no further apart."""
    expected = case.body["expected"]
    stated, tolerance = expected.get("liquidation_price_approx"), expected.get("tolerance")
    slack = tolerance.fraction() if tolerance else Fraction(0)
    ours: Ours = {"liquidation_price_approx": Range(price - slack, price + slack)}
    if stated is not None and tolerance is not None:
        ours["tolerance"] = Range(abs(price - stated.fraction()), max(abs(price), slack))
    return ours


class Trigger(NamedTuple):
    """Whether a position can be liquidated, and the nearest price (USD) at which that changes."""

    liquidatable: bool
    price: Fraction | None


def trigger_price(asked: Terms, held: Held, margin_left: int) -> Trigger:
    """The engine's answer for a position with a margin, funding included.

    The premium, which the venue takes off the margin, is asked for on top of maintenance margin here: the same test.
    """
    shape = SkewScaled(
        asked.skew_scale or WAD,
        0,
        0,
        asked.liquidation_buffer_ratio,
        asked.premium_multiplier if asked.skew_scale else 0,
        WAD,
    )
    cost = CloseCost(
        asked.liquidation_fee_ratio,
        WAD,
        asked.min_keeper_fee,
        max(asked.max_keeper_fee, asked.min_keeper_fee),
        in_initial=False,
    )
    leg = synthetix.Leg("market", held.size, held.price, shape, asked.keeper_liquidation_fee, cost)
    cash = margin_left - skew.pnl_wad(held.size, held.fill, 0)
    venue, subaccount = synthetix.account(rulebook_policy(), cash, [leg])
    root = liquidation_price(venue, subaccount, leg.market)
    return Trigger(is_liquidatable(venue, subaccount), None if root is None else whole(root))


def margin_wad(case: Case, asked: Terms, held: Held) -> int:
    """Margin of the position: stated, or what was transferred less the fee of its fill."""
    stated = case.body["positions"].only().get("margin")
    if stated is not None:
        return wad(stated)
    total = 0
    for item in case.body.items("collateral"):
        if item["asset"].text() != UNIT:
            raise UnsupportedError(f"v2 takes {UNIT} alone, not {item['asset'].text()}")
        total += wad(item["amount"])
    return total - order_fee(asked, held)


def funding_per_unit_wad(case: Case, asked: Terms, held: Held) -> int:
    """Funding that one base unit has received: stated, or run up since the rate was last recomputed."""
    place = case.body["positions"].only()
    stated = find([place], "funding_per_unit", "net_funding_per_unit")
    if stated is not None:
        return wad(stated)
    if place.get("dt_s") is None:
        return 0
    before, after, days = rates(place, asked)
    return skew.funding_per_unit_wad(before, after, days, held.price)


def unstated_funding_wad(case: Case, asked: Terms, held: Held) -> int:
    """Most funding of one base unit in the seconds that a test took, where the case states neither funding nor time."""
    place = case.body["positions"].only()
    if find([place], "funding_per_unit", "net_funding_per_unit", "dt_s") is not None:
        return 0
    velocity = skew.funding_velocity_wad(held.skew + held.size, asked.skew_scale, asked.max_funding_velocity)
    days = skew.elapsed_wad(UNSTATED_S)
    rate = skew.funding_rate_wad(0, velocity, days)
    return abs(skew.funding_per_unit_wad(0, rate, days, held.price))


def rates(place: Field, asked: Terms) -> tuple[int, int, int]:
    """Funding rate before and after the stated time, and that time in days."""
    stated, skewed, before = place.get("prev_velocity"), place.get("skew"), place.get("prev_rate")
    velocity = (
        wad(stated)
        if stated
        else skew.funding_velocity_wad(
            wad(skewed) if skewed else 0, asked.skew_scale, asked.max_funding_velocity
        )
    )
    rate, days = wad(before) if before else 0, skew.elapsed_wad(count(place["dt_s"]))
    return rate, skew.funding_rate_wad(rate, velocity, days), days


@where_stated
def funding(case: Case) -> Ours:
    """Funding rate after a time, and the velocity that the present skew gives it from then on.

    `prev_velocity` is that of the skew before the last trade, as in the contract's own example.
    """
    asked, place = terms(case.body["rule"]), case.body["positions"].only()
    before, after, days = rates(place, asked)
    ours: Ours = {
        "funding_rate": to_precision(whole(after), case),
        "elapsed_days": to_precision(whole(days), case),
    }
    if (skewed := place.get("skew")) is not None:
        velocity = skew.funding_velocity_wad(wad(skewed), asked.skew_scale, asked.max_funding_velocity)
        ours["funding_velocity"] = whole(velocity)
    price, size = find([place], "mark", "oracle", "price"), place.get("size")
    if price is not None:
        per_unit = skew.funding_per_unit_wad(before, after, days, positive_wad(price))
        ours["unrecorded_funding"] = to_precision(whole(per_unit), case)
        if size is not None:
            ours["accrued_funding"] = to_precision(whole(skew.accrued_funding_wad(wad(size), per_unit)), case)
    return ours


@where_stated
def closing(case: Case) -> Ours:
    """May anyone close a flagged position, or only an endorsed address?"""
    rule, held = case.body["rule"], case.body["positions"].only()
    alone = keeper.closes_alone(
        wad(held["size"]),
        wad(held["skew"]),
        positive_wad(rule["skew_scale"]),
        amount_wad(rule["max_liquidation_delta"]),
        amount_wad(rule["max_pd"]),
    )
    return {"liquidatable_by_anyone": alone, "needs_endorsed_liquidator": not alone}


KINDS = NamedKinds(
    {
        trade: (
            "accessible_margin",
            "accrued_funding",
            "can_liquidate",
            "fee_pool",
            "fill_price",
            "flagger_fee",
            "liquidation_fee",
            "liquidation_margin",
            "liquidation_premium",
            "liquidation_price",
            "liquidation_price_approx",
            "margin",
            "notional",
            "order_fee",
            "pnl",
            "premium",
            "remaining_margin",
            "tolerance",
            "trigger_price",
        ),
        funding: ("elapsed_days", "funding_rate", "funding_velocity", "unrecorded_funding"),
        closing: ("liquidatable_by_anyone", "needs_endorsed_liquidator"),
    }
)
