"""Funding of Synthetix v3 over time: each trade moves the skew, and with it the speed at which the rate changes."""

from fractions import Fraction
from typing import NamedTuple

from ...errors import InputError
from ...rules import skew
from ...rules.skew import DAY_S
from ...rules.words import WAD
from .named import where_stated
from .vectors import Case, Field, Ours, UnsupportedError
from .wad import count, find, need, positive_wad, wad, whole

FUNDING_ANSWERS = (
    "accrued_funding",
    "cumulative_accrued_funding_cost",
    "funding_rate",
    "velocity_after",
    "velocity_before",
)

WALK = (
    ("1", "-40"),
    ("1", "-25"),
    ("0.25", "12"),
    ("2", "-5"),
    ("0.2", "150"),
    ("0.1", "0"),
    ("0.1", "-15"),
    ("0.03", "-19"),
    ("3", "0"),
)
"""Days passed and skew after each trade of the venue's nine-row table (`Position/Funding.test.ts:62-92`). A row goes on
where the one before it ended, which it does not repeat: these are the inputs, from which every row is computed."""


class State(NamedTuple):
    """A market between two trades: skew, funding rate, and funding per base unit so far, in 1e18 fixed point."""

    skew: int
    rate: int = 0
    per_unit: int = 0


class Step(NamedTuple):
    """Seconds until a trade, and the skew that it leaves."""

    seconds: int
    skew: int


@where_stated
def funding(case: Case) -> Ours:
    """Funding rate, its velocity after the trade and what the trader has paid, after the last step of a case."""
    rule = case.body["rule"]
    scale, fastest = positive_wad(rule["skew_scale"]), wad(rule["max_funding_velocity"])
    size, price = wad(need([rule], "trader_size", "size")), positive_wad(need([rule], "price", "mark"))
    state, steps = start(case, size), steps_of(case)
    before = skew.funding_velocity_wad(state.skew, scale, fastest)
    for step in steps:
        before = skew.funding_velocity_wad(state.skew, scale, fastest)
        days = skew.elapsed_wad(step.seconds)
        rate = skew.funding_rate_wad(state.rate, before, days)
        per_unit = state.per_unit + skew.funding_per_unit_wad(state.rate, rate, days, price)
        state = State(step.skew, rate, per_unit)
    accrued = skew.accrued_funding_wad(size, state.per_unit)
    return {
        "funding_rate": whole(state.rate),
        "velocity_before": whole(before),
        "velocity_after": whole(skew.funding_velocity_wad(state.skew, scale, fastest)),
        "accrued_funding": whole(accrued),
        "cumulative_accrued_funding_cost": whole(-accrued),
    }


def start(case: Case, size: int) -> State:
    """Where a case begins: as it says, or with the trader's position alone in a market without a rate."""
    places = [case.body["positions"].first(), case.body["rule"]]
    before, rate = find(places, "skew_before", "prev_skew"), find(places, "prev_rate", "funding_rate_before")
    paid = find(places, "accrued_before", "prev_accrued_cost")
    if paid is not None and not size:
        raise UnsupportedError("funding that was accrued by a position without size")
    per_unit = Fraction(0) if paid is None else -wad(paid) / whole(size)
    return State(wad(before) if before else size, wad(rate) if rate else 0, int(per_unit))


def steps_of(case: Case) -> list[Step]:
    """The steps of a case: all its positions in turn; those of the table before it for a row of the venue's table."""
    given = [*case.body["positions"]]
    steps = [Step(seconds(place), wad(need([place], "skew_after", "skew"))) for place in given]
    if len(given) > 1 or find([given[0], case.body["rule"]], "skew_before", "prev_skew", "prev_rate"):
        return steps
    table = [Step(int(Fraction(days) * DAY_S), int(after) * WAD) for days, after in WALK]
    return table[: table.index(steps[0]) + 1] if steps[0] in table else steps


def seconds(place: Field) -> int:
    """Time since the step before, in whole seconds."""
    days = find([place], "days_since_prev", "days")
    if days is None:
        return count(place["dt_s"])
    if days.fraction() < 0:
        raise InputError(f"{days.where}: expected a number from 0 on, got {days.raw}")
    return int(days.fraction() * DAY_S)
