"""Is a rulebook file fit for use? Every value is read once.

So a mistake is found on loading, and named with its file and path.
"""

from collections.abc import Mapping

from ..clearing.auction import valid_auction
from ..clearing.decide import valid_policy
from ..clearing.portfolio import valid as valid_set_rule
from ..errors import InputError, UnknownValueError
from . import fields, portfolio
from .document import VALUE_KEYS, Document, first_day, gaps
from .fields import Field, check_names, no_such_field
from .model import NO_MARKETS, Rulebook
from .standard import STANDARD
from .symbols import ANY
from .tables import TIERS, read_haircut, shape_of

_POLICY = fields.MARGIN_POLICY | fields.PROCEDURE | fields.OF_ALL_MARKETS
_SECTIONS = {
    "rounding": fields.ROUNDING,
    "liquidation": fields.LIQUIDATION,
    "deleveraging": fields.DELEVERAGING,
}
_ASSET = {
    "haircut": Field(TIERS, lambda raw, where: {"haircut": read_haircut(raw, where)}, required=True),
    **fields.ASSET,
}


def checked_rulebook(document: Document) -> Rulebook:
    """The rulebook of a document; raises `InputError` naming the file and the first path that is wrong."""
    _check_head(document)
    rulebook = Rulebook(document)
    for value in document.values.values():
        for gap in gaps(value, document.sources):
            _refuse_misspelt(rulebook, value.path)
            raise InputError(f"{document.file}: {value.path}: {gap}")
    _check_market_names(rulebook)
    _check_set_rules(rulebook)
    _check_portfolio(rulebook)
    if rulebook.names("standard"):
        _check_table(rulebook, "standard", STANDARD)
    _check_policy(rulebook)
    for group in ("modes",) if NO_MARKETS in document.values else ("modes", "markets"):
        if not rulebook.names(group):
            raise InputError(f"{document.file}: {group}: expected at least one")
    for mode in rulebook.names("modes"):
        _check_table(rulebook, f"modes.{mode}", fields.MODE)
    if rulebook.names("display"):
        _check_table(rulebook, "display", fields.DISPLAY)
    for table in rulebook.names("margin"):
        _check_margin(rulebook, f"margin.{table}")
    for market in rulebook.names("markets"):
        _check_market(rulebook, market)
    for asset in rulebook.names("assets"):
        _check_asset(rulebook, f"assets.{asset}")
    return rulebook


def fields_of(rulebook: Rulebook, table: str) -> Mapping[str, Field]:
    """The fields that a table of this rulebook may have; none where there is no such table."""
    fixed = {"policy": _POLICY, "policy.auction": fields.AUCTION, "display": fields.DISPLAY}
    fixed |= {f"policy.{name}": wanted for name, wanted in _SECTIONS.items()}
    if table in fixed:
        return fixed[table]
    group, _, name = table.partition(".")
    if name not in rulebook.names(group):
        return {}
    if group == "margin":
        return shape_of(rulebook.names(table), f"{rulebook.document.file}: {table}").fields
    return {"markets": fields.MARKET, "assets": _ASSET, "modes": fields.MODE}.get(group, {})


def _refuse_misspelt(rulebook: Rulebook, path: str) -> None:
    """Raise `InputError` where a path names no field, or a value's table holds what none does."""
    file = rulebook.document.file
    table, _, name = path.rpartition(".")
    known = fields_of(rulebook, table)
    if known and name not in known:
        raise no_such_field(name, known, f"{file}: {table}")
    outer, _, field = table.rpartition(".")
    if field in fields_of(rulebook, outer):
        for key in rulebook.names(table):
            if key not in VALUE_KEYS:
                raise no_such_field(key, VALUE_KEYS, f"{file}: {table}")
        raise InputError(f"{file}: {table}: expected either a value or `unknown = true`")


def _check_market_names(rulebook: Rulebook) -> None:
    """No two markets may differ in capitals alone: a symbol names either."""
    found: dict[str, str] = {}
    for name in rulebook.names("markets"):
        if name != ANY and (other := found.setdefault(name.casefold(), name)) != name:
            raise InputError(
                f"{rulebook.document.file}: markets.{name}: differs from {other} in capitals alone"
            )


def _check_head(document: Document) -> None:
    head = document.head
    for name in ("since", "until", "checked"):
        written = getattr(head, name)
        if written is not None and first_day(written) is None:
            raise InputError(
                f"{document.file}: {name}: expected YYYY, YYYY-MM or YYYY-MM-DD, got {written!r}"
            )
    if head.until is not None and head.until < head.since:
        raise InputError(f"{document.file}: until: {head.until} is before since, {head.since}")


