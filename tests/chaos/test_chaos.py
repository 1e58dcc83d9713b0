"""Seeded crashes under the eyes of the auditor, and planted bugs that it must find.

`RINGFENCE_FUZZ=1` runs a thousand seeds instead of forty; `RINGFENCE_SEED=n` starts from seed n.
"""

import os
from itertools import count

import pytest

from chaos.books import AuditError
from chaos.world import Crash
from ringfence.clearing import (
    apply,
    decide,
    draft,
    event,
    ledger,
    liquidation,
    liquidity,
    log,
    options,
    risk,
    shapes,
    solvency,
    waterfall,
)
from ringfence.clearing.model import Position

FIRST = int(os.environ.get("RINGFENCE_SEED", "0"))
SEEDS = range(FIRST, FIRST + (1_000 if os.environ.get("RINGFENCE_FUZZ") == "1" else 40))
PLANTED_SEEDS = 18
"""A planted bug has to be found within so many crashes."""


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", SEEDS)
def test_crash(seed):
    try:
        Crash(seed).run()
    except (AssertionError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        replay = f"PYTHONPATH=src:tests python -m chaos.world {seed}"
        raise AssertionError(f"seed {seed}: {error}\nreplay: {replay}") from error


def test_one_seed_is_one_world():
    first, second = Crash(7).run(), Crash(7).run()
    assert first.house.head == second.house.head
    assert Crash(8).run().house.head != first.house.head


def test_a_loan_keeps_its_part_of_a_negative_equity():
    """Seed 143: who was deleveraged also owed an asset, whose share of the shortfall no market made (engine.md)."""
    house = Crash(143).run().house
    debtors = [sub for sub in house.venue.subaccounts.values() if not sub.positions and sub.quote_q < 0]
    assert any(sub.balances.get("WETH", 0) < 0 for sub in debtors)


def test_the_worlds_are_not_tame():
    """Most crashes liquidate, some reach every step of the waterfall, and most reasons to refuse come up."""
    steps, refusals = set(), set()
    for seed in range(FIRST, FIRST + PLANTED_SEEDS):
        house = Crash(seed).run().house
        refusals |= house.refusals.keys()
        steps |= {type(entry.command).__name__ for entry in house.entries}
    assert {"Liquidate", "TakeOver", "SellCollateral", "DrawInsurance", "Deleverage", "Socialize"} <= steps
    assert {"StartAuction", "Bid", "ConvertAuction", "EndAuction"} <= steps
    assert {"SettleMarket", "Expire", "RelievePool"} <= steps
    assert len(refusals) > 30


# --- canaries ---------------------------------------------------------------------------------------------------------


def wrapped(module, name, change):
    """Replace a function by one that spoils its result."""

    def plant(monkeypatch):
        right = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **kwargs: change(right(*args, **kwargs), *args))

    return plant


def lose_an_atom(monkeypatch):
    """Now and then what is credited is an atom less than what is debited."""
    calls = count(1)

    def transfer(venue, moved):
        less = 1 if next(calls) % 50 == 0 else 0
        apply._post(venue, moved.debit, moved.asset, -moved.amount)
        apply._post(venue, moved.credit, moved.asset, moved.amount - less)

    monkeypatch.setitem(apply._APPLY, event.Transfer, transfer)


def drop_small_positions(monkeypatch):
    """A position of one lot is forgotten."""
    right = apply._APPLY[event.PositionChanged]

    def position(venue, changed):
        right(venue, changed)
        held = venue.subaccounts[changed.subaccount].positions
        if changed.market in held and abs(held[changed.market].size_b) == 1:
            del held[changed.market]

    monkeypatch.setitem(apply._APPLY, event.PositionChanged, position)


def forget_settled_funding(monkeypatch):
    """Funding is booked again and again."""
    monkeypatch.setitem(apply._APPLY, event.FundingSettled, lambda *_: None)


def charge_the_wrong_pool(monkeypatch):
    """Losses go to the first pool, whichever made them."""
    right = draft.Draft.move

    def move(self, debit, credit, amount, why, asset="USDC"):
        if why in ("insurance", "bad_debt") and debit != f"debt/{min(self.venue.pools)}":
            home = debit.partition("/")[0]
            other = f"{home}/{min(self.venue.pools)}"
            debit = other if home != "fund" or self.venue.fund_q(min(self.venue.pools)) >= amount else debit
        right(self, debit, credit, amount, why, asset)

    monkeypatch.setattr(draft.Draft, "move", move)


def sweep_from_the_parent(monkeypatch):
    """A child that ends flat takes an atom of its parent along."""
    right = draft.Draft.sweep

    def sweep(self, name):
        right(self, name)
        sub = self.subaccount(name)
        if sub.parent and not sub.positions and self.subaccount(sub.parent).quote_q > 0:
            self.move(f"sub/{sub.parent}", f"sub/{name}", 1, "margin_posted")

    monkeypatch.setattr(draft.Draft, "sweep", sweep)


