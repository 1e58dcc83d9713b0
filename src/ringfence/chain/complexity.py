"""How complex a design is to audit: what its code does, not how long its source looks.

Counted in the deployed code: bytes, conditional jumps, calls to other contracts. Measured: storage slots that an
operation touches. Listed: the invariants that its tests hold it to.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from .compile import CODE_BYTES_MAX, compile_contract

if TYPE_CHECKING:
    from .rigs import Rig

CALLS = ("CALL", "STATICCALL", "DELEGATECALL", "CALLCODE")
BRANCH = "JUMPI"
SLOT_OPERATIONS = ("deposit", "add", "withdraw", "liquidate_one")
SLOT_POSITIONS = (1, 16)

_HOUSE = (
    "tokens held are what somebody is owed, per asset, to the atom",
    "the bitmaps of a subaccount name exactly the positions and assets that it holds",
    "a subaccount is liquidated when its equity is below maintenance margin, and never else",
    "a liquidation closes no more than lifts the subaccount to its target",
    "what adds risk or takes collateral out leaves initial margin, on both sides of a fill",
    "nothing that happens in a subaccount touches another, but for a transfer, which checks both",
    "an order is filled at most once for each of its lots, and not after it was cancelled",
    "a pool's loss is its own: its fund, then who won, then its liquidity",
    "a loss that traders share is paid by all who hold in the pool, in proportion, within their equity",
    "no sequence of deposits and withdrawals of shares takes out more than it brought",
    "winners are deleveraged in the order of the rulebook, and only against who has no equity",
)

INVARIANTS: Mapping[str, tuple[str, ...]] = {
    "Clearinghouse, isolated": _HOUSE,
    "Clearinghouse, cross": _HOUSE,
    "IsolatedOnly": (
        "tokens held are balances, pools, funds and rewards, to the atom",
        "nothing that happens to a position touches another",
        "a position is liquidated when its equity is below maintenance margin, and never else",
        "what adds risk or takes collateral out leaves initial margin",
        "a flat subaccount owes nothing",
    ),
    "CrossOnly": (
        "tokens held are balances, the pool, the fund and rewards, to the atom",
        "the bitmap of an account names exactly the positions that it holds",
        "an account is liquidated when its equity is below maintenance margin, and never else",
        "a liquidation stops as soon as the account has its maintenance margin",
        "what adds risk or takes collateral out leaves the initial margin of all positions",
        "a flat account owes nothing",
    ),
}
"""What the tests of a design assert after every operation."""


class Complexity(msgspec.Struct, frozen=True):
    """One design; `slots` are by operation and number of positions."""

    design: str
    code_bytes: int
    code_share: float
    """Of the largest contract that a chain takes."""
    branches: int
    external_calls: int
    slots: dict[str, dict[int, int]]
    invariants: int


def complexity(kind: "type[Rig]") -> Complexity:
    """Count and measure the design of a rig."""
    from .evm import Evm

    artifacts = [compile_contract(name) for name in kind.contracts]
    words = [word for artifact in artifacts for word in re.findall(r"[A-Z][A-Z0-9]*", artifact.opcodes)]
    size = sum(artifact.code_bytes for artifact in artifacts)
    rig = kind(Evm(signed=False))
    slots: dict[str, dict[int, int]] = {name: {} for name in SLOT_OPERATIONS}
    for count in SLOT_POSITIONS:
        rig.enter(count)
        for name in SLOT_OPERATIONS:
            slots[name][count] = rig.slots_touched(name, count)
    return Complexity(
        kind.design,
        size,
        size / CODE_BYTES_MAX / len(artifacts),
        words.count(BRANCH),
        sum(map(words.count, CALLS)),
        slots,
        len(INVARIANTS[kind.design]),
    )
