"""What a case of refusals is made of, and what makes many commands be refused.

A case is a world in which a command is accepted, and a list of violations, each of which makes it refused for one
reason, by changing the command, the world or both.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.model import LiveAuction
from ringfence.clearing.verdict import Reason

TOO_MUCH = 2**96


def nothing(_world):
    pass


class Violation(NamedTuple):
    reason: Reason
    fields: Mapping = MappingProxyType({})
    prepare: Callable[[World], None] = nothing
    touches: frozenset[str] = frozenset()
    """What else it needs as it is: fields, prices, the policy, the market."""

    def goes_with(self, other):
        """Can both be made at once, neither undoing the other?"""
        shared = self.fields.keys() & other.fields.keys()
        agree = all(self.fields[field] == other.fields[field] for field in shared)
        mine, theirs = self.touches | self.fields.keys(), other.touches | other.fields.keys()
        return agree and self.touches.isdisjoint(theirs) and other.touches.isdisjoint(mine)


class Case(NamedTuple):
    build: Callable[[], World]
    command: cmd.AnyCommand
    violations: list[Violation]
    of: str = ""
    """What the command is about, where it has more than one case."""


def change_policy(**changes):
    def prepare(world):
        world.venue.policy = replace(world.venue.policy, **changes)

    return prepare


def change_liquidation(**changes):
    def prepare(world):
        world.venue.policy = liquidation(world.venue.policy, **changes)

    return prepare


def change_market(**changes):
    def prepare(world):
        for field, value in changes.items():
            setattr(world.venue.markets["ETH"], field, value)

    return prepare


def move(**prices):
    return lambda world: world.price(**prices)


def under_auction(name):
    """`name` is sold by auction; what it may do then is the command's business, so nothing else changes that."""
    return lambda world: setattr(world.venue.subaccounts[name], "auction", LiveAuction(0, False))


def flagged(name):
    """`name` is liquidated by windows, as far as the command can see."""
    return lambda world: setattr(world.venue.subaccounts[name], "flagged", True)


def without(step):
    steps = tuple(name for name in ("insurance", "deleverage", "socialize") if name != step)
    return Violation(Reason.NOT_OFFERED, {}, change_policy(waterfall=steps))


AMOUNT = [
    Violation(Reason.AMOUNT_NOT_POSITIVE, {"amount": 0}),
    Violation(Reason.AMOUNT_TOO_LARGE, {"amount": TOO_MUCH}),
]
NO_ASSET = Violation(Reason.ASSET_UNKNOWN, {"asset": "XRP"})
NO_MARKET = Violation(Reason.MARKET_UNKNOWN, {"market": "NONE"})
NO_PRICE = Violation(Reason.PRICE_NOT_SET, {"market": "NEW"})
NO_POOL = Violation(Reason.POOL_UNKNOWN, {"pool": "none"})
NOBODY = Violation(Reason.SUBACCOUNT_UNKNOWN, {"subaccount": "nobody"})
OFF_STEP = Violation(Reason.SIZE_NOT_A_MULTIPLE, {"size_b": 7})
SETTLING = Violation(Reason.MARKET_SETTLING, {}, change_market(settling=True), frozenset({"market"}))
EXPIRED = Violation(Reason.EXPIRED, {"market": "OLD"})
HEALTHY = Violation(Reason.NOT_LIQUIDATABLE, {}, move(ETH=100), frozenset({"price of ETH"}))
SYSTEM = Violation(Reason.SYSTEM_SUBACCOUNT, {"subaccount": "market/SOL"})
NO_POSITION = Violation(Reason.POSITION_UNKNOWN, {"market": "SOL"})
