"""The comparison as a table in the terminal: a row per measure, a column per mode, ranges where the arms differ."""

from decimal import Decimal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ringfence.compare.measures import DEFINITIONS
from ringfence.compare.onchain import COLUMNS
from ringfence.compare.result import Document, is_base
from ringfence.units import significant

_SUFFIX = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


def short(text: str, unit: str) -> str:
    """A figure short enough for a table; the JSON has all digits."""
    value = float(text)
    if unit == "share":
        return f"{100 * value:.2f} %"
    if unit == "per account-day":
        return f"{value:.2f}"
    if unit == "count":
        return f"{int(value):,}"
    for size, suffix in _SUFFIX:
        if abs(value) >= size:
            return f"{value / size:,.2f} {suffix}"
    return f"{value:,.2f}"


def span(values: list[str], unit: str) -> str:
    """One number where all arms and layers agree, else the range."""
    shown = list(dict.fromkeys(short(value, unit) for value in values))
    if len(shown) == 1:
        return shown[0]
    (low, low_suffix), (high, high_suffix) = (text.partition(" ")[::2] for text in shown)
    least = low if low_suffix == high_suffix or float(low.replace(",", "")) == 0 else f"{low} {low_suffix}"
    return f"{least} - {high} {high_suffix}".rstrip()


def comparison_table(document: Document, frame: str) -> Table:
    """Modes against measures in one frame."""
    modes = document["headline"][frame]
    table = Table(title=_title(document, frame), title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("measure (money in USD)", no_wrap=True)
    missing = {run["mode"] for run in document["runs"] if run["frame"] == frame and run["counterfactual"]}
    for mode in modes:
        title = f"{mode} (counterfactual)" if mode in missing else mode
        table.add_column(title, justify="right", no_wrap=True)
    group = ""
    for name, what in DEFINITIONS.items():
        if what.group != group:
            group = what.group
            table.add_section()
            table.add_row(Text(group, style="italic"))
        unit = "" if what.unit in ("count", "gas", "share", "USD") else f" {what.unit}"
        table.add_row(
            Text.assemble(f"  {what.title}", (unit, "dim")),
            *(span(cells[name], what.unit) for cells in modes.values()),
        )
    return table


def _title(document: Document, frame: str) -> str:
    scenario, setup = document["scenario"], document["setup"]
    flow = document["flow" if frame == "identical" else "flow_venue"]
    rules = setup["venue"]
    if frame == "venue":
        rules = ", ".join(f"{mode} as {venue}" for mode, venue in setup["venue_frame"].items())
    said = f"Range over arms {', '.join(setup['arms'])} and both layers of pools."
    if frame == "venue":
        said = "Arm c alone, no headline: mode and venue change together."
    return (
        f"{scenario['name']}: {flow['accounts']:,} accounts, {flow['positions']:,} positions, "
        f"{short(flow['equity'], 'USD')} USD equity. Frame: {frame} ({rules}). {said}"
    )


def sensitivity_table(document: Document) -> Table:
    """Bad debt of arm c, shared pool, where liquidation orders slip: fills at the mark make next to none."""
    rows = [row for row in document["sensitivity"] if row["layer"] == "shared"]
    rows = [run | {"varied": "fills at the mark"} for run in document["runs"] if is_base(run)] + rows
    modes = list(dict.fromkeys(row["mode"] for row in rows))
    table = Table(
        title="Bad debt if one thing changes (USD; arm c, shared pool)", title_justify="left", pad_edge=False
    )
    table.add_column("what changes", no_wrap=True)
    for mode in modes:
        table.add_column(mode, justify="right")
    for varied in dict.fromkeys(row["varied"] for row in rows):
        cells = {row["mode"]: row["measures"]["bad_debt"] for row in rows if row["varied"] == varied}
        table.add_row(varied, *(short(cells[mode], "USD") if mode in cells else "" for mode in modes))
    return table


def stakeholder_table(document: Document) -> Table:
    """Who gained what: identical frame, arm c, one shared pool; every column sums to zero."""
    runs = {r["mode"]: dict(r["stakeholders"]) for r in document["runs"] if is_base(r)}
    table = Table(title="Who gained what (USD; arm c, shared pool)", title_justify="left", pad_edge=False)
    table.add_column("party")
    for mode in runs:
        table.add_column(mode, justify="right")
    for party in sorted({party for rows in runs.values() for party in rows}):
        table.add_row(party, *(short(rows.get(party, "0"), "USD") for rows in runs.values()))
    table.add_section()
    table.add_row("sum", *(short(str(sum(map(Decimal, rows.values()))), "USD") for rows in runs.values()))
    return table


def chains_table(document: Document) -> Table:
    """What each chain makes of it: fees in USD at its usual price, and the worst minute over what it sustains."""
    table = Table(
        title="On chain (arm c, shared pool): USD at mid fees for a liquidation and for margin actions per "
        "account-day; worst minute over what the chain sustains. zksync and starknet are modelled.",
        title_justify="left",
        pad_edge=False,
    )
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:2] else "right")
    for row in document["chains"]:
        load = f"{100 * float(row['worst_minute']):.2f} %" if row["worst_minute"] else ""
        usd = (significant(row[name]) if row[name] else "" for name in ("liquidation_usd", "actions_usd"))
        table.add_row(row["chain"], row["mode"], *usd, load)
    return table


def _show_refused(document: Document, console: Console) -> None:
    """The most that any arm of a mode refuses, in each frame; the tables hold only what every run admits."""
    worst: dict[tuple[str, str], dict[str, str]] = {}
    for row in document["refused"]:
        name = row["frame"], row["mode"]
        if name not in worst or float(row["notional"]) > float(worst[name]["notional"]):
            worst[name] = row
    for (frame, mode), row in worst.items():
        text = f"{row['positions']} positions, {short(row['notional'], 'USD')} USD (arm {row['arm']})"
        console.print(f"Refused by {mode} in the {frame} frame: {text}.")


def show(document: Document, console: Console) -> None:
    """Print the comparison."""
    for frame in document["headline"]:
        console.print(comparison_table(document, frame))
        console.print()
    if any(is_base(run) for run in document["runs"]):
        console.print(stakeholder_table(document))
        console.print()
        if document["sensitivity"]:
            console.print(sensitivity_table(document))
            console.print()
        console.print(chains_table(document))
        console.print()
    _show_refused(document, console)
    for note in document["scenario"]["notes"]:
        console.print(f"Note: {note}")
    left_out = document["scenario"]["markets_left_out"]
    if left_out:
        console.print(f"Not listed by the rulebook, left out: {', '.join(left_out)}.")
    for row in document.get("claims", ()):
        if row["status"] in ("confirmed", "refuted", "depends", "undetermined") and row.get("figures"):
            console.print(Text.assemble((row["id"], "bold"), f" {row['status']}: {row['verdict']}"))
