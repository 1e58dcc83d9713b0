"""Claims about capital and overhead: what is locked, what lies idle, what one deposit carries, what must be watched."""

from dataclasses import replace
from fractions import Fraction

from ..errors import InputError
from . import examples
from .finding import (
    LONE,
    NEEDS_RUNS,
    Finding,
    Status,
    by_mode,
    has_both,
    isolated_and_cross,
    measurement,
    no_two_positions,
    on_this_path,
    span,
    usd,
    where_it_stands,
)
from .measures import DEFINITIONS
from .reading import Document, modes, order, runs, value

WORST_CASES = (
    "sharing cannot take more, because the sum of the positions' worst cases is at least the worst case of their sum. "
    "Only how much less is measured."
)
NO_TRANSFERS = (
    "cross margin has one subaccount per trader and so nothing to transfer between. Only how many transfers isolated "
    "margin needs is measured."
)
"""Why M2 and O2 could not come out otherwise."""


def locked_over_initial(document: Document, mode: str) -> list[Fraction]:
    """Capital locked over initial margin in every run of a mode."""
    found = []
    for run in runs(document):
        locked, asked = value(run, "capital_locked"), value(run, "initial_margin")
        if run["mode"] == mode and locked is not None and asked:
            found.append(locked / asked)
    return found


@measurement("comparison")
def shared_capital(document: Document | None) -> Finding:
    """M2: the least collateral that survives the path, in both modes."""
    if document is None or not has_both(document):
        return NEEDS_RUNS
    found = isolated_and_cross(document, "survival_capital")
    figures = by_mode(document, "survival_capital", "capital_locked", "initial_margin")
    where = where_it_stands("survival_capital", found)
    title = DEFINITIONS["survival_capital"].title
    cells = {mode: f"{figures[f'{title}, {mode}']} for the same safety" for mode in ("isolated", "cross")}
    at = order(found)
    if no_two_positions(document):
        return on_this_path("undetermined", f"{LONE}. {where}", figures, "accounts with several positions")
    if at == "higher":
        words = f"the same safety takes less collateral when it is shared. {where}"
        return replace(on_this_path("confirmed", words, figures, by_construction=WORST_CASES), cells=cells)
    return on_this_path(
        "undetermined" if at == "flips" else "depends", where, figures, "the arm and the path"
    )


@measurement("comparison")
def extra_positions(document: Document | None) -> Finding:
    """C1: notional that what is free at entry would still admit, in both modes."""
    if document is None or not has_both(document):
        return NEEDS_RUNS
    found = isolated_and_cross(document, "extra_notional")
    figures = by_mode(document, "extra_notional")
    share = [pair.first / pair.second for pair in found if pair.second]
    figures["isolated over cross, over the arms"] = span(share, "share")
    where = where_it_stands("extra_notional", found)
    if no_two_positions(document):
        return on_this_path("undetermined", f"{LONE}. {where}", figures, "accounts with several positions")
    status: Status = "undetermined" if order(found) == "flips" else "depends"
    return on_this_path(status, where, figures, "what isolated traders post")


@measurement("engine")
def three_times_margin(_document: Document | None) -> Finding:
    """C2: what three positions of 5,000 USD margin lock, asked of the engine."""
    found = examples.three_positions()
    figures = {
        "isolated, locked": usd(found.isolated_q),
        "cross, locked, same leverage chosen": usd(found.cross_same_leverage_q),
        "cross, locked, no leverage chosen": usd(found.cross_q),
    }
    if found.isolated_q != found.posted_q:
        return Finding("refuted", f"They lock {usd(found.isolated_q)}.", figures)
    words = f"They lock {usd(found.isolated_q)}, the sum of what each was posted."
    if found.cross_same_leverage_q == found.isolated_q:
        words += " So does cross margin at the same leverage: the sum is what the rule asks, not what the mode adds."
    return Finding("confirmed", words, figures)


@measurement("engine", "comparison")
def idle_silos(document: Document | None) -> Finding:
    """C3: one silo has free margin while another is liquidated for want of less."""
    found = examples.two_silos()
    figures = {
        "free margin in the ETH silo": usd(found.idle_q),
        "missing in the SOL silo when it was liquidated": usd(found.missing_q),
        "moving it in time saves the position": "yes" if found.rescued else "no",
    }
    if document is not None and has_both(document):
        figures["isolated, locked over initial margin"] = span(
            locked_over_initial(document, "isolated"), "times"
        )
        figures |= by_mode(document, "idle_dollar_days")
    if not (found.isolated_liquidated and found.idle_q >= found.missing_q > 0):
        return Finding("refuted", "No silo lacked what another had to spare.", figures)
    words = "A position was liquidated for want of less than lay free in the silo beside it."
    if found.rescued:
        words += (
            " Its owner can move that margin, if in time; how much lies idle is what traders choose to post."
        )
    return Finding("confirmed", words, figures)


