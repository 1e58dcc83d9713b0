"""Claims about risk: what one position can cost, what triggers a liquidation, what it closes, who is ruined."""

from collections.abc import Sequence
from fractions import Fraction

from ..sim.partition import CROSS, ISOLATED
from ..units import format_atoms, format_fraction
from ..venues.rulebook import load
from . import examples
from .finding import (
    LONE,
    NEEDS_RUNS,
    Finding,
    by_mode,
    has_both,
    isolated_and_cross,
    measurement,
    no_two_positions,
    on_this_path,
    usd,
    where_it_stands,
)
from .reading import Document, Pair, order, varied_pairs

GAPS = (20, 50, 90)
"""Jumps of ARB in percent; at 10x the bankruptcy price is 10 % below entry."""
ARB_SHARES = (10, 20, 30, 40, 50, 60, 70, 80, 90)
GAINS = (5, 10, 20, 40)
"""The map of R5, in percent: ARB's share of the account's notional, and what the others gained."""


@measurement("engine", "comparison")
def largest_risk(document: Document | None) -> Finding:
    """M1: a jump of one position below its bankruptcy price, with and without margin added before."""
    apart, together = ([examples.gap(mode, fall) for fall in GAPS] for mode in (ISOLATED, CROSS))
    added = examples.gap(ISOLATED, GAPS[-1], added_usd=2_000)
    most_apart_q, most_together_q = (max(found.owner_loss_q for found in each) for each in (apart, together))
    figures = {
        "isolated, posted": usd(apart[0].posted_q),
        "isolated, most the owner lost": usd(most_apart_q),
        "isolated, most lost after 2,000 USD were added": usd(added.owner_loss_q),
        "isolated, most the insurance fund paid": usd(max(found.fund_paid_q for found in apart)),
        "cross, whole account": usd(together[0].posted_q),
        "cross, most the owner lost": usd(most_together_q),
        **by_mode(document, "largest_position_loss"),
    }
    cells = {
        "isolated": f"{usd(most_apart_q)} of {usd(apart[0].posted_q)} posted; insurance paid up to "
        f"{usd(max(found.fund_paid_q for found in apart))} beyond",
        "cross": f"{usd(most_together_q)} of {usd(together[0].posted_q)} in the account",
    }
    if most_apart_q > apart[0].posted_q or added.owner_loss_q > added.posted_q:
        return Finding("refuted", "An isolated position cost its owner more than what backed it.", figures)
    if most_together_q > together[0].posted_q:
        return Finding("refuted", "A cross account cost its owner more than it held.", figures)
    if added.owner_loss_q > most_apart_q or any(found.fund_paid_q > 0 for found in apart):
        words = (
            "The owner loses at most what backs the position: margin posted and added, or the whole account."
        )
        rest = "The venue's insurance pays the gap below bankruptcy, which no margin bounds."
        return Finding(
            "depends", f"{words} {rest}", figures, "whose loss is meant, and whether margin was added", cells
        )
    return Finding("confirmed", "Nobody lost more than what backed the position.", figures, cells=cells)


@measurement("engine", "rulebooks")
def triggers(_document: Document | None) -> Finding:
    """M3: does the liquidation price of one position move when another market, funding or the collateral moves?"""
    apart, together = examples.trigger(ISOLATED), examples.trigger(CROSS)
    market = load(examples.RULEBOOK).market("ETH")

    def shown(quanta: int | None) -> str:
        return "none" if quanta is None else f"{format_atoms(quanta, market.price_decimals)} USD"

    figures = {}
    for mode, found in (("isolated", apart), ("cross", together)):
        figures[f"{mode}, liquidation price of ETH"] = shown(found.before)
        figures[f"{mode}, after SOL fell by 5 %"] = shown(found.other_market)
        figures[f"{mode}, after a funding payment of 1 %"] = shown(found.funding)
    backed = examples.collateral_triggers()
    for asset, price in backed.items():
        text = "none" if price is None else f"{format_fraction(price, 2)} USD"
        figures[f"gmx-v2, isolated long of 25 ETH at 4,000 behind 10,000 USD of {asset}"] = text
    if apart.other_market != apart.before or together.other_market == together.before:
        return Finding("refuted", "The triggers of the two modes do not differ as stated.", figures)
    moves = ["funding"] if apart.funding != apart.before else []
    moves += (
        ["the price of its collateral, where that is not the quote asset (GMX)"]
        if len({*backed.values()}) > 1
        else []
    )
    cells = {
        "isolated": f"equity of the position; other markets do not move it, {' and '.join(moves)} do",
        "cross": "equity of all positions together: every market moves it",
    }
    verdict = f"Other markets do not move the isolated trigger. It still moves with {' and '.join(moves)}."
    return Finding("confirmed", verdict, figures, cells=cells)


# -- risk containment -----------------------------------------------------------------------------------------------


@measurement("engine", "comparison")
def untouched_rest(document: Document | None) -> Finding:
    """R1: what a jump of one isolated position does to the owner's others, with a fund, without, and ring-fenced."""
    funded = [examples.gap(ISOLATED, fall) for fall in GAPS]
    empty = examples.gap(ISOLATED, 50, fund_usd=0)
    fenced = examples.gap(ISOLATED, 50, fund_usd=0, per_market=True)
    figures = {
        "change of the owner's other subaccounts, fund pays": usd(
            min(each.others_change_q for each in funded)
        ),
        "the same, fund empty, one shared pool": usd(empty.others_change_q),
        "the same, fund empty, a pool per market": usd(fenced.others_change_q),
        "loss of another trader, fund empty, one shared pool": usd(-empty.bystander_change_q),
        **by_mode(document, "bad_debt_owner_solvent"),
    }
    if any(each.others_change_q < 0 for each in funded):
        return Finding("refuted", "The owner's other positions paid although the fund held.", figures)
    if empty.others_change_q < 0 or fenced.others_change_q < 0:
        words = "Untouched, to the atom, while the insurance fund pays. When it is empty and loss is socialized in a"
        words += " shared pool, the owner's other positions pay with everybody else's."
        return Finding(
            "depends", words, figures, "the venue's own layer: its funds, pools and loss waterfall"
        )
    return Finding("confirmed", "Untouched, to the atom.", figures)


