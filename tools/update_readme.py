"""Put what commands print into the README and the guide of `compare`: figures there are printed, never typed."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README, GUIDE = ROOT / "README.md", ROOT / "docs/guides/compare.md"


def main() -> int:
    """Run the commands and replace what stands between their markers."""
    text = README.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        result = str(Path(folder) / "result.json")
        compared = printed("compare", "--json", result)
        guide = put(GUIDE.read_text(encoding="utf-8"), "compare", f"```\n{compared}\n```")
        text = put(text, "compare", f"```\n{first_table(compared)}\n```")
        text = put(text, "matrix", printed("claims", "--markdown", "--comparison", result))
    text = put(text, "gas", gas_table())
    text = put(text, "speed", speed_table())
    text = put(text, "everywhere", f"```\n{printed('margin', 'examples/desk.json', '--venue', 'all')}\n```")
    GUIDE.write_text(guide, encoding="utf-8")
    README.write_text(text, encoding="utf-8")
    return 0


def first_table(compared: str) -> str:
    """What stands before the second table: tables are parted by an empty line."""
    return compared.split("\n\n", 1)[0]


OPERATIONS = (
    ("IsolatedOnly", "open", 1),
    ("CrossOnly", "open", 1),
    ("Clearinghouse, cross", "deposit", 1),
    ("Clearinghouse, cross", "withdraw", 1),
    ("Clearinghouse, cross", "withdraw", 16),
    ("Clearinghouse, cross", "fill", 1),
    ("Clearinghouse, cross", "fill", 16),
    ("Clearinghouse, cross", "fill_of_10", 1),
    ("IsolatedOnly", "liquidate_one", 1),
    ("Clearinghouse, cross", "liquidate_one", 8),
    ("CrossOnly", "liquidate_all", 16),
    ("Clearinghouse, cross", "liquidate_all", 16),
)
"""What the README's table of gas shows: design, operation, positions held."""


def gas_table() -> str:
    """Gas of our contracts beside the cheapest real venue of the same operation, from the committed figures."""
    from ringfence.chain.anchors import cheapest
    from ringfence.chain.gas import OPERATIONS as MEANING
    from ringfence.chain.gas import read

    snapshot = read()
    rows = [
        "| operation | positions | contract | gas | cheapest venue measured | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for design, operation, count in OPERATIONS:
        gas = snapshot.gas(design, operation, count)
        # Venues that match orders open a position by a fill.
        best = cheapest("open" if operation == "fill" else operation, count)
        assert gas is not None, (design, operation, count)
        venue, ratio = (f"{best.venue}, {best.gas:,}", f"{gas / best.gas:.2f}") if best else ("none", "")
        rows.append(f"| {MEANING[operation]} | {count} | {design} | {gas:,} | {venue} | {ratio} |")
    return "\n".join(rows)


def speed_table() -> str:
    """How fast a million subaccounts of eight legs are decided, from the committed results of the benchmarks."""
    bands = measured("kernel_bands")["books"]["cross"]
    screen, engine = measured("kernel_screen")["books"]["quiet"], measured("kernel_engine")
    stress, crash = measured("stress"), engine["crash_of_single_positions"]["sizes"][-1]
    lrvx = next(each for each in measured("peers")["crashes"] if "ratio" in each)
    quiet, falling = bands["quiet, single ticks"], bands["crash, single ticks"]
    brute = "brute_division_free_vs_mean"
    rows = (
        ("what", "takes", "against"),
        ("---", "---", "---"),
        (
            "a price tick of a quiet market",
            f"{quiet['microseconds']['mean']:.2f} us, p99 {quiet['microseconds']['p99']:.1f} us",
            f"{quiet['ratios'][brute]:,.0f}x everybody looked at in 128 bits",
        ),
        (
            f"a price tick of a crash in which {falling['due']:,} fall",
            f"{falling['microseconds']['mean']:.0f} us",
            f"{falling['ratios'][brute]:,.0f}x the same",
        ),
        (
            "everybody at new prices of all markets",
            f"{screen['milliseconds']['screen']:.1f} ms",
            f"{screen['ratios']['screen vs NumPy']:.0f}x NumPy, {screen['ratios']['screen vs DuckDB']:.0f}x DuckDB",
        ),
        (
            "a deposit, fill or withdrawal in the batch engine",
            f"{1e6 / engine['commands_per_second']:.1f} us",
            f"{engine['times_the_reference']:.0f}x the exact engine in Python, {engine['times_c']:.2f}x C",
        ),
        (
            f"a crash: {crash['Liquidate']:,} liquidated, {crash['Deleverage']:,} closed against winners",
            f"{crash['seconds']:.1f} s",
            f"{lrvx['ratio']:.0f}x lrvx, at {lrvx['accounts']:,} accounts",
        ),
        (
            f"`stress`, eleven price moves and a liquidation map, on {stress['machine']['processors']} processors",
            f"{stress['command_seconds']:.1f} s",
            f"{stress['reference_over_columns']:,.0f}x the exact engine in Python, by price move",
        ),
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def measured(name: str) -> Any:  # noqa: ANN401 - as the benchmark wrote it
    """What a benchmark has written."""
    return json.loads((ROOT / f"bench/results/{name}.json").read_text(encoding="utf-8"))


def printed(*arguments: str) -> str:
    """What a command of ours prints, without trailing blanks."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    command = [str(Path(sys.executable).with_name("ringfence")), *arguments]
    found = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return "\n".join(line.rstrip() for line in found.stdout.strip().splitlines())


def put(text: str, name: str, block: str) -> str:
    """The text with `block` between the markers of `name`."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    found, count = re.subn(f"{begin}.*{end}", lambda _: f"{begin}\n{block}\n{end}", text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"expected the markers {begin} and {end} once")
    return found


if __name__ == "__main__":
    sys.exit(main())
