"""The same account held another way: all positions in one subaccount, or each alone, in the venue's own modes.

Margin mode is a partition, and so is the change of one: positions move between subaccounts and their money with them.
Equity stays what it is, to the atom.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Literal

from ..books.account import Account, BookPosition
from ..books.record import EXACT
from ..clearing.model import QUOTE
from ..units import QUOTE_DECIMALS, round_atoms
from ..venues.model import Mode
from .listings import MODE, POSITIONS, CannotHoldError

Arrangement = Literal["cross", "isolated"]
"""All positions together where the venue has a shared mode for them, or each alone where it has one for that."""

ENTRY_DIGITS = Decimal("1e-18")
ASSET_DIGITS = Decimal("1e-18")
"""The finest unit that an asset is split into; no venue counts finer."""

ZERO = Decimal(0)


@dataclass(frozen=True)
class Held:
    """A position of the book and the market that it is in."""

    position: BookPosition
    market: str


@dataclass(frozen=True)
class Arranged:
    """An account in one arrangement; `mode` is the venue's word for it, `notes` what a reader should know."""

    account: Account
    held: tuple[Held, ...]
    mode: str
    notes: tuple[str, ...]


def arrange(
    account: Account,
    held: Sequence[Held],
    wanted: Arrangement,
    modes_of: Callable[[str], Iterable[Mode]],
    marks: Mapping[str, Decimal],
) -> Arranged:
    """The account with its positions in the wanted arrangement; a market without such a mode keeps to its other one.

    Cross: the margin of isolated positions joins the account's collateral. Isolated: a position keeps the margin that
    it has, and what backs cross positions (quote collateral with their PnL, and every other asset) is split over them
    in proportion to notional; what rounding leaves stays with the account. Two positions in one market become one,
    but a long and a short never net where they stand alone.

    Raises `CannotHoldError` where no market has the wanted mode, and where not all positions to be split are listed.
    """
    by_market: dict[str, list[BookPosition]] = {}
    for each in held:
        by_market.setdefault(each.market, []).append(each.position)
    chosen = {market: _mode(modes_of(market), wanted) for market in by_market}
    if chosen and not any(mode.shared == (wanted == "cross") for mode in chosen.values()):
        markets = " and ".join(chosen)
        raise CannotHoldError(f"{account.place}: {markets} cannot be held {wanted}", MODE, *chosen)
    if not account.complete and not all(mode.shared for mode in chosen.values()):
        sentence = f"{account.place}: not all positions are listed, so none can stand alone"
        raise CannotHoldError(sentence, POSITIONS)
    purse = _Purse(account, held, marks)
    positions = [
        Held(moved, market)
        for market, group in by_market.items()
        for together in ([group] if chosen[market].shared else _by_side(group))
        if (moved := purse.move(together, marks[market], alone=not chosen[market].shared)) is not None
    ]
    arranged = replace(
        account, collateral=purse.collateral(), positions=tuple(each.position for each in positions)
    )
    words = " + ".join(dict.fromkeys(mode.name for mode in chosen.values())) or wanted
    return Arranged(arranged, tuple(positions), words, tuple(_notes(account, held, chosen, wanted)))


def _by_side(positions: Sequence[BookPosition]) -> list[list[BookPosition]]:
    """The longs and the shorts of one market, without empty sides."""
    longs = [position for position in positions if position.size > 0]
    shorts = [position for position in positions if position.size < 0]
    return [side for side in (longs, shorts) if side]


def _mode(modes: Iterable[Mode], wanted: Arrangement) -> Mode:
    """The first mode of the wanted kind, else the first of the other."""
    offered = list(modes)
    return next((mode for mode in offered if mode.shared == (wanted == "cross")), offered[0])


def _notes(
    account: Account, held: Sequence[Held], chosen: Mapping[str, Mode], wanted: Arrangement
) -> Iterable[str]:
    """What was decided on the account's behalf."""
    other = [market for market, mode in chosen.items() if mode.shared != (wanted == "cross")]
    if other:
        how = "stands alone" if wanted == "cross" else "stays with the account"
        yield f"{', '.join(other)}: not offered {wanted}, so it {how}"
    if any(each.position.mode == "cross" and not chosen[each.market].shared for each in held):
        others = [asset for asset, amount in (account.collateral or {}).items() if asset != QUOTE and amount]
        also = f", {' and '.join(others)} too" if others else ""
        yield f"what backs cross positions is split over them in proportion to notional{also}"
    if any(each.position.mode == "isolated" and chosen[each.market].shared for each in held):
        yield "margin of isolated positions joins the account's collateral"
    for market, mode in chosen.items():
        group = [each.position for each in held if each.market == market]
        if len(group) == 1:
            continue
        if mode.shared:
            yield f"{market}: its positions are netted"
        elif len(_by_side(group)) == 1:
            yield f"{market}: its positions become one, at their average entry price"
        else:
            how = "which takes two accounts where a market has one position"
            yield f"{market}: its long and its short stand alone, {how}"


