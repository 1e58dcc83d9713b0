"""What driftpy can do of our work: equity and maintenance margin of one cross account, asked for one after the other.

    .venv-peers/driftpy/bin/python bench/peers/driftpy_jobs.py BOOK.npz

Its margin code asks a client for markets and prices, and the client a node; here they are held in memory, so that what
is timed is the margin code alone. Prints one JSON object: job -> seconds (least of several runs), subaccounts and the
sum of equities less margins.
"""

import json
import sys
import time
from types import SimpleNamespace as Held
from typing import Any

import numpy as np
from driftpy.drift_user import DriftUser
from driftpy.math.margin import MarginCategory
from driftpy.types import ContractType, MarketStatus, SpotBalanceType

SAMPLE, RUNS = 2_000, 3
RATIO = 50
"""0.5 % in its unit, 1e-4."""


class Client:
    """What `DriftUser` asks of its client."""

    def __init__(self, prices: list[float]) -> None:
        """Markets with one rate and nothing else, and USDC at 1."""
        self.prices = [Held(price=round(price * 1e6)) for price in prices]
        self.markets = [self._market(number) for number in range(len(prices))]
        self.quote = Held(price=10**6)
        full = {"initial_asset_weight": 10_000, "maintenance_asset_weight": 10_000}
        self.usdc = Held(
            market_index=0, decimals=6, imf_factor=0, cumulative_deposit_interest=10**10, oracle=0, **full
        )

    def _market(self, number: int) -> Any:  # noqa: ANN401 - driftpy's own type has fields by the hundred
        ratios = {"margin_ratio_initial": 2 * RATIO, "margin_ratio_maintenance": RATIO, "imf_factor": 0}
        funding = {"cumulative_funding_rate_long": 0, "cumulative_funding_rate_short": 0}
        kinds = {"status": MarketStatus.Active(), "contract_type": ContractType.Perpetual()}
        high = {"high_leverage_margin_ratio_initial": 0, "high_leverage_margin_ratio_maintenance": 0}
        weight = {"unrealized_pnl_maintenance_asset_weight": 10_000, "quote_spot_market_index": 0}
        return Held(
            market_index=number, amm=Held(oracle=number, **funding), **ratios, **kinds, **high, **weight
        )

    def get_perp_market_account(self, index: int) -> Any:  # noqa: ANN401, D102 - as driftpy names it
        return self.markets[index]

    def get_spot_market_account(self, _index: int) -> Any:  # noqa: ANN401, D102
        return self.usdc

    def get_oracle_price_data_for_perp_market(self, index: int) -> Any:  # noqa: ANN401, D102
        return self.prices[index]

    def get_oracle_price_data_for_spot_market(self, _index: int) -> Any:  # noqa: ANN401, D102
        return self.quote


class User(DriftUser):  # type: ignore[misc]  # driftpy is not installed where types are checked
    """An account that is held in memory."""

    def __init__(self, client: Client, account: Any) -> None:  # noqa: ANN401
        self.drift_client, self.account = client, account

    def get_user_account(self) -> Any:  # noqa: ANN401, D102
        return self.account


def user(client: Client, markets: list[int], sizes: list[float], entries: list[float], cash: float) -> User:
    """A cross account: five positions and USDC."""
    idle = {
        "lp_shares": 0,
        "open_bids": 0,
        "open_asks": 0,
        "open_orders": 0,
        "last_cumulative_funding_rate": 0,
    }
    perps = []
    for market, size, entry in zip(markets, sizes, entries, strict=True):
        base, cost = round(size * 1e8) * 10, round(size * entry * 1e6)
        perps.append(Held(market_index=market, base_asset_amount=base, quote_asset_amount=-cost, **idle))
    deposit = Held(
        market_index=0,
        scaled_balance=round(cash * 1e6) * 1000,
        balance_type=SpotBalanceType.Deposit(),
        open_orders=0,
    )
    return User(client, Held(perp_positions=perps, spot_positions=[deposit], max_margin_ratio=0))


def main() -> None:
    """Run the job."""
    book = np.load(sys.argv[1])
    client = Client(book["b_price"].tolist())
    columns = (book[name][:SAMPLE].tolist() for name in ("b_market", "b_size", "b_entry", "b_cash"))
    users = [user(client, *row) for row in zip(*columns, strict=True)]
    kind, best, found = MarginCategory.MAINTENANCE, float("inf"), []
    for _ in range(RUNS):
        began = time.perf_counter()
        found = [(each.get_total_collateral(kind), each.get_margin_requirement(kind)) for each in users]
        best = min(best, time.perf_counter() - began)
    total = sum(equity - margin for equity, margin in found) / 1e6
    print(json.dumps({"cross health": {"seconds": best, "subaccounts": len(users), "sum": total}}))


if __name__ == "__main__":
    main()
