"""The whole path: who is due at which step, top-ups, and what is left at the end.

A twin of `sim.world` on columns. The engine is asked only where something can happen; until a subaccount's surplus
comes near zero no command about it could change anything.
"""
# mypy: disable-error-code="untyped-decorator, no-any-return"

from ...rules.words import PPM
from .._rules import withdrawal_q
from ..jit import jit
from ..wide import Wide, mul_div, narrow, wide
from .book import (
    ACCOUNT,
    ACTIONS,
    ANSWERS,
    CALLS,
    CHANGES,
    CHANGES_BEFORE,
    COST,
    DRAWN,
    DRAWS,
    DUE_NAMES,
    DUE_ONES,
    FILLED,
    FIRST,
    FLOOR,
    FLOW,
    LAST,
    LATEST,
    LEFT_PPM,
    LEG,
    LISTED,
    LOSS,
    MARK,
    NOW,
    OLDER,
    OPEN,
    PARENT,
    PASS,
    PASSED_ONES,
    POSTED,
    QUOTE,
    SHARES,
    SOLVENT,
    SUB,
    SYSTEM_QUOTE,
    VERSION,
    WEIGHTS,
    WITHDRAWAL_FLOOR_PPM,
    Book,
    below,
    collect,
    equity_q,
    free_q,
    gross_q,
    is_liquidatable,
    maintained_q,
    schedule,
    set_floor,
    touch,
)
from .path import MARKET, SIZE
from .plan import split
from .rule import (
    MINIMUM,
    ROUND_REQUIREMENT,
    Grid,
    Ints,
    initial_q,
    maintenance_q,
    notional_q,
    order,
    required_q,
    worth_q,
)
from .settle import settle, settle_pools

# -- entry -------------------------------------------------------------------------------------------------------------


@jit
def _drawn_q(grid: Grid, market: int, size: int, price: int, share: int) -> Wide:
    """What opening an isolated leg draws from its parent where its owner set `share` aside for it.

    The leverage is chosen so that initial margin is that share; one below the market's needs no choice.
    """
    least = initial_q(grid, market, size, price)
    if share <= least:
        return least
    notional = notional_q(grid, market, size, price)
    required, maintained = (
        required_q(grid, market, size, notional),
        maintenance_q(grid, market, size, notional),
    )
    base, added = max(notional, abs(worth_q(grid, market, size, price))), least - required
    chosen = mul_div(notional, share - added, base, grid.table[market, ROUND_REQUIREMENT])
    return max(max(required, chosen) + grid.table[market, MINIMUM], maintained)


@jit
def enter(book: Book, posted: Ints, money: Ints) -> int:
    """Open every position at the path's first prices; the first account that lacks collateral for it, or -1.

    `posted` is what a leg's owner puts behind it when it stands alone, `money` the collateral of each group.
    """
    subs, legs, grid, prices = book.subs, book.legs, book.grid, book.path.quanta[0]
    for sub in range(len(money)):
        first, last, parent = subs[sub, FIRST], subs[sub, LAST], subs[sub, PARENT]
        subs[sub, QUOTE] += money[sub]
        if parent >= 0:
            split(money[sub], posted[first:last], last - first, book.room)
            shares, total = book.room[0], wide(0)
            for leg in range(first, last):
                market = legs[leg, MARKET]
                total += _drawn_q(grid, market, legs[leg, SIZE], prices[market], shares[leg - first])
            subs[parent, QUOTE] = narrow(wide(subs[parent, QUOTE]) + money[sub] - total)
            subs[sub, QUOTE] = narrow(total)
        for leg in range(first, last):
            market = legs[leg, MARKET]
            worth = worth_q(grid, market, legs[leg, SIZE], prices[market])
            subs[sub, QUOTE], legs[leg, COST] = narrow(subs[sub, QUOTE] - worth), narrow(worth)
            grid.table[market, SYSTEM_QUOTE] = narrow(worth + grid.table[market, SYSTEM_QUOTE])
    for sub in range(len(money)):
        if subs[sub, PARENT] < 0 and free_q(book, sub) < 0:
            return subs[sub, ACCOUNT]
    return -1


# -- the path ----------------------------------------------------------------------------------------------------------


@jit
def _set_prices(book: Book, step: int) -> None:
    book.state[NOW] = step
    for market in range(len(book.grid.table)):
        book.grid.table[market, MARK] = book.path.quanta[step, market]


@jit
def _top_up(book: Book, sub: int) -> None:
    """The owner restores a position's initial margin from idle money, if the draw and the money allow.

    The venue is faster: what is liquidatable at this step is liquidated.
    """
    subs, state, parent = book.subs, book.state, book.subs[sub, PARENT]
    if subs[sub, DRAWN] >= state[DRAWS] or parent < 0 or is_liquidatable(book, sub):
        return
    equity, call = equity_q(book, sub), subs[sub, DRAWN]
    if equity * PPM > wide(subs[sub, POSTED]) * state[LEFT_PPM] or equity <= 0:
        return
    state[CALLS] += 1
    subs[sub, DRAWN] += 1
    if not (subs[sub, ANSWERS] >> call) & 1:
        subs[sub, DRAWN] = state[DRAWS]  # who lets one call pass is not asked again at every step below it
        return
    amount = min(subs[sub, POSTED] - equity, free_q(book, parent))
    if amount <= 0 or not _may_give(book, parent, amount):
        return
    subs[parent, QUOTE] = narrow(subs[parent, QUOTE] - amount)
    subs[sub, QUOTE] = narrow(subs[sub, QUOTE] + amount)
    state[ACTIONS] += 1
    touch(book, sub)
    touch(book, parent)


