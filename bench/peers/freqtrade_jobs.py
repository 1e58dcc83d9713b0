"""What freqtrade can do of our work: the liquidation price of an isolated position from Binance's bracket formula.

    .venv-peers/freqtrade/bin/python bench/peers/freqtrade_jobs.py BOOK.npz

Its formula is called without an exchange behind it. Prints one JSON object: job -> seconds, subaccounts, and the sum of
the prices found.
"""

import json
import sys
import time

import numpy as np
from freqtrade.enums import MarginMode, TradingMode
from freqtrade.exchange import Binance

FRACTION = 0.005


def exchange() -> Binance:
    """A Binance without a connection; one bracket, as in the book."""
    found = Binance.__new__(Binance)
    found.margin_mode, found.trading_mode = MarginMode.ISOLATED, TradingMode.FUTURES
    found.get_maintenance_ratio_and_amt = lambda _pair, _stake: (FRACTION, 0.0)
    found.close = lambda: None
    found._exchange_ws = None  # noqa: SLF001
    found._api = found._api_async = found._ws_async = None  # noqa: SLF001
    found.loop = None
    return found


def main() -> None:
    """Run the job."""
    book, venue = np.load(sys.argv[1]), exchange()
    rows = list(
        zip(book["a_size"].tolist(), book["a_entry"].tolist(), book["a_equity"].tolist(), strict=True)
    )
    best, total = float("inf"), 0.0
    for _ in range(3):
        began = time.perf_counter()
        prices = [
            venue.dry_run_liquidation_price("BTC", entry, size < 0, abs(size), equity, 1.0, equity, [])
            for size, entry, equity in rows
        ]
        best = min(best, time.perf_counter() - began)
        total = sum(prices)
    print(
        json.dumps({"liquidation price": {"seconds": best, "subaccounts": len(rows), "sum": total}}),
        flush=True,
    )


if __name__ == "__main__":
    main()
