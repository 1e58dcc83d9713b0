"""Worked examples in the exact engine: one trader, three markets, prices and sizes that can be followed in one's head.

Each function plays one small situation and returns what the engine says of it, in quote atoms. Nothing here knows what
the outcome should be: the claims registry reads its verdicts from these figures. Margins are those of the rulebook
`RULEBOOK`; prices and sizes are chosen, not recorded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from msgspec.structs import replace

from ..clearing import command as cmd
from ..clearing.event import AnyEvent, Liquidated, LossSocialized
from ..clearing.log import Clearinghouse
from ..clearing.model import QUOTE, CollateralPool, Market, Subaccount
from ..clearing.policy import Liquidation, Policy
from ..clearing.resolve import resolve
from ..clearing.risk import Risk, is_liquidatable, subaccount_risk
from ..clearing.solve import liquidation_price, max_withdrawal, removable_margin_q
from ..clearing.verdict import Accepted
from ..errors import InputError
from ..sim.flow import Flow, FlowAccount, Leg
from ..sim.partition import CROSS, ISOLATED, Partition, make_plan
from ..sim.world import SHARED_POOL, empty_venue, enter
from ..units import PPM, QUOTE_DECIMALS, to_atoms
from ..venues.rulebook import build_venue, load

RULEBOOK = "generic"
PRICES = {"ETH": Decimal(4_000), "SOL": Decimal(200), "ARB": Decimal("0.5")}
"""Entry prices in USD (chosen)."""
USD = 10**QUOTE_DECIMALS
PAIR_AND_LONE = Partition("hybrid", (("ETH", "SOL"),), "apart")
"""ETH and SOL back each other, ARB stands alone."""
OWNER, BYSTANDER = "owner", "bystander"
ROUNDS_MAX = 200
"""Blocks after which an example stops waiting for a partial liquidation to end."""


@dataclass(frozen=True)
class Held:
    """One position to open: signed notional and what is posted for it where it stands alone, in USD."""

    notional_usd: int
    posted_usd: int


Legs = Mapping[str, Held]
THREE: Legs = {name: Held(50_000, 5_000) for name in PRICES}
"""Three longs of 50,000 USD at 10x: 5,000 USD of margin each."""
BYSTANDERS = Held(90_000, 90_000)
"""Another trader's only position, without leverage."""


