"""The auditor's books: state as plain data, the questions one asks of it, and how money and lots move.

Nothing here comes from the engine: every formula is `naive`'s, and amounts are rounded once, where the rules say so.
"""

from fractions import Fraction
from math import ceil, floor, trunc

from msgspec import Struct

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


def things(value):
    """Plain data by the names of a record's fields; the name of its type stands under `type` where that is stated."""
    if isinstance(value, Struct):
        tag = value.__struct_config__.tag
        found = {} if tag is None else {"type": tag}
        return Thing(found | {name: things(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, dict):
        return Thing((name, things(inner)) for name, inner in value.items())
    return [things(inner) for inner in value] if isinstance(value, list | tuple) else value


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
        self.held = {}
        """Lots that everybody held when the command came, by subaccount and market."""

    def remember(self):
        subs = self.state.subaccounts.items()
        self.held = {
            (name, market): each.size_b for name, sub in subs for market, each in sub.positions.items()
        }

    # --- looking ------------------------------------------------------------------------------------------------------

    def sub(self, name):
        return self.state.subaccounts[name]

    def market(self, name):
        return self.state.markets[name]

    def price(self, name):
        return naive.price_of(self.state, name)

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

    def notional(self, name, size):
        scale = self.market(name).scale
        return naive.notional(
            size, self.price(name), (scale.num, scale.den), self.state.policy.rounding.notional
        )

    def with_lots(self, name, market, size):
        """A subaccount as it would be with `size` lots of what it holds in a market, at their part of the cost."""
        sub, held = self.sub(name), self.sub(name).positions[market]
        part = Thing(held, size_b=size, cost_q=held.cost_q - released(held, held.size_b - size))
        others = {other: each for other, each in sub.positions.items() if other != market}
        return Thing(sub, orders=Thing(), positions=Thing(others | ({market: part} if size else {})))

    def freed(self, name, market, closed):
        """Maintenance margin that closing `closed` lots would free; none where it would ask for more."""
        left = self.with_lots(name, market, self.sub(name).positions[market].size_b - closed)
        return max(0, self.risk(name).maintenance - naive.risk(self.state, left).maintenance)

    def liquidatable(self, name):
        return naive.is_liquidatable(self.state, self.sub(name))

    def bankruptcy(self, name, market, closed):
        """Quote that closing `closed` lots must bring to use up their share of the equity."""
        held, risk = self.sub(name).positions[market].size_b, self.risk(name)
        worth = self.worth(market, held) - self.worth(market, held - closed)
        return naive.bankruptcy(worth, risk.equity, self.freed(name, market, closed), risk.maintenance)

    def carries(self, name, before):
        """May a trader stand so after taking on risk? Some venues let those who lack margin only shrink positions."""
        sub, after = self.sub(name), self.risk(name)
        if sub.system or (may_act(before, after) and after.equity >= after.initial):
            return True
        strict = self.state.policy.under_margin == "strict_reduce"
        return may_act(before, after) and not (
            strict and any(self.grew(name, market) for market in sub.positions)
        )

    def grew(self, name, market):
        before, now = self.held.get((name, market), 0), self.sub(name).positions[market].size_b
        return before * now <= 0 or abs(now) > abs(before)

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

    def move_all(self, name, account):
        """Everything that somebody has, and owes, goes elsewhere."""
        for asset, amount in sorted(self.sub(name).balances.items()):
            self.move(f"sub/{name}", account, amount, asset)

    def settle(self, name, markets=None):
        for market in list(self.sub(name).positions) if markets is None else markets:
            held, index = self.sub(name).positions.get(market), self.market(market).funding_index
            if held:
                rounding = self.state.policy.rounding.funding
                due = naive.funding(held.size_b, held.funding_index, index, rounding)
                self.move(f"funding/{market}", f"sub/{name}", due)
                held.funding_index = index

    def fill(self, market, name, other, size, received):
        """`name` changes by `size` lots and receives `received`; `other` does the opposite.

        Profit that the liquidity behind the market does not pay stays there.
        """
        for who in (name, other):
            self.settle(who, [market])
        kept = self.kept(market, name, other, size, received) - self.kept(
            market, other, name, -size, -received
        )
        self.move(f"sub/{other}", f"sub/{name}", received)
        self.change(market, name, size, -received)
        self.change(market, other, -size, received)
        self.move(f"sub/{name}", f"sub/{other}", kept)

    def kept(self, market, name, payer, size, received):
        held = self.sub(name).positions.get(market)
        if payer != f"market/{market}" or self.sub(name).system or not held or held.size_b * size >= 0:
            return 0
        closed = min(abs(size), abs(held.size_b)) * (1 if held.size_b > 0 else -1)
        got = floor(Fraction(received * abs(closed), abs(size)))
        return naive.unpaid(self.state, market, got - released(held, closed), 1 if closed > 0 else -1)

    def change(self, market, name, size, paid):
        positions, index = self.sub(name).positions, self.market(market).funding_index
        held = positions.get(market, Thing(size_b=0, cost_q=0, funding_index=index))
        cost = cost_after(held, size, paid)
        self.market(market).open_interest_b += max(held.size_b + size, 0) - max(held.size_b, 0)
        positions[market] = Thing(size_b=held.size_b + size, cost_q=cost, funding_index=held.funding_index)
        if not positions[market].size_b:
            del positions[market]
            self.sub(name).flagged = self.sub(name).flagged and bool(positions)
        self.count_sides(market)

    def count_sides(self, name):
        """What traders hold of either side, where the liquidity behind the market is limited."""
        if self.market(name).solvency is None:
            return
        traders = [sub for sub in self.state.subaccounts.values() if not sub.system and name in sub.positions]
        for side, sign in (("longs", 1), ("shorts", -1)):
            held = [sub.positions[name] for sub in traders if sub.positions[name].size_b * sign > 0]
            lots, cost = sum(each.size_b for each in held), sum(each.cost_q for each in held)
            self.market(name)[side] = Thing(size_b=lots, cost_q=cost)

    def sweep(self, name):
        sub = self.sub(name)
        if sub.parent and not sub.positions and not sub.orders and sub.balances.get(QUOTE, 0) >= 0:
            for asset, amount in sorted(sub.balances.items()):
                self.move(f"sub/{name}", f"sub/{sub.parent}", max(amount, 0), asset)


def released(held, closed):
    """Part of a position's cost that belongs to the lots closed (signed like the position), towards zero."""
    return trunc(Fraction(held.cost_q * closed, held.size_b))


def cost_after(held, size, paid):
    """Cost of a position after `size` lots for `paid`: closing keeps the entry price, flipping starts a new one."""
    if held.size_b * size >= 0:
        return held.cost_q + paid
    if abs(size) <= abs(held.size_b):
        return held.cost_q - released(held, -size)
    return ceil(Fraction(paid * (abs(size) - abs(held.size_b)), abs(size)))
