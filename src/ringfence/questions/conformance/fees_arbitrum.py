"""Fees of Arbitrum Nitro: the price per unit, the base fee's exponents, receipts."""

from ...chain.fees import arbitrum
from .vectors import ALONE, Case, Field, Ours, Rule


def exponential(case: Case) -> Ours:
    """Exponential in basis points."""
    asked = case.body["input"]
    accuracy = asked["accuracy"].integer(least=1, most=64)
    return {ALONE: arbitrum.approx_exp_bips(asked["bips"].integer(), accuracy)}


def report_batch(case: Case) -> Ours:
    """What a batch poster's report pays out of what was collected, second by second, until now."""
    asked = case.body["input"]
    seconds = asked["seconds_collected"].integer(least=0)
    collected, units = (
        seconds * asked[name].integer(least=0) for name in ("funds_collected_per_second", "units_per_second")
    )
    state = arbitrum.UnitPricing(
        price_per_unit=0,
        fees_available=collected,
        units_since_update=units,
        per_unit_reward=asked["per_unit_reward"].integer(least=0),
        amortized_cost_cap_bips=asked["amortized_cost_cap_bips"].integer(least=0),
    )
    after, paid = arbitrum.report_batch(
        state,
        asked["funds_spent"].integer(least=0),
        asked["l1_basefee_wei"].integer(least=0),
        asked["update_time"].integer(least=0),
        asked["current_time"].integer(least=0),
    )
    return {
        "reward_paid": paid.reward,
        "poster_paid": paid.poster,
        "units_remaining": after.units_since_update,
        "funds_held": after.fees_available,
    }


def exponents(case: Case) -> Ours:
    """Exponent of each resource."""
    found = arbitrum.resource_exponents_bips(map(_constraint, case.body["input"]["constraints"]))
    expected = case.body["expected"].entries()
    return {**dict.fromkeys(expected, 0), **found}


def _constraint(stated: Field) -> arbitrum.ResourceConstraint:
    target, window = (stated[name].integer(least=1) for name in ("target", "window"))
    weights = {name: weight.integer(least=0) for name, weight in stated["weights"].entries().items()}
    return arbitrum.ResourceConstraint(target, window, stated["backlog"].integer(least=0), weights)


def receipt(case: Case) -> Ours:
    """What a receipt says was paid, and how much of it for posting."""
    asked = case.body["input"]
    price = asked["effectiveGasPrice"].integer(least=0)
    gas, posting = (asked[name].integer(least=0) for name in ("gasUsed", "gasUsedForL1"))
    parts: Ours = {"l1_wei": posting * price, "l2_wei": (gas - posting) * price, "l2_gas": gas - posting}
    return {"total_wei": gas * price, **parts}


KINDS: dict[str, Rule] = {
    "arb_approx_exp_bips": exponential,
    "arb_l1_update_funds": report_batch,
    "arb_multigas_exponent_bips": exponents,
    "arb_receipt_identity": receipt,
}