class Stage:
    """One trader entered in a margin mode; prices move, and the engine settles what is due."""

    def __init__(
        self,
        partition: Partition,
        legs: Legs,
        equity_usd: int,
        *,
        liquidation: Liquidation | None = None,
        fund_usd: int = 1_000_000,
        bystander: bool = False,
    ) -> None:
        self.partition = partition
        rulebook = load(RULEBOOK)
        self.markets = {name: rulebook.market(name) for name in PRICES}
        self.entry = {name: _quanta(self.markets[name], price) for name, price in PRICES.items()}
        policy = rulebook.policy()
        policy = replace(policy, liquidation=liquidation) if liquidation else policy
        self.house = self._enter(policy, legs, equity_usd, bystander=bystander)
        self.events: list[AnyEvent] = []
        if fund_usd:
            self.house.require(cmd.FundInsurance(SHARED_POOL, fund_usd * USD))

    def _enter(self, policy: Policy, legs: Legs, equity_usd: int, *, bystander: bool) -> Clearinghouse:
        accounts = [self._account(OWNER, legs, equity_usd)]
        if bystander:
            accounts.append(self._account(BYSTANDER, {"ETH": BYSTANDERS}, BYSTANDERS.posted_usd))
        plans = []
        for account in accounts:
            plan = make_plan(account, self.partition, "c")
            if plan is None:
                raise InputError(f"{account.id}: {equity_usd} USD do not reach for what is posted")
            plans.append(plan)
        venue = empty_venue(self.markets, policy, self.entry)
        return Clearinghouse(enter(Flow(tuple(accounts), dict(self.entry)), plans, venue), keep_log=False)

    def _account(self, name: str, legs: Legs, equity_usd: int) -> FlowAccount:
        return FlowAccount(name, "example", equity_usd * USD, tuple(self._leg(m, h) for m, h in legs.items()))

    def _leg(self, market: str, held: Held) -> Leg:
        scale, price = self.markets[market].scale, self.entry[market]
        size_b = held.notional_usd * USD * scale.den // (price * scale.num)
        return Leg(market, size_b, abs(held.notional_usd) * USD, held.posted_usd * USD, True, ())

    # -- looking ----------------------------------------------------------------------------------------------------

    def name(self, market: str) -> str:
        """Subaccount that holds the owner's positions in `market`."""
        group = self.partition.group(market)
        return OWNER if group == "main" else f"{OWNER}/{group}"

    def subaccount(self, market: str) -> Subaccount:
        """The subaccount itself."""
        return self.house.venue.subaccounts[self.name(market)]

    def risk(self, market: str) -> Risk:
        """Risk of the subaccount that holds `market`."""
        return subaccount_risk(self.house.venue, self.subaccount(market))

    def own(self, account: str = OWNER) -> list[Subaccount]:
        """Subaccounts of an account."""
        return [held for held in self.house.venue.subaccounts.values() if held.account == account]

    def wealth_q(self, account: str = OWNER, but: str = "") -> int:
        """Equity of all subaccounts of an account, the one of market `but` left out."""
        left_out = self.name(but) if but else ""
        found = (held for held in self.own(account) if held.id != left_out)
        return sum(subaccount_risk(self.house.venue, held).equity_q for held in found)

    def locked_q(self) -> int:
        """Collateral that the owner cannot take out now, asked of the engine itself."""
        venue = self.house.venue
        free_q = max_withdrawal(venue, OWNER)
        free_q += sum(removable_margin_q(venue, held.id, OWNER) for held in self.own() if held.id != OWNER)
        return self.wealth_q() - free_q

    def lots_b(self) -> dict[str, int]:
        """Lots held by market."""
        return {name: held.size_b for sub in self.own() for name, held in sub.positions.items()}

    # -- acting -----------------------------------------------------------------------------------------------------

    def fall(self, **percent: int) -> "Stage":
        """Let prices fall by so many percent of entry (negative: rise) and settle what is due."""
        marks = {name: self.entry[name] * (100 - less) // 100 for name, less in percent.items()}
        for _block in range(ROUNDS_MAX):
            self._tick(marks)
            due = [held.id for held in self.own() if is_liquidatable(self.house.venue, held)]
            done = resolve(self.house, due)
            self.events += [event for _, verdict in done for event in verdict.events]
            if not done:
                break
        return self

    def _tick(self, marks: Mapping[str, int]) -> None:
        """Set prices a minute later, past any cooldown."""
        venue = self.house.venue
        self.house.require(cmd.SetPrices(venue.time_ms + 60_000, venue.block + 1, dict(marks)))

    def liquidated(self) -> list[str]:
        """Markets in which the owner was liquidated, in order."""
        return [event.market for event in self.events if isinstance(event, Liquidated)]

    def isolate_pools(self) -> "Stage":
        """Give every market a collateral pool and fund of its own, as a venue with isolated markets does."""
        venue = self.house.venue
        for name, market in venue.markets.items():
            market.pool = name
            venue.pools[name] = CollateralPool(name)
        return self


def _quanta(market: Market, price: Decimal) -> int:
    return to_atoms(price, market.price_decimals, market.id)


# -- capital --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Locked:
    """What the same three positions lock, and how many transfers of margin opening them took."""

    isolated_q: int
    cross_q: int
    cross_same_leverage_q: int
    """Cross, with the same leverage chosen for each position."""
    posted_q: int
    """What was posted for the three positions together."""


def three_positions() -> Locked:
    """Three positions of 5,000 USD margin each, 20,000 USD of equity."""
    apart, together, levered = (Stage(mode, THREE, 20_000) for mode in (ISOLATED, CROSS, CROSS))
    for market, held in THREE.items():
        levered.house.require(cmd.SetLeverage(OWNER, market, held.notional_usd, held.posted_usd))
    posted_q = sum(held.posted_usd for held in THREE.values()) * USD
    return Locked(apart.locked_q(), together.locked_q(), levered.locked_q(), posted_q)


@dataclass(frozen=True)
class OneDeposit:
    """How many positions stand behind one deposit."""

    positions: int
    subaccounts: int
    deposit_q: int
    notional_q: int


def one_deposit() -> OneDeposit:
    """10,000 USD in one subaccount, three positions of 30,000 USD on it."""
    stage = Stage(CROSS, {name: Held(30_000, 0) for name in PRICES}, 10_000)
    backing = [held for held in stage.own() if held.positions]
    return OneDeposit(len(stage.lots_b()), len(backing), 10_000 * USD, stage.risk("ETH").notional_q)


@dataclass(frozen=True)
class Silos:
    """ETH has gained and SOL has lost: what became of SOL in each mode."""

    isolated_liquidated: int
    cross_liquidated: int
    isolated_wealth_q: int
    cross_wealth_q: int
    idle_q: int
    """Margin above initial margin in the isolated ETH subaccount when SOL was short."""
    missing_q: int
    """What SOL lacked to its maintenance margin at that moment."""
    rescued: bool
    """Moving margin from ETH to SOL in time saves the position."""


TWO: Legs = {"ETH": Held(50_000, 5_000), "SOL": Held(50_000, 5_000)}


def two_silos() -> Silos:
    """ETH rises by 10 %, then SOL falls by 9 %: 5,000 USD gained, 4,500 USD lost."""
    apart, together, helped = (Stage(mode, TWO, 10_000) for mode in (ISOLATED, CROSS, ISOLATED))
    for stage in (apart, together, helped):
        stage.fall(ETH=-10)
    helped_by = _move_free_margin(helped, "ETH", "SOL")
    idle_q = apart.risk("ETH").free_q
    missing_q = _missing_q(apart, "SOL", 9)
    for stage in (apart, together, helped):
        stage.fall(SOL=9)
    return Silos(
        len(apart.liquidated()),
        len(together.liquidated()),
        apart.wealth_q(),
        together.wealth_q(),
        idle_q,
        missing_q,
        helped_by and not helped.liquidated(),
    )


def _move_free_margin(stage: Stage, source: str, target: str) -> bool:
    """Move all free margin of one isolated position to another, by way of the main subaccount."""
    amount_q = removable_margin_q(stage.house.venue, stage.name(source), OWNER)
    if amount_q <= 0:
        return False
    path = (stage.name(source), OWNER, stage.name(target))
    moves = (cmd.TransferMargin(a, b, QUOTE, amount_q) for a, b in pairwise(path))
    return all(isinstance(stage.house.submit(move), Accepted) for move in moves)


def _missing_q(stage: Stage, market: str, percent: int) -> int:
    """Maintenance margin that a subaccount would lack after a fall; nothing is changed."""
    prices = {market: stage.entry[market] * (100 - percent) // 100}
    return max(0, -subaccount_risk(stage.house.venue, stage.subaccount(market), prices).surplus_q)


# -- containment ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gap:
    """One position of an account jumps below its bankruptcy price, the others stand still."""

    posted_q: int
    """What backed the position: margin posted and added where it stands alone, else the whole account."""
    owner_loss_q: int
    others_change_q: int
    """Change of the owner's other subaccounts."""
    bystander_change_q: int
    fund_paid_q: int
    socialized_q: int


def gap(
    mode: Partition, percent: int, *, fund_usd: int = 1_000_000, per_market: bool = False, added_usd: int = 0
) -> Gap:
    """ARB falls by `percent` in one jump, in an account of 25,000 USD; `added_usd` was added to its margin before."""
    stage = Stage(mode, THREE, 25_000, fund_usd=0, bystander=True)
    if per_market:
        stage.isolate_pools()
    if fund_usd:
        stage.house.require(cmd.FundInsurance(stage.house.venue.markets["ARB"].pool, fund_usd * USD))
    if added_usd and stage.name("ARB") != OWNER:
        stage.house.require(cmd.TransferMargin(OWNER, stage.name("ARB"), QUOTE, added_usd * USD))
    posted_q, wealth_q = stage.risk("ARB").equity_q, stage.wealth_q()
    others_q, bystander_q = stage.wealth_q(but="ARB"), stage.wealth_q(BYSTANDER)
    stage.fall(ARB=percent)
    paid_q = sum(event.amount_q for event in stage.events if isinstance(event, LossSocialized))
    fund_q = stage.house.venue.fund_q(stage.house.venue.markets["ARB"].pool)
    return Gap(
        posted_q,
        wealth_q - stage.wealth_q(),
        stage.wealth_q(but="ARB") - others_q,
        stage.wealth_q(BYSTANDER) - bystander_q,
        fund_usd * USD - fund_q,
        paid_q,
    )


@dataclass(frozen=True)
class Wipe:
    """ARB has fallen by half while ETH and SOL gained: is the gain gone?"""

    arb_percent: int
    """ARB's share of the account's notional at entry."""
    gain_percent: int
    """What ETH and SOL gained."""
    cross_change_q: int
    isolated_change_q: int
    isolated_loss_q: int


def arb_falls(arb_percent: int, gain_percent: int) -> Wipe:
    """45,000 USD of ETH, SOL and ARB on 15,000 USD; ETH and SOL rise, then ARB falls by 50 %."""
    arb_usd, each_usd = 450 * arb_percent, 225 * (100 - arb_percent)
    sizes = {"ETH": each_usd, "SOL": each_usd, "ARB": arb_usd}
    legs = {name: Held(usd, usd // 10) for name, usd in sizes.items()}
    changes = []
    for mode in (CROSS, ISOLATED):
        stage = Stage(mode, legs, 15_000)
        before_q = stage.wealth_q()
        stage.fall(ETH=-gain_percent, SOL=-gain_percent)
        with_gain_q = stage.wealth_q()
        stage.fall(ETH=-gain_percent, SOL=-gain_percent, ARB=50)
        changes.append((stage.wealth_q() - before_q, with_gain_q - stage.wealth_q()))
    (cross_q, _), (isolated_q, isolated_loss_q) = changes
    return Wipe(arb_percent, gain_percent, cross_q, isolated_q, isolated_loss_q)


# -- liquidation ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Closed:
    """What a liquidation procedure closed of a full cross account after one of its positions fell."""

    procedure: str
    fall_percent: int
    insolvent: bool
    """The account's equity was gone before anything was closed."""
    closed_ppm: int
    """Share of the account's notional that was closed, at the prices after the fall."""

    @property
    def whole(self) -> bool:
        """Nothing was left."""
        return self.closed_ppm == PPM


def procedures() -> dict[str, Liquidation]:
    """Liquidation procedures: some rulebooks' own, and one that closes only what restores maintenance margin."""
    names = (RULEBOOK, "dydx-v4", "hyperliquid", "perp-v2", "synthetix-v3")
    found = {name: load(name).policy().liquidation for name in names}
    target = Liquidation(size="target", target_ppm=PPM)
    return {**found, "until margin is restored": target}


FALLS = (18, 22, 30)
"""A fall of ARB that just triggers, one that leaves half of the maintenance margin, one that leaves nothing."""


def one_falls(procedure: str, liquidation: Liquidation, percent: int) -> Closed:
    """Cross account of 25,000 USD with 100,000 USD each of ETH, SOL and ARB; ARB falls."""
    legs = {name: Held(100_000, 0) for name in PRICES}
    stage = Stage(CROSS, legs, 25_000, liquidation=liquidation)
    worth = {name: stage.entry[name] * (100 - (percent if name == "ARB" else 0)) for name in PRICES}
    before, now = stage.lots_b(), {"ARB": worth["ARB"] // 100}
    equity_q = subaccount_risk(stage.house.venue, stage.subaccount("ARB"), now).equity_q
    left = stage.fall(ARB=percent).lots_b()
    scales = {name: stage.markets[name].scale for name in PRICES}

    def notional(lots: Mapping[str, int]) -> int:
        return sum(lots.get(name, 0) * worth[name] * scales[name].num // scales[name].den for name in PRICES)

    closed_ppm = PPM - notional(left) * PPM // notional(before) if left else PPM
    return Closed(procedure, percent, equity_q < 0, closed_ppm)


@dataclass(frozen=True)
class Trigger:
    """Liquidation price of one position (price quanta) before and after something else moved."""

    before: int | None
    other_market: int | None
    """After another market fell by 5 %."""
    funding: int | None
    """After one funding payment of 1 %."""


def trigger(mode: Partition) -> Trigger:
    """ETH's liquidation price in an account of ETH, SOL and ARB."""

    def price(act: Callable[[Stage], object]) -> int | None:
        stage = Stage(mode, THREE, 20_000)
        act(stage)
        return liquidation_price(stage.house.venue, stage.subaccount("ETH"), "ETH")

    funding = cmd.AccrueFunding("ETH", PPM // 100)
    return Trigger(
        price(lambda _: None),
        price(lambda stage: stage.fall(SOL=5)),
        price(lambda stage: stage.house.require(funding)),
    )


def collateral_triggers() -> dict[str, Fraction | None]:
    """Liquidation price in USD of one long on GMX v2, 25 ETH at 4,000 USD behind 10,000 USD, by what backs it."""
    found: dict[str, Fraction | None] = {}
    for asset, amount in ((QUOTE, 10_000 * USD), ("WETH", 25 * 10**17)):
        venue = build_venue(load("gmx-v2"), ["ETH"], procedures=False)
        market, weth = venue.markets["ETH"], venue.assets["WETH"]
        mark, weth_mark = 4_000 * 10**market.price_decimals, 4_000 * 10**weth.price_decimals
        house = Clearinghouse(venue)
        house.require(cmd.SetPrices(0, 0, marks={"ETH": mark}, assets={"WETH": weth_mark}))
        for name in (OWNER, BYSTANDER):
            house.require(cmd.OpenSubaccount(name, name, system=name == BYSTANDER))
        house.require(cmd.Deposit(OWNER, asset, amount))
        house.require(cmd.Trade("ETH", 25 * 10**market.base_decimals, mark, OWNER, BYSTANDER))
        price = liquidation_price(house.venue, house.venue.subaccounts[OWNER], "ETH")
        found[asset] = None if price is None else Fraction(price, 10**market.price_decimals)
    return found


# -- between the two ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Between:
    """One mode in two situations: SOL's loss beside ETH's gain, and a jump of ARB."""

    mode: str
    liquidated: int
    """Fills when ETH gained 10 % and SOL lost 9 %."""
    jump_loss_q: int
    """What the owner loses when ARB jumps down by half."""


def between() -> dict[str, Between]:
    """Isolated, hybrid (ETH and SOL together, ARB apart) and cross in the same two situations."""
    found = {}
    for mode in (ISOLATED, PAIR_AND_LONE, CROSS):
        stage = Stage(mode, THREE, 15_000).fall(ETH=-10).fall(SOL=9)
        found[mode.name] = Between(mode.name, len(stage.liquidated()), gap(mode, 50).owner_loss_q)
    return found


def ratios() -> tuple[int, int]:
    """Subaccounts with positions when the same three positions are isolated and cross."""
    isolated, cross = (
        sum(bool(held.positions) for held in Stage(mode, THREE, 15_000).own()) for mode in (ISOLATED, CROSS)
    )
    return isolated, cross
