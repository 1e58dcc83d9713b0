"""A second clearinghouse, written from the rules alone: what the state must be after each accepted command.

It shares no code with the engine: searches are linear and nothing is optimized. Refusals are not its business: it is
told what was accepted and says what follows.
"""

import re
from fractions import Fraction
from math import ceil, floor

import naive
from chaos.auctions import Auctions
from chaos.books import MILLION, QUOTE, Thing, must, things
from chaos.losses import Losses
from ringfence.clearing.model import Subaccount


class Shadow(Losses, Auctions):
    """The venue as it must be."""

    def apply(self, c):
        self.remember()
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", c.type).lower()
        getattr(self, f"on_{snake}")(c)

    # --- traders ------------------------------------------------------------------------------------------------------

    def on_open_subaccount(self, c):
        opened = Subaccount(c.subaccount, c.account, c.parent, c.system)
        self.state.subaccounts[c.subaccount] = things(opened)

    def on_deposit(self, c):
        self.move("outside", f"sub/{c.subaccount}", c.amount, c.asset)

    def on_fund_insurance(self, c):
        self.move("outside", f"fund/{c.pool}", c.amount)

    def on_withdraw(self, c):
        self.take_out(c.subaccount, "outside", c)

    def on_transfer_margin(self, c):
        must(self.sub(c.source).account == self.sub(c.target).account, "margin moved between accounts")
        before = self.risk(c.target)
        self.take_out(c.source, f"sub/{c.target}", c)
        must(
            self.sub(c.target).system or self.carries(c.target, before),
            f"{c.target} stands worse than before",
        )

    def take_out(self, name, credit, c):
        must(self.sub(name).auction is None, f"{name} withdrew under auction")
        self.settle(name)
        markets = [self.market(market) for market in self.sub(name).positions]
        must(not any(market.margin_locked for market in markets), f"{name} withdrew locked margin")
        gates = [self.state.pools[market.pool].gated_until_block for market in markets]
        gates.append(self.state.gated_until_block)
        must(all(self.state.block >= gate for gate in gates), f"{name} withdrew through a closed gate")
        self.move(f"sub/{name}", credit, c.amount, c.asset)
        lent = c.asset == QUOTE or (self.state.assets[c.asset].weights and self.state.assets[c.asset].lent)
        must(lent or self.sub(name).balances.get(c.asset, 0) >= 0, f"{name} overdrew {c.asset}")
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
        if self.state.policy.account_gating != "none":
            self.siblings_stand(c.subaccount)

    def covered(self, name, before, *, asked="place"):
        """What an order or a leverage leaves must be covered, where it asks for more."""
        if self.gated(name, before, asked):
            return
        after = self.risk(name)
        must(after.initial <= before.initial or after.equity >= after.initial, f"{name} lacks initial margin")

    def gated(self, name, before, asked):
        """Where the whole account is asked: initial margin to order, half way to it to be filled, maintenance else."""
        if self.state.policy.account_gating == "none" or not asked:
            return False
        after, own = self.risk(name), self.sub(name)
        free, surplus = after.equity - after.initial, after.equity - after.maintenance
        grows = after.initial > before.initial or after.maintenance > before.maintenance
        lack = {"place": -free, "fill": -free - surplus}[asked] if grows else -surplus
        must(own.system or lack <= 0, f"{name} lacks margin for more risk")
        return True

    def siblings_stand(self, name):
        for other, sub in self.state.subaccounts.items():
            if sub.account == self.sub(name).account and not sub.system and other != name:
                risk = self.risk(other)
                must(
                    risk.equity >= risk.maintenance,
                    f"{other} of the same account is below maintenance margin",
                )

    def on_release(self, c):
        del self.sub(c.subaccount).orders[c.order]
        self.sweep(c.subaccount)

    def on_set_leverage(self, c):
        before = self.risk(c.subaccount)
        self.sub(c.subaccount).leverages[c.market] = Thing(num=c.num, den=c.den)
        self.covered(c.subaccount, before, asked=None)

    def on_trade(self, c):
        policy, before, market = self.state.policy, {}, self.market(c.market)
        sides = ((c.taker, c.size_b, c.taker_order), (c.maker, -c.size_b, c.maker_order))
        expired = market.option and self.state.time_ms >= market.option.expiry_ms
        must(not (market.settling or expired), f"{c.market} is over")
        for name, size, order in sides:
            self.may_grow(name, c.market, size)
            self.settle(name)
            before[name] = self.risk(name)
            self.use_order(name, order, size)
        worth = self.value(c.market, c.size_b, c.price)
        self.fill(c.market, c.taker, c.maker, c.size_b, -worth)
        for name, fee_ppm in ((c.taker, policy.taker_fee_ppm), (c.maker, policy.maker_fee_ppm)):
            self.move(f"sub/{name}", "fees", ceil(Fraction(abs(worth) * fee_ppm, MILLION)))
        for name, size, _ in sides:
            self.draw_from_parent(name, c.market, size, before[name])
        for name, _, order in sides:
            if not self.gated(name, before[name], "fill" if order else "place"):
                must(self.carries(name, before[name]), f"{name} traded without the margin for it")
        for name, _, _ in sides:
            if policy.account_gating != "none" and not self.sub(name).system:
                self.siblings_stand(name)
        for name, _, _ in sides:
            self.return_margin(name, c.market)
            self.sweep(name)

    def may_grow(self, name, market, size):
        """Under auction positions only shrink; a leverage that is checked on opening must be allowed then."""
        sub, rule = self.sub(name), self.market(market)
        held = sub.positions[market].size_b if market in sub.positions else 0
        shrinks = held * size < 0 and abs(size) <= abs(held)
        must(sub.auction is None or shrinks, f"{name} opened under auction")
        chosen = sub.leverages.get(market)
        if not shrinks and chosen and rule.leverage_checked == "opening" and not sub.system:
            amount = naive.notional(
                held + size, rule.mark, (rule.scale.num, rule.scale.den), self.state.policy.rounding.notional
            )
            rate = naive.opening_rate(rule, held + size, amount, self.state.policy.rounding.requirement)
            must(Fraction(chosen.num, chosen.den) * rate <= 1, f"{name} opened with too much leverage")

    def return_margin(self, name, market):
        """Where margin is locked, a position that shrank gives back that share of the equity, as far as it is free."""
        sub, before = self.sub(name), self.held.get((name, market), 0)
        now = sub.positions[market].size_b if market in sub.positions else 0
        if self.market(market).margin_locked and sub.parent and now * before > 0 and abs(now) < abs(before):
            risk = self.risk(name)
            share = floor(Fraction(max(risk.equity, 0) * (abs(before) - abs(now)), abs(before)))
            back = min(share, max(risk.equity - risk.initial, 0))
            self.move(f"sub/{name}", f"sub/{sub.parent}", back)

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
        state, policy = self.state, self.state.policy
        if policy.outage_ms and state.time_ms and c.time_ms - state.time_ms >= policy.outage_ms:
            state.gated_until_block = c.block + policy.withdrawal_gate_blocks
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
        for home, key, told in (
            (state.markets, "confidence_ppm", c.confidences),
            (state.markets, "index_confidence_ppm", c.index_confidences),
            (state.assets, "confidence_ppm", c.asset_confidences),
        ):
            for name, share in told.items():
                home[name][key] = share
        state.quote_wad = c.quote_wad or state.quote_wad

    def on_settle_market(self, c):
        must(not self.market(c.market).settling, f"{c.market} was settling already")
        self.market(c.market).settling = True
        self.release_all(c.market, sweep=True)

    def release_all(self, market, *, sweep):
        """Every order in a market is gone."""
        for name, sub in sorted(self.state.subaccounts.items()):
            resting = [order for order, each in sub.orders.items() if each.market == market]
            for order in resting:
                del sub.orders[order]
            if resting and sweep:
                self.sweep(name)

    def on_set_grids(self, c):
        for name, grid in c.grids.items():
            self.market(name).grid = grid
        told = {term.expiry_ms: term for term in (*self.market(c.underlying).terms, *c.terms)}
        later = sorted(at for at in told if at > self.state.time_ms)
        self.market(c.underlying).terms = [told[at] for at in later]

    def on_expire(self, c):
        """Everybody who bought is paid by everybody who sold; what rounding leaves is the house's."""
        option, holders = self.market(c.market).option, []
        must(self.state.time_ms >= option.expiry_ms, f"{c.market} was settled before its time")
        inside = c.price - option.strike if option.call else option.strike - c.price
        scale, pot = self.market(option.underlying).scale, f"settlement/{c.market}"
        self.release_all(c.market, sweep=False)
        for name, sub in sorted(self.state.subaccounts.items()):
            if c.market in sub.positions:
                holders.append(name)
                held = sub.positions[c.market]
                paid = naive.value(held.size_b, max(0, inside), (scale.num, scale.den), 0)
                self.move(pot, f"sub/{name}", paid)
                self.change(c.market, name, -held.size_b, held.cost_q)
        self.move(pot, "rounding", self.state.ledger.get(pot, {}).get(QUOTE, 0))
        for name in holders:
            self.cover(name, self.market(c.market).pool)
            self.sweep(name)

    def cover(self, name, pool):
        """Who is left with nothing but a debt is covered by the fund, and beyond it makes bad debt."""
        sub, policy = self.sub(name), self.state.policy
        if sub.system or sub.positions:
            return
        loss = max(0, -self.risk(name).equity)
        insured = min(loss, self.fund(pool)) if "insurance" in policy.waterfall else 0
        if policy.insurance == "all_or_nothing" and insured < loss:
            insured = 0
        self.move(f"fund/{pool}", f"sub/{name}", insured)
        self.move(f"debt/{pool}", f"sub/{name}", loss - insured)

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
