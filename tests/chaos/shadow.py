"""A second clearinghouse, written from the rules alone: what the state must be after each accepted command.

It shares no code with the engine: searches are linear and nothing is optimized. Refusals are not its business: it is
told what was accepted and says what follows.
"""

import re
from fractions import Fraction
from math import ceil, floor

import naive
from chaos.auctions import Auctions
from chaos.books import MILLION, QUOTE, Thing, may_act, must
from chaos.losses import Losses


class Shadow(Losses, Auctions):
    """The venue as it must be."""

    def apply(self, c):
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", c.type).lower()
        getattr(self, f"on_{snake}")(c)

    # --- traders ------------------------------------------------------------------------------------------------------

    def on_open_subaccount(self, c):
        empty = {name: Thing() for name in ("balances", "positions", "orders", "leverages")}
        marks = dict.fromkeys(("cooldown_until_ms", "block", "block_liquidated_q", "block_insured_q"), 0)
        who = {"id": c.subaccount, "account": c.account, "parent": c.parent, "system": c.system}
        self.state.subaccounts[c.subaccount] = Thing(**who, **empty, **marks, auction=None, flagged=False)

    def on_deposit(self, c):
        self.move("outside", f"sub/{c.subaccount}", c.amount, c.asset)

    def on_fund_insurance(self, c):
        self.move("outside", f"fund/{c.pool}", c.amount)

    def on_withdraw(self, c):
        self.take_out(c.subaccount, "outside", c)

    def on_transfer_margin(self, c):
        must(self.sub(c.source).account == self.sub(c.target).account, "margin moved between accounts")
        self.take_out(c.source, f"sub/{c.target}", c)

    def take_out(self, name, credit, c):
        must(self.sub(name).auction is None, f"{name} withdrew under auction")
        self.settle(name)
        pools = {self.market(market).pool for market in self.sub(name).positions}
        gates = [self.state.pools[pool].gated_until_block for pool in pools]
        must(all(self.state.block >= gate for gate in gates), f"{name} withdrew through a closed gate")
        self.move(f"sub/{name}", credit, c.amount, c.asset)
        must(c.asset == QUOTE or self.sub(name).balances.get(c.asset, 0) >= 0, f"{name} overdrew {c.asset}")
        must(self.may_leave(name), f"{name} withdrew margin that it needs")

    def may_leave(self, name):
        risk, policy = self.risk(name), self.state.policy
        least = Fraction(risk.notional * policy.withdrawal_floor_ppm, MILLION)
        return risk.equity >= max(risk.initial, naive.ROUNDINGS[policy.rounding.requirement](least))

    def on_reserve(self, c):
        must(self.sub(c.subaccount).auction is None, f"{c.subaccount} ordered under auction")
        before = self.risk(c.subaccount)
        self.sub(c.subaccount).orders[c.order] = Thing(market=c.market, size_b=c.size_b)
        self.covered(c.subaccount, before)

    def covered(self, name, before):
        after = self.risk(name)
        must(after.initial <= before.initial or after.equity >= after.initial, f"{name} lacks initial margin")

    def on_release(self, c):
        del self.sub(c.subaccount).orders[c.order]
        self.sweep(c.subaccount)

    def on_set_leverage(self, c):
        before = self.risk(c.subaccount)
        self.sub(c.subaccount).leverages[c.market] = Thing(num=c.num, den=c.den)
        self.covered(c.subaccount, before)

    def on_trade(self, c):
        policy, before = self.state.policy, {}
        for name, size, order in ((c.taker, c.size_b, c.taker_order), (c.maker, -c.size_b, c.maker_order)):
            held = self.sub(name).positions.get(c.market)
            shrinks = held and held.size_b * size < 0 and abs(size) <= abs(held.size_b)
            must(self.sub(name).auction is None or shrinks, f"{name} opened under auction")
            self.settle(name)
            before[name] = self.risk(name)
            self.use_order(name, order, size)
        worth = self.value(c.market, c.size_b, c.price)
        self.fill(c.market, c.taker, c.maker, c.size_b, -worth)
        for name, fee_ppm in ((c.taker, policy.taker_fee_ppm), (c.maker, policy.maker_fee_ppm)):
            self.move(f"sub/{name}", "fees", ceil(Fraction(abs(worth) * fee_ppm, MILLION)))
        for name, size in ((c.taker, c.size_b), (c.maker, -c.size_b)):
            self.draw_from_parent(name, c.market, size, before[name])
        for name in (c.taker, c.maker):
            stands = self.sub(name).system or may_act(before[name], self.risk(name))
            must(stands, f"{name} traded without the margin for it")
        for name in (c.taker, c.maker):
            self.sweep(name)

    def use_order(self, name, order, size):
        if order is not None:
            orders = self.sub(name).orders
            orders[order].size_b -= size
            if not orders[order].size_b:
                del orders[order]

    def draw_from_parent(self, name, market, size, before):
        sub = self.sub(name)
        held = sub.positions.get(market)
        lost = before.equity - before.initial - self.free(name)
        if sub.parent and held and held.size_b * size > 0 and lost > 0:
            must(self.sub(sub.parent).auction is None, f"{sub.parent} posted margin under auction")
            self.settle(sub.parent)
            self.move(f"sub/{sub.parent}", f"sub/{name}", lost)
            must(self.free(sub.parent) >= 0, f"{sub.parent} posted margin that it needs")

    # --- the world ----------------------------------------------------------------------------------------------------

    def on_set_prices(self, c):
        state = self.state
        if c.block != state.block:
            state.block_liquidations = state.block_deleveragings = 0
        state.time_ms, state.block = c.time_ms, c.block
        for name, mark in c.marks.items():
            market = self.market(name)
            market.previous_mark = market.mark or mark
            market.mark = market.index = mark
        for name, index in c.indexes.items():
            self.market(name).index = index
        for name, price in c.assets.items():
            state.assets[name].price = price

    def on_accrue_funding(self, c):
        market = self.market(c.market)
        one_lot = market.index * Fraction(market.scale.num, market.scale.den)
        market.funding_index += floor(one_lot * c.rate_ppm * naive.INDEX_SCALE / MILLION)

    def on_change_requirement(self, c):
        market = self.market(c.market)
        market.requirement, market.minimum_margin_q = c.requirement, c.minimum_margin_q

    def on_change_policy(self, c):
        self.state.policy = c.policy
        for name, sub in sorted(self.state.subaccounts.items()):
            if c.policy.liquidation.auction is None and sub.auction:
                self.finish(name)
