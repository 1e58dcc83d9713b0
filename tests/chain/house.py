"""The clearinghouse on chain and the engine side by side: every operation on both, every balance compared.

Subaccount `ada.1` of the engine is number 1 of ada's address. The engine's counterparty of market `m2` is `market/m2`;
the liquidity of a pool is the sum over its markets. What the engine books as fees is the pools' fees and what keepers
earned.
"""

from functools import cache
from typing import NamedTuple

from eth_utils.crypto import keccak

from ringfence.chain import clearinghouse as chain
from ringfence.chain.accounts import Account
from ringfence.chain.evm import Evm
from ringfence.chain.node import RevertedError
from ringfence.chain.terms import policy_of
from ringfence.clearing import command as cmd
from ringfence.clearing.adl import claims_against, queue
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, Asset, CollateralPool, Market, Scale, Venue, market_subaccount
from ringfence.clearing.policy import Tier, Tiered
from ringfence.clearing.risk import subaccount_risk
from ringfence.clearing.verdict import Rejected
from ringfence.rules.close import slipped_price
from ringfence.rules.requirement import tier_deduction
from ringfence.rules.words import PPM

TRADERS = ("ada", "ben", "cyd")
SUBS = (0, 1, 2)
NAMES = tuple(f"{trader}.{sub}" for trader in TRADERS for sub in SUBS)
BTC, BTC_SCALE_EXP, HAIRCUT_PPM, DISCOUNT_PPM = 1, 8, 100_000, 50_000
START_PRICES = {0: 2_000_000, 1: 30_000_000_000, 2: 1_500_000}
"""Lots are 1e-3 of a coin. Price quanta are 1e-3, 1e-6 and 1e-4 USD: one lot at one is 1, 1/1000 and 1/10 atom."""
START_BTC = 60_000 * 10**6
MARKETS = (
    chain.MarketTerms(pool=0, scale_exp=0),
    chain.MarketTerms(pool=0, scale_exp=3, spread_ppm=500, initial_ppm=50_000, maintenance_ppm=25_000),
    chain.MarketTerms(pool=1, scale_exp=1, step_exp=1, initial_ppm=200_000, maintenance_ppm=120_000),
)
TIERS = {0: ((50_000 * 10**6, 150_000, 80_000), (200_000 * 10**6, 300_000, 200_000))}
TERMS = chain.Terms(
    taker_fee_ppm=450,
    maker_fee_ppm=120,
    withdrawal_floor_ppm=20_000,
    funding_cap_ppm=PPM,
    funding_interval_s=1,
    price_age_s=10**9,
    price_move_ppm=10**12,
    grace_s=0,
)
LIQUIDITY_Q, FUND_Q, WALLET = 10**14, 2 * 10**8, 10**20
ANY_BUY, ANY_SELL = 2**200, 0


def requirement(number):
    """The engine's margin table of a market."""
    terms = MARKETS[number]
    rows = [Tier(0, terms.initial_ppm, terms.maintenance_ppm, 0)]
    for lower_q, initial, maintenance in TIERS.get(number, ()):
        below = rows[-1]
        deduction = tier_deduction(below.deduction, lower_q, maintenance, below.maintenance_num)
        rows.append(Tier(lower_q, initial, maintenance, deduction))
    return Tiered(tuple(rows), PPM)