def _check_policy(rulebook: Rulebook) -> None:
    own = [name for name in rulebook.names("policy") if name not in _SECTIONS and name != "auction"]
    _check_table(rulebook, "policy", _POLICY, own)
    for section, wanted in _SECTIONS.items():
        _check_table(rulebook, f"policy.{section}", wanted)
    if rulebook.names("policy.auction"):
        _check_table(rulebook, "policy.auction", fields.AUCTION)
    try:
        policy = rulebook.policy()
    except UnknownValueError:
        return
    where = f"{rulebook.document.file}: policy"
    if policy.liquidation.auction is None and "policy.liquidation.size" not in rulebook.document.values:
        raise InputError(f"{where}.liquidation: size is missing, and there is no auction")
    _needs(rulebook, where, "insurance" in policy.waterfall, "insurance")
    closes_lots = "deleverage" in policy.waterfall and policy.deleveraging.policy != "pro_rata"
    for name in ("deleveraging.policy", "deleveraging.price"):
        _needs(rulebook, where, closes_lots, name)
    if policy.set_rule is not None and not valid_set_rule(policy.set_rule):
        raise InputError(f"{rulebook.document.file}: standard: a rate falls where it must rise")
    if not valid_auction(policy.liquidation.auction):
        raise InputError(f"{where}: the auction's price rises, or a share is none")
    if not valid_policy(policy):
        raise InputError(f"{where}: the maker's rebate exceeds the taker's fee, or a portion is zero")


def _check_set_rules(rulebook: Rulebook) -> None:
    stated = [name for name in ("portfolio", "standard") if rulebook.names(name)]
    stated += ["policy.spread_credit"] if "policy.spread_credit" in rulebook.document.values else []
    if len(stated) > 1:
        raise InputError(
            f"{rulebook.document.file}: expected one rule over a set, got {' and '.join(stated)}"
        )


def _check_portfolio(rulebook: Rulebook) -> None:
    if not rulebook.names("portfolio"):
        return
    own = [name for name in rulebook.names("portfolio") if name not in portfolio.SECTIONS]
    _check_table(rulebook, "portfolio", portfolio.OWN, own)
    for section, wanted in portfolio.SECTIONS.items():
        if section != "skew" or rulebook.names("portfolio.skew"):
            _check_table(rulebook, f"portfolio.{section}", wanted)
    try:
        rule = rulebook.scenarios()
    except UnknownValueError:
        return
    where = f"{rulebook.document.file}: portfolio"
    if rule is None or not valid_set_rule(rule):
        raise InputError(
            f"{where}: initial margin must ask at least what maintenance margin does, in every part"
        )
    if not rulebook.names("portfolio.skew") and any(row.vol in ("linear", "abs") for row in rule.scenarios):
        raise InputError(f"{where}.skew: missing, and a scenario shifts the smile")
    for asset in rule.assets:
        if asset not in rulebook.names("assets"):
            raise InputError(f"{where}.assets: there is no asset {asset!r}")
        if f"assets.{asset}.market" not in rulebook.document.values:
            raise InputError(f"{where}.assets: {asset} follows no market")


def _needs(rulebook: Rulebook, where: str, condition: bool, name: str) -> None:
    if condition and f"policy.{name}" not in rulebook.document.values:
        raise InputError(f"{where}.{name}: missing, and the waterfall needs it")


def _check_table(
    rulebook: Rulebook, path: str, wanted: Mapping[str, Field], found: list[str] | None = None
) -> None:
    """The table has no other fields and all required ones, each in its unit and readable."""
    file = rulebook.document.file
    found = list(rulebook.names(path)) if found is None else found
    check_names(found, wanted, f"{file}: {path}")
    for name in found:
        where = f"{path}.{name}"
        if where not in rulebook.document.values:
            _refuse_misspelt(rulebook, f"{where}.{rulebook.names(where)[0]}")
            raise InputError(f"{file}: {where}: expected a value, got a table")
        value = rulebook.value(where)
        _check_unit(rulebook, where, wanted[name].unit)
        if not value.unknown:
            wanted[name].read(value.value, f"{file}: {where}")


def _check_unit(rulebook: Rulebook, path: str, unit: str) -> None:
    written = rulebook.value(path).unit
    if written != unit:
        raise InputError(f"{rulebook.document.file}: {path}: expected the unit {unit!r}, got {written!r}")


def _check_margin(rulebook: Rulebook, path: str) -> None:
    shape = shape_of(rulebook.names(path), f"{rulebook.document.file}: {path}")
    _check_table(rulebook, path, shape.fields)
    if not any(value.unknown for _, value in rulebook.values(path)):
        rulebook.margin_table(path.partition(".")[2])


def _check_market(rulebook: Rulebook, market: str) -> None:
    path, file = f"markets.{market}", rulebook.document.file
    _check_table(rulebook, path, fields.MARKET)
    margin = rulebook.value(f"{path}.margin")
    if not margin.unknown and margin.value not in rulebook.names("margin"):
        raise InputError(f"{file}: {path}.margin: there is no margin table {margin.value!r}")
    for mode in rulebook.row_modes(market):
        if mode not in rulebook.names("modes"):
            raise InputError(f"{file}: {path}.modes: there is no mode {mode!r}")
    try:
        rulebook.market_of_row(market, market)
    except UnknownValueError:
        return


def _check_asset(rulebook: Rulebook, path: str) -> None:
    _check_table(rulebook, path, _ASSET)
    if not any(value.unknown for _, value in rulebook.values(path)):
        rulebook.asset(path.partition(".")[2])
