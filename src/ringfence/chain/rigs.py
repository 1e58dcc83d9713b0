"""What is measured: every operation of a design, on an account with a given number of positions.

A rig holds a deployed design in a steady state (pools funded, keepers rewarded before, prices and sizes not round) and
performs one operation at a time. `gas` opens positions one by one and measures each operation at each number.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, cast

from ..errors import check
from .accounts import Account
from .deploy import LOT, SCALE_DEN, Baseline, Terms, price_words
from .evm import Evm
from .node import Contract, LocalChain, Receipt

SIZE_B = LOT // 10 + 19
"""A position: about a tenth of a coin, not round."""
PART_B = SIZE_B // 3
"""What is added to it, or taken from it."""

PRICE = 50_123 * LOT + 45_678_901
NEXT_PRICE = PRICE + 12_345_678_901
MARGIN_Q = 400_000_019
"""Collateral per position: 8 % of its notional."""

SMALL_Q = 1_000_003
TERMS = Terms()
LIQUIDITY_Q, FUND_Q, WALLET_Q = 10**15, 10**11, 10**13
FUNDING_PPM = 13
PPM = 10**6
ORACLE_DECIMALS, ORACLE_AGE_S = 8, 3_600
HALF_EMPTY, NEARLY_EMPTY = 0.5, 0.02
"""Equity over maintenance margin: one liquidation is enough, or all are due and fees take what is left."""

Action = Callable[[int], Sequence[Receipt]]


class Rig(ABC):
    """A design in its steady state."""

    design: ClassVar[str]
    contracts: ClassVar[tuple[str, ...]]
    """Contracts whose code size the table shows."""

    contract: Contract
    """Where the design's state lies; `_build` deploys it."""

    def __init__(self, chain: LocalChain) -> None:
        self.chain = chain
        people = ("owner", "feed", "trader", "newcomer", "keeper", "victim")
        self.people = {name: self.chain.fund(Account.named(name)) for name in people}
        self.trader, self.keeper = self.people["trader"], self.people["keeper"]
        self.held = 0
        self._build()

    @abstractmethod
    def _build(self) -> None:
        """Deploy, fund pools, and let the keeper earn a first reward."""

    @abstractmethod
    def actions(self) -> dict[str, Action]:
        """What the design offers, by the names of `gas.OPERATIONS`; each takes the number of positions."""

    @abstractmethod
    def prepare(self) -> None:
        """Make ready for one more position: its collateral, where that does not come with the trade."""

    @abstractmethod
    def quote_q(self, count: int) -> int:
        """Quote balances behind `count` positions."""

    @abstractmethod
    def liquidate(self, markets: range) -> list[Receipt]:
        """Liquidate the trader's positions in these markets."""

    @abstractmethod
    def _prices(self, prices: dict[int, int]) -> Receipt:
        """Set prices by market."""

    @abstractmethod
    def _trade(self, market: int, size_b: int) -> Receipt:
        """Trade without bringing collateral."""

    @abstractmethod
    def _fund(self, count: int) -> None:
        """Let funding accrue in the first markets."""

    def _add_funding_due(self, count: int) -> list[Receipt]:
        self._fund(count)
        return [self._trade(count - 1, PART_B)]

    def _sacrifice(self) -> None:
        """Liquidate somebody, so that what the keeper earns is a word that is written again."""
        trader, self.trader = self.trader, self.people["victim"]
        self.prepare()
        self.actions()["open"](1)
        self.fall(1, HALF_EMPTY)
        self.liquidate(range(1))
        self.trader = trader

    def enter(self, count: int) -> None:
        """Open positions until there are `count`."""
        while self.held < count:
            self.prepare()
            self.actions()["open"](self.held + 1)
            self.held += 1

    def slots_touched(self, operation: str, count: int) -> int:
        """Storage slots of the design that an operation reads or writes, on the embedded chain; nothing of it stays."""
        if operation.startswith("liquidate"):
            with self.chain.attempt():
                self.fall(count, HALF_EMPTY)
                return self._touched(lambda: self.liquidate(range(1)))
        with self.chain.attempt():
            return self._touched(lambda: self.actions()[operation](count))

    def _touched(self, act: Callable[[], object]) -> int:
        check(isinstance(self.chain, Evm), "slots are counted on the embedded chain")
        return cast("Evm", self.chain).slots_touched(self.contract.address, act)

    def fall(self, count: int, left: float) -> None:
        """Let all prices fall to where equity is a share `left` of maintenance margin."""
        maintained = left * TERMS.maintenance_ppm / PPM
        price = int(-self.quote_q(count) * SCALE_DEN / (count * SIZE_B * (1 - maintained)))
        self._prices(dict.fromkeys(range(count), price))


