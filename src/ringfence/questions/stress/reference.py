"""The engine's own answer to a stress: every account is built once, and judged at prices that have moved.

Shocked prices are whole quanta, rounded down and never below one; what follows from them is the engine's to the atom.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from decimal import Decimal
from fractions import Fraction
from heapq import nsmallest

from msgspec.structs import replace

from ...books.account import Account
from ...books.record import EXACT
from ...clearing.model import QUOTE, Asset, Market, Subaccount, Venue
from ...clearing.risk import Risk, collateral_q, market_risk, subaccount_risk
from ...errors import InputError
from ...progress import Report
from ...rules.value import funding_index_delta
from ...rules.words import PPM, WAD
from ...venues.model import Rulebook
from ..arrange import Arrangement
from ..build import UNLISTED, Built, Part, build
from ..listings import kind_of, listings
from ..margin import DEFAULT_VENUE
from ..repriced import reprice_options
from ..spread import spread
from .shocks import Shock, folded
from .surface import NO_POOL, Fallen, Felled, Held, Ladder, Refused, Rung, Sums, Tally, Toll, outward

PARALLEL_FROM = 300
"""Accounts from which other processes are worth starting: an account takes some milliseconds at many points."""


class Reference:
    """A book judged by the engine, on several processes where it is large."""

    def __init__(self, accounts: Sequence[Account], bench: "Bench", workers: int = 1) -> None:
        self.accounts, self.workers, self._bench = accounts, workers, bench

    @property
    def size(self) -> int:
        """Accounts in the book."""
        return len(self.accounts)

    @property
    def markets(self) -> list[str]:
        """Symbols that the book has positions in, the most frequent first; of options, their underlyings."""
        held = (each for account in self.accounts for each in account.positions)
        counts = Counter(each.option.underlying if each.option else each.symbol for each in held)
        return [name for name, _ in counts.most_common()]

    @property
    def assets(self) -> list[str]:
        """Collateral assets of the book other than the quote asset."""
        counts: Counter[str] = Counter()
        for account in self.accounts:
            counts.update(account.collateral or ())
            for position in account.positions:
                counts.update(position.assets)
        return [name for name, _ in counts.most_common() if name != QUOTE]

    def survey(self, shocks: Sequence[Shock], report: Report) -> Sums:
        """Sums over the liquidatable at every shock."""
        found = Sums([Tally() for _ in shocks])
        job = _Survey(self._bench, shocks)
        for part in spread(job, self.accounts, workers=self.workers, worth_from=PARALLEL_FROM, report=report):
            found.add(part)
        return found

    def tolls(self, shock: Shock, most: int | None, report: Report) -> list[Toll]:
        """Accounts with liquidatable subaccounts at a shock, those that matter most first."""
        job = _Tolls(self._bench, shock, most)
        parts = spread(job, self.accounts, workers=self.workers, worth_from=PARALLEL_FROM, report=report)
        return foremost((toll for part in parts for toll in part), most)

    def ladder(
        self, market: str, shocks: Sequence[Shock], moves: Sequence[Fraction], report: Report
    ) -> Ladder:
        """The liquidation map of a market."""
        found = Ladder(market, None, list(moves), [Rung() for _ in moves], Rung())
        job = _Climb(self._bench, market, shocks, moves)
        for part in spread(job, self.accounts, workers=self.workers, worth_from=PARALLEL_FROM, report=report):
            found.add(part)
        return found


class Bench:
    """Puts accounts into the engine: under one rulebook by name, or (`None`) each under that of its own venue."""

    def __init__(
        self,
        rulebooks: Mapping[str, Rulebook],
        venue: str | None = None,
        prices: Mapping[str, Decimal] | None = None,
        wanted: Arrangement | None = None,
    ) -> None:
        self.rulebooks, self.venue, self.wanted = rulebooks, venue, wanted
        self.prices = dict(prices or {})

    def build(self, account: Account) -> Built:
        """The account in the engine; raises `InputError` where the venue cannot hold it."""
        return build(account, self.rulebook(account), self.prices, self.wanted)

    def rulebook(self, account: Account) -> Rulebook:
        """What an account is judged by."""
        return self.rulebooks[self.venue or account.venue or DEFAULT_VENUE]

    def held(self, accounts: Sequence[Account]) -> Iterator[Built]:
        """The accounts that can be held."""
        for account in accounts:
            try:
                yield self.build(account)
            except InputError:
                continue


class _Survey:
    """Judges accounts at every shock."""

    def __init__(self, bench: Bench, shocks: Sequence[Shock]) -> None:
        self.bench, self.shocks = bench, shocks

    def __call__(self, accounts: Sequence[Account]) -> Sums:
        found = Sums([Tally() for _ in self.shocks])
        for account in accounts:
            try:
                built = self.bench.build(account)
            except InputError as error:
                name = self.bench.rulebook(account).name
                found.refused.append(Refused(account.name, name, kind_of(error)[0], str(error)))
                continue
            self._judge(built, found)
        return found

    def _judge(self, built: Built, found: Sums) -> None:
        parts = judged(built)
        found.rulebooks[built.rulebook.name] = found.rulebooks.get(built.rulebook.name, 0) + 1
        found.subaccounts += len(parts)
        found.unknown += any(not part.knows_collateral for part in parts)
        for note in built.notes:
            found.note(note)
        for part in parts:
            _count_held(built, part, found.markets)
        touched = [
            _tally(built, shock, tally) for shock, tally in zip(self.shocks, found.points, strict=True)
        ]
        # The first point is the book as it is.
        found.anywhere += any(touched[1:])


def judged(built: Built) -> list[Part]:
    """The subaccounts that hold something."""
    return [part for part in built.parts if part.held or built.account.collateral]


def _count_held(built: Built, part: Part, markets: dict[str, Held]) -> None:
    subaccount = built.venue.subaccounts[part.subaccount]
    for name in subaccount.positions:
        if name != UNLISTED:
            market = built.venue.markets[name]
            mark = Decimal(market.mark).scaleb(-market.price_decimals, EXACT)
            notional_q = market_risk(built.venue, subaccount, name).notional_q
            markets.setdefault(name, Held()).add(Held(1, notional_q, mark))


def _tally(built: Built, shock: Shock, tally: Tally) -> bool:
    """Add the account's liquidatable subaccounts at a shock; whether there are any."""
    venue, touched = shocked(built, shock), False
    for part in judged(built):
        subaccount = venue.subaccounts[part.subaccount]
        risk = subaccount_risk(venue, subaccount)
        bad = part.knows_collateral and risk.liquidatable(at_equality=venue.policy.trigger_at_equality)
        if bad:
            touched = True
            tally.subaccounts += 1
            tally.notional_q += risk.notional_q
            tally.deficit_q += max(0, -risk.surplus_q)
            for name, leg in _legs(venue, subaccount).items():
                contracts = contracts_of(venue.markets[name], subaccount.positions[name].size_b)
                tally.markets.setdefault(name, Felled()).add(1, contracts, leg.notional_q)
        if bad or (part.knows_collateral and risk.equity_q < 0):
            _add_debt(tally, venue, subaccount, risk)
    tally.accounts += touched
    return touched


