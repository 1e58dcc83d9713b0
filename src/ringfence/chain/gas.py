"""Gas of every operation by number of positions, measured from receipts; the committed snapshot, and its drift.

The snapshot's header says with which compiler, EVM and sources it was made. Gas does not depend on the machine, so a
figure that differs is a change of the contracts (or of what is measured), never noise.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import InputError
from ..progress import Report, silent
from .complexity import Complexity

if TYPE_CHECKING:
    from .node import LocalChain
    from .rigs import Rig

POSITIONS = (1, 2, 4, 8, 16, 32, 64)
SNAPSHOT = Path(__file__).parent / "data" / "gas_snapshot.json"
DRIFT_PERCENT = 1
"""A figure that differs by more from the snapshot fails the tests."""

OPERATIONS: dict[str, str] = {
    "deposit_first": "bring collateral to a new account",
    "deposit": "bring more collateral",
    "open": "open the last of N positions",
    "add": "add to one of N positions",
    "add_funding_due": "the same with funding run up in all N since they were traded",
    "reduce": "shrink one of N positions",
    "close": "close one of N positions",
    "check": "margin check inside a trade: adding less shrinking",
    "withdraw": "take collateral out with N positions open",
    "transfer": "move margin between two subaccounts",
    "fill_first": "the first fill that two accounts ever make, both margins checked",
    "fill": "fill of two signed orders, both margins checked, one of them with N positions",
    "fill_of_10": "ten such fills in one transaction",
    "liquidate_one": "liquidate one of N positions",
    "liquidate_all": "liquidate all N positions",
    "funding": "funding update of one market",
    "price": "price update of one market by the feed",
    "prices": "price update of N markets by the feed",
    "price_push": "price update of one market from an aggregator, sequencer checked",
    "prices_pull": "price update of N markets from a report with one signature",
}
"""Operations in the order of the table."""


class Figure(msgspec.Struct, frozen=True):
    """One operation of one design at one number of positions."""

    design: str
    operation: str
    positions: int
    gas: int
    transactions: int = 1
    calldata: str = ""
    """Calldata of the first transaction, in hexadecimal; empty for what is a difference of two operations."""

    @property
    def calldata_bytes(self) -> int:
        """Length of the calldata of one transaction."""
        return len(self.calldata) // 2

    @property
    def key(self) -> tuple[str, str, int]:
        """What it is a figure of."""
        return self.design, self.operation, self.positions


class Snapshot(msgspec.Struct, frozen=True):
    """Measured figures, and what they were measured with."""

    measured: str
    compiler: str
    evm: str
    code_bytes: dict[str, int]
    """Size of each contract on chain."""
    sources: dict[str, str]
    """Hash of each contract's sources, imports included."""
    complexity: tuple[Complexity, ...]
    figures: tuple[Figure, ...]

    def gas(self, design: str, operation: str, positions: int) -> int | None:
        """Gas of an operation, or None where the design does not have it or it was not measured."""
        wanted = (design, operation, positions)
        return next((figure.gas for figure in self.figures if figure.key == wanted), None)

    def series(self, design: str, operation: str) -> list[Figure]:
        """An operation's figures by rising number of positions."""
        found = [each for each in self.figures if (each.design, each.operation) == (design, operation)]
        return sorted(found, key=lambda each: each.positions)

    @property
    def designs(self) -> list[str]:
        """Designs in the order in which they were measured."""
        return list(dict.fromkeys(figure.design for figure in self.figures))


