"""Measure gas afresh and write the committed snapshot.

    python bench/gas.py [DESIGN ...]

With designs named only theirs is measured and the rest of the snapshot stays as it is. Gas does not depend on the
machine or on what else runs on it. The snapshot is `src/ringfence/chain/data/gas_snapshot.json`.
"""

import sys

from ringfence.chain.gas import SNAPSHOT, drifts, measure, merged, read, write
from ringfence.terminal import progress


def main(designs: list[str]) -> None:
    """Measure, say what moved by more than the tests allow, and write."""
    before = read() if SNAPSHOT.exists() else None
    with progress("gas") as report:
        now = measure(designs=designs or None, report=report)
    for drift in drifts(before, now) if before is not None else ():
        if drift.was:
            print(drift)
    write(merged(before, now) if before is not None and designs else now)
    print(f"{len(now.figures)} figures, {SNAPSHOT.name} written")


if __name__ == "__main__":
    main(sys.argv[1:])
