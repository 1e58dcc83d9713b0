"""The obvious implementation of margin rules over a set of positions; see `naive`.

Four rules: a share of what is owed, a credit for spreads, the worst of a set of scenarios with charges, and every
option by itself with netting per expiry. What they ask stands beside what weights of collateral ask.
"""

from fractions import Fraction
from math import ceil, floor

import naive

YEAR_MS = 365 * 24 * 3_600_000


def asked(venue, subaccount, legs):
    """Initial and maintenance margin of all positions together; `legs` is what the markets ask for each of them."""
    kind = naive.kind(venue.policy.set_rule)
    rules = {
        "DebtMargin": debts,
        "SpreadCredit": spread,
        "ScenarioMargin": scenarios,
        "StandardMargin": standard,
    }
    return rules[kind](venue, venue.policy.set_rule, subaccount, legs)


def worth(venue, subaccount, name):
    market, held = venue.markets[name], subaccount.positions[name]
    scale, rounding = (market.scale.num, market.scale.den), venue.policy.rounding.value
    return naive.value(held.size_b, naive.price_of(venue, name), scale, rounding)


def collateral(venue, subaccount):
    """Assets other than quote, with their amounts and what equity counts them for."""
    held = subaccount.balances.items()
    return [
        (name, amount, naive.worth_of_asset(venue, name, amount))
        for name, amount in held
        if name != naive.QUOTE
    ]


# --- debts ------------------------------------------------------------------------------------------------------------


def debts(venue, rule, subaccount, legs):
    """A share of what shorts would cost to buy back, and of the quote that all positions together have cost."""
    lots = sum(
        -worth(venue, subaccount, name) for name, held in subaccount.positions.items() if held.size_b < 0
    )
    quote = max(0, sum(held.cost_q for held in subaccount.positions.values()))
    rounding = naive.ROUNDINGS[venue.policy.rounding.requirement]
    return rounding((lots + quote) * Fraction(rule.initial_num, rule.initial_den)), legs[1]


# --- spreads ----------------------------------------------------------------------------------------------------------


def spread(venue, rule, subaccount, legs):
    """A perp against collateral that it follows: on the pair a part of the hedge's rate, not half of both rates."""
    credit = [0, 0]
    for name, amount, value in collateral(venue, subaccount):
        asset = venue.assets[name]
        held, weights = subaccount.positions.get(asset.market), asset.weights
        perp = venue.markets[asset.market].requirement if held else None
        if not held or weights is None or naive.kind(perp) != "Sided" or amount * held.size_b >= 0:
            continue
        owned = abs(Fraction(amount, 10**asset.decimals))
        sold = abs(Fraction(held.size_b, 10 ** venue.markets[asset.market].base_decimals))
        pair = min(owned, sold)
        hedged = floor(abs(value) * pair / owned)
        hedged += floor(abs(worth(venue, subaccount, asset.market)) * pair / sold)
        hedge = perp if amount > 0 else weights
        for at, rate in enumerate(("long_initial_num", "long_maintenance_num")):
            both = Fraction(getattr(weights, rate), weights.den) + Fraction(getattr(perp, rate), perp.den)
            kept = Fraction(getattr(hedge, rate), hedge.den) * Fraction(rule.kept_num, rule.kept_den)
            credit[at] += floor(hedged * (both / 2 - kept))
    return legs[0] - credit[0], legs[1] - credit[1]


# --- what nets --------------------------------------------------------------------------------------------------------


def underlyings(venue, subaccount):
    """Names of the perps that a subaccount is exposed to, itself or through options."""
    options = (venue.markets[name].option for name in subaccount.positions)
    return sorted(
        {
            option.underlying if option else name
            for name, option in zip(subaccount.positions, options, strict=True)
        }
    )


def options_on(venue, subaccount, underlying):
    """A subaccount's options on something, by expiry."""
    found = {}
    for name in subaccount.positions:
        option = venue.markets[name].option
        if option and option.underlying == underlying:
            found.setdefault(option.expiry_ms, []).append(name)
    return found


