"""Put what commands print into the README: figures there are printed by a command, never typed."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def main() -> int:
    """Run the commands and replace what stands between their markers."""
    text = README.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        result = str(Path(folder) / "result.json")
        compared = printed("compare", "--json", result)
        text = put(text, "compare", f"```\n{compared}\n```")
        text = put(text, "matrix", printed("claims", "--markdown", "--comparison", result))
    text = put(text, "everywhere", f"```\n{printed('margin', 'examples/desk.json', '--venue', 'all')}\n```")
    README.write_text(text, encoding="utf-8")
    return 0


def printed(*arguments: str) -> str:
    """What a command of ours prints, without trailing blanks."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    command = [str(Path(sys.executable).with_name("ringfence")), *arguments]
    found = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True, cwd=README.parent
    )
    return "\n".join(line.rstrip() for line in found.stdout.strip().splitlines())


def put(text: str, name: str, block: str) -> str:
    """The text with `block` between the markers of `name`."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    found, count = re.subn(f"{begin}.*{end}", lambda _: f"{begin}\n{block}\n{end}", text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"README.md: expected the markers {begin} and {end} once")
    return found


if __name__ == "__main__":
    sys.exit(main())
