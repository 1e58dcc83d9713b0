"""The library of rulebooks: what there is, and how to get one.

`load("hyperliquid")` takes the newest version, `load("hyperliquid@2023")` the one whose name starts so, and
`load("my/rules.toml")` a file of your own (docs/reference/rulebooks.md).
"""

import difflib
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ..errors import InputError
from .check import checked_rulebook
from .document import Document, Source, Value, read_document, wrong_dates
from .model import Display, Mode, Rulebook, build_venue

__all__ = [
    "Display",
    "Mode",
    "Rulebook",
    "RulebookInfo",
    "Source",
    "Value",
    "build_venue",
    "list_rulebooks",
    "load",
]

_PACKAGE = "ringfence.venues"
_BYTES_MAX = 5_000_000
_EARLIEST = timezone(timedelta(hours=14))
"""Where a day begins first: what lies ahead there is the future everywhere."""


class RulebookInfo(Struct, frozen=True):
    """One version of a venue's rulebook in the library."""

    venue: str
    version: str
    title: str
    since: str
    until: str | None
    checked: str
    markets: int
    newest: bool


def list_rulebooks() -> list[RulebookInfo]:
    """Describe all rulebooks of the library, by venue, the newest version first."""
    found = []
    for venue, versions in _library().items():
        for at, version in enumerate(versions):
            rulebook = _built_in(venue, version)
            head = rulebook.head
            found.append(
                RulebookInfo(
                    venue,
                    version,
                    head.title,
                    head.since,
                    head.until,
                    head.checked,
                    len(rulebook.symbols),
                    at == 0,
                )
            )
    return found


def load(name: str, version: str | None = None) -> Rulebook:
    """A rulebook by name (`hyperliquid`, `hyperliquid@2023`) or the path of a TOML file.

    Raises `InputError` for a name, version or file that is not there, and for a file that is not a fit rulebook.
    """
    if name.endswith(".toml"):
        return _from_file(Path(name))
    venue, _, named = name.partition("@")
    library = _library()
    if venue not in library:
        near = difflib.get_close_matches(venue.lower(), library, n=1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"there are {', '.join(library)}, and paths ending in .toml"
        )
        raise InputError(f"no rulebook named {venue!r}; {hint}")
    return _built_in(venue, _version(venue, library[venue], version or named))


def _version(venue: str, versions: tuple[str, ...], wanted: str) -> str:
    """The newest version, or the only one whose name starts with what is wanted."""
    matching = [version for version in versions if version.startswith(wanted)]
    if not matching or (wanted and wanted not in matching and len(matching) > 1):
        what = "no" if not matching else "more than one"
        raise InputError(f"{venue} has {what} version {wanted!r}; there are {', '.join(versions)}")
    return wanted if wanted in matching else matching[0]


def _from_file(path: Path) -> Rulebook:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    if len(raw) > _BYTES_MAX:
        raise InputError(f"{path}: {len(raw)} bytes; a rulebook has at most {_BYTES_MAX}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None
    try:
        document = read_document(text, str(path))
        rulebook = checked_rulebook(_extended(document))
    except RecursionError:
        raise InputError(f"{path}: nested too deeply") from None
    for sentence in wrong_dates(document, datetime.now(tz=_EARLIEST).date()):
        raise InputError(f"{path}: {sentence}")
    return rulebook


def _extended(document: Document) -> Document:
    """A document together with the values and sources of the rulebook that it extends; its own count."""
    named = document.head.extends
    if named is None:
        return document
    where = f"{document.file}: extends"
    if named.endswith(".toml") or named.partition("@")[0] not in _library():
        raise InputError(f"{where}: no rulebook of the library is named {named!r}")
    if named.partition("@")[0] == document.head.venue:
        raise InputError(f"{where}: {named!r} is the same venue; a version states all of its values")
    base = load(named).document
    if base.head.extends is not None:
        raise InputError(f"{where}: {named!r} extends another rulebook itself")
    sources, values = {**base.sources, **document.sources}, {**base.values, **document.values}
    return replace(document, sources=sources, values=values)


@cache
def _library() -> dict[str, tuple[str, ...]]:
    """Venues and their versions, the newest first."""
    return {
        folder.name: versions
        for folder in sorted(_folders(), key=lambda folder: folder.name)
        if (versions := tuple(sorted(map(_stem, _tables(folder)), reverse=True)))
    }


def _folders() -> list[Traversable]:
    return [folder for folder in files(_PACKAGE).iterdir() if folder.is_dir()]


def _tables(folder: Traversable) -> list[Traversable]:
    return [file for file in folder.iterdir() if file.name.endswith(".toml")]


def _stem(file: Traversable) -> str:
    return file.name.removesuffix(".toml")


@cache
def _built_in(venue: str, version: str) -> Rulebook:
    name = f"{venue}/{version}.toml"
    text = (files(_PACKAGE) / name).read_text(encoding="utf-8")
    rulebook = checked_rulebook(_extended(read_document(text, name)))
    if (rulebook.head.venue, rulebook.head.version) != (venue, version):
        raise InputError(f"{name}: says that it is {rulebook.name}")
    return rulebook
