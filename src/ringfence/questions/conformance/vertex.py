"""Vertex's executed cases asked of our rules: health, liquidation, bankruptcy and funding, to the last digit.

The venue's own codes name its refusals (`NL`: not liquidatable, `LTM`: liquidated too much, ...). Who takes a position
over pays the discounted price and, on top, the insurance fund's share of the discount.
"""

import re
from functools import cache
from typing import NamedTuple

from msgspec import Struct

from ...rules.premium import premium_index_delta
from ...rules.socialize import half_loss_per_lot
from ...rules.weights import discount_share, discounted_price, spread_basis
from ...rules.words import TRUNC, WAD, mul_div
from ...units import to_fraction
from ...venues.rulebook import load
from .vectors import Case, Ours, RefusedError, Rule, UnsupportedError
from .vertex_book import QUOTE_ID, Holder, Listing, Perp, health, healths, read_book

SECONDS_PER_DAY = 86_400
PERP_SHIFT = 16
SPOT_MASK = (1 << PERP_SHIFT) - 1
"""A spread is named by its perp's id shifted by 16 bits, with the spot's id below."""
ENDLESS = 10**30
"""Quote balance of a liquidator whose means a case does not state."""

_CLOSE = re.compile(r"liquidate (?P<what>perp|spot|spread) (?P<id>\d+) amount (?P<amount>[-+\d.eE]+)")


class Constants(NamedTuple):
    """The venue's constants, from its rulebook: parts of a weight's discount that a liquidator gets, and shares."""

    discount_parts: int
    spread_parts: int
    fund_share: tuple[int, int]
    funding_cap: tuple[int, int]


@cache
def constants() -> Constants:
    """The constants of the code that was executed."""
    rulebook = load("vertex")
    exact = {
        name: to_fraction(rulebook.ask(f"facts.{name}"), name)
        for name in ("liquidation_discount", "spread_liquidation_discount", "discount_to_fund", "funding_cap")
    }
    fund, cap = exact["discount_to_fund"], exact["funding_cap"]
    return Constants(
        exact["liquidation_discount"].denominator,
        exact["spread_liquidation_discount"].denominator,
        (fund.numerator, fund.denominator),
        (cap.numerator, cap.denominator),
    )


class Close(NamedTuple):
    """What a liquidator takes over: signed lots of a product, or of a spread (long the asset, short the perp).

    A leg that is not taken is 0, which names the quote asset.
    """

    spot: int
    perp: int
    amount: int = 0

    @property
    def spread(self) -> bool:
        """Both legs at once."""
        return self.spot > 0 and self.perp > 0


class Desk(Struct):
    """A subaccount in trouble, who takes it over, and the insurance fund."""

    listing: Listing
    liquidatee: Holder
    liquidator: Holder
    insurance: int
    last_fee: int = 0
    """The fee of the last liquidation, which the fund may not spend on the same subaccount."""


def account_health(case: Case) -> Ours:
    """All healths of a subaccount."""
    return healths(*read_book(case.body))


def funding(case: Case) -> Ours:
    """Cumulative funding after an interval, and what the position paid."""
    (listing, holder), action = read_book(case.body), case.body["action"]
    product = case.body["positions"].only()["product_id"].integer()
    price, held = listing.perps[product].price, holder.perp(product)
    premium, seconds = action["avg_price_diff_x18"].integer(), action["dt_seconds"].integer(least=0)
    delta = premium_index_delta(premium, price, *constants().funding_cap, seconds, SECONDS_PER_DAY)
    return {
        "cum_funding_long": delta,
        "cum_funding_short": delta,
        "v_quote_after": held.v_quote - mul_div(delta, held.amount, WAD, TRUNC),
    }


