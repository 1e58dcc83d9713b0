"""How long questions about many accounts take: a difference for 100,000 accounts, every venue for a hundredth of them.

    python bench/books.py [ACCOUNTS]

Draws the books from a fixed seed, prints a table and writes `bench/results/books.json`. Processor time is that of the
whole process and its workers, the reading of the file included.
"""

import csv
import platform
import random
import sys
import tempfile
from pathlib import Path

import record

MARKS = {"BTC": 61000, "ETH": 2950, "SOL": 148, "DOGE": 0.2}
HEADER = "account,collateral.USDC,symbol,side,contracts,entryPrice,markPrice,marginMode,leverage,collateral"
JOBS = {
    "diff": (1, ("--from", "hyperliquid", "--to", "hyperliquid{BTC.maxLeverage=20}")),
    "margin": (100, ("--venue", "all")),
}
"""Commands, what part of the accounts they are asked about, and their options."""


def write_book(path: Path, accounts: int) -> int:
    """A book of one to four positions an account, a quarter of them isolated; returns how many positions it has."""
    draw, count = random.Random(1), 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER.split(","))
        for at in range(accounts):
            symbols = draw.sample(list(MARKS), draw.choice([1, 1, 2, 3, 4]))
            for first, symbol in enumerate(symbols):
                worth, mark = 10 ** draw.uniform(2, 5), MARKS[symbol]
                isolated = draw.random() < 0.25
                writer.writerow(
                    [
                        f"0x{at:040x}",
                        f"{worth * len(symbols) / draw.uniform(3, 20):.2f}" if first == 0 else "",
                        symbol,
                        draw.choice(["long", "short"]),
                        f"{worth / mark:.4f}",
                        f"{mark * draw.uniform(0.9, 1.1):.4f}",
                        mark,
                        "isolated" if isolated else "cross",
                        draw.choice([3, 5, 10]),
                        f"{worth / draw.uniform(3, 20):.2f}" if isolated else "",
                    ]
                )
                count += 1
    return count


def main() -> None:
    """Measure, print, write."""
    asked, found = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, {}
    with tempfile.TemporaryDirectory() as folder:
        for command, (part, options) in JOBS.items():
            accounts = max(1, asked // part)
            path = Path(folder) / f"{command}.csv"
            positions = write_book(path, accounts)
            wall, processor = record.command_seconds([command, str(path), *options])
            found[f"ringfence {command} {' '.join(options)}"] = {
                "accounts": accounts,
                "positions": positions,
                "wall_seconds": round(wall, 2),
                "processor_seconds": round(processor, 2),
            }
            print(f"{command:8} {accounts:8,} accounts {wall:8.2f} s wall {processor:8.2f} s processor")
    document = {
        "what": "whole commands, one run each, the reading of the file included",
        "machine": record.machine(),
        "python": platform.python_version(),
        "commands": found,
    }
    record.write("books", document)


if __name__ == "__main__":
    main()
