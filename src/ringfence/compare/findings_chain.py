"""Claims that contracts settle: gas, scalability, and how complex the two designs are, side by side.

All figures are those of the committed gas snapshot (`ringfence gas`), of which a test measures that they still hold,
and of the dated chain parameters (`docs/reference/chain-parameters.md`).
"""

from fractions import Fraction

from ..chain.capacity import liquidations_per_second, rates
from ..chain.complexity import Complexity
from ..chain.fees import CHAINS, SCENARIOS, parameters
from ..chain.fees.parameters import capacity, chain_data
from ..chain.gas import Snapshot, read
from ..units import significant
from .finding import Figures, Finding, measurement, number
from .gas_fees import figure_fee
from .reading import Document

ALONE, TOGETHER = "IsolatedOnly", "CrossOnly"
"""The two designs of the comparison, each as good as it can be."""
COUNTS = (1, 16)
OPERATIONS = ("open", "withdraw", "liquidate_one", "liquidate_all")
NEAR_PERCENT = 10
"""Two counts of a contract that differ by less are called alike."""


def slope(snapshot: Snapshot, design: str, operation: str) -> Fraction:
    """Gas per position held, between 8 and 16 positions."""
    below, above = (snapshot.gas(design, operation, count) for count in (8, 16))
    return Fraction((above or 0) - (below or 0), 8)


@measurement("contracts")
def gas_differs(_document: Document | None) -> Finding:
    """O5: gas per operation and number of positions, and where the cheaper design changes."""
    snapshot = read()
    figures: dict[str, str] = {}
    for operation in OPERATIONS:
        for count in COUNTS:
            gas = (snapshot.gas(design, operation, count) or 0 for design in (ALONE, TOGETHER))
            figures[f"{operation}, {count} position{'s' * (count > 1)}: isolated, cross"] = ", ".join(
                f"{each:,}" for each in gas
            )
    for operation in ("withdraw", "liquidate_one"):
        each = (f"{number(slope(snapshot, design, operation), 0)}" for design in (ALONE, TOGETHER))
        figures[f"{operation}, per further position: isolated, cross"] = ", ".join(each)
    figures |= _fees(snapshot)
    cheaper = _cheaper(snapshot)
    if len(set(cheaper.values())) == 1:
        return Finding("confirmed", f"{cheaper['open, 1']} margin is cheaper everywhere.", figures)
    words = "It does, and neither is cheaper everywhere: isolated costs the same at any number of positions, cross"
    words += (
        " pays for each that it holds in every check, and saves where one transaction serves all of them."
    )
    words += (
        f" Cheaper by operation and positions: {'; '.join(f'{at}: {who}' for at, who in cheaper.items())}."
    )
    return Finding("depends", words, figures, "the operation and the number of positions held")


def _cheaper(snapshot: Snapshot) -> dict[str, str]:
    found = {}
    for operation in OPERATIONS:
        for count in COUNTS:
            alone, together = (snapshot.gas(design, operation, count) or 0 for design in (ALONE, TOGETHER))
            found[f"{operation}, {count}"] = "isolated" if alone < together else "cross"
    return found


def _fees(snapshot: Snapshot) -> Figures:
    """What it comes to in USD for who liquidates everything of an account with 16 positions."""
    found = {}
    for chain in CHAINS:
        both = []
        for design in (ALONE, TOGETHER):
            (figure,) = (
                each for each in snapshot.series(design, "liquidate_all") if each.positions == COUNTS[1]
            )
            priced = [
                figure_fee(figure, parameters(chain, scenario)) for scenario in (SCENARIOS[0], SCENARIOS[-1])
            ]
            both.append(" to ".join(significant(each.usd) for each in priced))
        modelled = " (modelled)" if chain_data(chain).rule in {"zksync", "starknet"} else ""
        found[f"USD to liquidate 16 positions on {chain}{modelled}: isolated, cross"] = ", ".join(both)
    return found