def at_spot(venue, underlying, lots):
    """Worth of lots of an underlying at its index price, rounded up."""
    market = venue.markets[underlying]
    return naive.notional(lots, market.index, (market.scale.num, market.scale.den), 1)


def perp_lots(subaccount, underlying):
    return abs(subaccount.positions[underlying].size_b) if underlying in subaccount.positions else 0


def doubted(amount, confidence, below, share, den):
    """A share of an amount, by how far its price is from being sure; nothing when that is near enough."""
    sure = floor(Fraction(confidence * den, naive.MILLION))
    return ceil(Fraction(amount * (den - sure) * share, den * den)) if sure < below else 0


def lost_peg(venue, rule, den):
    """Share of what the quote asset has lost below the threshold."""
    price = floor(Fraction(venue.quote_wad * den, naive.INDEX_SCALE))
    return ceil(Fraction(max(0, rule.peg_below_num - price) * rule.peg_num, den))


# --- scenarios --------------------------------------------------------------------------------------------------------


def scenarios(venue, rule, subaccount, _legs):
    """The worst move of each underlying, and charges; nothing nets across two underlyings."""
    initial = maintenance = 0
    factor = Fraction(rule.initial_num + lost_peg(venue, rule, rule.den), rule.den)
    moving = {asset: venue.assets[asset].market for asset in rule.assets if subaccount.balances.get(asset)}
    names = sorted({*underlyings(venue, subaccount), *(market for market in moving.values() if market)})
    for name in names:
        pledged = [row for row in collateral(venue, subaccount) if moving.get(row[0]) == name]
        loss = worst_loss(venue, rule, subaccount, name, pledged)
        bases = charged(venue, subaccount, name, pledged)
        rates = (
            (rule.perp_initial_num, rule.perp_maintenance_num),
            (rule.option_initial_num, rule.option_maintenance_num),
            (rule.asset_initial_num, rule.asset_maintenance_num),
        )
        on_top = [
            sum(ceil(Fraction(base * rate[at], rule.den)) for base, rate in zip(bases, rates, strict=True))
            for at in (0, 1)
        ]
        shares = (factor, Fraction(rule.maintenance_num, rule.den))
        inside, outside = (on_top, (0, 0)) if rule.scales_charges else ((0, 0), on_top)
        parts = [ceil((loss + inside[at]) * shares[at]) + outside[at] for at in (0, 1)]
        initial += parts[0] + doubt_of(venue, rule, subaccount, name, pledged)
        maintenance += parts[1]
    initial += doubt_of_the_rest(venue, rule, subaccount, names, moving)
    return max(initial, maintenance), maintenance


def worst_loss(venue, rule, subaccount, name, pledged):
    linear = [value for _, _, value in pledged]
    if name in subaccount.positions:
        linear.append(worth(venue, subaccount, name))
    expiries = options_on(venue, subaccount, name)
    losses = [0, sum(basis(venue, rule, subaccount, options, at) for at, options in expiries.items())]
    for number, move in enumerate(rule.scenarios):
        weight, shift = Fraction(move.weight_num, rule.den), Fraction(move.price_num, rule.den) - 1
        change = sum(floor(value * shift * weight) for value in linear)
        for at, options in expiries.items():
            now = sum(worth(venue, subaccount, option) for option in options)
            counted = discounted(venue, rule, name, at, shocked(venue, subaccount, options, number))
            moved = floor((counted - now) * weight)
            change += -abs(moved) if move.vol in ("linear", "abs") else moved
        losses.append(-change)
    return max(losses)


def shocked(venue, subaccount, options, number):
    """Worth of options at a price of their grids: the lower one for what was bought, the higher for what was sold."""
    total = 0
    for name in options:
        market, size = venue.markets[name], subaccount.positions[name].size_b
        price = (market.grid.low if size > 0 else market.grid.high)[number]
        total += naive.value(size, price, (market.scale.num, market.scale.den), 0)
    return total


def discounted(venue, rule, name, expiry, amount):
    term = next((term for term in venue.markets[name].terms if term.expiry_ms == expiry), None)
    if term is None:
        return amount
    return floor(Fraction(amount * (term.gain_num if amount >= 0 else term.debt_num), rule.den))


