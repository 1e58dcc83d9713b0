"""The auditor's books: state as plain data, the questions one asks of it, and how money and lots move.

Nothing here comes from the engine: every formula is `naive`'s, and amounts are rounded once, where the rules say so.
"""

from fractions import Fraction
from math import ceil, trunc

import naive

QUOTE = "USDC"
MILLION = 1_000_000


class Thing(dict):
    """A dictionary whose keys can be read and written as attributes."""

    __setattr__ = dict.__setitem__

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


ARRAYS = {"scale": ("num", "den"), "tiers": ("lower_q", "initial_num", "maintenance_num", "deduction")}


def things(plain, key=""):
    """Plain data, where short arrays get names for their fields."""
    if key == "leverages":
        return Thing({name: Thing(num=pair[0], den=pair[1]) for name, pair in plain.items()})
    if isinstance(plain, dict):
        return Thing({name: things(value, name) for name, value in plain.items()})
    if key == "tiers":
        return [Thing(zip(ARRAYS[key], row, strict=True)) for row in plain]
    return Thing(zip(ARRAYS[key], plain, strict=True)) if key in ARRAYS else plain


class AuditError(AssertionError):
    """The engine accepted what must not be, or did something else than what follows from the rules."""


def must(condition, sentence):
    if not condition:
        raise AuditError(sentence)


def may_act(before, after):
    """Margin is covered, or the subaccount is no riskier than it was."""
    if after.equity >= after.initial:
        return True
    if after.maintenance > before.maintenance:
        return False
    if after.maintenance and before.maintenance:
        return Fraction(after.equity, after.maintenance) >= Fraction(before.equity, before.maintenance)
    return not before.maintenance and not after.maintenance and after.equity > before.equity


class Books:
    """A venue, its questions and its movements."""

    def __init__(self, state):
        self.state = state

    # --- looking ------------------------------------------------------------------------------------------------------

    def sub(self, name):
        return self.state.subaccounts[name]

    def market(self, name):
        return self.state.markets[name]

    def price(self, name):
        market = self.market(name)
        return market.index if self.state.policy.risk_price == "index" else market.mark

    def risk(self, name):
        return naive.risk(self.state, self.sub(name))

    def free(self, name):
        risk = self.risk(name)
        return risk.equity - risk.initial

    def value(self, market, size, price):
        scale = self.market(market).scale
        return naive.value(size, price, (scale.num, scale.den), self.state.policy.rounding.value)

    def worth(self, market, size):
        return self.value(market, size, self.price(market))

    def maintenance(self, name, size):
        """Maintenance margin of a position of `size`."""
        market, rounds = self.market(name), self.state.policy.rounding
        amount = naive.notional(size, self.price(name), (market.scale.num, market.scale.den), rounds.notional)
        if not size:
            return 0
        margin = naive.maintenance_margin(market, size, amount, 0, rounds.requirement)
        return margin + market.minimum_margin_q

    def notional(self, name, size):
        scale = self.market(name).scale
        return naive.notional(
            size, self.price(name), (scale.num, scale.den), self.state.policy.rounding.notional
        )

    def liquidatable(self, name):
        risk, sub = self.risk(name), self.sub(name)
        below = risk.equity < risk.maintenance
        below |= self.state.policy.trigger_at_equality and risk.equity == risk.maintenance
        return bool(below and risk.maintenance > 0 and sub.positions and not sub.system)

    def bankruptcy(self, name, market, closed):
        """Quote that closing `closed` lots must bring to use up their share of the equity."""
        held, risk = self.sub(name).positions[market].size_b, self.risk(name)
        worth = self.worth(market, held) - self.worth(market, held - closed)
        freed = self.maintenance(market, held) - self.maintenance(market, held - closed)
        return naive.bankruptcy(worth, risk.equity, freed, risk.maintenance)

    def fund(self, pool):
        return self.state.ledger.get(f"fund/{pool}", {}).get(QUOTE, 0)

    def debt(self, pool):
        return -self.state.ledger.get(f"debt/{pool}", {}).get(QUOTE, 0)

    # --- doing --------------------------------------------------------------------------------------------------------

    def move(self, debit, credit, amount, asset=QUOTE):
        if not amount:
            return
        for account, change in ((debit, -amount), (credit, amount)):
            home, _, name = account.partition("/")
            book = (
                self.sub(name).balances if home == "sub" else self.state.ledger.setdefault(account, Thing())
            )
            book[asset] = book.get(asset, 0) + change
            if not book[asset]:
                del book[asset]

    def settle(self, name, markets=None):
        for market in list(self.sub(name).positions) if markets is None else markets:
            held, index = self.sub(name).positions.get(market), self.market(market).funding_index
            if held:
                rounding = self.state.policy.rounding.funding
                due = naive.funding(held.size_b, held.funding_index, index, rounding)
                self.move(f"funding/{market}", f"sub/{name}", due)
                held.funding_index = index

    def fill(self, market, name, other, size, received):
        """`name` changes by `size` lots and receives `received`; `other` does the opposite."""
        for who in (name, other):
            self.settle(who, [market])
        self.move(f"sub/{other}", f"sub/{name}", received)
        self.change(market, name, size, -received)
        self.change(market, other, -size, received)

    def change(self, market, name, size, paid):
        positions, index = self.sub(name).positions, self.market(market).funding_index
        held = positions.get(market, Thing(size_b=0, cost_q=0, funding_index=index))
        cost = cost_after(held.size_b, held.cost_q, size, paid)
        self.market(market).open_interest_b += max(held.size_b + size, 0) - max(held.size_b, 0)
        positions[market] = Thing(size_b=held.size_b + size, cost_q=cost, funding_index=held.funding_index)
        if not positions[market].size_b:
            del positions[market]

    def sweep(self, name):
        sub = self.sub(name)
        if sub.parent and not sub.positions and not sub.orders and sub.balances.get(QUOTE, 0) >= 0:
            for asset, amount in sorted(sub.balances.items()):
                self.move(f"sub/{name}", f"sub/{sub.parent}", amount, asset)


def cost_after(held, cost, size, paid):
    """Cost of a position after `size` lots for `paid`: closing keeps the entry price, flipping starts a new one."""
    if held * size >= 0:
        return cost + paid
    if abs(size) <= abs(held):
        return cost - trunc(Fraction(cost * abs(size), abs(held)))
    return ceil(Fraction(paid * (abs(size) - abs(held)), abs(size)))