@measurement("engine", "rulebooks")
def full_account(_document: Document | None) -> Finding:
    """R4: how much of a cross account each liquidation procedure closes when one of three positions falls."""
    found = [
        examples.one_falls(name, rules, fall)
        for name, rules in examples.procedures().items()
        for fall in examples.FALLS
    ]
    figures = {f"{each.procedure}, ARB -{each.fall_percent} %": _closed(each) for each in found}
    solvent = [each for each in found if not each.insolvent]
    if all(each.whole for each in solvent):
        return Finding("confirmed", "Every procedure closes the whole account.", figures)
    if not any(each.whole for each in found):
        return Finding("refuted", "No procedure closes the whole account.", figures)
    just = [each for each in found if each.fall_percent == examples.FALLS[0]]
    taking = [each.procedure for each in just if each.whole]
    words = (
        f"A fall that just triggers closes a part under {len(just) - len(taking)} of {len(just)} procedures"
    )
    words += f" and everything under {', '.join(taking)};" if taking else ";"
    words += " the whole account goes where equity is gone or a backstop takes it over."
    return Finding("depends", words, figures, "the liquidation procedure and the depth of the fall")


def _closed(found: examples.Closed) -> str:
    share = format_fraction(Fraction(found.closed_ppm, 10_000), 1)
    return f"{share} % closed{' (insolvent)' if found.insolvent else ''}"


@measurement("engine")
def wiped_out_gains(_document: Document | None) -> Finding:
    """R5: the map of ARB's share of the account and the others' gain, in which the gain is gone after the fall."""
    cells = [examples.arb_falls(share, gain) for share in ARB_SHARES for gain in GAINS]
    figures = {}
    for gain in GAINS:
        row = [cell for cell in cells if cell.gain_percent == gain]
        cross = [cell.arb_percent for cell in row if cell.cross_change_q <= 0]
        apart = [cell.arb_percent for cell in row if cell.isolated_change_q <= 0]
        for mode, shares in (("cross", cross), ("isolated at 10x", apart)):
            text = f"gain gone from an ARB share of {min(shares)} % on" if shares else "gain gone at no share"
            figures[f"others gained {gain} %, {mode}"] = text
    gone = [cell.cross_change_q <= 0 for cell in cells]
    if all(gone):
        return Finding("confirmed", "Gone at every size and gain of the map.", figures)
    if not any(gone):
        return Finding("refuted", "At no size and gain of the map.", figures)
    words = f"Gone in {sum(gone)} of {len(gone)} cells of the map."
    return Finding("depends", words, figures, "ARB's share of the account and what the others have gained")


@measurement("engine")
def bounded_risk(_document: Document | None) -> Finding:
    """R7: is the loss bounded, for the owner and for the venue, as the jump gets deeper?"""
    found = [examples.gap(ISOLATED, fall) for fall in GAPS]
    figures = {}
    for fall, each in zip(GAPS, found, strict=True):
        figures[f"ARB -{fall} %: owner loses"] = usd(each.owner_loss_q)
        figures[f"ARB -{fall} %: insurance pays"] = usd(each.fund_paid_q)
    if any(each.owner_loss_q > each.posted_q for each in found):
        return Finding("refuted", "The owner lost more than what backed the position.", figures)
    if found[-1].fund_paid_q > found[0].fund_paid_q:
        words = "Bounded for the owner by what backs the position; for the venue it grows with the jump."
        return Finding("depends", words, figures, "whose risk is meant")
    return Finding("confirmed", "Bounded for the owner and for the venue.", figures)


SAFETY = {"accounts_ruined": -1, "accounts_liquidated": -1, "wealth_later": 1}
"""Measures of R10 and the sign of what is better."""


@measurement("comparison")
def safer_for_a_trader(document: Document | None) -> Finding:
    """R10: ruin, liquidation and wealth of isolated beside cross, in every arm, layer and sensitivity run."""
    if document is None or not has_both(document):
        return NEEDS_RUNS
    found = {
        measure: isolated_and_cross(document, measure) + varied_pairs(document, measure, "isolated", "cross")
        for measure in SAFETY
    }
    figures = by_mode(document, *SAFETY)
    orders = {order(each) for each in found.values()}
    where = " ".join(_safety(measure, each) for measure, each in found.items())
    lone = no_two_positions(document)
    if lone and orders == {"equal"}:
        return on_this_path("undetermined", f"{LONE}. {where}", figures, "accounts with several positions")
    begin = f"{LONE}, so isolated differs only in what is posted; " if lone else ""
    if "flips" in orders:
        words = f"{begin}the sign flips inside the range of what is assumed. {where}"
        assumed = "what isolated traders post, slippage, order of lows"
        return on_this_path("undetermined", words, figures, assumed)
    return on_this_path("depends", f"{begin}{where}", figures, "the path, and what counts as safe")


def _safety(measure: str, found: Sequence[Pair]) -> str:
    """Where isolated is the safer one by a measure."""
    lower, higher = ("worse", "better") if SAFETY[measure] > 0 else ("better", "worse")
    return where_it_stands(measure, found, f"isolated {lower}", f"isolated {higher}")