def basis(venue, rule, subaccount, options, expiry):
    """What forwards may lose against spot: a share of the worse of two moves, growing with the time that is left."""
    if rule.basis_up_num == 0:
        return 0
    now, count = sum(worth(venue, subaccount, option) for option in options), len(rule.scenarios)
    loss = max(0, *(now - shocked(venue, subaccount, options, count + more) for more in (0, 1)))
    years = Fraction(max(expiry - venue.time_ms, 0), YEAR_MS)
    return ceil(loss * (rule.basis_add_num + rule.basis_yearly_num * years) / rule.den)


def charged(venue, subaccount, name, pledged):
    """What charges count of: perps, options sold without others of their strike, collateral in the quote's unit."""
    naked, positions = 0, subaccount.positions
    for options in options_on(venue, subaccount, name).values():
        for strike in {venue.markets[option].option.strike for option in options}:
            lots = [
                positions[option].size_b
                for option in options
                if venue.markets[option].option.strike == strike
            ]
            naked += max(0, -sum(lots))
    return (
        at_spot(venue, name, perp_lots(subaccount, name)),
        at_spot(venue, name, naked),
        in_dollars(venue, pledged),
    )


def in_dollars(venue, pledged):
    return sum(ceil(Fraction(max(value, 0) * venue.quote_wad, naive.INDEX_SCALE)) for _, _, value in pledged)


def doubt_of(venue, rule, subaccount, name, pledged):
    """Charge for doubtful prices of perps and options, and of collateral where charges scale with the loss."""
    market, positions = venue.markets[name], subaccount.positions
    sure = min([market.index_confidence_ppm, *([market.confidence_ppm] if name in positions else [])])
    terms = (rule.doubt_below_num, rule.doubt_num, rule.den)
    total = doubted(at_spot(venue, name, perp_lots(subaccount, name)), sure, *terms)
    for options in options_on(venue, subaccount, name).values():
        least = min(sure, *(venue.markets[option].confidence_ppm for option in options))
        total += doubted(
            at_spot(venue, name, sum(abs(positions[option].size_b) for option in options)), least, *terms
        )
    if rule.scales_charges:
        for row in pledged:
            least = min(sure, venue.assets[row[0]].confidence_ppm)
            total += doubted(in_dollars(venue, [row]), least, *terms)
    return total


def doubt_of_the_rest(venue, rule, subaccount, names, moving):
    """Charge for doubtful prices of collateral, which are never surer than the spot of what one is exposed to."""
    known = [venue.markets[name] for name in names]
    spots = known or [market for market in venue.markets.values() if market.option is None]
    sure, total = min((market.index_confidence_ppm for market in spots), default=naive.MILLION), 0
    for asset, _, value in collateral(venue, subaccount):
        if not (rule.scales_charges and moving.get(asset)):
            least = min(sure, venue.assets[asset].confidence_ppm)
            total += doubted(max(value, 0), least, rule.doubt_below_num, rule.doubt_num, rule.den)
    return total


# --- the standard rule ------------------------------------------------------------------------------------------------


def standard(venue, rule, subaccount, legs):
    """What markets ask of perps; options sold by themselves, or what an expiry may settle at; doubts and a lost peg."""
    initial, maintenance = legs
    terms, lost = rule.options, Fraction(lost_peg(venue, rule, rule.options.den), rule.options.den)
    for name in {*underlyings(venue, subaccount), *markets_followed(venue, subaccount)}:
        expiries = options_on(venue, subaccount, name)
        sold = sum(sold_lots(subaccount, options) for options in expiries.values())
        exposed = at_spot(venue, name, perp_lots(subaccount, name) + sold)
        initial += ceil(exposed * lost) + doubts(venue, rule, subaccount, name, expiries)
        for expiry, options in expiries.items():
            marks = {option: worth(venue, subaccount, option) for option in options}
            bought = 0 if terms.longs_count else sum(mark for mark in marks.values() if mark > 0)
            back = bought + sum(mark for mark in marks.values() if mark < 0)
            margins = of_expiry(venue, terms, subaccount, name, expiry, marks)
            initial, maintenance = initial + back + margins[0], maintenance + back + margins[1]
    initial += doubts_of_still_assets(venue, rule, subaccount)
    return max(initial, maintenance), maintenance


