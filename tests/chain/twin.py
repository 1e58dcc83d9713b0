"""A baseline design and the engine side by side: every operation on both, every balance compared.

The engine's subaccounts are the design's: one per trader and market, or one per trader. What the contract keeps in its
pool the engine keeps in the market's own subaccounts, its funding accounts and its fees.
"""

from chain.house import Storage
from ringfence.chain.accounts import Account
from ringfence.chain.deploy import LOT, Baseline, Terms
from ringfence.chain.evm import Evm
from ringfence.chain.node import RevertedError
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.apply import apply
from ringfence.clearing.decide import decide
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, CollateralPool, Market, Scale, Venue, market_subaccount
from ringfence.clearing.policy import Liquidation, Policy, Tier, Tiered
from ringfence.clearing.verdict import Rejected
from ringfence.rules.words import PPM, WAD

MARKETS = 4
TRADERS = ("ada", "ben", "cyd")
TERMS = Terms(cap_b=2**55 - 1)
SCALE_DEN, INDEX_SCALE = 10**10, 10**12
START_PRICE = 50_000 * LOT
LIQUIDITY_Q, FUND_Q, WALLET_Q = 10**15, 3 * 10**8, 10**14
MAX_AGE_S = 3_600

POLICY = Policy(
    under_margin="strict_reduce",
    taker_fee_ppm=TERMS.fee_ppm,
    liquidation=Liquidation(fee_ppm=TERMS.liquidation_fee_ppm, fee_to_fund_ppm=TERMS.fund_share_ppm),
    waterfall=("insurance", "counterparty"),
)
REQUIREMENT = Tiered((Tier(0, TERMS.initial_ppm, TERMS.maintenance_ppm, 0),), PPM)


def name_of(market):
    return f"m{market}"