def liquidation(case: Case) -> Ours:
    """One liquidation: the accounts before and after it, or the venue's reason to refuse it."""
    action = case.body["action"]
    desk = Desk(
        *read_book(case.body),
        Holder({QUOTE_ID: action["liquidator_usdc"].integer()}, {}),
        action["insurance_before"].integer(),
    )
    before = healths(desk.listing, desk.liquidatee)
    ours: Ours = {
        f"{name}_before": before[name] for name in ("initial_health", "maintenance_health", "equity")
    }
    try:
        close = _close_of(desk.listing, action["product_id"].integer(least=0), action["is_spread"].flag())
        prices = _liquidate(desk, close._replace(amount=action["amount"].integer()))
    except RefusedError as refusal:
        return {**ours, "error": str(refusal), "no_error": False}
    after = healths(desk.listing, desk.liquidatee)
    ours |= {f"{name}_after": after[name] for name in ("initial_health", "maintenance_health", "equity")}
    return ours | prices | _balances(desk)


def _close_of(listing: Listing, product: int, is_spread: bool) -> Close:
    """What a product id names; raises `RefusedError` where it names nothing that can be liquidated."""
    if product == QUOTE_ID:
        raise RefusedError("NILP")
    if is_spread:
        pair = (product & SPOT_MASK, product >> PERP_SHIFT)
        if pair not in listing.spreads:
            raise RefusedError("NILP")
        return Close(*pair)
    if product not in listing.spots and product not in listing.perps:
        raise RefusedError("IP")
    return Close(product, 0) if product in listing.spots else Close(0, product)


def _balances(desk: Desk) -> Ours:
    ours: Ours = {
        "insurance_after": desk.insurance,
        "liquidatee_quote_after": desk.liquidatee.quote,
        "liquidator_quote_after": desk.liquidator.quote,
        "liquidation_fee_to_insurance": desk.last_fee,
    }
    for whose, holder in (("", desk.liquidatee), ("liquidator_", desk.liquidator)):
        for product in desk.listing.perps:
            held = holder.perp(product)
            ours[f"{whose}perp{product}_after"] = {"amount": held.amount, "v_quote": held.v_quote}
        for product in desk.listing.spots:
            ours[f"{whose}spot{product}_after"] = holder.spot(product)
    return ours


# -- one liquidation ---------------------------------------------------------------------------------------------------


def _liquidate(desk: Desk, close: Close) -> Ours:
    """Hand `close` over at its discounted price; returns that price. Raises `RefusedError` with the venue's code."""
    listing, liquidatee = desk.listing, desk.liquidatee
    if health(listing, liquidatee, "maintenance") >= 0:
        raise RefusedError("NL")
    if close.amount < 0 and close.spot:
        _must_be_last(listing, liquidatee)
        _settle_profits(desk)
    _must_hold(desk, close)
    oracle, price = _prices(listing, close)
    payment = mul_div(price, close.amount, WAD, TRUNC)
    fee = discount_share(oracle, price, close.amount, *constants().fund_share, WAD)
    if close.spot:
        _exchange_spot(desk, close.spot, close.amount, payment, fee)
        if close.perp:
            _exchange_hedge(desk, close.perp, close.amount)
        if close.amount < 0:
            _cover_quote(desk)
    else:
        liquidatee.add_perp(close.perp, -close.amount, payment)
        desk.liquidator.add_perp(close.perp, close.amount, -payment - fee)
    if health(listing, liquidatee, "initial") > 0:
        raise RefusedError("LTM")
    if health(listing, desk.liquidator, "initial") < 0:
        raise RefusedError("SH")
    desk.insurance, desk.last_fee = desk.insurance + fee, fee
    return {"liq_price": price}


def _prices(listing: Listing, close: Close) -> tuple[int, int]:
    """Oracle price and the price at which a liquidator takes over.

    A spread is priced by its asset: at a twenty-fifth of the perp's discount where the asset is owned, of the asset's
    surcharge where it is owed.
    """
    risk = listing.spots[close.spot] if close.spot else listing.perps[close.perp]
    weights, parts = risk.maintenance, constants().discount_parts
    if close.spread:
        weights, parts = (listing.perps[close.perp].maintenance[0], weights[1]), constants().spread_parts
    weight = weights[0] if close.amount >= 0 else weights[1]
    return risk.price, discounted_price(risk.price, weight, parts, WAD)


