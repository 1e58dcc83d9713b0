"""Both baseline designs against the engine: whole histories, every balance equal to the atom."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chain.twin import MARKETS, START_PRICE, TRADERS, Twin
from ringfence.clearing.risk import subaccount_risk

FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"
OPERATIONS, EXAMPLES, STEPS = (10_000, 50, 100) if FUZZ else (30, 3, 20)
TWINS = {}

traders = st.sampled_from(TRADERS)
markets = st.integers(0, MARKETS - 1)
amounts = st.one_of(st.integers(1, 10**4), st.integers(10**6, 5 * 10**10))
sizes = st.integers(-3 * 10**8, 3 * 10**8)


def twin(design):
    """Deployed once per design, taken back to its start for every history."""
    if design not in TWINS:
        TWINS[design] = Twin(design)
    TWINS[design].reset()
    return TWINS[design]


class History(RuleBasedStateMachine):
    """Operations in any order; prices move enough that liquidations, losses and empty funds all happen."""

    design = ""

    def __init__(self):
        super().__init__()
        self.twin = twin(self.design)
        self.prices = dict.fromkeys(range(MARKETS), START_PRICE)

    @rule(trader=traders, market=markets, amount=amounts)
    def deposit(self, trader, market, amount):
        self.twin.deposit(trader, market, amount)

    @rule(trader=traders, market=markets, amount=amounts)
    def withdraw(self, trader, market, amount):
        self.twin.withdraw(trader, market, amount)

    @rule(trader=traders, market=markets, leverage=st.integers(-25, 25), amount=st.integers(10**7, 10**10))
    def open(self, trader, market, leverage, amount):
        """Bring collateral and trade some multiple of it, sometimes more than is allowed."""
        self.twin.deposit(trader, market, amount)
        size_b = leverage * amount * 10**10 // self.prices[market]
        if size_b:
            self.twin.trade(trader, market, size_b)

    @rule(trader=traders, market=markets, size=sizes)
    def trade(self, trader, market, size):
        self.twin.trade(trader, market, size)

    @rule(trader=traders, market=markets, part=st.integers(1, 4))
    def shrink(self, trader, market, part):
        sub = self.twin.engine.venue.subaccounts[self.twin.sub(trader, market)]
        held = sub.positions.get(f"m{market}")
        size_b = held.size_b // part if held else 0
        if size_b:
            self.twin.trade(trader, market, -size_b)

    @rule(trader=traders, market=markets)
    def strip(self, trader, market):
        """Take out all that is free: an atom more is refused by both, and what remains is soon liquidatable."""
        venue = self.twin.engine.venue
        free_q = subaccount_risk(venue, venue.subaccounts[self.twin.sub(trader, market)]).free_q
        if free_q > 0:
            assert not self.twin.withdraw(trader, market, free_q + 1)
            assert self.twin.withdraw(trader, market, free_q)

    @rule(market=markets, move=st.integers(-250, 250), fine=st.integers(0, 10**6))
    def move_price(self, market, move, fine):
        price = self.prices[market] * (1000 + move) // 1000 + fine
        self.prices[market] = min(max(price, 10**9), 10**15)
        self.twin.set_prices({market: self.prices[market]})

    @rule(market=markets, rate=st.integers(-20_000, 20_000))
    def accrue(self, market, rate):
        self.twin.accrue(market, rate)

    @rule(trader=traders, market=markets)
    def liquidate(self, trader, market):
        self.twin.liquidate(trader, market)

    @precondition(lambda self: not self.twin.is_isolated)
    @rule(trader=traders, chosen=st.sets(markets, min_size=1))
    def liquidate_account(self, trader, chosen):
        self.twin.liquidate_account(trader, chosen)

    @precondition(lambda self: self.twin.is_isolated)
    @rule(trader=traders, source=markets, goal=markets, amount=amounts)
    def transfer(self, trader, source, goal, amount):
        self.twin.transfer(trader, source, goal, amount)

    @rule()
    def liquidate_whatever_is_due(self):
        """Keepers at work: all that the engine calls liquidatable is liquidated on chain."""
        venue = self.twin.engine.venue
        for trader in TRADERS:
            for market in range(MARKETS):
                sub = venue.subaccounts[self.twin.sub(trader, market)]
                due = subaccount_risk(venue, sub).liquidatable(at_equality=False)
                if due and f"m{market}" in sub.positions:
                    assert self.twin.liquidate(trader, market)

    @invariant()
    def equal(self):
        self.twin.check()

    def teardown(self):
        self.twin.check_all()


def machine(design):
    return type(f"{design}History", (History,), {"design": design})


@pytest.mark.fuzz
@pytest.mark.parametrize("design", ["IsolatedOnly", "CrossOnly"])
def test_histories_are_the_engines(design):
    """Ten thousand operations under `make fuzz`: a history has as many as Hypothesis cares for, so they are counted."""
    end = twin(design).operations + OPERATIONS
    while TWINS[design].operations < end:
        run_state_machine_as_test(machine(design), settings=_settings())


def test_who_names_a_position_that_is_not_held_liquidates_nothing():
    """The whole transaction is refused, though the account is due."""
    found = twin("CrossOnly")
    found.deposit("ada", 0, 10**9)
    assert found.trade("ada", 0, 19 * 10**9 * 10**10 // START_PRICE)
    found.set_prices({0: START_PRICE * 96 // 100})
    assert subaccount_risk(found.engine.venue, found.engine.venue.subaccounts["ada"]).liquidatable(
        at_equality=False
    )
    found.liquidate_account("ada", {0, 1})
    found.check_all()
    found.liquidate_account("ada", {0})
    found.check_all()
    assert not found.engine.venue.subaccounts["ada"].positions


def _settings():
    return settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=not FUZZ,
        phases=(Phase.generate,),  # a history takes seconds: it is printed as it was found
    )
