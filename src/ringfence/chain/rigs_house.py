"""The clearinghouse as a rig: the same contract with all positions in one subaccount, and with one in each."""

from collections.abc import Sequence
from typing import ClassVar

from . import clearinghouse as house
from .accounts import Account
from .deploy import UNLIMITED
from .node import Receipt
from .rigs import (
    FUND_Q,
    FUNDING_PPM,
    HALF_EMPTY,
    LIQUIDITY_Q,
    MARGIN_Q,
    NEARLY_EMPTY,
    NEXT_PRICE,
    PART_B,
    PRICE,
    SIZE_B,
    SMALL_Q,
    TERMS,
    WALLET_Q,
    Action,
    Rig,
)

MARKETS = 64
QUOTE = 0
ANY_BUY, ANY_SELL = 2**200, 0
BATCH = 10
EXPIRY_S = 2**40
LATER_NONCE = 128
"""A nonce whose state does not lie in the head of its subaccount any more."""

HOUSE_TERMS = house.Terms(
    taker_fee_ppm=TERMS.fee_ppm,
    liquidation_fee_ppm=TERMS.liquidation_fee_ppm,
    fee_to_fund_ppm=TERMS.fund_share_ppm,
    funding_cap_ppm=10**6,
    funding_interval_s=1,
    price_age_s=3_600,
    price_move_ppm=10**9,
    grace_s=0,
    free_reduce=True,
)
MARKET_TERMS = house.MarketTerms(
    scale_exp=10, initial_ppm=TERMS.initial_ppm, maintenance_ppm=TERMS.maintenance_ppm
)


