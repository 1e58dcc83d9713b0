"""Draws venues at random: every shape of a requirement, every procedure, every limit, mostly switched off."""

from ringfence.clearing.model import Asset, CollateralPool, Market, Option, Scale, Venue
from ringfence.clearing.policy import (
    Auction,
    CloseCost,
    CostShare,
    Deleveraging,
    Liquidation,
    OpenInterestScaled,
    Policy,
    RootScaled,
    Rounding,
    Sided,
    SkewScaled,
    Solvency,
    Step,
    Stepped,
    Tier,
    Tiered,
)
from ringfence.clearing.set_rules import SpreadCredit

PPM = 1_000_000
DEN = 1_000
STRIKE = 500
"""Of all options, in the price quanta of what they are on."""
EXPIRY_MS = 9_000


class Nature:
    """Draws from one source of chance."""

    def __init__(self, random):
        self.random = random

    def maybe(self, value, otherwise=0):
        return value if self.random.random() < 0.3 else otherwise

    # --- requirements -------------------------------------------------------------------------------------------------

    def requirement(self):
        initial, choice = self.random.choice((20, 50, 100, 200, 500)), self.random.choice
        others = (self.stepped, self.skewed, self.sided, self.rooted, self.of_cost)
        return choice((self.tiered, self.tiered, self.tiered, self.scaled, self.scaled, *others))(initial)

    def tiered(self, initial):
        tiers, deduction = [Tier(0, initial, initial // 2, 0)], 0
        for lower in sorted(self.random.sample((50_000, 300_000, 2_000_000), self.random.randrange(3))):
            before = tiers[-1]
            deduction += lower * (min(DEN, before.maintenance_num * 2) - before.maintenance_num)
            rates = (min(DEN, before.initial_num * 2), min(DEN, before.maintenance_num * 2))
            tiers.append(Tier(lower, *rates, deduction))
        return Tiered(tuple(tiers), DEN)

    def scaled(self, initial):
        lower = self.random.choice((0, 100_000, 10_000_000))
        upper = lower + self.random.choice((0, 1, 10_000_000))
        share = self.random.choice((400_000, 500_000, 600_000))
        return OpenInterestScaled(initial * 1_000, share, lower if upper else 0, upper)

    def stepped(self, initial):
        by, lower = self.random.choice((("notional", 50_000), ("size", 40)))
        steps = (Step(0, initial, initial // 2), Step(lower, min(DEN, initial * 2), initial))
        return Stepped(steps, DEN, by)

    def skewed(self, initial):
        slope, cap = self.random.choice((10, 300)), self.random.choice((0, DEN // 2))
        return SkewScaled(
            1_000, initial, slope, initial // 2, slope // 2, DEN, max(cap, initial) if cap else 0
        )

    def sided(self, initial):
        return Sided(initial, initial // 2, initial * 2, initial, DEN)

    def rooted(self, initial):
        factor, unit_b = self.random.choice((0, 5, 40)), self.random.choice((1, 10))
        return RootScaled(initial, initial // 2, factor, DEN, unit_b, DEN)

    def of_cost(self, initial):
        return CostShare(initial, initial // 2, DEN, self.maybe(1), 10**7)

    def close_cost(self):
        choice = self.random.choice
        return CloseCost(
            choice((1, 5)),
            DEN,
            choice((0, 50)),
            choice((0, 400)),
            choice(("notional", "cost")),
            choice((False, True)),
        )

    # --- the policy ---------------------------------------------------------------------------------------------------

    def liquidation(self):
        choice, maybe = self.random.choice, self.maybe
        return Liquidation(
            size=choice(("full", "full", "portion", "target")),
            portion_ppm=choice((100_000, 333_333, PPM)),
            portion_of=choice(("position", "position", "account")),
            portion_above_q=choice((0, 20_000)),
            portion_floor_ppm=maybe(500_000),
            portion_once=choice((False, True)),
            minimum_q=choice((0, 5_000)),
            target_ppm=choice((PPM, 1_250_000)),
            target_of=choice(("maintenance", "maintenance", "initial")),
            buffer_ppm=maybe(10_000),
            cooldown_ms=maybe(2_000),
            limit=choice(("none", "none", "fillable")),
            adjustment_ppm=choice((PPM, 3 * PPM)),
            spread_ppm=choice((0, 100_000, PPM)),
            fee_ppm=choice((0, 15_000, 50_000)),
            fee_of=choice(("notional", "notional", "cost", "maintenance")),
            fee_to_fund_ppm=choice((0, 500_000, PPM)),
            fee_in_full=choice((False, False, True)),
            block_liquidations=maybe(3),
            block_deleveragings=maybe(2),
            block_subaccount_q=maybe(50_000),
            block_insurance_q=maybe(20_000),
            remainder=choice(("subaccount", "subaccount", "fund", "fees")),
            remainder_least_q=maybe(500),
            backstop_num=maybe(2),
            backstop_den=3,
            auction=maybe(self.auction(), None),
        )

    def auction(self):
        choice = self.random.choice
        return Auction(
            start_ppm=choice((PPM, 950_000)),
            cutoff_ppm=choice((0, 333_333, 950_000)),
            fast_ms=choice((0, 1_000, 2_500)),
            slow_ms=choice((0, 1_500, 10_000)),
            insolvent_ms=choice((0, 3_000)),
            buffer_ppm=choice((0, 150_000, PPM)),
            fee_ppm=choice((0, 100_000)),
        )

    def deleveraging(self):
        choice = self.random.choice
        return Deleveraging(
            choice(("ranked", "cyclic", "pro_rata")),
            choice(("profit_leverage", "index", "index_literal", "profit_margin")),
            choice(("bankruptcy", "bankruptcy", "mark", "previous_mark")),
            choice((0, 0, 2)),
        )

    def waterfall(self):
        if self.random.random() < 0.15:
            return ("insurance", "counterparty", "deleverage")
        return tuple(step for step in ("insurance", "deleverage", "socialize") if self.random.random() < 0.85)

    def policy(self):
        choice, maybe = self.random.choice, self.maybe
        return Policy(
            rounding=Rounding(choice((0, 1, 2)), 1, 1, choice((0, 2))) if choice((0, 1)) else Rounding(),
            risk_price=choice(("mark", "mark", "index")),
            trigger_at_equality=choice((False, True)),
            withdrawal_floor_ppm=maybe(100_000),
            overdraft_q=choice((None, None, None, 5_000)),
            initial_profit_cap_q=choice((None, None, 0, 2_000)),
            initial_profit_cap_of=choice(("position", "account")),
            account_gating=choice(("none", "none", "none", "maintenance")),
            exclusive_pools=choice((False, False, True)),
            under_margin=choice(("ratio", "ratio", "strict_reduce")),
            taker_fee_ppm=choice((0, 450)),
            maker_fee_ppm=choice((0, 100, -0)),
            liquidation=self.liquidation(),
            insurance=choice(("continuous", "continuous", "all_or_nothing")),
            deleveraging=self.deleveraging(),
            waterfall=self.waterfall(),
            socialize_by=choice(("equity", "equity", "open_interest")),
            withdrawal_gate_blocks=maybe(3),
            outage_ms=maybe(4_000),
            set_rule=choice((None, None, None, SpreadCredit(1, 5))),
        )

    # --- the venue ----------------------------------------------------------------------------------------------------

    def market(self, name, pools):
        choice = self.random.choice
        scale = Scale(choice((1, 1, 3, 1_000)), choice((1, 1, 7)))
        market = Market(name, scale, self.requirement(), choice(pools), step_b=choice((1, 1, 5)))
        market.minimum_margin_q = self.maybe(50)
        market.minimum_margin_as = choice(("added", "added", "floor", "floor_with_fees"))
        market.close_cost = self.maybe(self.close_cost(), None)
        market.leverage_checked = choice(("always", "always", "opening"))
        market.margin_locked = self.random.random() < 0.1
        if self.random.random() < 0.15:
            market.solvency = Solvency(choice((PPM, 500_000, 50_000)), choice((450_000, 30_000)), 20_000)
        return market

    def option(self, underlying, *, call):
        """An option on a market, margined like a market of its own."""
        kind = Option(underlying.id, STRIKE, call=call, expiry_ms=EXPIRY_MS)
        name = f"{underlying.id}-{'CALL' if call else 'PUT'}"
        return Market(name, underlying.scale, self.tiered(200), underlying.pool, option=kind)

    def assets(self):
        """BTC with a haircut; WETH, which follows ETH, may be owed and whose weights are margin asked for."""
        table = Tiered((Tier(0, 200, 200, 0), Tier(500_000, 500, 500, 150_000_000)), DEN)
        free = Tiered((Tier(0, 0, 0, 0),), DEN)
        weights = Sided(100, 50, 150, 75, DEN)
        discount_ppm = self.random.choice((0, 50_000, 300_000))
        return {
            "BTC": Asset("BTC", Scale(1, 1), table, conversion_discount_ppm=discount_ppm),
            "WETH": Asset(
                "WETH", Scale(1, 1), free, weights=weights, market="ETH", lent=self.maybe(True, False)
            ),
        }

    def venue(self):
        pools, policy = [f"pool{number}" for number in range(self.random.randint(1, 3))], self.policy()
        names = ("ETH", "SOL", "ARB", "OP")[: self.random.randint(1, 4)]
        markets = {name: self.market(name, pools) for name in names}
        if self.random.random() < 0.4:
            for option in (self.option(markets["ETH"], call=call) for call in (True, False)):
                markets[option.id] = option
        if policy.set_rule is not None:
            markets["ETH"].requirement = self.sided(self.random.choice((50, 200)))
        return Venue(policy, markets, self.assets(), {pool: CollateralPool(pool) for pool in pools})
