"""Random logs on the real rulebooks: traders, prices, funding, and all that is due after a crash.

One seed is one log. The markets, requirements and collateral are a rulebook's; how its subaccounts are liquidated is
drawn anew for every log, so that each step of the waterfall is met under each kind of margin.
"""

from contextlib import suppress

from msgspec.structs import replace

from chaos.nature import Nature
from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, Grid, market_subaccount
from ringfence.clearing.resolve import BACKSTOP, Fills, resolve
from ringfence.clearing.risk import subaccount_risk
from ringfence.clearing.set_rules import ScenarioMargin, StandardMargin
from venues.states import States

MOST = 300
"""Commands of a log; a position of 10^20 atoms may be closed in ever smaller parts."""
TRADERS = ("ann", "ben", "cem", "dee", "eve")


class FullError(Exception):
    """The log has as many commands as it may have."""


class Log(States):
    """A venue, and the commands and verdicts of the reference on it."""

    def __init__(self, rulebook, seed, *, drawn=True):
        super().__init__(rulebook, seed)
        self.list_markets()
        self.keep_to_ticks()
        self.price_assets()
        if drawn and self.chance(0.8):
            self.draw_procedures()
        self.house = Clearinghouse(self.venue, keep_log=False)
        self.time, self.commands, self.verdicts = 1_000, [], []

    def tick(self, market, price):
        """A price as a feed gives it: where options net, with eight digits after the point."""
        if not isinstance(self.venue.policy.set_rule, ScenarioMargin | StandardMargin):
            return price or 1
        quanta = 10 ** max(market.price_decimals - 8, 0)
        return price // quanta * quanta or quanta

    def keep_to_ticks(self):
        """Prices that 64 bits hold, of all that nets."""
        for market in self.venue.markets.values():
            market.mark, market.index = self.tick(market, market.mark), self.tick(market, market.index)
            market.previous_mark = market.mark
            if market.option is not None:
                strike = self.tick(market, market.option.strike)
                market.option = replace(market.option, strike=strike)
            market.terms = tuple(
                replace(term, forward=term.forward and self.tick(market, term.forward))
                for term in market.terms
            )
            if market.grid is not None:
                low = tuple(self.tick(market, price) for price in market.grid.low)
                high = tuple(max(self.tick(market, price), *low) for price in market.grid.high)
                market.grid = Grid(low, high)

    def draw_procedures(self):
        """Another way to close and to spread losses, with fees; nothing of what margin asks."""
        nature = Nature(self.random)
        # Drawn for markets of a handful of atoms: a portion of 10^20 of them would go on for hundreds of steps.
        close = replace(nature.liquidation(), portion_above_q=10**9, minimum_q=10**8)
        if self.chance(0.9):
            close = replace(close, auction=None)
        self.venue.policy = replace(
            self.venue.policy,
            liquidation=close,
            deleveraging=nature.deleveraging(),
            waterfall=nature.waterfall(),
            insurance=self.random.choice(("continuous", "all_or_nothing")),
            socialize_by=self.random.choice(("equity", "open_interest")),
            withdrawal_gate_blocks=self.random.choice((0, 0, 2)),
            taker_fee_ppm=self.random.choice((0, 450)),
            maker_fee_ppm=self.random.choice((0, 100, -100)),
            trigger_at_equality=self.chance(0.3),
        )
        if self.venue.policy.taker_fee_ppm + self.venue.policy.maker_fee_ppm < 0:
            self.venue.policy = replace(self.venue.policy, maker_fee_ppm=0)

    # -- commands ---------------------------------------------------------------------------------------------------

    def submit(self, command):
        if len(self.commands) == MOST:
            raise FullError
        self.commands.append(command)
        self.verdicts.append(self.house.submit(command))

    def populate(self):
        self.submit(cmd.OpenSubaccount(BACKSTOP, "venue", None, True))
        self.submit(cmd.Deposit(BACKSTOP, QUOTE, 10**13))
        for name in (*self.venue.markets, *self.venue.assets):
            if f"market/{name}" not in self.venue.subaccounts and self.chance(0.9):
                self.submit(cmd.OpenSubaccount(f"market/{name}", "venue", None, True))
        for market in self.venue.markets.values():
            if market.solvency is not None and self.chance(0.8):
                self.submit(cmd.Deposit(market_subaccount(market.id), QUOTE, self.amount(6, 12)))
        for name in TRADERS:
            self.submit(cmd.OpenSubaccount(name, name))
            self.submit(cmd.Deposit(name, QUOTE, self.amount(9, 13)))
            if self.chance(0.5):
                self.submit(cmd.OpenSubaccount(f"{name}-2", name, self.random.choice((None, name))))
        for asset in self.venue.assets.values():
            if self.chance(0.4):
                atoms = self.amount(8, 11) * asset.scale.den // (asset.scale.num * (asset.price or 1)) or 1
                self.submit(cmd.Deposit(self.random.choice(TRADERS), asset.id, atoms))
        for pool in self.venue.pools:
            if self.chance(0.7):
                self.submit(cmd.FundInsurance(pool, self.amount(6, 11)))

    def someone(self):
        return self.random.choice([*self.venue.subaccounts, "nobody"])

    def trade(self):
        market = self.venue.markets[self.random.choice(sorted(self.venue.markets))]
        price = (market.mark or 1) * self.random.randint(990, 1010) // 1000 or 1
        worth_q = self.amount(8, 13)
        lots = worth_q * market.scale.den // (market.scale.num * price * market.step_b) or 1
        size_b = lots * market.step_b * self.random.choice((1, -1))
        taker, maker = self.random.sample([*TRADERS, f"{TRADERS[0]}-2", self.someone()], 2)
        if self.chance(0.3) and taker in self.venue.subaccounts:
            held = self.venue.subaccounts[taker].positions.get(market.id)
            size_b = -held.size_b if held else size_b
        if market.solvency is not None and self.chance(0.4):
            maker = market_subaccount(market.id)
        self.submit(cmd.Trade(market.id, size_b, price, taker, maker))

    def money(self):
        name, amount = self.someone(), self.amount(5, 12) * self.random.choice((1, 1, 1, 1, 0, -1))
        asset = self.random.choice([QUOTE, QUOTE, *self.venue.assets, "NOTHING"])
        kind = self.random.choice((0, 1, 1, 2, 2, 3))
        if kind == 0:
            self.submit(cmd.Deposit(name, asset, amount))
        elif kind == 1:
            if self.chance(0.6):
                name, asset = self.random.choice(TRADERS), QUOTE
                amount = subaccount_risk(self.venue, self.venue.subaccounts[name]).free_q
            self.submit(cmd.Withdraw(name, asset, amount))
        elif kind == 2:
            trader = self.random.choice(TRADERS)
            pair = self.random.choice(((trader, f"{trader}-2"), (f"{trader}-2", trader), (name, trader)))
            self.submit(cmd.TransferMargin(*pair, asset, amount))
        else:
            self.submit(cmd.FundInsurance(self.random.choice([*self.venue.pools, "none"]), amount))

    def move(self):
        """Prices wander, or half of everything is gone; funding is paid now and then."""
        self.time += self.random.choice((100, 1_000, 10_000))
        shift = self.random.choice((990, 1010, 970, 1030, 980, 1020, 900, 500, 1900))
        perps = [market for market in self.venue.markets.values() if market.option is None]
        marks = {market.id: self.tick(market, market.mark * shift // 1000) for market in perps}
        block = self.venue.block + self.random.randrange(3)
        self.submit(cmd.SetPrices(self.time, block, marks))
        if self.chance(0.5):
            market = self.random.choice(sorted(self.venue.markets))
            self.submit(cmd.AccrueFunding(market, self.random.randint(-3_000, 3_000)))

    def loss_step(self):
        """Somebody asks for a step of the waterfall, due or not."""
        name, market = self.someone(), self.random.choice([*self.venue.markets, "NONE"])
        pool = self.random.choice([*self.venue.pools, "none"])
        size_b = self.random.choice((0, 0, 1, -1, self.amount(1, 8)))
        self.submit(
            self.random.choice(
                (
                    cmd.Liquidate(name, market, size_b, 0, self.random.choice(("", self.someone()))),
                    cmd.TakeOver(name, self.random.choice((BACKSTOP, self.someone()))),
                    cmd.DrawInsurance(pool, *self.random.choice(((), (name, market)))),
                    cmd.Deleverage(name, market, self.random.randrange(5)),
                    cmd.Socialize(pool),
                )
            )
        )

    def odd(self):
        """What only the reference decides, in between."""
        name, market = self.random.choice(TRADERS), self.random.choice(sorted(self.venue.markets))
        step_b = self.venue.markets[market].step_b
        self.submit(
            self.random.choice(
                (
                    cmd.SetLeverage(name, market, self.random.randint(1, 20)),
                    cmd.Reserve(name, "order", market, step_b),
                    cmd.Release(name, "order"),
                    cmd.ChangePolicy(self.venue.policy),
                    cmd.SettleMarket(market) if self.chance(0.1) else cmd.Deposit(name, QUOTE, 1),
                )
            )
        )

    def due(self):
        """All that is due, as a keeper would ask for it."""
        names = [*self.venue.subaccounts]
        self.random.shuffle(names)
        resolve(self, names, Fills(self.random.choice((0, 0, 5_000)), self.random.randrange(4)))

    def run(self, actions=40):
        with suppress(FullError):
            self.populate()
            doing = (self.trade, self.trade, self.money, self.money, self.move, self.loss_step, self.odd)
            for _ in range(actions):
                self.random.choice(doing)()
                if self.chance(0.15):
                    self.due()
        return self


class Keeper(Log):
    """A log whose `submit` answers, as `resolve` wants it."""

    def submit(self, command):
        super().submit(command)
        return self.verdicts[-1]