def _exchange_spot(desk: Desk, spot: int, amount: int, payment: int, fee: int) -> None:
    desk.liquidatee.add_spot(spot, -amount)
    desk.liquidatee.add_spot(QUOTE_ID, payment)
    desk.liquidator.add_spot(spot, amount)
    desk.liquidator.add_spot(QUOTE_ID, -payment - fee)


def _exchange_hedge(desk: Desk, perp: int, amount: int) -> None:
    """The perp leg of a spread changes hands at its oracle price."""
    worth = mul_div(desk.listing.perps[perp].price, amount, WAD, TRUNC)
    desk.liquidatee.add_perp(perp, amount, -worth)
    desk.liquidator.add_perp(perp, -amount, worth)


def _cover_quote(desk: Desk) -> None:
    """The fund pays a quote balance that settling a debt made negative, as far as it reaches."""
    paid = max(0, min(desk.insurance, -desk.liquidatee.quote))
    desk.insurance -= paid
    desk.liquidatee.add_spot(QUOTE_ID, paid)


def _must_be_last(listing: Listing, holder: Holder) -> None:
    """A debt is settled only when no asset is left, and no perp that is not the hedge of a debt."""
    hedges = {perp: spot for spot, perp in listing.spreads}
    for product in listing.perps:
        amount = holder.perp(product).amount
        hedged = product in hedges and -holder.spot(hedges[product]) >= amount > 0
        if amount and not hedged:
            raise RefusedError("NLL")
    if any(holder.spot(product) > 0 for product in listing.spots):
        raise RefusedError("NLL")


def _settle_profits(desk: Desk) -> None:
    """The liquidator buys unrealized profits at par."""
    for product, risk in desk.listing.perps.items():
        held = desk.liquidatee.perp(product)
        profit = mul_div(risk.price, held.amount, WAD, TRUNC) + held.v_quote
        if profit > 0:
            _settle(desk, product, profit)


def _settle(desk: Desk, product: int, pnl: int) -> None:
    """A perpetual's quote balance becomes quote, against the liquidator's."""
    desk.liquidatee.add_perp(product, 0, -pnl)
    desk.liquidator.add_perp(product, 0, pnl)
    desk.liquidatee.add_spot(QUOTE_ID, pnl)
    desk.liquidator.add_spot(QUOTE_ID, -pnl)


def _must_hold(desk: Desk, close: Close) -> None:
    """The amount must have the sign of what is held outside (or inside) spreads, and not exceed it."""
    held = _takeable(desk, close)
    if held == 0 or close.amount == 0 or (close.amount > 0) != (held > 0):
        raise RefusedError("NLA")
    if close.amount < 0 and close.spot and not close.perp:
        _, price = _prices(desk.listing, close)
        if -close.amount > _affordable(desk, price):
            raise RefusedError("LTM")
    if abs(close.amount) > abs(held):
        raise RefusedError("NLA")


def _takeable(desk: Desk, close: Close) -> int:
    """Signed lots that this kind of liquidation may take: netted lots belong to the spread alone."""
    holder, pair = desk.liquidatee, desk.listing.spread_of(close.spot or close.perp)
    if pair is None:
        return holder.spot(close.spot) if close.spot else holder.perp(close.perp).amount
    spot, perp = holder.spot(pair[0]), holder.perp(pair[1]).amount
    basis = spread_basis(spot, perp) * (1 if spot > 0 else -1)
    if basis < 0:
        _, price = _prices(desk.listing, Close(*pair, amount=basis))
        basis = max(basis, -_affordable(desk, price))
    if close.spread:
        return basis
    return spot - basis if close.spot else perp + basis


def _affordable(desk: Desk, price: int) -> int:
    """Lots of a debt that the subaccount's quote and the fund can pay for at a price."""
    return max(0, mul_div(desk.liquidatee.quote + desk.insurance, WAD, price, TRUNC) + 1)


# -- bankruptcy --------------------------------------------------------------------------------------------------------