class _Purse:
    """The account's collateral while positions come and go with theirs; `cash` is `None` where the file is silent."""

    def __init__(self, account: Account, held: Sequence[Held], marks: Mapping[str, Decimal]) -> None:
        self.account = account
        self.cash = None if account.collateral is None else account.collateral.get(QUOTE, ZERO)
        self.held = {asset: held for asset, held in (account.collateral or {}).items() if asset != QUOTE}
        self.split = dict(self.held)
        self.equity, self.notional = self.cash or ZERO, ZERO
        for each in held:
            if each.position.mode == "cross":
                mark = marks[each.market]
                self.equity = EXACT.add(self.equity, _unrealized(each.position, mark))
                self.notional = EXACT.add(self.notional, EXACT.multiply(abs(each.position.size), mark))

    def collateral(self) -> dict[str, Decimal] | None:
        """The account's collateral after all moves."""
        if self.account.collateral is None or self.cash is None:
            return None
        return {QUOTE: self.cash, **self.held}

    def move(self, positions: Sequence[BookPosition], mark: Decimal, *, alone: bool) -> BookPosition | None:
        """All positions of one market as one, in its new subaccount; `None` where they cancel out."""
        merged, kept = _merged(positions, mark)
        margin: Decimal | None = kept
        assets: dict[str, Decimal] = {}
        for position in positions:
            own: Decimal | None = ZERO
            if position.mode == "isolated":
                own = position.collateral
                _join(assets, position.assets)
            elif alone:
                own = self._share(position, mark)
                self._add(own, sign=-1)
                _join(assets, self._take_assets(position, mark))
            margin = None if margin is None or own is None else EXACT.add(margin, own)
        if merged is None or not alone:
            self._add(margin)
            _join(self.held, assets)
        if merged is None:
            return None
        if not alone:
            return replace(merged, mode="cross", collateral=None, assets={})
        return replace(merged, mode="isolated", collateral=margin, assets=assets)

    def _take_assets(self, position: BookPosition, mark: Decimal) -> dict[str, Decimal]:
        """A cross position's share of every other asset, rounded down; it leaves the account."""
        notional = EXACT.multiply(abs(position.size), mark)
        taken: dict[str, Decimal] = {}
        for asset, held in self.split.items():
            part = EXACT.divide(EXACT.multiply(held, notional), self.notional)
            share = part.quantize(ASSET_DIGITS, ROUND_FLOOR, EXACT).normalize(EXACT)
            if share:
                taken[asset] = share
                self.held[asset] = EXACT.subtract(self.held[asset], share)
        return taken

    def _add(self, amount: Decimal | None, sign: int = 1) -> None:
        if self.cash is not None and amount is not None:
            self.cash = EXACT.add(self.cash, EXACT.multiply(amount, sign))

    def _share(self, position: BookPosition, mark: Decimal) -> Decimal | None:
        """Margin of a cross position that is to stand alone: its share of equity, without its own PnL."""
        if self.cash is None:
            return None
        notional = EXACT.multiply(abs(position.size), mark)
        part_q = round_atoms(
            EXACT.divide(EXACT.multiply(self.equity, notional), self.notional), QUOTE_DECIMALS
        )
        part = Decimal(part_q).scaleb(-QUOTE_DECIMALS, EXACT)
        return EXACT.subtract(part, _unrealized(position, mark))


def _join(held: dict[str, Decimal], more: Mapping[str, Decimal]) -> None:
    """Add amounts of assets to others."""
    for asset, amount in more.items():
        held[asset] = EXACT.add(held.get(asset, ZERO), amount)


def _merged(positions: Sequence[BookPosition], mark: Decimal) -> tuple[BookPosition | None, Decimal]:
    """Positions in one market as one, and the quote that keeps equity what it was.

    Of one side they have the average entry price; opposite ones realize their PnL and stand at the mark.
    """
    first, *others = positions
    if not others:
        return first, ZERO
    size, cost = ZERO, ZERO
    for position in positions:
        size = EXACT.add(size, position.size)
        cost = EXACT.add(cost, EXACT.multiply(position.size, position.entry_price or mark))
    if size == 0:
        return None, cost.copy_negate()
    same_side = len({position.size > 0 for position in positions}) == 1
    entry = (
        EXACT.divide(cost, size).quantize(ENTRY_DIGITS, context=EXACT).normalize(EXACT) if same_side else mark
    )
    chosen = [position.leverage for position in positions if position.leverage is not None]
    merged = replace(first, size=size, entry_price=entry, leverage=min(chosen, default=None))
    return merged, EXACT.subtract(EXACT.multiply(size, entry), cost)


def _unrealized(position: BookPosition, mark: Decimal) -> Decimal:
    entry = position.entry_price
    return ZERO if entry is None else EXACT.multiply(position.size, EXACT.subtract(mark, entry))
