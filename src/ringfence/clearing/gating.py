"""Which margin each subaccount of an account must meet when one of them orders or trades.

Most venues ask only the subaccount that acts. Where a policy's `account_gating` is `maintenance`, every other
subaccount of the account must stand at maintenance margin as well, and the acting one too when it reduces its risk: one
sick subaccount stops all orders of the account, also those that would heal it.
Source: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/margin.rs:770-812, tests.rs:5303-8573.
"""

from typing import Literal, NamedTuple

from .draft import Draft, Refusal
from .model import Subaccount
from .risk import Risk, subaccount_risk
from .verdict import Reason

Action = Literal["place", "fill"]
Standard = Literal["initial", "fill", "maintenance"]


class Standards(NamedTuple):
    """What is asked of the subaccount that acts, and of each other one of its account."""

    own: Standard
    others: Standard = "maintenance"


def standards(action: Action, *, increasing: bool) -> Standards:
    """More risk needs initial margin to order and half way to it to be filled; less risk needs maintenance margin."""
    if not increasing:
        return Standards("maintenance")
    return Standards("initial" if action == "place" else "fill")


def lacking_q(risk: Risk, standard: Standard) -> int:
    """What a subaccount lacks to a standard; it meets it at zero and below. The half way is rounded up."""
    if standard == "initial":
        return -risk.free_q
    if standard == "maintenance":
        return -risk.surplus_q
    return -(risk.free_q + risk.surplus_q >> 1)


def must_meet(draft: Draft, who: Subaccount, before: Risk, action: Action, reason: Reason) -> None:
    """Refuse what leaves the acting subaccount short of its standard."""
    after = subaccount_risk(draft.venue, who)
    increasing = after.initial_q > before.initial_q or after.maintenance_q > before.maintenance_q
    lack_q = lacking_q(after, standards(action, increasing=increasing).own)
    if lack_q > 0:
        raise Refusal(reason, f"{who.id} lacks {lack_q}")


def others_must_meet(draft: Draft, who: Subaccount) -> None:
    """Refuse what is done while another subaccount of the account is short of its standard."""
    standard = Standards("maintenance").others
    for name, other in draft.base.subaccounts.items():
        if other.account != who.account or other.system or name == who.id:
            continue
        lack_q = lacking_q(subaccount_risk(draft.venue, draft.subaccount(name)), standard)
        if lack_q > 0:
            raise Refusal(Reason.ACCOUNT_MARGIN, f"{name} lacks {lack_q}")
