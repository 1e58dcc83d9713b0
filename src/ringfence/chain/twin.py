"""A clearinghouse on chain that holds what a venue of the engine holds, and in what they differ.

System subaccounts of the engine stand for liquidity, which on chain is the pools'. One that takes no part in what
follows (a balancer) has none there, so of pools, funds, fees and tokens it is the changes since the start that are
compared; traders' subaccounts are compared as they are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from ..clearing.model import Subaccount, Venue, market_subaccount
from ..clearing.risk import subaccount_risk, worth_q
from ..errors import InputError
from ..progress import Report, silent
from . import clearinghouse as onchain
from .accounts import Account
from .deploy import UNLIMITED
from .node import LocalChain, Receipt
from .terms import market_terms, numbered, refuse_what_is_left_out, terms_of

ANY_BUY, ANY_SELL = 2**200, 0
WALLET_Q = 2**90
SUBS_MAX, MARKETS_MAX, POOLS_MAX, UPDATES_MAX = 256, 128, 16, 64

Call = tuple[Account, str, tuple[Any, ...]]
"""Who calls which function with what."""

Balances = dict[str, tuple[int, int]]

NOBODY = Subaccount("", "")


class Twin:
    """A deployment at the state of a venue. Raises `InputError` for a venue that the contracts cannot hold."""

    def __init__(
        self, venue: Venue, chain: LocalChain, opened: Iterable[str], report: Report = silent
    ) -> None:
        """`opened` are accounts that will come to have subaccounts."""
        self.venue, self.chain = venue, chain
        self.markets = numbered(venue.markets, MARKETS_MAX, "markets")
        self.pools = numbered(venue.pools, POOLS_MAX, "collateral pools")
        self.subs: dict[str, tuple[Account, int]] = {}
        """Owner and number of every trader's subaccount."""
        self.gas: dict[str, list[int]] = defaultdict(list)
        """Gas of every transaction since deployment, by function."""
        holders = (held.account for held in venue.subaccounts.values() if not held.system)
        self._accounts = _named({*holders, *opened})
        self._count: dict[str, int] = defaultdict(int)
        refuse_what_is_left_out(venue)
        self._deploy()
        self._enter(report)

    def _deploy(self) -> None:
        names = ("owner", "feed", "keeper", "backer")
        people = [self.chain.fund(Account.named(name)) for name in names]
        self._owner, self._feed, self.keeper, self._backer = people
        asked = [market_terms(market, self.pools[market.pool]) for market in self.venue.markets.values()]
        terms = terms_of(self.venue.policy)
        self._made = onchain.deploy(self.chain, self._owner, self._feed.address, terms)
        self.house = self._made.house
        onchain.list_markets(self._made, self._owner, [first for first, _ in asked])
        for number, (_, tiers) in enumerate(asked):
            if tiers:
                self.house.send("set_tiers", number, tiers, sender=self._owner)
        self._endow(self._backer)

    def _endow(self, account: Account) -> None:
        """Tokens to pay in with."""
        self._made.quote.send("mint", account.address, WALLET_Q, sender=self._owner)
        self._made.quote.send("approve", self.house.address, UNLIMITED, sender=account)

    def _enter(self, report: Report) -> None:
        venue = self.venue
        self._clock_s = self.chain.time_s - venue.time_ms // 1_000
        self._set_prices({name: market.mark for name, market in venue.markets.items() if market.mark})
        for name in self.pools:
            if venue.fund_q(name):
                self.send(self.funding(name, venue.fund_q(name)))
        traders = sorted(
            (each for each in venue.subaccounts.values() if not each.system), key=lambda each: each.id
        )
        for at, held in enumerate(traders):
            report(at, len(traders), "entering on chain")
            self.open(held.id, held.account)
            self._fill(held)
        self._start = self._shared_balances()
        if found := next(self.differences(self.subs), ""):
            raise InputError(f"deposits and trades at the marks do not lead to this state: {found}")

    def _fill(self, held: Subaccount) -> None:
        """Deposit what positions and balance are worth, and trade the positions."""
        venue, amount_q = self.venue, held.quote_q
        for name, position in held.positions.items():
            market = venue.markets[name]
            amount_q += worth_q(market, position.size_b, market.mark, venue.policy.rounding)
        if amount_q > 0:
            account, sub = self.subs[held.id]
            self.send((account, "deposit", (sub, 0, amount_q)))
        for name, position in held.positions.items():
            self.send(self.trade(held.id, name, position.size_b))

    # -- calls ----------------------------------------------------------------------------------------------------

    def open(self, name: str, account: str) -> None:
        """Give a subaccount its number; on chain it is there once something is in it."""
        if account not in self._count:
            self._endow(self.chain.fund(self._accounts[account]))
        if self._count[account] == SUBS_MAX:
            raise InputError(f"account {account}: the contracts hold {SUBS_MAX} subaccounts")
        self.subs[name] = self._accounts[account], self._count[account]
        self._count[account] += 1

    def at(self, name: str) -> tuple[Account, int]:
        """Owner and number of a subaccount; raises `InputError` for one that is no trader's."""
        if name not in self.subs:
            raise InputError(f"subaccount {name}: is no trader's")
        return self.subs[name]

    def number(self, market: str) -> int:
        """Number of a market; one that is not listed on chain either for a market that there is not."""
        return self.markets.get(market, MARKETS_MAX)

    def trade(self, name: str, market: str, size_b: int) -> Call:
        """Lots bought (negative: sold) against the market's pool at the mark."""
        account, sub = self.at(name)
        return account, "trade", (sub, self.number(market), size_b, ANY_BUY if size_b > 0 else ANY_SELL)

    def transfer(self, source: str, target: str, amount_q: int) -> Call:
        """Margin moved by the owner of two subaccounts."""
        account, sub = self.at(source)
        return account, "transfer_margin", (sub, self.at(target)[1], 0, amount_q)

    def funding(self, pool: str, amount_q: int) -> Call:
        """Money for an insurance fund."""
        return self._backer, "fund_insurance", (self.pools.get(pool, POOLS_MAX), amount_q)

    def accrual(self, market: str, rate_ppm: int) -> Call:
        """A funding interval."""
        return self._feed, "accrue_funding", (self.number(market), rate_ppm)

    def sharing(self, pool: str) -> Call:
        """A pool's debt paid: by its fund first, then by all traders with positions in its markets."""
        venue = self.venue
        equities_q = {
            onchain.key_of(account.address, sub): subaccount_risk(venue, venue.subaccounts[name]).equity_q
            for name, (account, sub) in self.subs.items()
            if any(venue.markets[held].pool == pool for held in venue.subaccounts[name].positions)
        }
        owed_q = max(0, venue.debt_q(pool) - venue.fund_q(pool))
        return self.keeper, "socialize", (self.pools.get(pool, POOLS_MAX), onchain.payers(owed_q, equities_q))

    def send(self, call: Call) -> Receipt:
        """Send a transaction and note its gas; raises `RevertedError`."""
        account, function, arguments = call
        receipt = self.house.send(function, *arguments, sender=account)
        self.gas[function].append(receipt.gas_used)
        return receipt

    def move(self, time_ms: int, marks: dict[str, int]) -> None:
        """Let the clock go on, by a second at least, and set prices."""
        then_s = self._clock_s + time_ms // 1_000
        self.chain.warp(max(1, then_s - self.chain.time_s))
        self._set_prices(marks)

    def _set_prices(self, marks: dict[str, int]) -> None:
        prices = [(self.number(name), price) for name, price in marks.items()]
        for at in range(0, len(prices), UPDATES_MAX):
            receipt = onchain.set_prices(self._made, self._feed, dict(prices[at : at + UPDATES_MAX]))
            self.gas["set_prices"].append(receipt.gas_used)

    # -- comparing ------------------------------------------------------------------------------------------------

    def differences(self, names: Iterable[str]) -> Iterator[str]:
        """In what the two differ: balance, lots, cost and funding index of subaccounts; pools, funds, fees, tokens."""
        for name in names:
            yield from self._differences_of(self.venue.subaccounts[name])
        for what, now in self._shared_balances().items():
            ours, theirs = (late - early for late, early in zip(now, self._start[what], strict=True))
            if ours != theirs:
                yield differing(f"{what} since the start", ours, theirs)

    def _differences_of(self, held: Subaccount) -> Iterator[str]:
        account, sub = self.subs[held.id]
        quote_q, bitmap, assets = self.house.call("head_of", account.address, sub)
        markets = sum(1 << self.markets[market] for market in held.positions)
        if (quote_q, bitmap, assets) != (held.quote_q, markets, 0):
            yield differing(f"{held.id}: quote and markets", (held.quote_q, markets), (quote_q, bitmap))
        for market, position in held.positions.items():
            ours = onchain.Position(position.size_b, position.cost_q, position.funding_index)
            theirs = self._made.position(account.address, sub, self.markets[market])
            if ours != theirs:
                yield differing(f"{held.id}: {market}", ours, theirs)

    def _shared_balances(self) -> Balances:
        """What is nobody's alone, the engine's and the contract's: pools, funds, fees, all tokens."""
        venue, house = self.venue, self.house
        found: Balances = {}
        fees_q = house.call("head_of", self.keeper.address, 0)[0]
        for name, pool in self.pools.items():
            fund_q, pool_fees_q = house.call("pool_of", pool)
            fees_q += pool_fees_q
            found[f"fund of {name}"] = venue.fund_q(name), fund_q
            found[f"debt of {name}"] = venue.debt_q(name), house.call("debts", pool)
            found |= self._balances_of_liquidity(name, pool)
        tokens = self._made.quote.call("balanceOf", house.address)
        fees = venue.balance_q("fees"), fees_q
        return found | {"fees and rewards": fees, "tokens": (-venue.balance_q("outside"), tokens)}

    def _balances_of_liquidity(self, name: str, pool: int) -> Balances:
        """Quote of a pool's liquidity, and its lots in each market."""
        venue, house, found = self.venue, self.house, {}
        cash_q = 0
        for market in venue.markets.values():
            if market.pool != name:
                continue
            system = venue.subaccounts.get(market_subaccount(market.id), NOBODY)
            cash_q += system.quote_q
            position = system.positions.get(market.id)
            lots_b = self._made.position(house.address, pool, self.markets[market.id]).size_b
            found[f"liquidity in {market.id}, lots"] = position.size_b if position else 0, lots_b
        return found | {f"liquidity of {name}": (cash_q, house.call("head_of", house.address, pool)[0])}


def _named(names: Iterable[str]) -> dict[str, Account]:
    """Accounts whose addresses rise as their names do: who pays an odd atom of a shared loss goes by either."""
    listed = sorted(names)
    accounts = [Account.named(f"account {name}") for name in listed]
    return dict(zip(listed, sorted(accounts, key=lambda each: int(each.address, 16)), strict=True))


def differing(what: str, engine: object, contract: object) -> str:
    """A difference, told."""
    return f"{what}: engine {engine}, contract {contract}"