class Adapters:
    """Price adapters in front of a design, in use already: the next price is not their first."""

    def __init__(self, chain: LocalChain, table: Contract, owner: Account) -> None:
        self._chain, self._table, self._owner = chain, table, owner
        self._aggregator = chain.deploy("MockAggregator", ORACLE_DECIMALS, sender=owner)
        uptime = chain.deploy("MockAggregator", 0, sender=owner)
        uptime.send("set_round", 1, 0, 1, 1, 1, sender=owner)
        self._push = chain.deploy("PushOracle", table.address, uptime.address, 0, sender=owner)
        source = (self._aggregator.address, ORACLE_AGE_S, ORACLE_DECIMALS)
        self._push.send("set_source", 0, *source, sender=owner)
        self._pull = chain.deploy("PullOracle", table.address, 1, ORACLE_AGE_S, PPM, sender=owner)
        self._pull.send("set_reporter", owner.address, True, sender=owner)

    def push(self) -> Receipt:
        """One market's price from its aggregator."""
        self._table.send("set_feed", self._push.address, sender=self._owner)
        now = self._chain.time_s
        self._aggregator.send("set_round", 7, NEXT_PRICE, now, now, 7, sender=self._owner)
        return self._push.send("update", [0], sender=self._owner)

    def pull(self, words: Sequence[int]) -> Receipt:
        """Prices out of a signed report, the second one of these markets."""
        self._table.send("set_feed", self._pull.address, sender=self._owner)
        self._report(words)
        self._chain.warp(1)
        return self._report(words)

    def _report(self, words: Sequence[int]) -> Receipt:
        time_s, updates = self._chain.time_s, list(words)
        digest = self._pull.call("report_digest", time_s, updates)
        signed = self._owner.sign_digest(digest)
        r, s = (int.from_bytes(signed[at : at + 32], "big") for at in (0, 32))
        return self._pull.send("update", time_s, updates, [(r, s, signed[64])], sender=self._owner)


class _BaselineRig(Rig):
    """What both baseline designs have in common."""

    pools: ClassVar[int]

    def _build(self) -> None:
        self.venue = Baseline.create(
            self.chain, self.design, self.people["owner"], self.people["feed"], terms=TERMS
        )
        self.contract = self.venue.contract
        for pool in range(self.pools):
            self.venue.supply(pool, LIQUIDITY_Q, FUND_Q)
        for name in ("trader", "newcomer", "victim"):
            self.venue.mint(self.people[name], WALLET_Q)
        self.adapters = Adapters(self.chain, self.contract, self.people["owner"])
        self._all_prices(PRICE)
        self._sacrifice()
        self._all_prices(NEXT_PRICE)

    def _all_prices(self, price: int) -> None:
        self.venue.set_prices(dict.fromkeys(range(64), price))

    def _prices(self, prices: dict[int, int]) -> Receipt:
        return self.venue.set_prices(prices)

    def _fund(self, count: int) -> None:
        for market in range(count):
            self.contract.send("accrue_funding", market, FUNDING_PPM, sender=self.people["feed"])

    def _shared(self) -> dict[str, Action]:
        feed, trade = self.people["feed"], self._trade
        words = price_words(dict.fromkeys(range(64), PRICE).items())
        time_s = self.chain.time_s
        return {
            "add": lambda n: [trade(n - 1, PART_B)],
            "add_funding_due": self._add_funding_due,
            "reduce": lambda n: [trade(n - 1, -PART_B)],
            "close": lambda n: [trade(n - 1, -SIZE_B)],
            "funding": lambda _: [self.contract.send("accrue_funding", 0, FUNDING_PPM, sender=feed)],
            "price": lambda _: [self.contract.send("set_prices", time_s, words[:1], sender=feed)],
            "liquidate_one": lambda n: self._liquidate(n, HALF_EMPTY, range(1)),
            "liquidate_all": lambda n: self._liquidate(n, NEARLY_EMPTY, range(n)),
            "prices": lambda n: [self.contract.send("set_prices", time_s, words[:n], sender=feed)],
            "price_push": lambda _: [self.adapters.push()],
            "prices_pull": lambda n: [self.adapters.pull(words[:n])],
        }

    def _liquidate(self, count: int, left: float, markets: range) -> list[Receipt]:
        self.fall(count, left)
        return self.liquidate(markets)