def _legs(venue: Venue, subaccount: Subaccount) -> dict[str, Risk]:
    return {name: market_risk(venue, subaccount, name) for name in subaccount.positions if name != UNLISTED}


def contracts_of(market: Market, size_b: int) -> Decimal:
    """Lots without sign, in units of the base asset."""
    return Decimal(abs(size_b)).scaleb(-market.base_decimals, EXACT)


def _add_debt(tally: Tally, venue: Venue, subaccount: Subaccount, risk: Risk) -> None:
    debt_q = bad_debt_q(venue, subaccount, risk)
    if debt_q:
        tally.indebted += 1
        for pool, share_q in pool_shares(venue, subaccount, debt_q).items():
            tally.bad_debt_q[pool] = tally.bad_debt_q.get(pool, 0) + share_q


def bad_debt_q(venue: Venue, subaccount: Subaccount, risk: Risk) -> int:
    """What a subaccount owes once all its positions are closed at the mark and all its other collateral is sold."""
    left_q = risk.equity_q
    for name, amount in subaccount.balances.items():
        if name != QUOTE and amount > 0:
            asset = venue.assets[name]
            left_q += proceeds_q(asset, amount) - collateral_q(asset, amount)
    return max(0, -left_q)


def proceeds_q(asset: Asset, amount: int) -> int:
    """What selling a collateral brings, less the discount and the bonus that the rulebook gives to who buys it."""
    num = asset.price * asset.scale.num * (PPM - asset.conversion_discount_ppm)
    return amount * num // (asset.scale.den * (PPM + asset.bonus_ppm))


