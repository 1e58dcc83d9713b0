"""An engine's venue as the terms of a clearinghouse on chain, where the contracts can hold it.

The contracts are narrower than the engine (`docs/explain/contracts.md`). What they leave out is refused by name, never
bent: a venue that passes here has the same rules on both sides, to the unit.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ..clearing.model import QUOTE, Market, Venue
from ..clearing.policy import Deleveraging, Liquidation, Policy, Tier, Tiered
from ..clearing.risk import worth_q
from ..errors import InputError
from ..rules.words import PPM
from .clearinghouse import MarketTerms, Terms

TIERS_MAX = 4
TIER_UNIT_Q = 10_000 * 10**6
AGE_MAX_S = 2**30
MOVE_MAX_PPM = 10**12
"""Widest limits on a price that the contracts take: the engine has none."""

STEP_LEAST_Q = 1_000
"""Least worth of a step of a lot, 0.001 USD. Closing a step brings equity nearer to its target by a small share of its
worth: where rounding is more than that, the fewest lots that reach the target are not unique."""

LEFT_OUT = ("minimum_margin_q", "close_cost", "solvency", "margin_locked", "settling", "window", "option")
"""Fields of a market that the contracts do not have."""


def terms_of(policy: Policy) -> Terms:
    """The terms that stand for a policy.

    Raises `InputError` naming the first field that none can express.
    """
    close = policy.liquidation
    found = Terms(
        taker_fee_ppm=policy.taker_fee_ppm,
        maker_fee_ppm=policy.maker_fee_ppm,
        liquidation_fee_ppm=close.fee_ppm,
        fee_to_fund_ppm=close.fee_to_fund_ppm,
        target_ppm=close.target_ppm,
        withdrawal_floor_ppm=policy.withdrawal_floor_ppm,
        funding_cap_ppm=PPM,
        funding_interval_s=0,
        price_age_s=AGE_MAX_S,
        price_move_ppm=MOVE_MAX_PPM,
        grace_s=0,
        socializes="socialize" in policy.waterfall,
        free_reduce=policy.under_margin == "free_reduce",
    )
    for field, held, wanted in _differing(policy_of(found), policy):
        raise InputError(f"policy.{field} is {_said(wanted)}; the contracts know {_said(held)}")
    return found


def policy_of(terms: Terms) -> Policy:
    """The engine's policy that the contracts follow under these terms."""
    return Policy(
        taker_fee_ppm=terms.taker_fee_ppm,
        maker_fee_ppm=terms.maker_fee_ppm,
        withdrawal_floor_ppm=terms.withdrawal_floor_ppm,
        under_margin="free_reduce" if terms.free_reduce else "ratio",
        liquidation=Liquidation(
            size="target",
            target_ppm=terms.target_ppm,
            fee_ppm=terms.liquidation_fee_ppm,
            fee_to_fund_ppm=terms.fee_to_fund_ppm,
        ),
        deleveraging=Deleveraging(policy="ranked", score="profit_leverage", price="bankruptcy"),
        waterfall=("insurance", "socialize")
        if terms.socializes
        else ("insurance", "counterparty", "deleverage"),
    )


def _differing(held: Any, wanted: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - any record
    """Fields in which two records differ, by their path."""
    for field in held.__struct_fields__:
        one, other = getattr(held, field), getattr(wanted, field)
        if one == other:
            continue
        if hasattr(one, "__struct_fields__") and type(one) is type(other):
            yield from _differing(one, other, f"{path}{field}.")
        else:
            yield f"{path}{field}", one, other


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def market_terms(market: Market, pool: int) -> tuple[MarketTerms, list[tuple[int, int, int]]]:
    """What a market asks, and its tiers above the first as (lower bound, initial ppm, maintenance ppm).

    Raises `InputError` where the contracts have no such market.
    """
    plain = Market(market.id, market.scale, market.requirement, market.pool)
    for field in LEFT_OUT:
        if getattr(market, field) != getattr(plain, field):
            raise InputError(f"market {market.id}: {field}: the contracts have none")
    if not isinstance(market.requirement, Tiered):
        shape = type(market.requirement).__name__
        raise InputError(f"market {market.id}: requirement {shape}: the contracts have margin tables only")
    rows = [_row(market.id, tier, market.requirement.den) for tier in market.requirement.tiers]
    if len(rows) > TIERS_MAX:
        raise InputError(f"market {market.id}: {len(rows)} tiers: the contracts hold {TIERS_MAX}")
    (_, initial_ppm, maintenance_ppm), *above = rows
    scale_exp = _exponent(market.scale.den) if market.scale.num == 1 else None
    step_exp = _exponent(market.step_b)
    if scale_exp is None or step_exp is None:
        raise InputError(f"market {market.id}: scale and step: the contracts take powers of ten only")
    terms = MarketTerms(pool, scale_exp, step_exp, initial_ppm, maintenance_ppm)
    return terms, above


def _row(market: str, tier: Tier, den: int) -> tuple[int, int, int]:
    """A tier on the contracts' grid, exactly."""
    if den <= 0 or min(tier.lower_q, tier.initial_num, tier.maintenance_num) < 0:
        raise InputError(f"market {market}: tiers: expected bounds and rates from 0 on")
    rates = [divmod(rate * PPM, den) for rate in (tier.initial_num, tier.maintenance_num)]
    if any(rest for _, rest in rates):
        raise InputError(f"market {market}: margin rates: the contracts take whole parts per million only")
    if tier.lower_q % TIER_UNIT_Q:
        raise InputError(f"market {market}: tiers: the contracts take bounds in steps of 10,000 USD only")
    return tier.lower_q, rates[0][0], rates[1][0]


def _exponent(power: int) -> int | None:
    """Which power of ten a number is; `None` where it is none."""
    found = len(str(power)) - 1
    return found if power == 10**found else None


def numbered(names: Iterable[str], most: int, what: str) -> dict[str, int]:
    """Numbers by name, in order; raises `InputError` where there are more than the contracts can tell apart."""
    found = {name: at for at, name in enumerate(names)}
    if len(found) > most:
        raise InputError(f"{len(found)} {what}: the contracts hold {most}")
    return found


def refuse_what_is_left_out(venue: Venue) -> None:
    """Raise `InputError` for a state that a deployment cannot be brought to by deposits and trades at the marks."""
    for market in venue.markets.values():
        if min(market.scale.num, market.scale.den) <= 0:
            raise InputError(f"market {market.id}: scale: expected a fraction above 0")
        if market.funding_index:
            raise InputError(f"market {market.id}: funding has accrued; start from a state without any")
        if market.mark and worth_q(market, market.step_b, market.mark, venue.policy.rounding) < STEP_LEAST_Q:
            raise InputError(
                f"market {market.id}: a step of a lot is worth less than 0.001 USD; partial liquidations agree to the "
                "unit where it is worth more than rounding"
            )
    for name, held in venue.subaccounts.items():
        if any(asset != QUOTE for asset, amount in held.balances.items() if amount):
            raise InputError(f"subaccount {name}: collateral other than {QUOTE} is not replayed on chain")
        if held.orders or held.auction or held.flagged:
            raise InputError(f"subaccount {name}: orders and auctions are not on chain")