@jit
def _may_give(book: Book, sub: int, amount: Wide) -> bool:
    """Does a subaccount keep what the venue asks of a withdrawal?"""
    rounding, equity = book.grid.table[0, ROUND_REQUIREMENT], equity_q(book, sub)
    asked, gross = equity - free_q(book, sub), gross_q(book, sub)
    keep = withdrawal_q(asked, gross, book.state[WITHDRAWAL_FLOOR_PPM], rounding)
    return equity - amount >= keep and not below(book, equity - amount, maintained_q(book, sub))


@jit
def _due(book: Book, named: int) -> int:
    """Write to `DUE_ONES` those of `DUE_NAMES` that are liquidatable, the shortest of margin first; how many."""
    count, found, places = 0, book.room[PASSED_ONES], book.room[SHARES]
    for k in range(named):
        sub = book.room[DUE_NAMES, k]
        if book.subs[sub, OPEN] == 0:
            continue
        equity, maintained = equity_q(book, sub), maintained_q(book, sub)
        if below(book, equity, maintained):
            found[count], book.room[WEIGHTS, count] = sub, narrow(equity - maintained)
            count += 1
    order(book.room[WEIGHTS], count, places)
    for k in range(count):
        book.room[DUE_ONES, k] = found[places[k]]
    return count


@jit
def _has_more(book: Book, sub: int) -> bool:
    """Whether the owner of a subaccount has equity in its others."""
    main = sub if book.subs[sub, PARENT] < 0 else book.subs[sub, PARENT]
    total, other = wide(0), main
    while other < len(book.subs) - 1 and (other == main or book.subs[other, PARENT] == main):
        if other != sub:
            total += equity_q(book, other)
        other += 1
    return total > 0


@jit
def _advance(book: Book, step: int) -> None:
    """Settle everything that is due at a step, and schedule anew whoever was looked at or touched."""
    state, filled = book.state, book.state[FILLED]
    state[PASS] += 1
    state[CHANGES_BEFORE] = state[CHANGES]
    named = collect(book, step)
    if named == 0:
        return
    if state[NOW] != step:
        _set_prices(book, step)
    if state[DRAWS] > 0:
        for k in range(named):
            _top_up(book, book.room[DUE_NAMES, k])
    due = _due(book, named)
    for k in range(due):
        settle(book, book.room[DUE_ONES, k])
    settle_pools(book)
    for k in range(filled, state[FILLED]):
        if book.fills[k, LOSS] > 0:
            book.fills[k, SOLVENT] = _has_more(book, book.legs[book.fills[k, LEG], SUB])
    _reschedule(book, step, named, due)


@jit
def _reschedule(book: Book, step: int, named: int, due: int) -> None:
    """Find the next step for all that were named or touched; who was due and untouched is stuck.

    Who was named has no reserve: whatever it pays at this step from now on has it looked at again.
    """
    state, subs = book.state, book.subs
    for k in range(named):
        sub = book.room[DUE_NAMES, k]
        subs[sub, FLOOR] = subs[sub, QUOTE]
        schedule(book, sub, step + 1, False)
    for k in range(due):
        sub = book.room[DUE_ONES, k]
        if subs[sub, VERSION] <= state[CHANGES_BEFORE]:
            schedule(book, sub, step + 1, True)
    sub = state[LATEST]
    while sub >= 0 and subs[sub, VERSION] > state[CHANGES_BEFORE]:
        if subs[sub, LISTED] != state[PASS]:
            schedule(book, sub, step, False)
        sub = subs[sub, OLDER]


@jit
def _wealth(book: Book, found: Ints) -> None:
    """Equity of all subaccounts, added up by account."""
    found[:] = 0
    for sub in range(len(book.subs) - 1):
        account = book.subs[sub, ACCOUNT]
        found[account] = narrow(equity_q(book, sub) + found[account])


@jit
def run(book: Book, end_of_window: int, wealth: Ints) -> None:
    """Walk the whole path; `wealth` (2, accounts) is what everybody has at the end of the window and of the path."""
    end = len(book.path.quanta)
    for sub in range(len(book.subs) - 1):
        set_floor(book, sub)
        schedule(book, sub, 0, False)
    for step in range(end):
        while book.buckets[step] >= 0:
            _advance(book, step)
        if step == end_of_window:
            _set_prices(book, step)
            _wealth(book, wealth[0])
    _set_prices(book, end - 1)
    _wealth(book, wealth[1])


@jit
def gains(book: Book, notional: Ints, found: Ints) -> None:
    """Fill (L,) with the profit of every position since entry, `notional` being what it was worth then, signed."""
    for leg in range(len(notional)):
        size, market = book.legs[leg, SIZE], book.legs[leg, MARKET]
        worth = worth_q(book.grid, market, size, book.grid.table[market, MARK])
        found[leg] = narrow(worth + book.legs[leg, FLOW]) - notional[leg]
