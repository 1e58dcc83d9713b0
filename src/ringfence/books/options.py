"""Options in books: what a symbol of ccxt says, and the fields that say the same.

`ETH/USDC:USDC-270326-3000-C` is a call on ETH at 3000 that expires on 2027-03-26. Where only a day is given, an option
expires at 08:00 UTC, as on Derive, Aevo and Deribit.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Literal

from .record import Record, shown

OptionType = Literal["call", "put"]

FIELDS = frozenset({"optionType", "strike", "expiry", "impliedVolatility", "underlyingPrice"})
"""Fields of a position that make it an option, or belong to one."""

EXPIRY_TIME = time(8, tzinfo=UTC)
VOLATILITY_MAX = Decimal(10)
"""Largest volatility per year; a larger number is most likely a percentage."""

_SYMBOL = re.compile(
    r"(?P<base>[^/\s]+)/(?P<quote>[A-Z]+):(?P<settle>[A-Z]+)-(?P<day>\d{6})-(?P<strike>\d+(?:\.\d+)?)-(?P<kind>[CP])"
)


@dataclass(frozen=True)
class OptionTerms:
    """A European option: on what, which kind, at which strike, until when (milliseconds since 1970).

    `volatility` is the implied one per year (0.65 is 65 %), `underlying_price` the price of the underlying; either may
    be left open.
    """

    underlying: str
    kind: OptionType
    strike: Decimal
    expiry_ms: int
    volatility: Decimal | None = None
    underlying_price: Decimal | None = None

    @property
    def day(self) -> str:
        """The day of expiry as YYYYMMDD."""
        return f"{datetime.fromtimestamp(self.expiry_ms / 1000, tz=UTC):%Y%m%d}"

    def name(self, underlying: str) -> str:
        """Name of the option as a market: `ETH-20270326-3000-C`."""
        return f"{underlying}-{self.day}-{format(self.strike.normalize(), 'f')}-{self.kind[0].upper()}"


def read_option(position: Record) -> OptionTerms | None:
    """The option that a position is in, from its symbol and fields; `None` for any other instrument."""
    symbol = str(position.values.get("symbol"))
    said = _SYMBOL.fullmatch(symbol)
    if said is None and all(position.values.get(field) is None for field in FIELDS & position.values.keys()):
        return None
    volatility = position.positive_or_none("impliedVolatility")
    if volatility is not None and volatility > VOLATILITY_MAX:
        raise position.error("impliedVolatility", f"expected a share per year such as 0.65, got {volatility}")
    return OptionTerms(
        underlying=said["base"] if said else symbol,
        kind=_kind(position, said),
        strike=_strike(position, said),
        expiry_ms=_expiry_ms(position, said),
        volatility=volatility,
        underlying_price=position.positive_or_none("underlyingPrice"),
    )


def _kind(position: Record, said: re.Match[str] | None) -> OptionType:
    named: OptionType | None = None if said is None else ("call" if said["kind"] == "C" else "put")
    if named is not None and "optionType" not in position:
        return named
    kind: OptionType = "call" if position.choice("optionType", "call", "put") == "call" else "put"
    if named not in (None, kind):
        raise position.error("optionType", f"{kind} here, {named} in the symbol")
    return kind


def _strike(position: Record, said: re.Match[str] | None) -> Decimal:
    named = None if said is None else Decimal(said["strike"])
    if named and "strike" not in position:
        return named
    strike = position.positive("strike")
    if named is not None and named != strike:
        raise position.error("strike", f"{strike} here, {named} in the symbol")
    return strike


def _expiry_ms(position: Record, said: re.Match[str] | None) -> int:
    """When it expires: from the field, else from the day in the symbol."""
    if "expiry" in position:
        at = _moment(position)
        if said is not None and f"{at:%y%m%d}" != said["day"]:
            raise position.error("expiry", f"{at:%Y-%m-%d} here, {said['day']} in the symbol")
        return int(at.timestamp() * 1000)
    if said is None:
        raise position.error(
            "expiry", "missing; expected a day such as 2027-03-26, or milliseconds since 1970"
        )
    try:
        day = datetime.strptime(said["day"], "%y%m%d").date()  # noqa: DTZ007 - the time of day is added below
    except ValueError:
        raise position.error("symbol", f"{said['day']} is no day") from None
    return int(datetime.combine(day, EXPIRY_TIME).timestamp() * 1000)


def _moment(position: Record) -> datetime:
    written = position.values["expiry"]
    if isinstance(written, str) and not written.strip().isdigit():
        try:
            at = datetime.fromisoformat(written.strip())
        except ValueError:
            raise position.error(
                "expiry", f"expected a day such as 2027-03-26, got {shown(written)}"
            ) from None
        if len(written.strip()) == len("2027-03-26"):
            at = datetime.combine(at.date(), EXPIRY_TIME)
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    number = position.positive("expiry")
    try:
        return datetime.fromtimestamp(int(number) / 1000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        raise position.error("expiry", f"{number} is no time in milliseconds since 1970") from None
