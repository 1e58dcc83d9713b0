"""What a venue does with a subaccount that is liquidatable, in words that follow from its rulebook."""

from ..errors import InputError
from ..units import format_fraction, parse_decimal, to_fraction
from ..venues.model import Rulebook

UNKNOWN = "not known"
SHARE_DECIMALS = 2

KEEPERS = {"fund": "the insurance fund", "fees": "the venue"}
"""Who keeps what is left of a liquidated subaccount, where it is not its owner."""


def procedure(rulebook: Rulebook) -> str:
    """How much is closed, at which worst price, who takes over, and who keeps what is left."""
    sold = _auction(rulebook)
    clauses = (sold or _size(rulebook), _limit(rulebook), _backstop(rulebook), _remainder(rulebook))
    return "; ".join(clause for clause in clauses if clause)


def in_a_word(rulebook: Rulebook) -> str:
    """The same for a narrow column: `20 % first, backstop`."""
    size, portion = _ask(rulebook, "size"), _ask(rulebook, "portion")
    words = {"full": "whole", "target": "in part", "window": "seized, by windows"}
    if _auction(rulebook):
        found = ["auctioned"]
    elif size == "portion":
        found = [f"{share(portion or 1)} {'first' if _ask(rulebook, 'portion_once') is True else 'steps'}"]
    else:
        found = [words.get(str(size), "not known")]
    if _backstop(rulebook):
        found.append("backstop")
    if _remainder(rulebook):
        found.append("seized")
    return ", ".join(found)


def _auction(rulebook: Rulebook) -> str:
    """Whether subaccounts are sold by auction."""
    return "sold by auction, slice by slice" if rulebook.names("policy.auction") else ""


def _size(rulebook: Rulebook) -> str:
    match _ask(rulebook, "size"):
        case "full":
            return "closed whole"
        case "portion":
            return _portion(rulebook)
        case "window":
            return "everything is seized at once and positions are closed at the pace of their markets"
        case "target":
            margin = f"{_ask(rulebook, 'target_of') or 'maintenance'} margin"
            target = share(_ask(rulebook, "target") or 1)
            return (
                f"closed until equity is back at {margin if target == '100 %' else f'{target} of {margin}'}"
            )
    return f"how much is closed is {UNKNOWN}"


def _portion(rulebook: Rulebook) -> str:
    """A part at a time; small positions, and those far under water, whole."""
    part, above = _ask(rulebook, "portion"), _ask(rulebook, "portion_above")
    text = UNKNOWN if part == UNKNOWN else share(part or 1)
    text += {"account": " of all positions", "debt": " of the debt"}.get(
        str(_ask(rulebook, "portion_of")), ""
    )
    text += " first, then whole" if _ask(rulebook, "portion_once") is True else " at a time"
    if above not in (None, UNKNOWN) and to_fraction(above, ""):
        text = f"whole up to {usd(above)} USD, above it {text}"
    if (floor := _ask(rulebook, "portion_floor")) is not None:
        text += f", whole where equity is below {share(floor)} of maintenance margin"
    return text


def _limit(rulebook: Rulebook) -> str:
    return "no worse than the fillable price" if _ask(rulebook, "limit") == "fillable" else ""


def _backstop(rulebook: Rulebook) -> str:
    below = _ask(rulebook, "backstop")
    if below is None or below == 0:
        return ""
    at = "" if below == UNKNOWN else f" below {share(below)} of maintenance margin"
    return f"handed to the backstop{at}, nothing is returned"


def _remainder(rulebook: Rulebook) -> str:
    keeper = KEEPERS.get(str(_ask(rulebook, "remainder")))
    return f"what is left is seized by {keeper}" if keeper else ""


def _ask(rulebook: Rulebook, name: str) -> object:
    """A field of the liquidation procedure; `None` where it is left out, `UNKNOWN` where nobody knows."""
    path = f"policy.liquidation.{name}"
    if path not in rulebook.document.values:
        return None
    value = rulebook.value(path)
    return UNKNOWN if value.unknown else value.value


def share(written: object) -> str:
    """A share as percent."""
    try:
        exact = to_fraction(written, "")
    except InputError:
        return UNKNOWN
    return f"{format_fraction(exact * 100, SHARE_DECIMALS)} %"


def usd(written: object) -> str:
    """An amount of USD with thousands apart."""
    amount = parse_decimal(written, "")
    return f"{amount:,f}"
