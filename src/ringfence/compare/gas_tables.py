"""Gas as tables and as a document: by positions, against real venues, by chain, and how complex a design is."""

from collections.abc import Iterable, Sequence
from typing import Any

from ..chain.anchors import anchors, cheapest
from ..chain.complexity import SLOT_OPERATIONS, Complexity
from ..chain.gas import OPERATIONS, Snapshot, cheaper, crossover, slope
from ..units import significant
from .gas_fees import OperationFee

Document = dict[str, Any]
COMPARED = ("deposit", "open", "add", "close", "withdraw", "liquidate_one", "liquidate_all")
"""Operations by which designs are compared."""

CHECKED_BY = ("add", "add_funding_due", "withdraw", "liquidate_all")
"""Operations that look at every position."""

TARGETS: dict[tuple[str, str, int], tuple[int, int]] = {
    ("IsolatedOnly", "open", 1): (130_000, 100_000),
    ("CrossOnly", "open", 1): (130_000, 100_000),
    ("IsolatedOnly", "liquidate_one", 1): (110_000, 80_000),
    ("CrossOnly", "liquidate_all", 1): (130_000, 100_000),
    ("CrossOnly", "liquidate_all", 16): (800_000, 400_000),
    ("CrossOnly", "liquidate_one", 8): (160_000, 120_000),
    ("CrossOnly", "deposit_first", 1): (95_000, 75_000),
    ("CrossOnly", "deposit", 1): (60_000, 50_000),
    ("CrossOnly", "withdraw", 1): (90_000, 80_000),
    ("CrossOnly", "withdraw", 16): (180_000, 130_000),
    ("Clearinghouse, cross", "deposit_first", 1): (95_000, 75_000),
    ("Clearinghouse, cross", "deposit", 1): (60_000, 50_000),
    ("Clearinghouse, cross", "withdraw", 1): (90_000, 80_000),
    ("Clearinghouse, cross", "withdraw", 16): (180_000, 130_000),
    ("Clearinghouse, cross", "fill_first", 1): (150_000, 120_000),
    ("Clearinghouse, cross", "fill", 1): (150_000, 120_000),
    ("Clearinghouse, cross", "fill", 16): (240_000, 170_000),
    ("Clearinghouse, cross", "fill_of_10", 1): (700_000, 550_000),
    ("Clearinghouse, isolated", "liquidate_one", 1): (110_000, 80_000),
    ("Clearinghouse, cross", "liquidate_all", 1): (130_000, 100_000),
    ("Clearinghouse, cross", "liquidate_all", 16): (800_000, 400_000),
    ("Clearinghouse, cross", "liquidate_one", 8): (160_000, 120_000),
}
"""Most gas that an operation may take, and what is aimed at: set from what the cheapest venue takes."""

Row = Sequence[str]


def document(snapshot: Snapshot, fees: Sequence[OperationFee]) -> Document:
    """Everything that the command shows, as JSON."""
    import msgspec

    return {
        "snapshot": msgspec.to_builtins(snapshot, str_keys=True),
        "operations": OPERATIONS,
        "slopes": {design: slopes(snapshot, design) for design in snapshot.designs},
        "crossover": {
            f"{first} > {second}": {name: crossover(snapshot, first, second, name) for name in OPERATIONS}
            for first, second in pairs(snapshot)
        },
        "venues": msgspec.to_builtins(anchors()),
        "targets": [
            {"design": design, "operation": name, "positions": count, "most": most, "aim": aim}
            for (design, name, count), (most, aim) in TARGETS.items()
        ],
        "fees": msgspec.to_builtins(tuple(fees)),
    }


def slopes(snapshot: Snapshot, design: str) -> dict[str, float]:
    """Gas per extra position of the operations that look at every one."""
    found = {name: slope(snapshot, design, name) for name in CHECKED_BY}
    return {name: value for name, value in found.items() if value is not None}


