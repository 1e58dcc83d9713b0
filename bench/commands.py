"""How long the commands take as a whole: `ringfence --help` and `ringfence compare` with its defaults.

    python bench/commands.py

Prints a table and writes `bench/results/commands.json`. Processor time is that of the whole process and its workers;
each figure is the median of its runs.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "commands.json"
RUNS = {("--help",): 9, ("compare", "--html"): 3}


def measured(words: tuple[str, ...]) -> tuple[float, float]:
    """Wall and processor seconds of one run."""
    command = [str(Path(sys.executable).with_name("ringfence")), *words]
    with tempfile.TemporaryDirectory() as folder:
        if words[-1] == "--html":
            command.append(str(Path(folder) / "report.html"))
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - ours
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
        "machine": {"processors": os.cpu_count(), "system": platform.platform()},
        "python": platform.python_version(),
        "commands": found,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