class House:
    """One contract and one engine."""

    def __init__(self, terms=TERMS):
        self.evm, self.terms = Evm(signed=False), terms
        names = (*TRADERS, "owner", "feed", "keeper", "provider")
        people = [self.evm.fund(Account.named(name)) for name in names]
        # Traders' names sort as their addresses do: both decide who pays an odd atom.
        people[: len(TRADERS)] = sorted(people[: len(TRADERS)], key=lambda each: int(each.address, 16))
        self.people = dict(zip(names, people, strict=True))
        owner = self.people["owner"]
        self.uptime = self.evm.deploy("MockAggregator", 0, sender=owner)
        self.made = chain.deploy(
            self.evm, owner, self.people["feed"].address, terms, uptime=self.uptime.address
        )
        self.house = self.made.house
        self.storage, self.tokens = Storage(self.house), Storage(self.made.quote)
        self._list()
        self._fund()
        self.start = self.evm.snapshot()
        self.reset()

    def _list(self):
        owner = self.people["owner"]
        chain.list_markets(self.made, owner, MARKETS)
        for number, tiers in TIERS.items():
            self.house.send("set_tiers", number, tiers, sender=owner)
        self.btc = self.evm.deploy("MockToken", sender=owner)
        self.house.send(
            "list_asset", BTC, self.btc.address, BTC_SCALE_EXP, HAIRCUT_PPM, DISCOUNT_PPM, sender=owner
        )
        self.shares = [chain.open_pool(self.made, owner, pool) for pool in (0, 1)]

    def _fund(self):
        for name in (*TRADERS, "keeper", "provider"):
            for token in (self.made.quote, self.btc):
                token.send("mint", self.people[name].address, WALLET, sender=self.people["owner"])
                for spender in (self.house, *self.shares):
                    token.send("approve", spender.address, 2**256 - 1, sender=self.people[name])
        for pool, shares in enumerate(self.shares):
            provider = self.people["provider"]
            shares.send("deposit", LIQUIDITY_Q, sender=provider)
            self.house.send("fund_insurance", pool, FUND_Q, sender=provider)

    def reset(self):
        """Go back to the deployed contract, and to an engine that has seen nothing."""
        self.evm.rollback(self.start)
        self.nonce = 0
        markets = {
            f"m{number}": Market(
                f"m{number}",
                Scale(1, 10**terms.scale_exp),
                requirement(number),
                f"p{terms.pool}",
                step_b=10**terms.step_exp,
            )
            for number, terms in enumerate(MARKETS)
        }
        haircut = Tiered((Tier(0, HAIRCUT_PPM, HAIRCUT_PPM, 0),), PPM)
        asset = Asset("BTC", Scale(1, 10**BTC_SCALE_EXP), haircut, conversion_discount_ppm=DISCOUNT_PPM)
        pools = {name: CollateralPool(name) for name in ("p0", "p1")}
        self.engine = Clearinghouse(
            Venue(policy_of(self.terms), markets, {"BTC": asset}, pools), keep_log=False
        )
        for name in (*markets, "BTC"):
            self.engine.require(cmd.OpenSubaccount(market_subaccount(name), "venue", system=True))
        for name in NAMES:
            self.engine.require(cmd.OpenSubaccount(name, name.partition(".")[0]))
        for pool, market in enumerate(("m0", "m2")):
            self.engine.require(cmd.Deposit(market_subaccount(market), QUOTE, LIQUIDITY_Q))
            self.engine.require(cmd.FundInsurance(f"p{pool}", FUND_Q))
        self.prices(START_PRICES, START_BTC)

    @property
    def venue(self):
        return self.engine.venue

    # -- operations -------------------------------------------------------------------------------------------------

    def both(self, command, function, *arguments, by):
        """Do it on both; they agree on whether it holds and, where it does not, why."""
        verdict = self.engine.submit(command)
        reason = self.refusal(function, *arguments, by=by)
        wanted = verdict.reason.name if isinstance(verdict, Rejected) else ""
        assert reason == wanted, f"{command}: engine {wanted or 'accepts'}, contract {reason or 'accepts'}"
        self.compare()
        return not reason

    def refusal(self, function, *arguments, by):
        """Why the contract refuses a call; empty where it does not."""
        try:
            self.receipt = self.house.send(function, *arguments, sender=self.people[by])
        except RevertedError as error:
            return error.reason or str(error)
        return ""

    def prices(self, marks, btc=0):
        """Set prices on both, a second later."""
        self.evm.warp(1)
        words = dict(marks) | ({chain.FIRST_ASSET + BTC: btc} if btc else {})
        chain.set_prices(self.made, self.people["feed"], words)
        self.engine.require(
            cmd.SetPrices(
                self.evm.time_s * 1_000,
                self.evm.block,
                {f"m{number}": price for number, price in marks.items()},
                {},
                {"BTC": btc} if btc else {},
            )
        )

    def fund(self, market, rate_ppm):
        """One funding interval."""
        self.evm.warp(1)
        command = cmd.AccrueFunding(f"m{market}", rate_ppm)
        return self.both(command, "accrue_funding", market, rate_ppm, by="feed")

    def deposit(self, name, amount, asset=0):
        who, sub = split(name)
        command = cmd.Deposit(name, ("USDC", "BTC")[asset], amount)
        return self.both(command, "deposit", sub, asset, amount, by=who)

    def withdraw(self, name, amount, asset=0):
        who, sub = split(name)
        command = cmd.Withdraw(name, ("USDC", "BTC")[asset], amount)
        return self.both(command, "withdraw", sub, asset, amount, by=who)

    def transfer(self, name, target, amount, asset=0):
        who, sub = split(name)
        command = cmd.TransferMargin(name, f"{who}.{target}", ("USDC", "BTC")[asset], amount)
        return self.both(command, "transfer_margin", sub, target, asset, amount, by=who)

    def trade(self, name, market, size_b):
        """Against the pool."""
        who, sub = split(name)
        mark = self.venue.markets[f"m{market}"].mark
        price = slipped_price(mark, MARKETS[market].spread_ppm, size_b < 0)
        command = cmd.Trade(f"m{market}", size_b, price, name, market_subaccount(f"m{market}"))
        limit = ANY_BUY if size_b > 0 else ANY_SELL
        return self.both(command, "trade", sub, market, size_b, limit, by=who)

    def settle(self, taker, maker, market, size_b, price):
        """Two orders of just that size."""
        command = cmd.Trade(f"m{market}", size_b, price, taker, maker)
        limit = 2**60 if size_b > 0 else 1
        pair = (self.order(taker, market, size_b, limit), self.order(maker, market, -size_b, price))
        return self.both(command, "settle", (*pair, abs(size_b)), by="keeper")

    def order(self, name, market, size_b, price, expiry=2**40):
        """A signed order with the next nonce."""
        who, sub = split(name)
        self.nonce += 1
        account = self.people[who]
        order = chain.Order(account.address, sub, market, size_b, price, self.nonce, expiry)
        return self.made.sign(account, order)

    def liquidate(self, name, market, size_b=0):
        who, sub = split(name)
        command = cmd.Liquidate(name, f"m{market}", size_b)
        address = self.people[who].address
        return self.both(command, "liquidate", address, sub, market, size_b, by="keeper")

    def liquidate_account(self, name, markets):
        """The engine's commands one by one, until one finds the subaccount healthy; the contract's in one call."""
        who, sub = split(name)
        verdicts = []
        for market in markets:
            verdicts.append(self.engine.submit(cmd.Liquidate(name, f"m{market}")))
            if isinstance(verdicts[-1], Rejected):
                break
        reason = self.refusal("liquidate_account", self.people[who].address, sub, markets, by="keeper")
        first = verdicts[0]
        assert reason == (first.reason.name if isinstance(first, Rejected) else "")
        self.compare()
        return not reason

    def deleverage(self, name, market):
        """Against the engine's queue of winners."""
        who, sub = split(name)
        found = []
        if f"m{market}" in self.venue.subaccounts[name].positions:
            claims = claims_against(self.venue, name, f"m{market}")
            found = [self.key(claim.subaccount) for claim in queue(self.venue.policy.deleveraging, claims)]
        command = cmd.Deleverage(name, f"m{market}")
        address = self.people[who].address
        return self.both(command, "deleverage", address, sub, market, found, by="keeper")

    def socialize(self, pool):
        """The engine's fund pays first, then its traders; the contract does both in one call."""
        found = self.payers(pool)
        verdicts = [
            self.engine.submit(step) for step in (cmd.DrawInsurance(f"p{pool}"), cmd.Socialize(f"p{pool}"))
        ]
        reason = self.refusal("socialize", pool, found, by="keeper")
        refused = all(isinstance(verdict, Rejected) for verdict in verdicts)
        assert reason == (verdicts[1].reason.name if refused else "")
        self.compare()
        return not reason

    def payers(self, pool):
        """All who hold positions in a pool's markets, for what its fund will not pay."""
        exposed = [name for name in NAMES if self.held_in(pool, name)]
        equities_q = {
            self.key(name): subaccount_risk(self.venue, self.venue.subaccounts[name]).equity_q
            for name in exposed
        }
        unpaid_q = max(0, self.venue.debt_q(f"p{pool}") - self.venue.fund_q(f"p{pool}"))
        return chain.payers(unpaid_q, equities_q)

    def held_in(self, pool, name):
        """Markets of a pool in which a subaccount holds a position."""
        held = self.venue.subaccounts[name].positions
        return [market for market in held if MARKETS[int(market[1:])].pool == pool]

    def sell_collateral(self, name):
        who, sub = split(name)
        command = cmd.SellCollateral(name, "BTC")
        return self.both(command, "sell_collateral", self.people[who].address, sub, BTC, by="keeper")

    def key(self, name):
        who, sub = split(name)
        return chain.key_of(self.people[who].address, sub)

    # -- comparing --------------------------------------------------------------------------------------------------

    def compare(self):
        """Every balance, position and fund is the same to the unit."""
        for name in NAMES:
            self.compare_subaccount(name)
        fees_q = 0
        for pool in (0, 1):
            word = self.storage.word("pools", pool)
            assert word % 2**104 == self.venue.fund_q(f"p{pool}")
            fees_q += (word >> 104) % 2**104
            assert (word >> 208) % 2**32 == sum(len(self.held_in(pool, name)) for name in NAMES)
            assert self.storage.word("debts", pool) == self.venue.debt_q(f"p{pool}")
            self.compare_pool(pool)
        keeper = self.storage.head(chain.key_of(self.people["keeper"].address, 0))
        assert fees_q + keeper.quote_q == self.venue.balance_q("fees")
        self.check_tokens()

    def compare_subaccount(self, name):
        held, key = self.venue.subaccounts[name], self.key(name)
        markets = sum(1 << int(market[1:]) for market in held.positions)
        btc = held.balances.get("BTC", 0)
        assert self.storage.head(key) == Head(held.quote_q, markets, 1 << BTC if btc else 0), name
        assert self.storage.mapped("balances", key << 8 | BTC) == btc
        for number in range(len(MARKETS)):
            self.compare_position(key, number, held)

    def compare_pool(self, pool):
        key = chain.key_of(self.house.address, pool)
        mine = [number for number, terms in enumerate(MARKETS) if terms.pool == pool]
        systems = [self.venue.subaccounts[market_subaccount(f"m{number}")] for number in mine]
        assert self.storage.head(key).quote_q == sum(system.quote_q for system in systems)
        for number, system in zip(mine, systems, strict=True):
            self.compare_position(key, number, system)

    def compare_position(self, key, number, held):
        position = held.positions.get(f"m{number}")
        expected = chain.Position(0, 0, 0)
        if position is not None:
            expected = chain.Position(position.size_b, position.cost_q, position.funding_index)
        assert chain.unpacked(self.storage.mapped("positions", key << 8 | number)) == expected

    def compare_risk(self, name):
        """What the contract says of a subaccount is what the engine says."""
        risk = subaccount_risk(self.venue, self.venue.subaccounts[name])
        who, sub = split(name)
        found = self.house.call("risk_of", self.people[who].address, sub)
        assert found == (risk.equity_q, risk.initial_q, risk.maintenance_q, risk.notional_q), name

    def check_tokens(self):
        """The tokens in the house are all that anybody is owed: nobody took out more than others lost."""
        owed_q = sum(each.get(QUOTE, 0) for name, each in self.venue.ledger.items() if name != "outside")
        owed_q += sum(each.quote_q for each in self.venue.subaccounts.values())
        assert owed_q == -self.venue.balance_q("outside")
        # Who buys collateral pays with tokens; the engine's buyer `market/BTC` owes as much.
        owed_q -= self.venue.subaccounts[market_subaccount("BTC")].quote_q
        assert self.tokens.mapped("balanceOf", int(self.house.address, 16)) == owed_q