def pairs(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Designs to compare: isolated with shared collateral, within the baselines and within the clearinghouse."""
    isolated = [design for design in snapshot.designs if "solated" in design]
    shared = [design for design in snapshot.designs if "solated" not in design]
    return list(zip(isolated, shared, strict=False))


def gas_rows(snapshot: Snapshot, design: str, counts: Sequence[int]) -> list[Row]:
    """Operations of a design by positions, with the transactions of the last column and calldata."""
    rows: list[Row] = []
    for name in OPERATIONS:
        found = {figure.positions: figure for figure in snapshot.series(design, name)}
        if not found:
            continue
        last = found[max(found)]
        cells = (f"{found[count].gas:,}" if count in found else "-" for count in counts)
        times = f"{last.transactions}" if last.transactions else "-"
        rows.append((spoken(name), *cells, times, f"{last.calldata_bytes}" if last.calldata else "-"))
    return rows


def venue_rows(snapshot: Snapshot) -> list[Row]:
    """What we need against the cheapest real venue, wherever one was measured at the same number of positions."""
    rows: list[Row] = []
    for design in snapshot.designs:
        for name in OPERATIONS:
            for figure in snapshot.series(design, name):
                best = cheapest(name, figure.positions)
                if best is not None:
                    ratio = f"{figure.gas / best.gas:.2f}"
                    where = f"{best.venue}{f' ({best.scope})' if best.scope else ''}"
                    rows.append(
                        (
                            design,
                            spoken(name),
                            str(figure.positions),
                            f"{figure.gas:,}",
                            f"{best.gas:,}",
                            ratio,
                            where,
                        )
                    )
    return rows


def fee_rows(fees: Iterable[OperationFee]) -> list[Row]:
    """A row per design, operation and scenario of fees, a column of USD per chain."""
    found: dict[tuple[str, str, str, str], dict[str, str]] = {}
    for each in fees:
        key = (each.design, spoken(each.operation), str(each.positions), each.scenario)
        found.setdefault(key, {})[each.chain] = significant(each.usd)
    return [(*key, *chains.values()) for key, chains in found.items()]


def fees_of(found: Document) -> list[OperationFee]:
    """Fees out of a document."""
    import msgspec

    return [msgspec.convert(each, OperationFee) for each in found["fees"]]


def slot_columns() -> list[str]:
    """Heads of the columns of slots."""
    return [f"slots: {name.replace('_', ' ')}" for name in SLOT_OPERATIONS]


def spoken(name: str) -> str:
    """An operation's name in a table."""
    return name.replace("_", " ")


def crossover_rows(snapshot: Snapshot) -> list[Row]:
    """With how many positions sharing collateral costs less, for what both designs do."""
    return [
        (first, second, spoken(name), _where(cheaper(snapshot, first, second, name)))
        for first, second in pairs(snapshot)
        for name in COMPARED
        if snapshot.series(first, name) and snapshot.series(second, name)
    ]


def _where(is_cheaper: dict[int, bool]) -> str:
    """The numbers of positions for which something is so, in words; few of them where it neither begins nor ends."""
    counts = [count for count, so in is_cheaper.items() if so]
    measured = list(is_cheaper)
    if not counts or len(counts) == len(measured):
        return "always" if counts else "never"
    if counts == measured[-len(counts) :]:
        return f"from {counts[0]} on"
    if counts == measured[: len(counts)]:
        return f"up to {counts[-1]}"
    return "at " + ", ".join(map(str, counts))


def complexity_rows(found: Iterable[Complexity]) -> list[Row]:
    """A row per design; slots at the fewest and the most positions."""
    rows: list[Row] = []
    for each in found:
        slots = (f"{min(by.values())}-{max(by.values())}" for by in each.slots.values())
        counts = (each.branches, each.external_calls, each.invariants)
        size = f"{each.code_bytes:,} ({each.code_share:.0%})"
        rows.append((each.design, size, *map(str, counts), *slots))
    return rows