def half_a_refusal(monkeypatch):
    """A refused command leaves its first event behind."""
    right = log.decide

    def spoiled(venue, command):
        verdict = right(venue, command)
        if (
            isinstance(verdict, log.Rejected)
            and hasattr(command, "taker")
            and command.taker in venue.subaccounts
        ):
            held = venue.subaccounts[command.taker].positions
            for name, position in held.items():
                held[name] = Position(position.size_b, position.cost_q + 1, position.funding_index)
        return verdict

    monkeypatch.setattr(log, "decide", spoiled)


def liquidate_the_healthy(monkeypatch):
    right = risk.Risk.liquidatable
    monkeypatch.setattr(
        risk.Risk,
        "liquidatable",
        lambda self, *, at_equality: (
            right(self, at_equality=at_equality) or 0 < self.free_q < self.maintenance_q
        ),
    )


def settle_at_the_price_before(monkeypatch):
    """In final settlement the mark of the last price update counts."""
    monkeypatch.setattr(waterfall, "transfer_price", lambda *_: "previous_mark")


def add_the_minimum_always(monkeypatch):
    """A market's minimum is added where it should be a floor."""
    monkeypatch.setattr(
        risk,
        "asked_q",
        lambda market, required_q, closing_q: required_q + market.minimum_margin_q + closing_q,
    )


def skip(module, name):
    """A step is left out."""
    return lambda monkeypatch: monkeypatch.setattr(module, name, lambda *_: None)


PLANTED = [
    settle_at_the_price_before,
    add_the_minimum_always,
    pytest.param(skip(liquidation, "_seize"), id="the_remainder_stays"),
    pytest.param(skip(decide, "_return_margin"), id="locked_margin_stays"),
    pytest.param(skip(decide, "must_be_alive"), id="expired_options_trade"),
    pytest.param(skip(apply, "_count_side"), id="sides_are_not_counted"),
    pytest.param(wrapped(options, "value_q", lambda paid, *_: paid + 1), id="expiry_pays_an_atom_more"),
    pytest.param(
        wrapped(waterfall, "_open_worths", lambda worths, *_: dict.fromkeys(worths, 1)), id="lots_count_alike"
    ),
    pytest.param(
        wrapped(liquidity, "capped_profit", lambda _paid, profit, *_: profit), id="profit_is_not_capped"
    ),
    pytest.param(wrapped(solvency, "deleveraging_stands", lambda *_: True), id="relief_knows_no_floor"),
    pytest.param(wrapped(risk, "fraction_q", lambda *_: 0), id="weights_ask_for_nothing"),
    pytest.param(wrapped(risk, "close_cost_q", lambda *_: 0), id="closing_costs_nothing"),
    pytest.param(wrapped(risk, "uncounted_profit_q", lambda *_: 0), id="all_profit_counts"),
    pytest.param(wrapped(shapes, "step_of", lambda _step, table, _leg: table.steps[0]), id="the_first_step"),
    pytest.param(
        wrapped(shapes.rule, "skew_rate_num", lambda rate, *_: rate + 1), id="skew_costs_a_bit_more"
    ),
    pytest.param(
        wrapped(liquidation, "_fee_base_q", lambda _base, *call: abs(call[-1])), id="fees_are_of_notional"
    ),
    lose_an_atom,
    drop_small_positions,
    forget_settled_funding,
    charge_the_wrong_pool,
    sweep_from_the_parent,
    half_a_refusal,
    liquidate_the_healthy,
    pytest.param(wrapped(decide, "may_act", lambda *_: True), id="anybody_may_act"),
    pytest.param(
        wrapped(decide, "may_act", lambda right, _before, after: right and after.free_q >= 0),
        id="sick_may_not",
    ),
    pytest.param(
        wrapped(liquidation, "liquidation_fee_q", lambda fee, *_: fee + 1), id="an_atom_of_fee_too_much"
    ),
    pytest.param(
        wrapped(risk, "bankruptcy_quote_q", lambda quote, *_: quote - 1), id="bankruptcy_rounds_down"
    ),
    pytest.param(wrapped(risk, "funding_payment_q", lambda due, *_: -due), id="shorts_pay_longs"),
    pytest.param(wrapped(risk, "collateral_value_q", lambda _value, raw, *_: raw), id="no_haircut"),
    pytest.param(wrapped(waterfall, "queue", lambda claims, *_: claims[::-1]), id="the_queue_is_reversed"),
    pytest.param(
        wrapped(waterfall, "split", lambda shares, *_: shares[::-1]), id="shares_go_to_the_wrong_ones"
    ),
]


RARE = {
    "the_remainder_stays": 17,
    "locked_margin_stays": 12,
    "fees_are_of_notional": 10,
    "the_first_step": 8,
    "skew_costs_a_bit_more": 8,
}
"""The first seed that comes to where a bug is; begun with, for crashes take time."""


def crash_again_and_again(first):
    for seed in (*range(first, PLANTED_SEEDS), *range(first)):
        Crash(seed).run()


@pytest.mark.parametrize("plant", PLANTED)
def test_the_auditor_finds_a_planted_bug(plant, monkeypatch, request):
    """The engine's own checks are off: this is about the auditor alone."""
    monkeypatch.setattr(ledger, "check_transition", lambda *_: None)
    plant(monkeypatch)
    with pytest.raises(AuditError):
        crash_again_and_again(RARE.get(request.node.callspec.id, 0))
