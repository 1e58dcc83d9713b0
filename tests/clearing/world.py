"""A small venue whose numbers can be followed in one's head, and a house that checks itself at every command.

One lot at one price quantum is worth one quote atom. Every market starts at a mark of 100, asks 10 % initial and 5 %
maintenance margin; BTC is collateral at 1,000 with a haircut of 10 %. ETH and SOL share the pool `main`, ARB has `alt`.
"""

from msgspec.structs import replace

from ringfence.clearing import command as cmd
from ringfence.clearing import ledger
from ringfence.clearing.decide import decide
from ringfence.clearing.log import Clearinghouse, state_hash
from ringfence.clearing.model import QUOTE, Asset, CollateralPool, Market, Scale, Venue
from ringfence.clearing.policy import Policy, Tier, Tiered
from ringfence.clearing.resolve import BACKSTOP, Fills, resolve
from ringfence.clearing.risk import subaccount_risk
from ringfence.clearing.verdict import Accepted, Rejected

PPM = 1_000_000
ONE = Scale(1, 1)
PLAIN = Policy()
TEN_FIVE = Tiered((Tier(0, 100, 50, 0),), 1_000)
POOLS = {"ETH": "main", "SOL": "main", "ARB": "alt"}


def haircut(thousandths):
    return Tiered((Tier(0, thousandths, thousandths, 0),), 1_000)


def empty_venue(policy=None, requirement=TEN_FIVE, **market):
    """Markets, pools and the collateral asset, without prices or subaccounts."""
    return Venue(
        policy=policy or Policy(),
        markets={name: Market(name, ONE, requirement, pool, **market) for name, pool in POOLS.items()},
        assets={"BTC": Asset("BTC", ONE, haircut(100), conversion_discount_ppm=50_000)},
        pools={pool: CollateralPool(pool) for pool in sorted(set(POOLS.values()))},
    )


def liquidation(base=PLAIN, /, **changes):
    """`base` with another liquidation procedure."""
    return replace(base, liquidation=replace(base.liquidation, **changes))


def deleveraging(base=PLAIN, /, **changes):
    """`base` with another way of deleveraging."""
    return replace(base, deleveraging=replace(base.deleveraging, **changes))


class Audited:
    """A clearinghouse in which every accepted command is audited and every refused one must leave no trace."""

    def __init__(self, venue):
        self.house = Clearinghouse(venue)
        self.block = 0

    @property
    def venue(self):
        return self.house.venue

    def ok(self, command):
        """Submit a command that must be accepted; its events."""
        before = state_hash(self.venue)
        decide(self.venue, command)
        assert state_hash(self.venue) == before, "deciding changed the state"
        verdict = self.house.submit(command)
        assert isinstance(verdict, Accepted), verdict.sentence
        ledger.audit(self.venue)
        return verdict.events

    def refused(self, command):
        """Submit a command that must be refused and change nothing; the reason."""
        before = state_hash(self.venue)
        verdict = self.house.submit(command)
        assert isinstance(verdict, Rejected), f"accepted: {command}"
        assert state_hash(self.venue) == before, "a refused command left a trace"
        return verdict.reason

    def no(self, command, reason):
        assert self.refused(command) == reason, command

    def trade(self, market, size, taker, maker, price=None):
        return self.ok(cmd.Trade(market, size, price or self.venue.markets[market].mark, taker, maker))

    def risk(self, name):
        return subaccount_risk(self.venue, self.venue.subaccounts[name])


class World(Audited):
    """The small venue with its own pools behind the markets and the backstop."""

    def __init__(self, policy=None, requirement=TEN_FIVE, **market):
        super().__init__(empty_venue(policy, requirement, **market))
        for name in (*(f"market/{asset}" for asset in (*POOLS, "BTC")), BACKSTOP):
            self.ok(cmd.OpenSubaccount(name, "venue", system=True))
        self.price(ETH=100, SOL=100, ARB=100, BTC=1_000)

    def open(self, name, amount=0, *, account=None, parent=None, btc=0):
        self.ok(cmd.OpenSubaccount(name, account or name.partition(".")[0], parent))
        for asset, held in ((QUOTE, amount), ("BTC", btc)):
            if held:
                self.ok(cmd.Deposit(name, asset, held))
        return name

    def price(self, *, blocks=1, **prices):
        """Move the clock by a second per block, then the prices named."""
        self.block += blocks
        marks = {name: price for name, price in prices.items() if name in POOLS}
        assets = {name: price for name, price in prices.items() if name not in POOLS}
        return self.ok(cmd.SetPrices(self.block * 1_000, self.block, marks, {}, assets))

    def resolve(self, slippage_ppm=0, draw=0):
        """Do all that is due; names of the commands that were accepted."""
        done = resolve(self.house, list(self.venue.subaccounts), Fills(slippage_ppm, draw))
        ledger.audit(self.venue)
        return [type(command).__name__ for command, _ in done]

    def equity(self, name):
        return self.risk(name).equity_q

    def quote(self, name):
        return self.venue.subaccounts[name].quote_q

    def lots(self, name, market="ETH"):
        held = self.venue.subaccounts[name].positions.get(market)
        return held.size_b if held else 0

    def fund(self, amount, pool="main"):
        self.ok(cmd.FundInsurance(pool, amount))


def found(events, kind):
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def moved(events, why):
    """Transfers made for one reason, as (debit, credit, amount)."""
    return [(e.debit, e.credit, e.amount) for e in events if getattr(e, "why", None) == why]