def read(path: Path = SNAPSHOT) -> Snapshot:
    """The committed snapshot, or another file of that form."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Snapshot)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{path}: not a gas snapshot: {error}") from error


def write(snapshot: Snapshot, path: Path = SNAPSHOT) -> None:
    """Write a snapshot, one figure a line, so that a change shows as the lines that changed."""
    document = msgspec.to_builtins(snapshot, str_keys=True)
    figures = ",\n".join(f"    {json.dumps(figure)}" for figure in document.pop("figures"))
    head = json.dumps(document, indent=2).removesuffix("\n}")
    path.write_text(f'{head},\n  "figures": [\n{figures}\n  ]\n}}\n', encoding="utf-8")


def measure(
    positions: Sequence[int] = POSITIONS,
    designs: Iterable[str] | None = None,
    *,
    new_chain: "Callable[[], LocalChain] | None" = None,
    report: Report = silent,
) -> Snapshot:
    """Measure all operations afresh, each design on a chain of its own: the embedded one unless another is given."""
    from .compile import compile_contract, compiler
    from .complexity import complexity
    from .evm import Evm
    from .rigs import rigs

    wanted = set(designs) if designs is not None else {rig.design for rig in rigs()}
    chosen = [rig for rig in rigs() if rig.design in wanted]
    if len(chosen) < len(wanted):
        known = ", ".join(rig.design for rig in rigs())
        raise InputError(f"design {', '.join(sorted(wanted))}: expected some of {known}")
    contracts = sorted({name for rig in chosen for name in rig.contracts})
    figures: list[Figure] = []
    total = len(chosen) * len(positions)
    for index, kind in enumerate(chosen):
        report(index * len(positions), total, f"{kind.design}: setting up")
        rig = kind((new_chain or Evm)())
        for at, count in enumerate(sorted(positions)):
            report(index * len(positions) + at, total, f"{kind.design}, {count} positions")
            figures.extend(_measured(rig, count))
    report(total, total, "done")
    return Snapshot(
        measured=datetime.now(UTC).date().isoformat(),
        compiler=compiler(),
        evm=_evm(),
        code_bytes={name: compile_contract(name).code_bytes for name in contracts},
        sources={name: source_hash(name) for name in contracts},
        complexity=tuple(complexity(kind) for kind in chosen),
        figures=tuple(figures),
    )


def merged(before: Snapshot, now: Snapshot) -> Snapshot:
    """A snapshot in which the designs of `now` took the place of their old figures, in the old order."""
    fresh = set(now.designs)
    order = {design: at for at, design in enumerate(dict.fromkeys((*before.designs, *now.designs)))}
    complexity = (*(each for each in before.complexity if each.design not in fresh), *now.complexity)
    figures = (*(each for each in before.figures if each.design not in fresh), *now.figures)
    return msgspec.structs.replace(
        now,
        code_bytes=before.code_bytes | now.code_bytes,
        sources=before.sources | now.sources,
        complexity=tuple(sorted(complexity, key=lambda each: order[each.design])),
        figures=tuple(sorted(figures, key=lambda each: order[each.design])),
    )


def source_hash(contract: str) -> str:
    """Hash of a contract's source with all that it imports."""
    from .compile import CONTRACTS, sources

    digest = blake2b(digest_size=8)
    for path in sources(CONTRACTS / f"{contract}.vy"):
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def _evm() -> str:
    from importlib.metadata import version

    return f"py-evm {version('py-evm')} (prague)"


def _measured(rig: "Rig", count: int) -> Iterator[Figure]:
    """Every operation at `count` positions, each on the same state."""
    rig.enter(count - 1)
    rig.prepare()
    yield _figure(rig, "open", count)
    rig.actions()["open"](count)
    rig.held = count
    found = {name: _figure(rig, name, count) for name in rig.actions() if name != "open"}
    yield from found.values()
    check = found["add"].gas - found["reduce"].gas
    yield Figure(rig.design, "check", count, check, 0)


def _figure(rig: "Rig", name: str, count: int) -> Figure:
    with rig.chain.attempt():
        receipts = rig.actions()[name](count)
    gas = sum(receipt.gas_used for receipt in receipts)
    return Figure(rig.design, name, count, gas, len(receipts), receipts[0].calldata.hex())


class Drift(msgspec.Struct, frozen=True):
    """A figure that is not what the snapshot says."""

    design: str
    operation: str
    positions: int
    was: int
    now: int

    def __str__(self) -> str:
        return f"{self.design} {self.operation} at {self.positions} positions: {self.was} gas, now {self.now}"


def drifts(before: Snapshot, now: Snapshot) -> list[Drift]:
    """Figures of `now` that differ from `before` by more than `DRIFT_PERCENT`, or that it does not have."""
    known = {figure.key: figure.gas for figure in before.figures}
    found = []
    for figure in now.figures:
        was = known.get(figure.key, 0)
        if abs(figure.gas - was) * 100 > DRIFT_PERCENT * was:
            found.append(Drift(*figure.key, was, figure.gas))
    return found


def slope(snapshot: Snapshot, design: str, operation: str, low: int = 8, high: int = 16) -> float | None:
    """Gas per extra position between two numbers of positions."""
    first, last = snapshot.gas(design, operation, low), snapshot.gas(design, operation, high)
    return None if first is None or last is None else (last - first) / (high - low)


def cheaper(snapshot: Snapshot, first: str, second: str, operation: str) -> dict[int, bool]:
    """Whether `second` costs less gas than `first`, by the positions at which `first` was measured."""
    counts = (figure.positions for figure in snapshot.series(first, operation))
    gas = {
        count: (snapshot.gas(first, operation, count), snapshot.gas(second, operation, count))
        for count in counts
    }
    return {
        count: one is not None and other is not None and other < one for count, (one, other) in gas.items()
    }


def crossover(snapshot: Snapshot, first: str, second: str, operation: str) -> int | None:
    """Fewest positions (of those measured) from which on `second` costs less gas than `first`; None for never."""
    found = None
    for count, is_cheaper in reversed(cheaper(snapshot, first, second, operation).items()):
        if not is_cheaper:
            break
        found = count
    return found