@measurement("contracts")
def scalability_differs(_document: Document | None) -> Finding:
    """O6: positions per second that each chain can liquidate under either design, all blocks given to it."""
    snapshot, figures = read(), dict[str, str]()
    gains = set()
    for chain in CHAINS:
        known = capacity(chain)
        if known.gas_unit != "gas" or chain_data(chain).rule in {"zksync", "starknet"}:
            continue
        limits = rates(known)
        for name, rate in (("sustained", limits.sustained), ("ceiling", limits.ceiling)):
            shown = []
            for design in (ALONE, TOGETHER):
                gas = snapshot.gas(design, "liquidate_all", COUNTS[1]) or 1
                shown.append(liquidations_per_second(rate, gas) * COUNTS[1])
            gains.add(shown[1] > shown[0])
            each = ", ".join(number(one, 0) for one in shown)
            figures[f"positions per second, {chain}, {name}: isolated, cross (accounts of 16)"] = each
    if gains != {True}:
        return Finding("depends", "It does, in either direction.", figures, "the chain")
    one = [snapshot.gas(design, "liquidate_all", 1) or 0 for design in (ALONE, TOGETHER)]
    words = "It does, towards cross where accounts hold many positions and all of an account is closed: one transaction"
    words += f" does what isolated needs one each for. With one position the two are alike ({one[0]:,} and {one[1]:,}"
    words += " gas). What a crash asks of a chain under either mode: `ringfence gas --crash`."
    return Finding(
        "depends", words, figures, "positions per account, and whether all of an account is closed"
    )


@measurement("contracts")
def simpler_contracts(_document: Document | None) -> Finding:
    """O3: bytecode, branches, external calls, storage touched and invariants of the two designs."""
    alone, together = _complexities()
    figures = _counted(alone, together)
    near = all(
        abs(mine - theirs) * 100 <= NEAR_PERCENT * theirs
        for mine, theirs in ((alone.code_bytes, together.code_bytes), (alone.branches, together.branches))
    )
    words = (
        "In code hardly: bytes and branches are alike." if near else "In code: bytes and branches are fewer."
    )
    words += " In what an operation touches, clearly: isolated reads the same few slots at any number of positions,"
    words += " cross one or two more for each that is held. How many mutants each one's tests let live is not measured."
    return Finding("depends", words, figures, "what is counted: code, or state that an operation depends on")


@measurement("contracts")
def simpler_model(_document: Document | None) -> Finding:
    """O8: what a liquidation depends on in either design."""
    alone, together = _complexities()
    figures = _counted(alone, together)
    fewer = alone.slots["liquidate_one"][COUNTS[1]] < together.slots["liquidate_one"][COUNTS[1]]
    words = "A liquidation of one of 16 positions depends on"
    words += f" {alone.slots['liquidate_one'][16]} storage slots when isolated and on"
    words += f" {together.slots['liquidate_one'][16]} in a cross account, whose liquidation price moves with each other"
    words += " market it holds and every transfer (`trigger`, claim R7)."
    return Finding("confirmed" if fewer else "refuted", words, figures)


def _complexities() -> tuple[Complexity, Complexity]:
    found = {each.design: each for each in read().complexity}
    return found[ALONE], found[TOGETHER]


def _counted(alone: Complexity, together: Complexity) -> Figures:
    def row(mine: int, theirs: int) -> str:
        return f"{mine:,}, {theirs:,}"

    found = {
        "bytes of code: isolated, cross": row(alone.code_bytes, together.code_bytes),
        "branches": row(alone.branches, together.branches),
        "external calls": row(alone.external_calls, together.external_calls),
        "invariants tested": row(alone.invariants, together.invariants),
    }
    for operation, by_count in alone.slots.items():
        for count, slots in by_count.items():
            found[f"slots touched, {operation}, {count}"] = row(slots, together.slots[operation][count])
    return found