class Head(NamedTuple):
    """What a subaccount's head word says."""

    quote_q: int
    markets: int
    assets: int


class Storage:
    """A contract's storage, read by the names of its variables."""

    def __init__(self, contract):
        self.contract = contract
        self.slots = dict(variables(contract.artifact.layout["storage_layout"]))

    def word(self, name, at=0):
        return self.contract.chain.storage(self.contract.address, self.slots[name] + at)

    def mapped(self, name, key, at=0):
        slot = keccak(self.slots[name].to_bytes(32, "big") + key.to_bytes(32, "big"))
        return self.contract.chain.storage(self.contract.address, int.from_bytes(slot, "big") + at)

    def head(self, key):
        word = self.mapped("heads", key)
        quote_q = word % 2**80
        markets, assets = word >> 80 & 2**128 - 1, word >> 208 & 2**16 - 1
        return Head(quote_q - 2**80 if quote_q >> 79 else quote_q, markets, assets)


def variables(layout):
    """Names and slots of all variables of a storage layout, those of modules included."""
    for name, entry in layout.items():
        if "slot" in entry:
            yield name, entry["slot"]
        else:
            yield from variables(entry)


def split(name):
    """Trader and number of a subaccount."""
    who, _, sub = name.partition(".")
    return who, int(sub)


@cache
def deployed(terms):
    """One house of these terms for all tests of a process: deploying it takes seconds."""
    return House(terms)


def fresh(terms=TERMS):
    """The house as it was deployed, beside an engine that has seen nothing."""
    found = deployed(terms)
    found.reset()
    return found