def pool_shares(venue: Venue, subaccount: Subaccount, debt_q: int) -> dict[str, int]:
    """A debt by the pools of the positions that made it, in proportion to maintenance margin (without any, notional).

    Shares are rounded down; what that leaves goes to the largest (of equal ones, the first by name).
    """
    legs = _legs(venue, subaccount)
    if not legs:
        return {NO_POOL: debt_q}
    by_margin = any(leg.maintenance_q for leg in legs.values())
    weights: dict[str, int] = {}
    for name, leg in legs.items():
        pool = venue.markets[name].pool
        weights[pool] = weights.get(pool, 0) + (leg.maintenance_q if by_margin else leg.notional_q)
    total = sum(weights.values()) or 1
    shares = {pool: debt_q * weights[pool] // total for pool in sorted(weights)}
    shares[max(shares, key=lambda pool: weights[pool])] += debt_q - sum(shares.values())
    return {pool: share_q for pool, share_q in shares.items() if share_q}


# -- shocked prices ----------------------------------------------------------------------------------------------------


def shocked(built: Built, shock: Shock) -> Venue:
    """The account's venue at other prices; options are priced anew at the volatilities that they have now."""
    if shock.is_now:
        return built.venue
    venue = shocked_venue(built.venue, built.rulebook, shock)
    reprice_options(built.rulebook, built.quotes, venue, shock.factor)
    return venue


def shocked_venue(
    before: Venue, rulebook: Rulebook, shock: Shock, twins: Mapping[str, str] | None = None
) -> Venue:
    """A venue at other prices, but for its options; markets that are `twins` move with those that they name."""
    venue, meant = copy(before), twins or {}
    venue.markets = {
        name: _shocked_market(market, meant.get(name, name), shock) for name, market in before.markets.items()
    }
    venue.assets = {
        name: replace(asset, price=_moved(asset.price, asset_factor(rulebook, asset, shock)))
        for name, asset in before.assets.items()
    }
    return venue


def _shocked_market(market: Market, name: str, shock: Shock) -> Market:
    """A copy of a market at its shocked prices, after a funding payment there; options are repriced elsewhere."""
    if market.option is not None or market.id == UNLISTED:
        return replace(market)
    factor, rate = shock.factor(name), shock.rate(name)
    mark, index = _moved(market.mark, factor), _moved(market.index, factor)
    funding = market.funding_index
    if rate:
        scale = market.scale
        funding += funding_index_delta(mark, rate.numerator, rate.denominator, scale.num, scale.den, WAD)
    return replace(market, mark=mark, index=index, funding_index=funding)


def asset_factor(rulebook: Rulebook, asset: Asset, shock: Shock) -> Fraction:
    """Price after over price before of a collateral asset: of its peg, and of the market that it moves with."""
    peg, market = shock.peg(asset.id), asset.market or asset.id
    follows = asset.market or market in listings(rulebook).symbols or shock.names(market)
    return peg * shock.factor(market) if follows else peg


def _moved(quanta: int, factor: Fraction) -> int:
    return max(1, quanta * factor.numerator // factor.denominator)


# -- who, and at which price first -------------------------------------------------------------------------------------


class _Tolls:
    """Lists the liquidatable at one shock."""

    def __init__(self, bench: Bench, shock: Shock, most: int | None) -> None:
        self.bench, self.shock, self.most = bench, shock, most

    def __call__(self, accounts: Sequence[Account]) -> list[Toll]:
        tolls = (
            Toll(built.account.name, tuple(sorted(self._fallen(built), key=lambda each: each.subaccount)))
            for built in self.bench.held(accounts)
        )
        return foremost((toll for toll in tolls if toll.fallen), self.most)

    def _fallen(self, built: Built) -> Iterator[Fallen]:
        venue = shocked(built, self.shock)
        for part in judged(built):
            subaccount = venue.subaccounts[part.subaccount]
            risk = subaccount_risk(venue, subaccount)
            if part.knows_collateral and risk.liquidatable(at_equality=venue.policy.trigger_at_equality):
                yield Fallen(
                    built.account.name,
                    part.subaccount,
                    risk.notional_q,
                    risk.equity_q,
                    risk.maintenance_q,
                    bad_debt_q(venue, subaccount, risk),
                    _largest(venue, subaccount),
                )


def foremost(tolls: Iterable[Toll], most: int | None) -> list[Toll]:
    """Those that matter most first, at most so many of them."""
    if most is None:
        return sorted(tolls, key=lambda toll: toll.rank)
    return nsmallest(most, tolls, key=lambda toll: toll.rank)


def _largest(venue: Venue, subaccount: Subaccount) -> str:
    legs = _legs(venue, subaccount)
    if not legs:
        return UNLISTED if subaccount.positions else ""
    name = max(sorted(legs), key=lambda each: legs[each].notional_q)
    return f"{name} {'long' if subaccount.positions[name].size_b > 0 else 'short'}"


class _Climb:
    """Finds the first rung on each side at which subaccounts with a position in a market are liquidatable."""

    def __init__(self, bench: Bench, market: str, shocks: Sequence[Shock], moves: Sequence[Fraction]) -> None:
        self.bench, self.market, self.shocks, self.moves = bench, market, shocks, moves

    def __call__(self, accounts: Sequence[Account]) -> Ladder:
        found = Ladder(self.market, None, list(self.moves), [Rung() for _ in self.moves], Rung())
        for built in self.bench.held(accounts):
            if (name := market_of(built.venue, self.market)) is not None:
                self._climb(built, name, found)
        return found

    def _climb(self, built: Built, name: str, found: Ladder) -> None:
        if found.mark is None and any(
            name in built.venue.subaccounts[part.subaccount].positions for part in built.parts
        ):
            market = built.venue.markets[name]
            found.mark = Decimal(market.mark).scaleb(-market.price_decimals, EXACT)
        standing = [
            part
            for part in built.parts
            if part.knows_collateral
            and name in built.venue.subaccounts[part.subaccount].positions
            and not _fell(built.venue, part, name, found.now)
        ]
        for side in outward(self.moves):
            left = standing
            for at in side:
                if not left:
                    break
                venue = shocked(built, self.shocks[at])
                left = [part for part in left if not _fell(venue, part, name, found.rungs[at])]


def market_of(venue: Venue, name: str) -> str | None:
    """The market of a venue, not an option, that a symbol means."""
    meant = folded(name)
    markets = (market.id for market in venue.markets.values() if market.option is None)
    return next((each for each in markets if any(reading in meant for reading in folded(each))), None)


def _fell(venue: Venue, part: Part, name: str, rung: Rung) -> bool:
    """Whether a subaccount is liquidatable; what it holds of a market is then counted."""
    subaccount = venue.subaccounts[part.subaccount]
    risk = subaccount_risk(venue, subaccount)
    if not risk.liquidatable(at_equality=venue.policy.trigger_at_equality):
        return False
    leg = market_risk(venue, subaccount, name)
    rung.add(Rung(1, contracts_of(venue.markets[name], subaccount.positions[name].size_b), leg.notional_q))
    return True
