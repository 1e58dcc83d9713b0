"""Random accounts as a file would state them, on every rulebook, near enough to liquidation to have a price of it."""

from decimal import Decimal

from hypothesis import assume
from hypothesis import strategies as st

from ringfence.books import Account, BookPosition
from ringfence.books.options import OptionTerms
from ringfence.clearing.set_rules import StandardMargin
from ringfence.errors import UnknownValueError
from ringfence.questions.listings import listings
from ringfence.venues.rulebook import list_rulebooks, load

NOW_MS, DAY_MS = 1_790_000_000_000, 86_400_000
UNLISTED = "ANYTHING"
"""A market that only a rulebook with a catch-all has."""


def offered(rulebook, symbol):
    """Our names of the margin modes that a market has."""
    modes = rulebook.modes()
    return sorted({"cross" if modes[name].shared else "isolated" for name in rulebook.market_modes(symbol)})


def markets_of(rulebook):
    """The markets of which all that margin needs is known, with their modes; a made-up one where any is listed."""
    found = {}
    for symbol in (*rulebook.symbols, *((UNLISTED,) if rulebook.lists_any else ())):
        try:
            rulebook.market(symbol)
        except UnknownValueError:
            continue
        found[symbol] = offered(rulebook, symbol)
    return found


LIBRARY = [load(info.venue, info.version) for info in list_rulebooks()]
OFFERED = {rulebook.name: markets_of(rulebook) for rulebook in LIBRARY}
JUDGED = [rulebook for rulebook in LIBRARY if OFFERED[rulebook.name]]


def sizes(worth, mark, decimals):
    """A size of about this worth on a grid of so many decimals, of either sign."""
    atoms = max(1, int((worth / mark).scaleb(decimals)))
    assume(atoms < 2**80)
    return st.sampled_from((atoms, -atoms)).map(lambda signed: Decimal(signed).scaleb(-decimals))


@st.composite
def positions(draw, market, mark, mode):
    """A position of any worth between a cent and a hundred billion USD."""
    worth = Decimal(10) ** draw(st.integers(-2, 9)) * draw(st.integers(1, 99))
    return BookPosition(
        symbol=market.id,
        size=draw(sizes(worth, mark, market.base_decimals + draw(st.sampled_from([0, 0, 2])))),
        entry_price=mark * draw(st.decimals("0.8", "1.2", places=3)),
        mark_price=mark,
        mode=mode,
        leverage=draw(st.none() | st.integers(1, 60).map(Decimal)),
        collateral=worth * draw(st.decimals("-0.05", "0.5", places=4)) if mode == "isolated" else None,
    )


@st.composite
def options(draw, market, mark):
    """Options on a market whose price is stated with them; marks are stated too, so that they stay where they are."""
    found = {}
    for _ in range(draw(st.integers(1, 3))):
        strike = mark * draw(st.sampled_from((50, 80, 90, 100, 110, 120, 150))) / 100
        terms = OptionTerms(
            underlying=market.id,
            kind=draw(st.sampled_from(("call", "put"))),
            strike=strike,
            expiry_ms=NOW_MS + draw(st.sampled_from((7, 90))) * DAY_MS,
            volatility=Decimal("0.6"),
        )
        worth = Decimal(10) ** draw(st.integers(2, 7))
        found[terms.name(market.id)] = BookPosition(
            symbol=market.id,
            size=draw(sizes(worth, mark, market.base_decimals)),
            entry_price=mark / 10,
            mark_price=mark * draw(st.integers(1, 60)) / 100,
            mode="cross",
            option=terms,
        )
    return list(found.values())


@st.composite
def collateral(draw, rulebook, marks, gross):
    """Other collateral than quote, and the prices of it: some moves with a market of the account, some is owed."""
    rules = listings(rulebook)
    held, prices = {}, {}
    for name, asset in rules.assets.items():
        if not draw(st.booleans()):
            continue
        if asset.market and asset.market not in marks and rules.policy.set_rule is not None:
            continue  # the market that it moves with would have to be stated
        if name in marks:
            # Valued at the position's mark; where it does not follow it, a price that moves both is another question.
            if asset.market != name:
                continue
        else:
            decimals = asset.price_decimals
            prices[name] = Decimal(draw(st.integers(1, 10**6))).scaleb(
                draw(st.integers(-min(decimals, 6), 0))
            )
        price = marks.get(name) or prices[name]
        worth = (gross or 1000) * draw(st.decimals("0.001", "1.5", places=3))
        amount = (worth / price).quantize(Decimal(1).scaleb(-min(asset.decimals, 8)))
        assume(abs(amount).scaleb(asset.decimals) < 2**80)
        held[name] = -amount if asset.may_be_owed and draw(st.booleans()) else amount
    return held, prices


@st.composite
def books(draw, library=JUDGED):
    """A rulebook and an account that its venue can hold."""
    rulebook = draw(st.sampled_from(library))
    rules, offers = listings(rulebook), OFFERED[rulebook.name]
    symbols = draw(st.lists(st.sampled_from(sorted(offers)), min_size=1, max_size=4, unique=True))
    held, marks, pools = [], {}, set()
    for symbol in symbols:
        market = rules.market(symbol)
        quantum = Decimal(1).scaleb(-market.price_decimals - draw(st.sampled_from([0, 0, 3])))
        mark = quantum * draw(st.integers(1, 99_999)) * 10 ** draw(st.integers(0, 6))
        modes = draw(st.sets(st.sampled_from(offers[symbol]), min_size=1))
        if "cross" in modes:
            pools.add(market.pool)
        marks[symbol] = mark
        held += [draw(positions(market, mark, mode)) for mode in sorted(modes)]
    assume(len(pools) <= 1 or not rules.policy.exclusive_pools)
    if isinstance(rules.policy.set_rule, StandardMargin) and draw(st.booleans()):
        held += draw(options(rules.market(symbols[0]), marks[symbols[0]]))
    gross = sum(abs(each.size) * each.mark_price for each in held if each.mode == "cross")
    others, prices = draw(collateral(rulebook, marks, gross))
    backed = sum(amount * (marks.get(name) or prices[name]) for name, amount in others.items())
    cash = gross * draw(st.decimals("-0.1", "1.1", places=4)) - draw(st.sampled_from((0, 1))) * backed
    return rulebook, Account("a", {"USDC": cash, **others}, tuple(held), prices=prices, time_ms=NOW_MS)


def moved(rulebook, account, symbol, mark, price):
    """Prices with one market at another price, and with the collateral that follows it there in proportion."""
    found = {symbol: price}
    for name, asset in listings(rulebook).assets.items():
        if asset.market == symbol and name in account.prices:
            step = Decimal(1).scaleb(-max(asset.price_decimals, -account.prices[name].as_tuple().exponent))
            found[name] = account.prices[name] * price // (mark * step) * step
    return found
