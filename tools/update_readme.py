"""Put what commands print into the README and the guide of `compare`: figures there are printed, never typed."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

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
