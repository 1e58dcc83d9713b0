"""Derive's standard manager: isolated option margin, netting per expiry, perpetuals, collateral and penalties.

Three forms of cases are read: a scenario with its feeds, a portfolio whose feeds stand in the venue's own test set-up,
and a perpetual against cash. All become one `Book`, and the rules answer.
"""

from fractions import Fraction

from ...clearing.risk import Risk, may_act
from ...rules.words import WAD
from .derive_srm_book import Book, Parts, risk, weigh
from .derive_srm_scenario import UNDERLYINGS, scenario_book
from .derive_srm_setup import perp_book, portfolio_book
from .named import NamedKinds
from .vectors import Case, Ours, UnsupportedError
from .wad import whole

REVERT = "SRM_PortfolioBelowMargin"


def margin(case: Case) -> Ours:
    """Initial and maintenance margin, net; negative where the subaccount is short of it."""
    if "all" in case.body["expected"].entries() and "OptionStrikes" not in _shape(case):
        raise UnsupportedError("the case leaves its portfolio in the file that it names")
    book = scenario_book(case) if "OptionStrikes" in _shape(case) else portfolio_book(case)
    parts = weigh(book)
    found = risk(book, parts)
    net = {"im": whole(found.free_q), "mm": whole(found.surplus_q), "mtm": whole(found.equity_q)}
    if "OptionStrikes" not in _shape(case):
        return {**net}
    wei = {name: amount * WAD for name, amount in net.items()}
    return {**wei, "all": _all(book, parts, wei)}


def _all(book: Book, parts: dict[str, Parts], net: dict[str, Fraction]) -> Ours:
    """Every part by the name that the venue's scenarios give it, in wei."""
    ours: Ours = {}
    for name in UNDERLYINGS:
        part = parts[name]
        ours |= {
            f"{name}OptionIM": -part.option.initial_q,
            f"{name}OptionMM": -part.option.maintenance_q,
            f"{name}OptionIsolatedIM": -part.isolated.initial_q,
            f"{name}OptionIsolatedMM": -part.isolated.maintenance_q,
            f"{name}OptionBoundedIM": part.bounded[0],
            f"{name}OptionBoundedMM": part.bounded[1],
        }
    found, held = parts.values(), book.holdings.values()
    return {
        **ours,
        "PortfolioMtM": net["mtm"],
        "UnrealizedPNL": sum(each.pnl for each in held),
        "UnsettledFunding": sum(each.funding for each in held),
        "PerpMargin": -sum(each.perp.maintenance_q for each in found),
        "OracleConts": -sum(each.doubt for each in found),
        "DepegIMs": -sum(each.depeg for each in found),
        "BaseMargin": sum(each.base for each in found),
        "Cash": book.cash,
        **{f"{who}{which}": net[which.lower()] for who in ("Hand", "real") for which in ("IM", "MM")},
    }


def _shape(case: Case) -> set[str]:
    positions = [*case.body["positions"]]
    return {*positions[0].entries()} if positions else set()


def trade(case: Case) -> Ours:
    """Whether a perpetual may be bought with the cash that the case has, and what low confidence adds."""
    book = perp_book(case)
    found = risk(book, weigh(book))
    sure = risk(book.sure(), weigh(book.sure()))
    allowed = may_act(Risk(book.cash), found)
    return {
        "im_net": whole(found.free_q),
        "mm_net": whole(found.surplus_q),
        "trade_allowed": allowed,
        "revert": None if allowed else REVERT,
        "mm_unchanged": found.surplus_q == sure.surplus_q,
    }


KINDS = NamedKinds(
    {
        margin: ("all", "im", "mm", "mtm"),
        trade: ("im_net", "mm_net", "trade_allowed", "revert", "mm_unchanged"),
    }
)
