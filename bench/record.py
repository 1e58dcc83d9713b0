"""What every measurement keeps beside its figures: on which machine, and a file in `results`."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def processor() -> str:
    """Name of the processor, as far as the system says."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def machine() -> dict[str, object]:
    """What the figures depend on and nobody chose."""
    return {"processor": processor(), "processors": os.cpu_count(), "system": platform.platform()}


def write(name: str, result: Mapping[str, object]) -> None:
    """Keep a result as `results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def command_seconds(words: Sequence[str]) -> tuple[float, float]:
    """Wall and processor seconds of one run of a command of ours."""
    command = [str(Path(sys.executable).with_name("ringfence")), *words]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - ours
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
