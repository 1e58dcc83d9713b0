"""What nautilus_trader can do of our work: the maintenance margin of one position, with its standard margin model.

    .venv-peers/nautilus/bin/python bench/peers/nautilus_jobs.py BOOK.npz

Prints one JSON object: job -> seconds, subaccounts, and the sum of the margins found.
"""

import json
import sys
import time

import numpy as np
from nautilus_trader.backtest.models import StandardMarginModel
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.test_kit.stubs.execution import TestExecStubs


def main() -> None:
    """Run the job."""
    book = np.load(sys.argv[1])
    perp, account = TestInstrumentProvider.btcusdt_perp_binance(), TestExecStubs.margin_account()
    account.set_margin_model(StandardMarginModel())
    sizes = [Quantity(max(abs(size), 0.001), 3) for size in book["a_size"].tolist()]
    sides = [PositionSide.LONG if size > 0 else PositionSide.SHORT for size in book["a_size"].tolist()]
    price, best, total = Price(float(book["a_price"]), 1), float("inf"), 0.0
    for _ in range(3):
        began = time.perf_counter()
        found = [
            account.calculate_margin_maint(perp, side, size, price)
            for size, side in zip(sizes, sides, strict=True)
        ]
        best = min(best, time.perf_counter() - began)
        total = sum(float(margin) for margin in found)
    print(json.dumps({"maintenance margin": {"seconds": best, "subaccounts": len(sizes), "sum": total}}))


if __name__ == "__main__":
    main()