def bankruptcy(case: Case) -> Ours:
    """A subaccount closed at a loss: the fund pays what it may, the rest is spread over the open interest."""
    body, action = case.body, case.body["action"]
    product = body["positions"].only()["product_id"].integer()
    listing, liquidatee = read_book(body)
    others = _others(
        liquidatee.perp(product),
        {side: amount.integer() for side, amount in action["other_accounts"].entries().items()},
    )
    desk = Desk(listing, liquidatee, Holder({QUOTE_ID: ENDLESS}, {}), action["insurance_before"].integer())
    ours: Ours = {}
    for step in action["steps"]:
        words = step.text()
        if (found := _CLOSE.fullmatch(words)) is not None:
            _liquidate(desk, _step(listing, found))
            ours["v_quote_deficit_after_close"] = liquidatee.perp(product).v_quote
            ours["liquidation_fee_to_insurance"] = desk.last_fee
            ours["insurance_after_close"] = desk.insurance
        elif words.startswith("finalize"):
            ours |= _finalize(desk, product, others)
        else:
            raise UnsupportedError(f"a step that is not known: {words}")
    return ours


def _others(held: Perp, amounts: dict[str, int]) -> dict[str, Perp]:
    """The market's other accounts, which traded at the price at which the position was opened."""
    if held.amount == 0:
        raise UnsupportedError("without a position it is not stated at which price the other accounts traded")
    quote = held.v_quote if held.amount > 0 else -held.v_quote
    return {
        side: Perp(amount, mul_div(quote, amount, abs(held.amount), TRUNC))
        for side, amount in amounts.items()
    }


def _step(listing: Listing, words: re.Match[str]) -> Close:
    amount = to_fraction(words["amount"], words.string)
    return _close_of(listing, int(words["id"]), words["what"] == "spread")._replace(amount=int(amount))


def _finalize(desk: Desk, product: int, others: dict[str, Perp]) -> Ours:
    """Losses are settled against quote, then insured, then borne by every open lot through cumulative funding."""
    liquidatee, before = desk.liquidatee, desk.insurance
    if health(desk.listing, liquidatee, "maintenance") >= 0:
        raise RefusedError("NL")
    debts = [spot for spot in desk.listing.spots if liquidatee.spot(spot)]
    owns = any(liquidatee.spot(spot) > 0 for spot in debts)
    if owns or any(perp.amount for perp in liquidatee.perps.values()):
        raise RefusedError("NFS")
    spendable = before - desk.last_fee
    _settle_profits(desk)
    if debts and liquidatee.quote + spendable > 0:
        raise RefusedError("NFS")
    held = liquidatee.perp(product)
    if liquidatee.quote > 0 > held.v_quote:
        _settle(desk, product, max(held.v_quote, -liquidatee.quote))
    insured = max(0, min(spendable, -held.v_quote))
    holders = {**others, "liquidator": desk.liquidator.perp(product)}
    open_interest = sum(max(perp.amount, 0) for perp in holders.values())
    rise = _spread_loss(max(0, -held.v_quote - insured), open_interest, holders)
    held.v_quote = 0
    paid = max(0, min(spendable - insured, -liquidatee.quote))
    liquidatee.add_spot(QUOTE_ID, paid)
    desk.insurance -= insured + paid
    return {
        "insurance_after_finalize": desk.insurance,
        "insurance_used": before - desk.insurance,
        "open_interest": open_interest,
        "cum_funding_long_delta": rise,
        "cum_funding_short_delta": -rise,
        "deficit_after": held.v_quote,
        "liquidatee_quote_after": liquidatee.quote,
        **{f"{side}_holder_v_quote": perp.v_quote for side, perp in others.items()},
        "liquidator_v_quote": holders["liquidator"].v_quote,
    }


def _spread_loss(loss: int, open_interest: int, holders: dict[str, Perp]) -> int:
    """Let every holder pay its lots' share of a loss; returns the rise of cumulative funding."""
    if loss == 0:
        return 0
    if open_interest == 0:
        raise RefusedError("NOI")
    rise = half_loss_per_lot(loss, open_interest, WAD)
    for perp in holders.values():
        perp.v_quote -= mul_div(rise if perp.amount > 0 else -rise, perp.amount, WAD, TRUNC)
    return rise


KINDS: dict[str, Rule] = {
    "bankruptcy_socialisation": bankruptcy,
    "funding": funding,
    "health": account_health,
    "liquidation": liquidation,
}