@measurement("comparison")
def tailored_collateral(document: Document | None) -> Finding:
    """C4: how much isolated traders lock beyond what the rule asks, over the arms."""
    if document is None or not has_both(document):
        return NEEDS_RUNS
    found = locked_over_initial(document, "isolated")
    figures = by_mode(document, "capital_locked", "initial_margin", "wealth_later")
    figures["isolated, locked over initial margin"] = span(found, "times")
    if min(found) == max(found):
        return Finding(
            "open", "This comparison has one arm; the range over what traders post settles it.", figures
        )
    words = "tailored, yes: what is locked is what the owner posts, and the mode does not say how much."
    return on_this_path("depends", words, figures, "what isolated traders post")


@measurement("engine")
def single_deposit(_document: Document | None) -> Finding:
    """C5: does the engine admit several positions on one deposit?"""
    try:
        found = examples.one_deposit()
    except InputError as error:
        return Finding("refuted", f"The engine refuses: {error}.")
    figures = {
        "deposit": usd(found.deposit_q),
        "positions on it": str(found.positions),
        "notional": usd(found.notional_q),
    }
    if found.positions > 1 and found.subaccounts == 1:
        return Finding("confirmed", "It backs them in one subaccount, judged together.", figures)
    return Finding("refuted", "Not in one subaccount.", figures)


@measurement("comparison")
def fewer_liquidations(document: Document | None) -> Finding:
    """C7: open until there is a map over correlation and net exposure; this path is one point of it."""
    words = "Settled by a map over correlation and net exposure of many paths."
    if document is None or not has_both(document):
        return Finding("open", words)
    found = isolated_and_cross(document, "accounts_liquidated")
    where = where_it_stands("accounts_liquidated", found)
    lone = f"{LONE}. " if no_two_positions(document) else ""
    figures = by_mode(document, "accounts_liquidated")
    return Finding("open", f"{words} This path is one point of it: {lone}{where}", figures)


@measurement("engine")
def offset_losses(_document: Document | None) -> Finding:
    """C9: ETH's gain keeps SOL alive in one mode and not in the other."""
    found = examples.two_silos()
    figures = {
        "isolated, positions liquidated": str(found.isolated_liquidated),
        "cross, positions liquidated": str(found.cross_liquidated),
        "isolated, wealth": usd(found.isolated_wealth_q),
        "cross, wealth": usd(found.cross_wealth_q),
    }
    if found.cross_liquidated < found.isolated_liquidated:
        return Finding(
            "confirmed", "A gain of ETH keeps SOL from liquidation when both share a subaccount.", figures
        )
    return Finding("refuted", "The gain of one position did not keep the other from liquidation.", figures)


@measurement("engine", "comparison")
def ratios(document: Document | None) -> Finding:
    """O1: subaccounts with positions, which each have a ratio of their own."""
    isolated, cross = examples.ratios()
    figures = {
        "three positions, isolated": str(isolated),
        "three positions, cross": str(cross),
        **by_mode(document, "ratios_to_watch"),
    }
    if cross == 1 < isolated:
        return Finding("confirmed", "One ratio per cross account, one per isolated position.", figures)
    return Finding("refuted", "The modes do not differ as stated.", figures)


@measurement("comparison")
def margin_actions(document: Document | None) -> Finding:
    """O2: transfers of margin between subaccounts, at entry and for top-ups."""
    if document is None or not has_both(document):
        return NEEDS_RUNS
    found = isolated_and_cross(document, "margin_actions")
    figures = by_mode(document, "margin_actions", "margin_calls")
    where = where_it_stands("margin_actions", found)
    at, lone = order(found), no_two_positions(document)
    if at == "higher" and not any(pair.second for pair in found):
        words = f"fewer transfers under cross margin. {where} What they cost in gas is O5."
        return on_this_path("confirmed", words, figures, by_construction=NO_TRANSFERS)
    if at == "equal" and lone:
        return on_this_path("undetermined", f"{LONE}. {where}", figures, "accounts with several positions")
    return on_this_path(
        "undetermined" if at == "flips" else "depends", where, figures, "the arm and the path"
    )


@measurement("engine", "comparison")
def third_way(document: Document | None) -> Finding:
    """D3: is there a partition that is neither, and does it act like neither?"""
    modes_found = examples.between()
    isolated, hybrid, cross = (modes_found[name] for name in ("isolated", "hybrid", "cross"))
    figures = {}
    for name, found in modes_found.items():
        figures[f"{name}, liquidated when ETH gains and SOL loses"] = str(found.liquidated)
        figures[f"{name}, lost when ARB jumps down by half"] = usd(found.jump_loss_q)
    if document is not None:
        others = [mode for mode in modes(runs(document)) if mode not in ("isolated", "cross")]
        figures["partitions of this comparison beside the two"] = ", ".join(others) or "none"
    offsets, contains = hybrid.liquidated < isolated.liquidated, hybrid.jump_loss_q < cross.jump_loss_q
    if offsets and contains:
        words = (
            "A hybrid partition offsets like cross margin where positions hedge, and contains like isolated"
        )
        return Finding("refuted", f"{words} where one stands apart.", figures)
    if (hybrid.liquidated, hybrid.jump_loss_q) in {
        (other.liquidated, other.jump_loss_q) for other in (isolated, cross)
    }:
        return Finding("confirmed", "The hybrid partition acts like one of the two.", figures)
    return Finding("depends", "The hybrid partition is between the two.", figures, "the partition")