class Twin:
    """One contract and one engine."""

    def __init__(self, design):
        self.is_isolated = design == "IsolatedOnly"
        self.chain = Evm(signed=False)
        people = {
            name: self.chain.fund(Account.named(name)) for name in (*TRADERS, "owner", "feed", "keeper")
        }
        self.people, self.keeper = people, people["keeper"]
        self.venue = Baseline.create(
            self.chain,
            design,
            people["owner"],
            people["feed"],
            markets=MARKETS,
            terms=TERMS,
            max_age_s=MAX_AGE_S,
        )
        self.contract = self.venue.contract
        # Read as they lie there: calling a view takes longer than most operations.
        self.storage, self.tokens = Storage(self.contract), Storage(self.venue.token)
        for pool in self.pools:
            self.venue.supply(pool, LIQUIDITY_Q, FUND_Q)
        for trader in TRADERS:
            self.venue.mint(people[trader], WALLET_Q)
        self.start = self.chain.snapshot()
        self.operations = 0
        """On both, over all histories."""
        self.reset()

    @property
    def pools(self):
        return range(MARKETS) if self.is_isolated else range(1)

    def reset(self):
        """Go back to the deployed contract, and to an engine that has seen nothing."""
        self.chain.rollback(self.start)
        pool = (lambda m: f"p{m}") if self.is_isolated else (lambda _: "p0")
        markets = {
            name_of(m): Market(name_of(m), Scale(1, SCALE_DEN), REQUIREMENT, pool(m)) for m in range(MARKETS)
        }
        pools = {f"p{p}": CollateralPool(f"p{p}") for p in self.pools}
        self.engine = Clearinghouse(Venue(policy=POLICY, markets=markets, pools=pools))
        for market in range(MARKETS):
            name = market_subaccount(name_of(market))
            self.engine.require(cmd.OpenSubaccount(name, "venue", system=True))
        for trader in TRADERS:
            for sub in dict.fromkeys(self.sub(trader, market) for market in range(MARKETS)):
                self.engine.require(cmd.OpenSubaccount(sub, trader))
        for p in self.pools:
            self.engine.require(cmd.FundInsurance(f"p{p}", FUND_Q))
        self.refused_shrinks = self.accepted = self.refused = 0
        self.totals, self.touched = {}, set(TRADERS)
        self.set_prices(dict.fromkeys(range(MARKETS), START_PRICE))

    def sub(self, trader, market):
        return f"{trader}/{market}" if self.is_isolated else trader

    # -- one operation on both ------------------------------------------------------------------------------------

    def both(self, command, name, *arguments, sender, settles=None):
        """Submit to both; the same verdict, and where it is a refusal the same reason."""
        self.operations += 1
        before = self.chain.snapshot()
        if settles:
            self.settle(settles)
        verdict = self.engine.submit(command)
        reason = self._send(name, *arguments, sender=sender)
        if reason is not None:
            assert isinstance(verdict, Rejected), f"{command}: the contract refused: {reason}"
            assert reason == verdict.reason.name, (command, verdict)
            self.refused += 1
            self.chain.rollback(before)
            return False
        if isinstance(verdict, Rejected):
            assert self._is_shrink(command), (command, verdict)
            self.chain.rollback(before)
            self.refused_shrinks += 1
            return False
        self.accepted += 1
        return True

    def _send(self, name, *arguments, sender):
        """Why the contract refused; None where it did not."""
        try:
            self.contract.send(name, *arguments, sender=sender)
        except RevertedError as error:
            return error.reason
        return None

    def _is_shrink(self, command):
        """What only shrinks a position is asked for margin by the engine alone, where it leaves a worse ratio."""
        if not isinstance(command, cmd.Trade):
            return False
        held = self.engine.venue.subaccounts[command.taker].positions.get(command.market)
        return held is not None and abs(held.size_b + command.size_b) < abs(held.size_b)

    def settle(self, trader):
        """Cross margin books funding of all positions at once in the engine, of the traded one on chain."""
        venue = self.engine.venue
        held = {} if self.is_isolated else venue.subaccounts[trader].positions
        if any(each.funding_index != venue.markets[name].funding_index for name, each in held.items()):
            self.contract.send("settle_funding", self.people[trader].address, sender=self.keeper)

    def deposit(self, trader, market, amount):
        self.touched.add(trader)
        where = (market,) if self.is_isolated else ()
        command = cmd.Deposit(self.sub(trader, market), QUOTE, amount)
        return self.both(command, "deposit", *where, amount, sender=self.people[trader])

    def withdraw(self, trader, market, amount):
        self.touched.add(trader)
        where = (market,) if self.is_isolated else ()
        command = cmd.Withdraw(self.sub(trader, market), QUOTE, amount)
        return self.both(command, "withdraw", *where, amount, sender=self.people[trader], settles=trader)

    def transfer(self, trader, source, target, amount):
        self.touched.add(trader)
        command = cmd.TransferMargin(self.sub(trader, source), self.sub(trader, target), QUOTE, amount)
        arguments = (source, target, amount)
        return self.both(command, "transfer_margin", *arguments, sender=self.people[trader])

    def trade(self, trader, market, size_b):
        self.touched.add(trader)
        mark = self.engine.venue.markets[name_of(market)].mark
        maker = market_subaccount(name_of(market))
        command = cmd.Trade(name_of(market), size_b, mark, self.sub(trader, market), maker)
        arguments = (market, size_b, 0, 0) if self.is_isolated else (market, size_b, 0)
        return self.both(command, "trade", *arguments, sender=self.people[trader], settles=trader)

    def liquidate(self, trader, market):
        self.touched.add(trader)
        command = cmd.Liquidate(self.sub(trader, market), name_of(market))
        what = market if self.is_isolated else 1 << market
        who = self.people[trader].address
        return self.both(command, "liquidate", who, what, sender=self.keeper, settles=trader)

    def liquidate_account(self, trader, markets):
        """Cross: as many of these positions as it takes, in one transaction and in as many commands."""
        self.operations += 1
        self.touched.add(trader)
        before = self.chain.snapshot()
        self.settle(trader)
        who = self.people[trader].address
        wanted = sum(1 << market for market in markets)
        try:
            closed = self.contract.call("liquidate", who, wanted, sender=self.keeper)
            self.contract.send("liquidate", who, wanted, sender=self.keeper)
        except RevertedError:
            closed = 0
            self.chain.rollback(before)
        done = 0
        for market in sorted(markets) if closed else ():
            verdict = self.engine.submit(cmd.Liquidate(trader, name_of(market)))
            if isinstance(verdict, Rejected):
                assert verdict.reason.name == "NOT_LIQUIDATABLE", verdict
                break
            done |= 1 << market
        assert done == closed
        if not closed:
            first = min(markets, default=0)
            # Refused as a whole where one of them is not held: asked of the engine, and not done.
            assert isinstance(
                decide(self.engine.venue, cmd.Liquidate(trader, name_of(first))), Rejected
            ) or any(
                name_of(market) not in self.engine.venue.subaccounts[trader].positions for market in markets
            )

    # -- the world ----------------------------------------------------------------------------------------------------

    def set_prices(self, prices):
        self.operations += 1
        self.chain.warp(1)
        self.venue.set_prices(prices)
        marks = {name_of(market): price for market, price in prices.items()}
        self.engine.require(cmd.SetPrices(self.chain.time_s * 1000, self.chain.block, marks))

    def accrue(self, market, rate_ppm):
        """The contract counts funding in coarser steps; the engine is told its index."""
        self.operations += 1
        self.contract.send("accrue_funding", market, rate_ppm, sender=self.people["feed"])
        index = self.contract.call("market_of", market)[2]
        apply(self.engine.venue, ev.FundingAccrued(name_of(market), index * (WAD // INDEX_SCALE)))

    # -- the comparison -----------------------------------------------------------------------------------------------

    def check(self):
        """Every balance (of traders that were touched), size and fund is the engine's; all tokens are somebody's."""
        for trader in self.touched:
            self.totals[trader] = self._check_trader(trader)
        self.touched = set()
        total = sum(self.totals.values())
        funds = pools = 0
        for p in self.pools:
            word = self.storage.word("_pools", p)
            fund_q = field(word, 112, 104)
            assert fund_q == self.engine.venue.fund_q(f"p{p}")
            funds, pools = funds + fund_q, pools + field(word, 0, 112)
        rewards = self.storage.mapped("rewards", int(self.keeper.address, 16))
        venue = self.engine.venue
        held = sum(venue.subaccounts[market_subaccount(name)].quote_q for name in venue.markets)
        funding = sum(venue.balance_q(f"funding/{name}") for name in venue.markets)
        assert pools + rewards == LIQUIDITY_Q * len(self.pools) + held + funding + venue.balance_q("fees")
        tokens = self.tokens.mapped("balanceOf", int(self.contract.address, 16))
        assert tokens == total + funds + pools + rewards

    def check_all(self):
        """The same for everybody."""
        self.touched = set(TRADERS)
        self.check()

    def _check_trader(self, trader):
        who = int(self.people[trader].address, 16)
        held = self._quote_of if self.is_isolated else self._account_of
        total = held(trader, who)
        for market in range(MARKETS):
            position = self.engine.venue.subaccounts[self.sub(trader, market)].positions.get(name_of(market))
            assert self._size_of(who, market) == (position.size_b if position else 0)
        return total

    def _account_of(self, trader, who):
        """Quote of the one account, whose bitmap names the markets that the engine says are held."""
        word, sub = self.storage.mapped("_accounts", who), self.engine.venue.subaccounts[trader]
        assert field(word, 0, 128) == sub.quote_q
        assert word >> 128 == sum(1 << int(name[1:]) for name in sub.positions)
        return sub.quote_q

    def _quote_of(self, trader, who):
        """Quote of all subaccounts together, each of which is the engine's."""
        quotes = [field(self.storage.mapped("_positions", who, market), 0, 112) for market in range(MARKETS)]
        subs = (self.engine.venue.subaccounts[self.sub(trader, market)] for market in range(MARKETS))
        assert quotes == [sub.quote_q for sub in subs]
        return sum(quotes)

    def _size_of(self, who, market):
        if self.is_isolated:
            return field(self.storage.mapped("_positions", who, market), 112, 56)
        return field(self.storage.mapped("_positions", who, market // 2), market % 2 * 128, 64)


def field(word, at, bits):
    """A signed field of a storage word, as docs/reference/contracts.md draws it."""
    raw = word >> at & (1 << bits) - 1
    return raw - (1 << bits) if raw >> bits - 1 else raw
