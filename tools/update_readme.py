"""Put the table that `make compare` prints into the README: figures there are printed by a command, never typed."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- compare:begin -->", "<!-- compare:end -->"


def main() -> int:
    """Run the command and replace what stands between the markers."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    command = [str(Path(sys.executable).with_name("ringfence")), "compare"]
    printed = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    block = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    text = README.read_text(encoding="utf-8")
    found = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n```\n{block}\n```\n{END}", text, flags=re.DOTALL)
    README.write_text(found, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
