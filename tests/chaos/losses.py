"""What follows from an accepted liquidation, takeover, draw, deleveraging or socialized loss."""

from fractions import Fraction
from itertools import count
from math import ceil, floor

import naive
from chaos.books import MILLION, QUOTE, Books, must


class Losses(Books):
    """The steps from a liquidation down to a socialized loss."""

    def on_liquidate(self, c):
        must(self.state.policy.liquidation.auction is None, "a position was closed where there are auctions")
        self.settle(c.subaccount)
        must(self.liquidatable(c.subaccount), f"{c.subaccount} was liquidated while healthy")
        policy, market, sub = self.state.policy.liquidation, self.market(c.market), self.sub(c.subaccount)
        price, held = c.price or market.mark, sub.positions[c.market].size_b
        most = self.allowed(c.subaccount, c.market, price)
        lots = min(c.size_b, most) if c.size_b else most
        signed = lots if held > 0 else -lots
        got, needed = self.value(c.market, signed, price), self.bankruptcy(c.subaccount, c.market, signed)
        fee = max(0, min(floor(Fraction(abs(got) * policy.fee_ppm, MILLION)), got - needed))
        loss, whole = max(0, needed - got), lots == abs(held)
        self.fill(c.market, c.subaccount, c.counterparty or f"market/{c.market}", -signed, got)
        to_fund = floor(Fraction(fee * policy.fee_to_fund_ppm, MILLION))
        self.move(f"sub/{c.subaccount}", f"fund/{market.pool}", to_fund)
        self.move(f"sub/{c.subaccount}", "fees", fee - to_fund)
        insured = min(loss, self.fund(market.pool)) if "insurance" in self.state.policy.waterfall else 0
        self.move(f"fund/{market.pool}", f"sub/{c.subaccount}", insured)
        self.move(f"debt/{market.pool}", f"sub/{c.subaccount}", loss - insured)
        self.count(sub, abs(got), loss, None if whole else self.state.time_ms + policy.cooldown_ms)
        self.sweep(c.subaccount)

    def count(self, sub, notional, loss, cooldown):
        if sub.block != self.state.block:
            sub.block, sub.block_liquidated_q, sub.block_insured_q = self.state.block, 0, 0
        sub.block_liquidated_q += notional
        sub.block_insured_q += loss
        sub.cooldown_until_ms = sub.cooldown_until_ms if cooldown is None else cooldown
        self.state.block_liquidations += 1

    def allowed(self, name, market, price):
        """Lots that one liquidation may close."""
        rule, sub, step = self.state.policy.liquidation, self.sub(name), self.market(market).step_b
        size = abs(sub.positions[market].size_b)
        notional, lots = self.notional(market, size), size
        whole_now = rule.portion_once and self.state.time_ms < sub.cooldown_until_ms
        if rule.size == "portion" and notional > rule.portion_above_q and not whole_now:
            share = ceil(Fraction(size * rule.portion_ppm, MILLION))
            one = self.price(market) * Fraction(self.market(market).scale.num, self.market(market).scale.den)
            least = ceil(rule.minimum_q / (one * step)) * step
            lots = min(size, max(min(size, ceil(Fraction(share, step)) * step), least))
        elif rule.size == "target":
            lots = self.to_target(name, market, price)
        if rule.block_subaccount_q:
            used = sub.block_liquidated_q if sub.block == self.state.block else 0
            room = max(0, rule.block_subaccount_q - used)
            lots = min(lots, floor(Fraction(size * room, notional))) if notional > room else lots
        return lots if lots == size else floor(Fraction(lots, step)) * step

    def to_target(self, name, market, price):
        """Fewest lots that lift equity to the target, tried one step after the other."""
        rule, held = self.state.policy.liquidation, self.sub(name).positions[market].size_b
        risk, side, step = self.risk(name), 1 if held > 0 else -1, self.market(market).step_b
        for lots in count(step, step):
            closed = min(lots, abs(held)) * side
            got = self.value(market, closed, price)
            fee = floor(Fraction(abs(got) * rule.fee_ppm, MILLION))
            equity = risk.equity - self.worth(market, held) + self.worth(market, held - closed) + got - fee
            freed = self.maintenance(market, held) - self.maintenance(market, held - closed)
            if abs(closed) == abs(held) or equity * MILLION >= (risk.maintenance - freed) * rule.target_ppm:
                return abs(closed)
        raise AssertionError("a whole position is always enough")

    def on_take_over(self, c):
        rule, sub = self.state.policy.liquidation, self.sub(c.subaccount)
        self.settle(c.subaccount)
        risk = self.risk(c.subaccount)
        must(self.liquidatable(c.subaccount), f"{c.subaccount} was taken over while healthy")
        must(
            risk.equity * rule.backstop_den < risk.maintenance * rule.backstop_num,
            "taken over above the threshold",
        )
        must(risk.equity >= 0, "a backstop took a debt")
        for market, held in sorted(sub.positions.items()):
            self.fill(market, c.subaccount, c.backstop, -held.size_b, held.cost_q)
        for asset, amount in sorted(sub.balances.items()):
            self.move(f"sub/{c.subaccount}", f"sub/{c.backstop}", amount, asset)
        sub.orders.clear()
        must(self.risk(c.backstop).equity >= 0, "the backstop is in debt")

    def on_sell_collateral(self, c):
        sub, asset = self.sub(c.subaccount), self.state.assets[c.asset]
        pledged = naive.cash(self.state, sub) - sub.balances.get(QUOTE, 0)
        owed = pledged - self.risk(c.subaccount).equity
        must(owed > 0, "collateral was sold though nothing is owed")
        must(not sub.positions or self.liquidatable(c.subaccount), "a healthy trader's collateral was sold")
        discounted = Fraction(MILLION - asset.conversion_discount_ppm, MILLION)
        one = asset.price * Fraction(asset.scale.num, asset.scale.den) * discounted
        sold = min(sub.balances[c.asset], ceil(owed / one))
        self.move(f"sub/{c.subaccount}", f"sub/market/{c.asset}", sold, c.asset)
        self.move(f"sub/market/{c.asset}", f"sub/{c.subaccount}", floor(sold * one))
        self.sweep(c.subaccount)

    def shortfall(self, name, market):
        held = self.sub(name).positions[market].size_b
        return max(0, self.bankruptcy(name, market, held) - self.worth(market, held))

    def on_draw_insurance(self, c):
        debtor, need = f"debt/{c.pool}", self.debt(c.pool)
        if c.subaccount:
            self.settle(c.subaccount)
            must(self.risk(c.subaccount).equity <= 0, "insurance paid for a solvent subaccount")
            debtor, need = f"sub/{c.subaccount}", self.shortfall(c.subaccount, c.market)
        self.move(f"fund/{c.pool}", debtor, min(need, self.fund(c.pool)))

    def on_deleverage(self, c):
        self.settle(c.subaccount)
        must(self.risk(c.subaccount).equity <= 0, "deleveraged for a solvent subaccount")
        if self.state.policy.deleveraging.policy == "pro_rata":
            self.take_profits(c)
        else:
            self.close_against(c)
        if gate := self.state.policy.withdrawal_gate_blocks:
            self.state.pools[self.market(c.market).pool].gated_until_block = self.state.block + gate
        self.state.block_deleveragings += 1
        self.sweep(c.subaccount)

    def winners(self, c):
        """Opposite positions of traders: name, lots, profit, worth, equity; those the policy may touch, in order."""
        policy, losing = self.state.policy.deleveraging, self.sub(c.subaccount).positions[c.market].size_b
        rows = []
        for name, sub in sorted(self.state.subaccounts.items()):
            held = sub.positions.get(c.market)
            if held and not sub.system and held.size_b * losing < 0:
                worth = self.worth(c.market, held.size_b)
                profit, equity = worth - held.cost_q, self.risk(name).equity
                if policy.policy == "cyclic" or (profit > 0 and equity > 0):
                    rows.append((name, held.size_b, held.cost_q, profit, worth, equity))
        if policy.policy == "ranked":
            rows.sort(key=lambda row: -score(policy.score, *row[2:]))
        elif policy.policy == "cyclic" and rows:
            start = c.draw % len(rows)
            rows = (rows[start:] + rows[:start])[: policy.scan_max or None]
        return rows

    def close_against(self, c):
        held = self.sub(c.subaccount).positions[c.market].size_b
        left, pool = abs(held), self.market(c.market).pool
        for name, lots, *_ in self.winners(c):
            closed = min(left, abs(lots)) * (1 if held > 0 else -1)
            if not closed:
                break
            got, needed = self.transfer_price(c, closed), self.bankruptcy(c.subaccount, c.market, closed)
            if -got < self.bankruptcy(name, c.market, -closed):
                continue
            self.settle(name)
            self.fill(c.market, c.subaccount, name, -closed, got)
            self.move(f"debt/{pool}", f"sub/{c.subaccount}", max(0, needed - got))
            self.sweep(name)
            left -= abs(closed)

    def transfer_price(self, c, closed):
        rule, market = self.state.policy.deleveraging.price, self.market(c.market)
        if rule == "bankruptcy":
            return self.bankruptcy(c.subaccount, c.market, closed)
        return self.value(c.market, closed, market.mark if rule == "mark" else market.previous_mark)

    def take_profits(self, c):
        held = self.sub(c.subaccount).positions[c.market].size_b
        need, rows, raised = self.shortfall(c.subaccount, c.market), self.winners(c), 0
        caps = [min(profit, equity) for _, _, _, profit, _, equity in rows]
        if not rows or not need:
            return
        for row, amount in zip(rows, naive.largest_remainder(min(need, sum(caps)), caps), strict=True):
            if amount:
                self.settle(row[0])
                self.move(f"sub/{row[0]}", f"sub/{c.subaccount}", amount)
                self.sub(row[0]).positions[c.market].cost_q += amount
                raised += amount
        self.fill(c.market, c.subaccount, f"market/{c.market}", -held, self.worth(c.market, held))
        self.move(f"debt/{self.market(c.market).pool}", f"sub/{c.subaccount}", need - raised)

    def on_socialize(self, c):
        exposed = {}
        for name, sub in sorted(self.state.subaccounts.items()):
            pools = {self.market(market).pool for market in sub.positions}
            if c.pool in pools and not sub.system and self.risk(name).equity > 0:
                exposed[name] = self.risk(name).equity
        spread = min(self.debt(c.pool), sum(exposed.values()))
        shares = naive.largest_remainder(spread, list(exposed.values()))
        for name, share in zip(exposed, shares, strict=True):
            self.move(f"sub/{name}", f"debt/{c.pool}", share)


def score(rule, cost, profit, worth, equity):
    """Rank of a winner: the higher, the sooner."""
    leverage = Fraction(abs(worth), max(1, equity))
    if rule == "profit_leverage":
        return Fraction(profit, max(1, abs(cost))) * leverage
    entry, now = max(1, abs(cost)), max(1, abs(worth))
    if rule == "index" and worth < 0:
        return Fraction(abs(cost), now) * leverage
    return Fraction(abs(worth), entry) * leverage
