"""What follows from an accepted liquidation, takeover, draw, deleveraging or socialized loss."""

from fractions import Fraction
from itertools import count
from math import ceil, floor, trunc

import naive
from chaos.books import MILLION, QUOTE, Books, Thing, must, released


class Losses(Books):
    """The steps from a liquidation down to a socialized loss."""

    def on_liquidate(self, c):
        must(self.state.policy.liquidation.auction is None, "a position was closed where there are auctions")
        must(not self.market(c.market).settling, "a position was liquidated in final settlement")
        self.settle(c.subaccount)
        must(self.liquidatable(c.subaccount), f"{c.subaccount} was liquidated while healthy")
        policy, market, sub = self.state.policy.liquidation, self.market(c.market), self.sub(c.subaccount)
        price, held = c.price or market.mark, sub.positions[c.market].size_b
        most = self.allowed(c.subaccount, c.market, price)
        lots = min(c.size_b, most) if c.size_b else most
        signed, other = lots if held > 0 else -lots, c.counterparty or f"market/{c.market}"
        got, whole, before = self.value(c.market, signed, price), lots == abs(held), self.risk(other)
        fee, to_fund, loss = self.charged(c, signed, got, last=whole and len(sub.positions) == 1)
        self.fill(c.market, c.subaccount, other, -signed, got)
        self.move(f"sub/{c.subaccount}", f"fund/{market.pool}", to_fund)
        self.move(f"sub/{c.subaccount}", "fees", fee - to_fund)
        insured = min(loss, self.fund(market.pool)) if "insurance" in self.state.policy.waterfall else 0
        self.move(f"fund/{market.pool}", f"sub/{c.subaccount}", insured)
        behind = "counterparty" in self.state.policy.waterfall
        unpaid = f"sub/market/{c.market}" if behind else f"debt/{market.pool}"
        self.move(unpaid, f"sub/{c.subaccount}", loss - insured)
        self.count(sub, abs(got), loss, None if whole else self.state.time_ms + policy.cooldown_ms)
        if not sub.positions:
            self.keep_remainder(c)
        self.sweep(c.subaccount)
        must(self.carries(other, before), f"{other} cannot carry what it took")

    def charged(self, c, signed, got, *, last):
        """Fee on a fill, what the fund gets of it, and what the fill falls short of the bankruptcy price."""
        freed, risk = self.freed(c.subaccount, c.market, signed), self.risk(c.subaccount)
        held = self.sub(c.subaccount).positions[c.market]
        worth = self.worth(c.market, held.size_b) - self.worth(c.market, held.size_b - signed)
        left = got - naive.bankruptcy(worth, risk.equity, freed, risk.maintenance)
        return self.fee_and_loss(risk, left, self.fee_base(held, signed, got, freed), last=last)

    def fee_base(self, held, signed, got, freed):
        of = self.state.policy.liquidation.fee_of
        return {"notional": abs(got), "cost": abs(released(held, signed)), "maintenance": freed}[of]

    def fee_and_loss(self, risk, left, base, *, last):
        rule = self.state.policy.liquidation
        fee, share = floor(Fraction(base * rule.fee_ppm, MILLION)), rule.fee_to_fund_ppm
        if not rule.fee_in_full:
            fee = max(0, min(fee, left))
        to_fund = 0 if rule.fee_in_full and risk.equity < 0 else floor(Fraction(fee * share, MILLION))
        return fee, to_fund, max(0, fee - left if rule.fee_in_full and last else -left)

    def keep_remainder(self, c):
        """What is left after the last position: too little goes to the counterparty, the rest where the venue says."""
        rule, pool = self.state.policy.liquidation, self.market(c.market).pool
        if self.risk(c.subaccount).equity < rule.remainder_least_q:
            self.move_all(c.subaccount, f"sub/market/{c.market}")
        elif rule.remainder != "subaccount":
            for asset, amount in sorted(self.sub(c.subaccount).balances.items()):
                taker = "fees" if rule.remainder == "fees" else f"fund/{pool}"
                self.move(f"sub/{c.subaccount}", taker, max(0, amount), asset)

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
        if rule.size == "portion" and notional > rule.portion_above_q and not self.whole_now(name):
            share = rule.portion_ppm
            if rule.portion_of == "account":
                share = min(MILLION, floor(Fraction(self.risk(name).notional * share, notional)))
            wanted = ceil(Fraction(size * share, MILLION))
            one = self.price(market) * Fraction(self.market(market).scale.num, self.market(market).scale.den)
            least = ceil(rule.minimum_q / (one * step)) * step
            lots = min(size, max(min(size, ceil(Fraction(wanted, step)) * step), least))
        elif rule.size == "target":
            lots = self.to_target(name, market, price)
        if rule.block_subaccount_q:
            used = sub.block_liquidated_q if sub.block == self.state.block else 0
            room = max(0, rule.block_subaccount_q - used)
            lots = min(lots, floor(Fraction(size * room, notional))) if notional > room else lots
        return lots if lots == size else floor(Fraction(lots, step)) * step

    def whole_now(self, name):
        """Is the portion over: after the first slice, or because too little equity is left?"""
        rule, risk = self.state.policy.liquidation, self.risk(name)
        later = rule.portion_once and self.state.time_ms < self.sub(name).cooldown_until_ms
        floor_of = Fraction(risk.maintenance * rule.portion_floor_ppm, MILLION)
        return later or (rule.portion_floor_ppm > 0 and risk.equity < floor_of)

    def to_target(self, name, market, price):
        """Fewest lots that lift equity to the target, tried one step after the other."""
        held, step = self.sub(name).positions[market].size_b, self.market(market).step_b
        risk, now = self.risk(name), self.part(name, market, self.sub(name))
        for lots in count(step, step):
            closed = min(lots, abs(held)) * (1 if held > 0 else -1)
            if abs(closed) == abs(held) or self.reaches_target(name, market, closed, price, risk, now):
                return abs(closed)
        raise AssertionError("a whole position is always enough")

    def reaches_target(self, name, market, closed, price, risk, now):
        """Does closing so many lots leave the liquidation-end margin: a share of a margin, and of the notional?"""
        rule, got, held = (
            self.state.policy.liquidation,
            self.value(market, closed, price),
            self.sub(name).positions,
        )
        rest = self.with_lots(name, market, held[market].size_b - closed)
        left = self.part(name, market, Thing(rest, system=True, leverages=Thing()))
        asked = getattr(risk, rule.target_of) - getattr(now, rule.target_of) + getattr(left, rule.target_of)
        notional = risk.notional - now.notional + left.notional
        freed, worth = max(0, now.maintenance - left.maintenance), now.equity - left.equity
        over = got - naive.bankruptcy(worth, risk.equity, freed, risk.maintenance)
        base = self.fee_base(held[market], closed, got, freed)
        fee, _, loss = self.fee_and_loss(risk, over, base, last=not rest.positions)
        equity = risk.equity - worth + got - fee + loss
        return equity * MILLION >= asked * rule.target_ppm + notional * rule.buffer_ppm

    def part(self, name, market, sub):
        """A position's part in the risk of a subaccount: all that is asked, under a rule that looks at all together.

        What would be left of it has no orders, no leverage and no cap on its profit.
        """
        left = sub is not self.sub(name)
        policy = Thing(self.state.policy, initial_profit_cap_q=None) if left else self.state.policy
        own = naive.leg(Thing(self.state, policy=policy), sub, market)
        if self.state.policy.set_rule is None:
            return own
        whole = naive.risk(self.state, sub)
        return own._replace(initial=whole.initial, maintenance=whole.maintenance)

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
        before = self.risk(c.backstop)
        for market, held in sorted(sub.positions.items()):
            self.fill(market, c.subaccount, c.backstop, -held.size_b, held.cost_q)
        self.move_all(c.subaccount, f"sub/{c.backstop}")
        sub.orders.clear()
        must(self.risk(c.backstop).equity >= 0, "the backstop is in debt")
        must(self.carries(c.backstop, before), f"{c.backstop} cannot carry what it took")

    def on_sell_collateral(self, c):
        sub, asset = self.sub(c.subaccount), self.state.assets[c.asset]
        pledged = naive.cash(self.state, sub) - sub.balances.get(QUOTE, 0)
        over = self.overdrawn(sub)
        owed = over or pledged - self.risk(c.subaccount).equity
        must(owed > 0, "collateral was sold though nothing is owed")
        safe = (sub.positions or asset.weights) and not (over or self.liquidatable(c.subaccount))
        must(not safe, "a healthy trader's collateral was sold")
        discounted = Fraction(MILLION - asset.conversion_discount_ppm, MILLION)
        one = asset.price * Fraction(asset.scale.num, asset.scale.den) * discounted
        sold = min(sub.balances[c.asset], ceil(owed / one))
        self.move(f"sub/{c.subaccount}", f"sub/market/{c.asset}", sold, c.asset)
        self.move(f"sub/market/{c.asset}", f"sub/{c.subaccount}", floor(sold * one))
        self.sweep(c.subaccount)

    def overdrawn(self, sub):
        """Quote that is owed where more is than the venue lets: what options cost was paid, what perps cost was not."""
        limit = self.state.policy.overdraft_q
        perps = (held.cost_q for name, held in sub.positions.items() if self.market(name).option is None)
        owed = -sub.balances.get(QUOTE, 0) - sum(perps)
        return owed if limit is not None and owed > limit else 0

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
        market, policy = self.market(c.market), self.state.policy
        self.settle(c.subaccount)
        equity = self.risk(c.subaccount).equity
        must(equity <= 0 or market.settling, "deleveraged for a solvent subaccount")
        if policy.deleveraging.policy == "pro_rata" and not market.settling:
            self.take_profits(c)
        else:
            self.close_against(c, self.transfer_rule(c, equity))
        if policy.withdrawal_gate_blocks and (equity < 0 or not market.settling):
            self.state.pools[market.pool].gated_until_block = self.state.block + policy.withdrawal_gate_blocks
        self.state.block_deleveragings += 1
        self.sweep(c.subaccount)

    def winners(self, c):
        """Opposite positions of traders: name, lots, cost, profit, worth, equity, maintenance; those to be touched."""
        rule, held = self.state.policy.deleveraging, self.sub(c.subaccount).positions[c.market].size_b
        everybody = self.market(c.market).settling or rule.policy == "cyclic"
        rows = [row for row in self.claims(c.market, -held) if everybody or (row[3] > 0 and row[5] > 0)]
        if everybody and rows:
            start = c.draw % len(rows)
            return (rows[start:] + rows[:start])[: rule.scan_max or None]
        return self.ranked(rows) if rule.policy == "ranked" else rows

    def claims(self, market, side):
        rows = []
        for name, sub in sorted(self.state.subaccounts.items()):
            held = sub.positions.get(market)
            if held and not (sub.system or sub.flagged) and held.size_b * side > 0:
                worth, risk = self.worth(market, held.size_b), self.risk(name)
                rows.append(
                    (
                        name,
                        held.size_b,
                        held.cost_q,
                        worth - held.cost_q,
                        worth,
                        risk.equity,
                        risk.maintenance,
                    )
                )
        return rows

    def ranked(self, rows):
        return sorted(rows, key=lambda row: -score(self.state.policy.deleveraging.score, *row[2:]))

    def close_against(self, c, rule):
        held = self.sub(c.subaccount).positions[c.market].size_b
        left, pool = abs(held), self.market(c.market).pool
        for name, lots, *_ in self.winners(c):
            closed = min(left, abs(lots)) * (1 if held > 0 else -1)
            if not closed:
                break
            got, needed = (
                self.transfer_price(c, closed, rule),
                self.bankruptcy(c.subaccount, c.market, closed),
            )
            if -got < self.bankruptcy(name, c.market, -closed):
                continue
            self.settle(name)
            self.fill(c.market, c.subaccount, name, -closed, got)
            self.move(f"debt/{pool}", f"sub/{c.subaccount}", max(0, needed - got))
            self.sweep(name)
            left -= abs(closed)

    def transfer_rule(self, c, equity):
        """In final settlement positions are closed at the mark, and at the bankruptcy price of who is insolvent."""
        if self.market(c.market).settling:
            return "mark" if equity >= 0 else "bankruptcy"
        return self.state.policy.deleveraging.price

    def transfer_price(self, c, closed, rule):
        market = self.market(c.market)
        if rule == "bankruptcy":
            return self.bankruptcy(c.subaccount, c.market, closed)
        return self.value(c.market, closed, market.mark if rule == "mark" else market.previous_mark)

    def take_profits(self, c):
        held = self.sub(c.subaccount).positions[c.market].size_b
        need, rows, raised = self.shortfall(c.subaccount, c.market), self.winners(c), 0
        caps = [min(profit, equity) for _, _, _, profit, _, equity, _ in rows]
        if not rows or not need:
            return
        for row, amount in zip(rows, naive.largest_remainder(min(need, sum(caps)), caps), strict=True):
            if amount:
                self.settle(row[0])
                self.move(f"sub/{row[0]}", f"sub/{c.subaccount}", amount)
                self.sub(row[0]).positions[c.market].cost_q += amount
                raised += amount
        self.count_sides(c.market)
        self.fill(c.market, c.subaccount, f"market/{c.market}", -held, self.worth(c.market, held))
        self.move(f"debt/{self.market(c.market).pool}", f"sub/{c.subaccount}", need - raised)

    def on_socialize(self, c):
        exposed, debt = {}, self.debt(c.pool)
        for name, sub in sorted(self.state.subaccounts.items()):
            own = [market for market in sub.positions if self.market(market).pool == c.pool]
            if own and not (sub.system or sub.flagged):
                exposed[name] = self.share_of_loss(name, own)
        exposed = {name: share for name, share in exposed.items() if share > 0}
        if self.state.policy.socialize_by == "equity":
            debt = min(debt, sum(exposed.values()))
        must(debt > 0 and exposed, "a loss was shared that nobody made or nobody bears")
        shares = naive.largest_remainder(debt, list(exposed.values()))
        for name, share in zip(exposed, shares, strict=True):
            self.move(f"sub/{name}", f"debt/{c.pool}", share)

    def share_of_loss(self, name, own):
        """What counts of somebody with positions in a pool's markets: equity, or the worth of those positions."""
        if self.state.policy.socialize_by == "equity":
            return self.risk(name).equity
        return sum(abs(self.worth(market, self.sub(name).positions[market].size_b)) for market in own)

    def on_relieve_pool(self, c):
        """Winners of a side are closed at the present price, until one lot more would leave it owed too little."""
        side, market = 1 if c.is_long else -1, self.market(c.market)
        trigger = Fraction(market.solvency.trigger_ppm, MILLION)
        must(self.pressure(c.market, side) > trigger, "the pool was relieved though it does not owe too much")
        rows = [row for row in self.claims(c.market, side) if row[3] > 0]
        if self.state.policy.deleveraging.policy == "ranked":
            rows = self.ranked([row for row in rows if row[5] > 0])
        elif self.state.policy.deleveraging.policy == "cyclic":
            rows = rows[: self.state.policy.deleveraging.scan_max or None]
        else:
            rows = [row for row in rows if row[5] > 0]
        for name, size, _, profit, *_ in rows:
            lots = self.relieving(c.market, side, abs(size), profit)
            if lots == 0:
                break
            self.settle(name)
            self.fill(c.market, name, f"market/{c.market}", -lots * side, self.worth(c.market, lots * side))
            self.sweep(name)

    def pressure(self, market, side):
        """What a side is owed of what stands for it."""
        return share_owed(naive.owed_to_side(self.state, market, side), naive.reserve(self.state, market))

    def relieving(self, market, side, size, profit):
        """Most lots of a winner, in whole steps or all of them, that may be closed."""
        owed, reserve = naive.owed_to_side(self.state, market, side), naive.reserve(self.state, market)
        kept, before = naive.unpaid(self.state, market, profit, side), share_owed(owed, reserve)
        least, step = Fraction(self.market(market).solvency.floor_ppm, MILLION), self.market(market).step_b

        def stands(lots):
            gone, paid = ceil(Fraction(profit * lots, size)), floor(Fraction((profit - kept) * lots, size))
            return gone == 0 or least <= share_owed(owed - gone, reserve - floor(Fraction(paid, 2))) < before

        steps = [size, *range(size // step * step, 0, -step)]
        return next((lots for lots in steps if stands(lots)), 0)


def share_owed(owed, reserve):
    """In 30 decimals, as venues compare it; nothing where nothing stands for it."""
    return Fraction(trunc(Fraction(owed * 10**30, reserve)), 10**30) if reserve else Fraction(0)


def score(rule, cost, profit, worth, equity, maintenance):
    """Rank of a winner: the higher, the sooner."""
    if rule == "profit_margin":
        return Fraction(profit, max(equity - profit, MILLION)) * Fraction(maintenance, max(1, equity))
    leverage = Fraction(abs(worth), max(1, equity))
    if rule == "profit_leverage":
        return Fraction(profit, max(1, abs(cost))) * leverage
    entry, now = max(1, abs(cost)), max(1, abs(worth))
    if rule == "index" and worth < 0:
        return Fraction(abs(cost), now) * leverage
    return Fraction(abs(worth), entry) * leverage
