"""What a run is on chain: transactions and gas by minute, priced on every chain."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from ringfence.chain.fees import parameters
from ringfence.chain.gas import read
from ringfence.compare.gas_fees import figure_fee
from ringfence.compare.onchain import chain_rows, keepers, liquidation_gas, margin_action
from ringfence.compare.table import chains_table
from ringfence.errors import InputError
from ringfence.sim.flow import FlowColumns
from ringfence.sim.outcome import Fills
from ringfence.sim.partition import CROSS, HYBRID, ISOLATED

SNAPSHOT = read()
MINUTE = 60_000


def ints(*values):
    return np.array(values, dtype=np.int64)


def flow():
    """Two accounts: one with BTC, ETH and SOL, one with SOL."""
    return FlowColumns(
        markets=("BTC", "ETH", "SOL"),
        entry={},
        row=ints(0, 1),
        cohort=np.array(["novice", "novice"]),
        equity_q=ints(1, 1),
        first=ints(0, 3, 4),
        market=ints(0, 1, 2, 2),
        size_b=ints(1, 1, 1, 1),
        notional_q=ints(1, 1, 1, 1),
        posted_q=ints(1, 1, 1, 1),
        prefers_isolated=np.zeros(4, dtype=np.bool_),
        topup_draws=np.zeros((4, 0)),
    )


def fills(*rows):
    """Fills of (time, account, market)."""
    ts_ms, account, market = (ints(*column) for column in zip(*rows, strict=True)) if rows else (ints(),) * 3
    nothing = np.zeros(len(ts_ms), dtype=np.int64)
    return Fills(ts_ms, account, market, nothing, nothing, nothing, nothing.astype(np.bool_))


def gas(design, operation, positions):
    return SNAPSHOT.gas(design, operation, positions)


TWO_AT_ONCE = fills((1000, 0, 0), (1000, 0, 1), (3 * MINUTE + 1000, 1, 2))


def test_what_stands_alone_is_a_transaction_each():
    sent = keepers(flow(), ISOLATED, TWO_AT_ONCE, 1000)
    one = gas("IsolatedOnly", "liquidate_one", 1)
    assert sent == (3, 3 * one, [(0, 2, 2 * one), (3, 1, one)])


def test_what_is_due_together_of_a_cross_account_is_one():
    sent = keepers(flow(), CROSS, TWO_AT_ONCE, 1000)
    # two of three positions, half way between one and all; three lie half way between two and four
    first = (gas("CrossOnly", "liquidate_one", 2) + gas("CrossOnly", "liquidate_one", 4)) / 2
    every = (gas("CrossOnly", "liquidate_all", 2) + gas("CrossOnly", "liquidate_all", 4)) / 2
    both = -(-(first + every) // 2)
    assert sent == (
        2,
        both + gas("IsolatedOnly", "liquidate_one", 1),
        [(0, 1, both), (3, 1, sent.gas - both)],
    )


def test_a_hybrid_account_has_a_transaction_per_group():
    sent = keepers(flow(), HYBRID, fills((0, 0, 0), (0, 0, 1), (0, 0, 2)), 0)
    # BTC and ETH share a subaccount of two, all of which goes; SOL stands alone
    assert sent.transactions == 2
    assert sent.gas == gas("CrossOnly", "liquidate_all", 2) + gas("IsolatedOnly", "liquidate_one", 1)


def test_nothing_due_is_nothing_sent():
    assert keepers(flow(), CROSS, fills(), 0) == (0, 0, [])


def test_a_snapshot_without_liquidations_says_what_to_do():
    with pytest.raises(InputError, match="ringfence gas --measure"):
        liquidation_gas(SNAPSHOT, "Nobody", 1, 1)


def test_every_chain_prices_it():
    sent = keepers(flow(), ISOLATED, TWO_AT_ONCE, 0)
    run = {"mode": "isolated", "keepers": sent._asdict(), "measures": {"margin_actions": "2.000000"}}
    rows = {row["chain"]: row for row in chain_rows([run])}
    assert set(rows) == {"ethereum", "base", "optimism", "arbitrum", "zksync", "starknet"}
    # 40M gas a second on Base: the worst minute has two liquidations
    worst = 2 * gas("IsolatedOnly", "liquidate_one", 1) / (60 * 40_000_000)
    assert float(rows["base"]["worst_minute"]) == pytest.approx(worst, abs=1e-6)
    assert rows["zksync"]["worst_minute"] == rows["starknet"]["worst_minute"] == ""
    # two transfers a day cost a little less than two liquidations: they take less gas
    share = Decimal(rows["ethereum"]["actions_usd"]) / (2 * Decimal(rows["ethereum"]["liquidation_usd"]))
    by_gas = margin_action().gas / gas("IsolatedOnly", "liquidate_one", 1)
    assert float(share) == pytest.approx(by_gas, abs=0.01)


def test_without_a_liquidation_it_has_no_price():
    run = {
        "mode": "cross",
        "keepers": keepers(flow(), CROSS, fills(), 0)._asdict(),
        "measures": {"margin_actions": "0"},
    }
    assert {row["liquidation_usd"] for row in chain_rows([run])} == {""}
    assert {Decimal(row["actions_usd"]) for row in chain_rows([run])} == {Decimal(0)}


def test_a_fee_of_millionths_of_a_dollar_is_shown_with_its_digits():
    """A transfer on OP Mainnet costs some 0.00004 USD: four decimals would be zero."""
    sent = keepers(flow(), ISOLATED, TWO_AT_ONCE, 0)
    run = {"mode": "isolated", "keepers": sent._asdict(), "measures": {"margin_actions": "0.010000"}}
    rows = chain_rows([run])
    (optimism,) = (row for row in rows if row["chain"] == "optimism")
    one = figure_fee(margin_action(), parameters("optimism", "mid")).usd
    assert Fraction(optimism["actions_usd"]) == Fraction(one) / 100
    *_, liquidation, actions, _ = chains_table({"chains": [optimism]}).columns
    for shown, exact in ((liquidation, optimism["liquidation_usd"]), (actions, optimism["actions_usd"])):
        (text,) = shown.cells
        assert float(text) == pytest.approx(float(exact), rel=0.005)
