"""What follows from an accepted start, bid, conversion or end of an auction."""

from fractions import Fraction
from math import ceil, floor

import naive
from chaos.books import MILLION, Books, Thing, must

WAD = 10**18


class Auctions(Books):
    """Subaccounts sold slice by slice."""

    @property
    def terms(self):
        return self.state.policy.liquidation.auction

    def buffer(self, risk, *, insolvent=False):
        """What is above the margin at which an auction ends; at that margin it goes on where equality is too little."""
        share = 0 if insolvent else self.terms.buffer_ppm
        asked = risk.maintenance + ceil(Fraction(risk.maintenance * share, MILLION))
        return risk.equity - asked - (1 if self.state.policy.trigger_at_equality and risk.maintenance else 0)

    def lifted(self, name):
        return self.buffer(self.risk(name), insolvent=self.sub(name).auction.insolvent) >= 0

    def discount(self, live):
        """Share of its worth that a slice costs, in 18 decimals."""
        terms, elapsed = self.terms, self.state.time_ms - live.started_ms
        start, cutoff = Fraction(terms.start_ppm, MILLION), Fraction(terms.cutoff_ppm, MILLION)
        if elapsed < terms.fast_ms:
            return ceil((start - (start - cutoff) * Fraction(elapsed, terms.fast_ms)) * WAD)
        if elapsed >= terms.fast_ms + terms.slow_ms:
            return 0
        return ceil(cutoff * (1 - Fraction(elapsed - terms.fast_ms, terms.slow_ms)) * WAD)

    def most(self, risk, reserved, discount):
        """Largest share that may be sold: the rest then stands at its buffer margin."""
        short, paid = -self.buffer(risk), Fraction(discount, WAD)
        gap = short + risk.equity * paid + reserved * (1 - paid)
        if short <= 0:
            return 0
        return min(WAD, ceil(Fraction(short) / gap * WAD)) if gap > 0 else WAD

    def by_pool(self, name, amount):
        """An amount over the pools of what a subaccount holds, by notional."""
        weights = {}
        for market, held in sorted(self.sub(name).positions.items()):
            pool = self.market(market).pool
            weights[pool] = weights.get(pool, 0) + max(1, self.notional(market, held.size_b))
        weights = weights or {min(self.state.pools): 1}
        return dict(zip(weights, naive.largest_remainder(amount, list(weights.values())), strict=True))

    def on_start_auction(self, c):
        sub = self.sub(c.subaccount)
        self.settle(c.subaccount)
        sub.orders.clear()
        must(self.liquidatable(c.subaccount), f"{c.subaccount} was put up for auction while healthy")
        risk = self.risk(c.subaccount)
        if risk.equity > 0:
            share = self.most(risk, 0, WAD)
            fee = floor(Fraction(risk.equity * share * self.terms.fee_ppm, WAD * MILLION))
            for pool, part in self.by_pool(c.subaccount, fee).items():
                self.move(f"sub/{c.subaccount}", f"fund/{pool}", part)
        sub.auction = Thing(started_ms=self.state.time_ms, insolvent=risk.equity <= 0, reserved_q=0)

    def on_convert_auction(self, c):
        sub = self.sub(c.subaccount)
        self.settle(c.subaccount)
        risk = self.risk(c.subaccount)
        must(self.buffer(risk, insolvent=True) < 0, "converted though the margin is there")
        free = self.discount(sub.auction) == 0 or risk.equity <= sub.auction.reserved_q
        must(free and not sub.auction.insolvent, "converted before the price fell to zero")
        sub.auction = Thing(started_ms=self.state.time_ms, insolvent=True, reserved_q=0)

    def on_end_auction(self, c):
        self.settle(c.subaccount)
        must(self.lifted(c.subaccount), "an auction ended before the margin was there")
        self.finish(c.subaccount)

    def finish(self, name):
        self.sub(name).auction = None
        self.sweep(name)

    def on_bid(self, c):
        sub = self.sub(c.subaccount)
        for name in (c.bidder, c.subaccount):
            self.settle(name)
        must(not self.lifted(c.subaccount), "a slice was sold though the margin is there")
        live, risk = sub.auction, self.risk(c.subaccount)
        reserved = 0 if live.insolvent else live.reserved_q
        discount = 0 if live.insolvent else self.discount(live)
        share = min(c.share_wad, WAD if live.insolvent else self.most(risk, reserved, discount))
        worth = floor(Fraction((risk.equity - reserved) * share, WAD))
        price = max(0, ceil(Fraction(worth * discount, WAD)))
        parts = self.by_pool(c.subaccount, self.paid(risk, live, share) if live.insolvent else 0)
        self.hand_over(c, share, risk.equity - worth)
        self.move(f"sub/{c.bidder}", f"sub/{c.subaccount}", price)
        for pool, part in parts.items():
            self.pay(pool, c.bidder, part)
        if not live.insolvent:
            live.reserved_q += price
        if self.lifted(c.subaccount):
            self.finish(c.subaccount)

    def paid(self, risk, live, share):
        first, last = max(0, -risk.equity), risk.maintenance - risk.equity
        length = self.terms.insolvent_ms
        way = (
            min(Fraction(1), Fraction(self.state.time_ms - live.started_ms, length))
            if length
            else Fraction(1)
        )
        return floor((first + (last - first) * way) * share / WAD)

    def hand_over(self, c, share, left):
        """The same share of every position and balance; quote makes up what rounding left."""
        sub = self.sub(c.subaccount)
        for market, held in sorted(sub.positions.items()):
            step, size = self.market(market).step_b, held.size_b
            lots = min(abs(size), ceil(ceil(Fraction(abs(size) * share, WAD)) / step) * step)
            lots = lots if size > 0 else -lots
            if lots:
                self.fill(market, c.subaccount, c.bidder, -lots, self.worth(market, lots))
        for asset, amount in sorted(sub.balances.items()):
            if asset in self.state.assets:
                self.move(
                    f"sub/{c.subaccount}", f"sub/{c.bidder}", floor(Fraction(amount * share, WAD)), asset
                )
        self.move(f"sub/{c.subaccount}", f"sub/{c.bidder}", self.risk(c.subaccount).equity - left)

    def pay(self, pool, bidder, amount):
        insured = min(amount, self.fund(pool)) if "insurance" in self.state.policy.waterfall else 0
        must(insured == amount or "socialize" in self.state.policy.waterfall, "a debt that nobody shares")
        self.move(f"fund/{pool}", f"sub/{bidder}", insured)
        self.move(f"debt/{pool}", f"sub/{bidder}", amount - insured)