def markets_followed(venue, subaccount):
    return {venue.assets[name].market for name, _, _ in collateral(venue, subaccount)} - {""}


def sold_lots(subaccount, options):
    return -sum(min(subaccount.positions[option].size_b, 0) for option in options)


def of_expiry(venue, terms, subaccount, name, expiry, marks):
    """All options of one expiry: the sold ones by themselves, or what the worst settlement takes if that is less."""
    market = venue.markets[name]
    scale = Fraction(market.scale.num, market.scale.den)
    legs = [
        (subaccount.positions[option].size_b, venue.markets[option].option, abs(mark))
        for option, mark in marks.items()
    ]
    alone = [of_option(terms, leg, market.index, scale) for leg in legs if leg[0] < 0]
    initial, maintenance = sum(pair[0] for pair in alone), sum(pair[1] for pair in alone)
    if not terms.netted:
        return initial, maintenance
    paid = [
        floor(sum(size * payoff(option, price) for size, option, _ in legs) * scale)
        for price in (0, *(option.strike for _, option, _ in legs))
    ]
    calls = max(0, -sum(size for size, option, _ in legs if option.call))
    term = next((term for term in market.terms if term.expiry_ms == expiry), None)
    beyond = ceil(calls * ((term.forward if term else 0) or market.index) * scale)
    loss = max(0, -min(paid))
    rates = (terms.unpaired_initial_num, terms.unpaired_maintenance_num)
    limits = [loss + ceil(Fraction(beyond * rate, terms.den)) for rate in rates]
    return min(initial, limits[0]), min(maintenance, limits[1])


def of_option(terms, leg, spot, scale):
    """One option sold: what it costs to buy back, and a share of the underlying that is less out of the money."""
    size, option, mark = leg
    size, den = abs(size), terms.den
    under = ceil(size * spot * scale)
    out = floor(size * max(0, option.strike - spot if option.call else spot - option.strike) * scale)
    initial = mark + ceil(
        max(Fraction(under * terms.highest_num, den) - out, Fraction(under * terms.lowest_num, den))
    )
    if option.call:
        maintenance = mark + ceil(Fraction(under * terms.call_num, den))
    else:
        maintenance = mark + ceil(
            max(Fraction(under * terms.put_num, den), Fraction(mark * terms.put_mark_num, den))
        )
        initial = max(initial, ceil(Fraction(maintenance * terms.put_floor_num, den)))
    return max(initial, maintenance), maintenance


def payoff(option, price):
    return max(0, price - option.strike if option.call else option.strike - price)


def doubts(venue, rule, subaccount, name, expiries):
    market, den = venue.markets[name], rule.options.den
    spot = market.index_confidence_ppm
    perps = at_spot(venue, name, perp_lots(subaccount, name))
    total = doubted(perps, min(spot, market.confidence_ppm), rule.perp_doubt_below_num, rule.doubt_num, den)
    for options in expiries.values():
        least = min(spot, *(venue.markets[option].confidence_ppm for option in options))
        amount = at_spot(venue, name, sold_lots(subaccount, options))
        total += doubted(amount, least, rule.option_doubt_below_num, rule.doubt_num, den)
    for asset, _, value in collateral(venue, subaccount):
        if venue.assets[asset].market == name:
            least = min(spot, venue.assets[asset].confidence_ppm)
            total += doubted(max(value, 0), least, rule.asset_doubt_below_num, rule.doubt_num, den)
    return total


def doubts_of_still_assets(venue, rule, subaccount):
    """Collateral that follows no market is as sure as its own source."""
    below, share, den = rule.asset_doubt_below_num, rule.doubt_num, rule.options.den
    still = [row for row in collateral(venue, subaccount) if not venue.assets[row[0]].market]
    return sum(
        doubted(max(value, 0), venue.assets[name].confidence_ppm, below, share, den)
        for name, _, value in still
    )
