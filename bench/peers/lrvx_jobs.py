"""What lrvx can do of our work: health of a book on a tick, and a crash with its insurance fund and deleveraging.

    .venv-peers/lrvx/bin/python bench/peers/lrvx_jobs.py BOOK.npz [CRASH.npz]

CRASH has a book of single positions, the price after the crash, and what is in the fund. lrvx has one ladder of margin
fractions for all markets and no maintenance amount, so the book has one fraction. Prints one JSON object: job ->
seconds (least of several runs), subaccounts and what was found.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import lrvx
import numpy as np

FRACTION = 0.005


def engine(fund: float) -> Any:  # noqa: ANN401 - lrvx ships no types
    """An engine with the one fraction and a fund; positions are closed at the mark, and winners pay what it cannot."""
    found = lrvx.LiquidationEngine()
    found.add_tier(0.0, FRACTION)
    found.set_liquidation_slippage_bps(0.0)
    found.set_adl_enabled(True)
    found.set_insurance_fund_capital(fund)
    return found


def isolated(book: Any, fund: float = 1e15) -> Any:  # noqa: ANN401
    """One position per account."""
    found = engine(fund)
    rows = zip(book["a_size"].tolist(), book["a_entry"].tolist(), book["a_equity"].tolist(), strict=True)
    for at, (size, entry, equity) in enumerate(rows):
        found.open_position(at, 0, size, entry, equity)
    return found


def cross(book: Any) -> tuple[Any, list[Any]]:  # noqa: ANN401
    """Accounts with several positions each; they are returned too, since the engine only refers to them."""
    found, accounts = engine(1e15), []
    rows = zip(
        book["b_market"].tolist(),
        book["b_size"].tolist(),
        book["b_entry"].tolist(),
        book["b_cash"].tolist(),
        strict=True,
    )
    for at, (markets, sizes, entries, cash) in enumerate(rows):
        account = lrvx.Account(at, cash)
        account.set_margin_mode("cross")
        for market, size, entry in zip(markets, sizes, entries, strict=True):
            account.open_position(market, size, entry)
        found.attach_account(account)
        accounts.append(account)
    return found, accounts


def timed(call: Callable[[], Any], times: int) -> tuple[float, Any]:
    """Least seconds of several runs, and the last answer."""
    best, answer = float("inf"), None
    for _ in range(times):
        began = time.perf_counter()
        answer = call()
        best = min(best, time.perf_counter() - began)
    return best, answer


def crash(book: Any) -> dict[str, float]:  # noqa: ANN401
    """One tick down to the price of the crash: who is liquidated, and what the fund and winners pay."""
    held = isolated(book, float(book["fund"]))
    price = float(book["crash_price"])
    seconds, found = timed(lambda: held.on_mark(0, price), 1)
    return {
        "seconds": seconds,
        "subaccounts": len(book["a_size"]),
        "liquidated": found["liquidations_count"],
        "deleveraged": found["adl_closeouts_count"],
        "fund_paid": sum(held.deficits_paid_by_fund()),
        "winners_paid": sum(held.deficits_paid_by_adl()),
    }


def main() -> None:
    """Run the jobs."""
    if len(sys.argv) > 2:
        print(json.dumps({"isolated crash": crash(np.load(sys.argv[2]))}))
        return
    book = np.load(sys.argv[1])
    count, prices = len(book["a_size"]), book["b_price"].tolist()
    held = isolated(book)
    calm = float(book["a_price"])
    tick, _ = timed(lambda: held.on_mark(0, calm), 5)
    out = {"isolated tick": {"seconds": tick, "subaccounts": count, "liquidated": 0}}
    wide, accounts = cross(book)
    marks = list(enumerate(prices))
    tick, found = timed(lambda: wide.on_marks(marks), 3)
    out["cross tick"] = {
        "seconds": tick,
        "subaccounts": len(accounts),
        "liquidated": found["liquidations_count"],
    }
    print(json.dumps(out))


if __name__ == "__main__":
    main()
