"""A cross account of Synthetix v3: what it is worth, what it must keep, and when it is liquidated.

Amounts come from `rules.skew` and `rules.keeper`, to the wei and cut off where the contract cuts them off. Whether the
account can be liquidated is the engine's answer: it is one subaccount there. The keepers' reward, which belongs to the
account, is asked for with one of its positions.
"""

from functools import cache
from typing import NamedTuple

from ...clearing.policy import Policy, SkewScaled
from ...clearing.risk import is_liquidatable
from ...errors import InputError
from ...rules import keeper, skew
from ...rules.words import WAD
from ...venues.rulebook import load
from . import synthetix
from .named import where_stated
from .synthetix_v3_collateral import collateral
from .synthetix_v3_keeper import capacity_wad, costs, first_reward_wad, guards, next_reward_wad
from .vectors import Case, Field, Ours, RefusedError
from .wad import amount_wad, find, need, positive_wad, wad, whole

ACCOUNT_ANSWERS = (
    "available_margin",
    "can_liquidate",
    "can_liquidate_margin_only",
    "collateral_discounted",
    "collateral_value",
    "discounts",
    "error",
    "im_excl_reward",
    "max_liquidation_reward",
    "mm_excl_reward",
    "no_error",
    "notional",
    "pnl",
    "required_initial_margin",
    "required_maintenance_margin",
    "total_open_interest",
    "withdrawable",
)


class Terms(NamedTuple):
    """Margin parameters of a market, in 1e18 fixed point."""

    scale: int
    slope: int
    least: int
    most: int
    scalar: int
    flag: int
    minimum: int
    capacity: int


class Held(NamedTuple):
    """A position with its market's terms: signed size, oracle price, fill price and what else it earned."""

    market: str
    size: int
    price: int
    fill: int
    earned: int
    terms: Terms


class Margins(NamedTuple):
    """What the positions of an account must be backed by, without and with the keepers' reward."""

    initial: int
    maintenance: int
    flagging: int
    reward: int


@cache
def rulebook_policy() -> Policy:
    """Everything about the venue that is not a market."""
    return load("synthetix-v3").margin_policy()


def terms(rule: Field) -> Terms:
    """A market's parameters, under their short names or spelled out."""
    scale, cap = need([rule], "ss", "skew_scale"), find([rule], "max_initial_margin_ratio", "max_imr")
    minimum = find([rule], "mpm", "minimum_position_margin")
    return Terms(
        scale=amount_wad(scale),
        slope=amount_wad(need([rule], "imf", "initial_margin_ratio")),
        least=amount_wad(need([rule], "minimr", "minimum_initial_margin_ratio")),
        most=amount_wad(cap) if cap else 0,
        scalar=amount_wad(need([rule], "mms", "maintenance_margin_scalar")),
        flag=amount_wad(need([rule], "flag", "flag_reward_ratio")),
        minimum=amount_wad(minimum) if minimum else 0,
        capacity=capacity_wad(rule),
    )


def positions(case: Case) -> list[Held]:
    """The open positions of a case; one without a fill price was filled in a market that was even before it."""
    found = list[Held]()
    for place in case.body["positions"]:
        name = place["market"].text()
        if any(name == other.market for other in found):
            raise InputError(f"{place.where}: {name} stands twice; net the two into one position")
        asked, size, price = (
            terms(case.body["rule"]["markets"][name]),
            wad(place["size"]),
            positive_wad(place["mark"]),
        )
        stated, before = find([place], "entry_fill", "entry"), find([place], "skew")
        skew_wad = wad(before) if before else 0
        fill = positive_wad(stated) if stated else skew.fill_price_wad(price, skew_wad, size, asked.scale)
        earned = find([place], "accrued_funding", "funding")
        if size:
            found.append(Held(name, size, price, fill, wad(earned) if earned else 0, asked))
    return found