class HouseRig(Rig):
    """`Clearinghouse` with every position in subaccount 0."""

    design: ClassVar[str] = "Clearinghouse, cross"
    contracts: ClassVar[tuple[str, ...]] = house.PARTS

    def sub(self, market: int) -> int:  # noqa: ARG002 - one for all
        """The subaccount of a market's position."""
        return 0

    def _build(self) -> None:
        owner, feed = self.people["owner"], self.people["feed"]
        self.made = house.deploy(self.chain, owner, feed.address, HOUSE_TERMS)
        self.contract = self.made.house
        house.list_markets(self.made, owner, [MARKET_TERMS] * MARKETS)
        shares = house.open_pool(self.made, owner, 0)
        for name in ("owner", "trader", "newcomer", "victim", "keeper"):
            self.made.quote.send("mint", self.people[name].address, 2 * LIQUIDITY_Q, sender=owner)
            for spender in (self.contract, shares):
                self.made.quote.send("approve", spender.address, UNLIMITED, sender=self.people[name])
        shares.send("deposit", LIQUIDITY_Q, sender=owner)
        self.contract.send("fund_insurance", 0, FUND_Q, sender=owner)
        self.contract.send("deposit", 0, QUOTE, WALLET_Q, sender=self.keeper)
        self._prices(dict.fromkeys(range(MARKETS), PRICE))
        self._sacrifice()
        self._prices(dict.fromkeys(range(MARKETS), NEXT_PRICE))

    def _prices(self, prices: dict[int, int]) -> Receipt:
        self.chain.warp(1)
        return house.set_prices(self.made, self.people["feed"], prices)

    def prepare(self) -> None:
        """Deposit the collateral of one more position."""
        self._deposit(self.held)

    def _deposit(self, market: int) -> Receipt:
        return self.contract.send("deposit", self.sub(market), QUOTE, MARGIN_Q, sender=self.trader)

    def quote_q(self, count: int) -> int:
        """Quote balances of the subaccounts that the positions are in."""
        subs = dict.fromkeys(self.sub(market) for market in range(count))
        return sum(self.contract.call("head_of", self.trader.address, sub)[0] for sub in subs)

    def _trade(self, market: int, size_b: int) -> Receipt:
        limit = ANY_BUY if size_b > 0 else ANY_SELL
        return self.contract.send("trade", self.sub(market), market, size_b, limit, sender=self.trader)

    def _fund(self, count: int) -> None:
        self.chain.warp(1)
        for market in range(count):
            self.contract.send("accrue_funding", market, FUNDING_PPM, sender=self.people["feed"])

    def _funding(self) -> Receipt:
        self.chain.warp(1)
        return self.contract.send("accrue_funding", 0, FUNDING_PPM, sender=self.people["feed"])

    def actions(self) -> dict[str, Action]:
        """All operations."""
        send, trader, trade = self.contract.send, self.trader, self._trade
        newcomer, last = self.people["newcomer"], self.sub
        return {
            "deposit_first": lambda _: [send("deposit", 0, QUOTE, MARGIN_Q, sender=newcomer)],
            "deposit": lambda _: [send("deposit", last(0), QUOTE, MARGIN_Q, sender=trader)],
            "open": lambda n: [trade(n - 1, SIZE_B)],
            "add": lambda n: [trade(n - 1, PART_B)],
            "add_funding_due": self._add_funding_due,
            "reduce": lambda n: [trade(n - 1, -PART_B)],
            "close": lambda n: [send("close", last(n - 1), n - 1, ANY_SELL, sender=trader)],
            "withdraw": lambda n: [send("withdraw", last(n - 1), QUOTE, SMALL_Q, sender=trader)],
            "transfer": lambda n: [send("transfer_margin", last(n - 1), 255, QUOTE, SMALL_Q, sender=trader)],
            "fill_first": lambda _: self._fill_first(),
            "fill": lambda n: self._fill(n, 1),
            "fill_of_10": lambda n: self._fill(n, BATCH),
            "liquidate_one": self._liquidate_one,
            "liquidate_all": self._liquidate_all,
            "funding": lambda _: [self._funding()],
            "price": lambda _: [self._prices({0: PRICE})],
            "prices": lambda n: [self._prices(dict.fromkeys(range(n), PRICE))],
        }

    # -- orders ---------------------------------------------------------------------------------------------------

    def _fill(self, count: int, times: int) -> list[Receipt]:
        """The trader takes from the keeper, who makes: signed orders, settled by a third party."""
        market = count - 1
        sides = ((self.trader, self.sub(market)), (self.keeper, 0))
        for account, sub in sides:  # of 128 orders one writes a new word of finished ones
            self.contract.send("cancel", sub, LATER_NONCE, sender=account)
        nonces = range(LATER_NONCE + 1, LATER_NONCE + 1 + times)
        fills = [self._match(market, PART_B // times, nonce, sides) for nonce in nonces]
        owner = self.people["owner"]
        if times == 1:
            return [self.contract.send("settle", fills[0], sender=owner)]
        return [self.contract.send("settle_many", fills, sender=owner)]

    def _fill_first(self) -> list[Receipt]:
        """Two accounts that have done nothing but deposit open their first position against each other."""
        sides = ((self.people["newcomer"], 1), (self.people["owner"], 1))
        for account, sub in sides:
            self.contract.send("deposit", sub, QUOTE, MARGIN_Q, sender=account)
        return [self.contract.send("settle", self._match(0, SIZE_B, 0, sides), sender=self.keeper)]

    def _match(
        self, market: int, size_b: int, nonce: int, sides: Sequence[tuple[Account, int]]
    ) -> tuple[object, object, int]:
        """Orders of a taker who buys and of a maker, by account and number of the subaccount."""
        taker, maker = (
            self.made.sign(
                account, house.Order(account.address, sub, market, lots, NEXT_PRICE, nonce, EXPIRY_S)
            )
            for (account, sub), lots in zip(sides, (size_b, -size_b), strict=True)
        )
        return taker, maker, size_b

    # -- liquidations -----------------------------------------------------------------------------------------------

    def liquidate(self, markets: range) -> list[Receipt]:
        """One transaction for all positions of a subaccount."""
        listed = list(markets)
        who = self.trader.address
        return [self.contract.send("liquidate_account", who, self.sub(listed[0]), listed, sender=self.keeper)]

    def _liquidate_one(self, count: int) -> list[Receipt]:
        """As a keeper does it: the size that lifts the subaccount to its target is worked out beforehand."""
        self.fall(count, HALF_EMPTY)
        who, sub = self.trader.address, self.sub(0)
        with self.chain.attempt():
            receipt = self.contract.send("liquidate", who, sub, 0, 0, sender=self.keeper)
        closed = next(
            abs(event.fields["size_b"])
            for event in self.contract.events(receipt)
            if event.name == "Liquidated"
        )
        return [self.contract.send("liquidate", who, sub, 0, closed, sender=self.keeper)]

    def _liquidate_all(self, count: int) -> list[Receipt]:
        self.fall(count, NEARLY_EMPTY)
        return self.liquidate(range(count))


class HouseIsolatedRig(HouseRig):
    """`Clearinghouse` with a subaccount for every position."""

    design = "Clearinghouse, isolated"

    def sub(self, market: int) -> int:
        """The market's own."""
        return market + 1

    def prepare(self) -> None:
        """Nothing: a position's collateral is brought when it is opened."""

    def actions(self) -> dict[str, Action]:
        """All operations; opening brings the collateral first."""
        opening: dict[str, Action] = {"open": lambda n: [self._deposit(n - 1), self._trade(n - 1, SIZE_B)]}
        return super().actions() | opening

    def liquidate(self, markets: range) -> list[Receipt]:
        """A transaction for each position."""
        who = self.trader.address
        return [
            self.contract.send("liquidate_account", who, self.sub(market), [market], sender=self.keeper)
            for market in markets
        ]