class IsolatedRig(_BaselineRig):
    """`IsolatedOnly`: collateral comes with the trade that opens a position."""

    design = "IsolatedOnly"
    contracts = ("IsolatedOnly",)
    pools = 64

    def prepare(self) -> None:
        """Nothing: a position's collateral comes with it."""

    def quote_q(self, count: int) -> int:
        """Quote balances of the first positions."""
        held = (self.contract.call("position_of", self.trader.address, market) for market in range(count))
        return sum(quote_q for quote_q, _, _ in held)

    def _trade(self, market: int, size_b: int) -> Receipt:
        return self.contract.send("trade", market, size_b, 0, 0, sender=self.trader)

    def actions(self) -> dict[str, Action]:
        """All operations."""
        send, trader, newcomer = self.contract.send, self.trader, self.people["newcomer"]
        return {
            "deposit_first": lambda _: [send("deposit", 0, MARGIN_Q, sender=newcomer)],
            "deposit": lambda _: [send("deposit", 0, MARGIN_Q, sender=trader)],
            "open": lambda n: [send("trade", n - 1, SIZE_B, 0, MARGIN_Q, sender=trader)],
            **self._shared(),
            "withdraw": lambda _: [send("withdraw", 0, SMALL_Q, sender=trader)],
            "transfer": lambda n: [send("transfer_margin", 0, max(n - 1, 1), SMALL_Q, sender=trader)],
        }

    def liquidate(self, markets: range) -> list[Receipt]:
        """A transaction for each."""
        who = self.trader.address
        return [self.contract.send("liquidate", who, market, sender=self.keeper) for market in markets]


class CrossRig(_BaselineRig):
    """`CrossOnly`: collateral is deposited before."""

    design = "CrossOnly"
    contracts = ("CrossOnly",)
    pools = 1

    def prepare(self) -> None:
        """Deposit the collateral of one more position."""
        self.contract.send("deposit", MARGIN_Q, sender=self.trader)

    def quote_q(self, count: int) -> int:  # noqa: ARG002 - one balance stands behind them all
        """The quote balance."""
        quote_q: int = self.contract.call("account_of", self.trader.address)[0]
        return quote_q

    def _trade(self, market: int, size_b: int) -> Receipt:
        return self.contract.send("trade", market, size_b, 0, sender=self.trader)

    def actions(self) -> dict[str, Action]:
        """All operations but transfers: there is one subaccount."""
        send, trader, newcomer = self.contract.send, self.trader, self.people["newcomer"]
        return {
            "deposit_first": lambda _: [send("deposit", MARGIN_Q, sender=newcomer)],
            "deposit": lambda _: [send("deposit", MARGIN_Q, sender=trader)],
            "open": lambda n: [send("trade", n - 1, SIZE_B, 0, sender=trader)],
            **self._shared(),
            "withdraw": lambda _: [send("withdraw", SMALL_Q, sender=trader)],
        }

    def liquidate(self, markets: range) -> list[Receipt]:
        """One transaction for all."""
        chosen = sum(1 << market for market in markets)
        return [self.contract.send("liquidate", self.trader.address, chosen, sender=self.keeper)]


def rigs() -> "tuple[type[Rig], ...]":
    """All designs, in the order in which they are shown."""
    from .rigs_house import HouseIsolatedRig, HouseRig

    return IsolatedRig, CrossRig, HouseIsolatedRig, HouseRig