def margins(case: Case, held: list[Held], collateral_wad: int) -> Margins:
    """Initial and maintenance margin of all positions, and the most that liquidating the account may cost."""
    initial, maintenance, by_position, windows = 0, 0, 0, 0
    for position in held:
        asked, worth = position.terms, skew.notional_wad(position.size, position.price)
        ratio = skew.initial_ratio_wad(position.size, asked.scale, asked.slope, asked.least, asked.most)
        initial += skew.margin_wad(worth, ratio, asked.minimum)
        maintenance += skew.margin_wad(worth, skew.maintenance_ratio_wad(ratio, asked.scalar), asked.minimum)
        by_position += skew.margin_wad(worth, asked.flag, 0)
        windows = max(windows, keeper.windows_of(position.size, asked.capacity))
    paid, bounds = costs(case.body["rule"]), guards(case.body["rule"])
    flagging = keeper.flag_reward_wad(by_position, collateral_wad, paid.collateral_rate)
    first = first_reward_wad(flagging, paid, collateral_wad, bounds)
    reward = keeper.account_reward_wad(first, next_reward_wad(paid, bounds), windows)
    return Margins(initial, maintenance, flagging, reward)


@where_stated
def account(case: Case) -> Ours:
    """Everything that the venue's views say of an account; a withdrawal that it would refuse is refused."""
    held, backing = positions(case), collateral(case)
    asked = margins(case, held, backing.value)
    pnl = {position.market: profit_wad(position) for position in held}
    stated = find([case.body["rule"], case.body], "debt")
    debt = amount_wad(stated) if stated else 0
    available = backing.discounted + sum(pnl.values()) - debt
    reward = asked.reward if held else 0
    free = available - asked.initial - reward
    withdrawable = 0 if debt else (free if held else backing.value)
    _withdraw(case, withdrawable)
    worth = whole(sum(skew.notional_wad(position.size, position.price) for position in held))
    return {
        "pnl": {market: whole(amount) for market, amount in pnl.items()},
        "collateral_value": whole(backing.value),
        "collateral_discounted": whole(backing.discounted),
        "discounts": backing.discounts,
        "available_margin": whole(available),
        "notional": worth,
        "total_open_interest": worth,
        "im_excl_reward": whole(asked.initial),
        "mm_excl_reward": whole(asked.maintenance),
        "max_liquidation_reward": whole(reward),
        "required_initial_margin": whole(asked.initial + reward),
        "required_maintenance_margin": whole(asked.maintenance + reward),
        "withdrawable": whole(withdrawable),
        "can_liquidate": can_liquidate(held, available, reward),
        "can_liquidate_margin_only": not held and debt > 0 and available < asked.reward,
        "ours_required_im_excl_reward": whole(asked.initial),
        "ours_required_mm_excl_reward": whole(asked.maintenance),
        "ours_flag_reward_uncapped": whole(asked.flagging),
    }


def profit_wad(held: Held) -> int:
    """Profit of a position on price, funding and interest."""
    return skew.pnl_wad(held.size, held.price, held.fill) + held.earned


def _withdraw(case: Case, withdrawable: int) -> None:
    """Raise the venue's error for a withdrawal of the unit of account that it refuses."""
    action = case.body.get("action")
    asked = None if action is None else find([action], "withdraw", "withdraw_usd")
    if asked is None:
        return
    if withdrawable < 0:
        raise RefusedError("AccountLiquidatable")
    if amount_wad(asked) > withdrawable:
        raise RefusedError("InsufficientCollateralAvailableForWithdraw")


def can_liquidate(held: list[Held], available: int, reward: int) -> bool:
    """The engine's answer for an account with this much margin; its first position asks for the reward as well."""
    extra = [reward, *[0] * len(held)]
    legs = [
        synthetix.Leg(p.market, p.size, p.price, requirement(p.terms), p.terms.minimum + more)
        for p, more in zip(held, extra, strict=False)
    ]
    worth = sum(skew.pnl_wad(position.size, position.price, 0) for position in held)
    venue, subaccount = synthetix.account(rulebook_policy(), available - worth, legs)
    return is_liquidatable(venue, subaccount)


def requirement(asked: Terms) -> SkewScaled:
    """A market's margin rule as the engine has it: maintenance is the scalar's share of each term."""
    scalar, scale = asked.scalar, asked.scale or WAD
    slope = asked.slope if asked.scale else 0
    least, rise, most = (
        skew.maintenance_ratio_wad(term, scalar) for term in (asked.least, slope, asked.most)
    )
    return SkewScaled(scale, asked.least, slope, least, rise, WAD, asked.most, most)
