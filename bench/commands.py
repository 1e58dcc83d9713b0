"""How long the commands take as a whole: `ringfence --help` and `ringfence compare` with its defaults.

    python bench/commands.py

Prints a table and writes `bench/results/commands.json`. Processor time is that of the whole process and its workers;
each figure is the median of its runs.
"""

import platform
import statistics
import tempfile
from pathlib import Path

import record

RUNS = {("--help",): 9, ("compare", "--html"): 3}


def measured(words: tuple[str, ...]) -> tuple[float, float]:
    """Wall and processor seconds of one run."""
    with tempfile.TemporaryDirectory() as folder:
        report = [str(Path(folder) / "report.html")] if words[-1] == "--html" else []
        return record.command_seconds([*words, *report])


def main() -> None:
    """Measure, print, write."""
    found = {}
    for words, runs in RUNS.items():
        measured(words)  # the first run compiles and fills caches
        walls, processors = zip(*(measured(words) for _ in range(runs)), strict=True)
        name = f"ringfence {words[0]}"
        found[name] = {
            "runs": runs,
            "wall_seconds": round(statistics.median(walls), 3),
            "processor_seconds": round(statistics.median(processors), 3),
        }
        print(
            f"{name:20} {found[name]['wall_seconds']:8.3f} s wall {found[name]['processor_seconds']:8.3f} s processor"
        )
    document = {
        "what": "whole commands, median of runs",
        "machine": record.machine(),
        "python": platform.python_version(),
        "commands": found,
    }
    record.write("commands", document)


if __name__ == "__main__":
    main()
