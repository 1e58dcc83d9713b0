"""Reading a market's name: the base name, the venue's own ticker, or ccxt's symbol."""

import difflib
import re
from collections.abc import Collection, Iterator

from ..errors import InputError

QUOTES = ("USDC", "USDT", "USDH", "USD")
"""What perpetuals are quoted and settled in; a coin-margined contract (`BTC/USD:BTC`) is another product."""

ANY = "*"
"""The market of a rulebook that stands for every symbol it does not list."""

_CCXT = re.compile(r"(?P<base>[^/\s]+)/(?P<quote>[A-Z]+)(:(?P<settle>[A-Z]+))?")
_ENDINGS = ("-{}-PERP", "-{}-SWAP", "-{}", "_{}", "{}")
_SUFFIXES = (*(ending.format(quote) for ending in _ENDINGS for quote in QUOTES), "-PERP")
_PLAIN = re.compile(r"[A-Za-z0-9]{1,20}")


def readings(text: str) -> Iterator[str]:
    """Base names that a symbol may stand for, the most literal first."""
    yield text
    base, upper = text, text.upper()
    if "/" in text:
        match = _CCXT.fullmatch(upper)
        if match is None or match["quote"] not in QUOTES or (match["settle"] or match["quote"]) not in QUOTES:
            return
        base = text[: len(match["base"])]
        yield base
    else:
        for suffix in _SUFFIXES:
            if upper.endswith(suffix) and len(upper) > len(suffix):
                base = text[: -len(suffix)]
                yield base
                break
    if "-" in base:  # ccxt writes a market of a Hyperliquid builder dex, xyz:XYZ100, as XYZ-XYZ100
        yield base.replace("-", ":", 1)


def find_market(text: str, markets: Collection[str], venue: str) -> str:
    """The market's name as the rulebook writes it; raises `InputError` with near names when it has none."""
    by_folded = {name.casefold(): name for name in markets if name != ANY}
    bases = list(readings(text.strip()))
    for base in bases:
        if base.casefold() in by_folded:
            return by_folded[base.casefold()]
    if ANY in markets and _PLAIN.fullmatch(bases[-1]):
        return bases[-1].upper()
    near = difflib.get_close_matches(bases[-1].casefold(), by_folded, n=3, cutoff=0.5)
    names = " or ".join(by_folded[name] for name in near)
    hint = f"did you mean {names}?" if near else f"it lists {len(by_folded)} markets"
    raise InputError(f"{venue} has no market {text!r}; {hint}")
