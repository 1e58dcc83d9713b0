"""Read a file of accounts, whatever its format."""

import json
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from os import PathLike
from pathlib import Path

from ..errors import InputError
from . import ccxt, hyperliquid, native
from .account import ACCOUNT_NAME_EXTRA, Account, checked
from .record import NAME_LENGTH_MAX, Place, Record, records, shown

FILE_BYTES_MAX = 64 << 20
"""Largest file that is read; split a larger book."""

DEPTH_MAX = 50
"""Deepest nesting that is searched for accounts."""

PARQUET_MAGIC = b"PAR1"
OTHER_MAGICS = {
    b"\x1f\x8b": "packed by gzip; unpack it first",
    b"PK\x03\x04": "packed (a ZIP archive or a spreadsheet); expected CSV, Parquet or JSON",
    b"ARROW1": "an Arrow (Feather) file; write it as Parquet or CSV",
}
"""How files begin that people have and nobody here reads, and what to say of each."""

MAGIC_BYTES = 8
TABLE_SUFFIXES = (".csv", ".parquet", ".pq")


def read_accounts(
    path: str | PathLike[str], told: Callable[[int], None] = lambda _rows: None
) -> list[Account]:
    """Read the accounts of a file: our JSON, a CSV or Parquet table, ccxt positions, or Hyperliquid state.

    `told` hears now and then how many rows of a table are read.

    What a file is shows in its content (and, for CSV, its suffix). Raises `InputError`, one line that names file, place
    and field, for anything that cannot be read to the last digit.
    """
    file = Path(path)
    parquet = _is_parquet(file)
    if parquet or file.suffix.lower() in TABLE_SUFFIXES:
        from . import table

        _check_size(file)
        return checked(table.read(file, parquet=parquet, told=told))
    place = Place(str(file))
    accounts = accounts_of(read_json(file), place, _account_name(Place(""), file.stem))
    if not accounts:
        raise InputError(
            f"{place}: holds no accounts of ours, no list of ccxt positions, no Hyperliquid state"
        )
    return checked(accounts)


def read_json(path: str | PathLike[str]) -> object:
    """Read a JSON document with every number as the exact `Decimal` that stands there."""
    file = Path(path)
    _check_size(file)
    try:
        with file.open("rb") as opened:
            return json_document(opened.read(FILE_BYTES_MAX + 1))
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise InputError(f"{file}: nested too deeply") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"{file}: not valid JSON ({error})") from None


def json_document(content: bytes) -> object:
    """A JSON document from its bytes, every number exact; raises `ValueError` or `RecursionError` for anything else."""
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"more than {FILE_BYTES_MAX} bytes")
    return json.loads(
        content.decode("utf-8-sig"),
        parse_float=_number,
        parse_int=_number,
        parse_constant=_refuse_constant,
        object_pairs_hook=_object,
    )


def accounts_of(document: object, place: Place, default_name: str) -> list[Account]:
    """The accounts of a JSON document: ours where they stand at the top, other formats wherever they stand."""
    if not isinstance(document, dict | list):
        raise InputError(f"{place}: expected an object or a list, got {shown(document)}")
    if isinstance(document, dict) and isinstance(document.get("accounts"), list):
        return _numbered(document["accounts"], place.field("accounts"))
    if isinstance(document, list) and document and native.is_account(document[0]):
        return _numbered(document, place)
    if native.is_account(document):
        return [native.read(Record(document, place), default_name)]
    for found in (_states, _cutouts, _position_lists):
        accounts = list(found(document, place, default_name))
        if accounts:
            return accounts
    return []


def _numbered(listed: list[object], place: Place) -> list[Account]:
    return [
        native.read(account, f"account-{number}") for number, account in enumerate(records(listed, place), 1)
    ]


def _states(document: object, place: Place, default_name: str) -> Iterator[Account]:
    for value, where in _walk(document, place):
        if isinstance(value, dict) and hyperliquid.is_state(value):
            yield hyperliquid.read(Record(value, where), _account_name(where, default_name))


def _cutouts(document: object, place: Place, default_name: str) -> Iterator[Account]:
    for value, where in _walk(document, place):
        if isinstance(value, dict) and hyperliquid.is_cutout(value):
            cutout = Record(value, where)
            named = cutout.name("name") if "name" in cutout else _account_name(where, default_name)
            yield hyperliquid.read_cutout(cutout, named)


def _position_lists(document: object, place: Place, default_name: str) -> Iterator[Account]:
    for value, where in _walk(document, place):
        if isinstance(value, list) and value and ccxt.is_position(value[0]):
            yield ccxt.read(records(value, where), _account_name(where, default_name), where)


def _walk(value: object, place: Place, depth: int = 0) -> Iterator[tuple[object, Place]]:
    """Every object and list of a document with its place, from the outside in."""
    if depth > DEPTH_MAX:
        raise InputError(f"{place.file}: nested too deeply")
    if isinstance(value, dict):
        yield value, place
        for key, inner in value.items():
            if isinstance(inner, dict | list):
                yield from _walk(inner, place.field(key), depth + 1)
    elif isinstance(value, list):
        yield value, place
        for index, inner in enumerate(value):
            if isinstance(inner, dict | list):
                yield from _walk(inner, place.item(index), depth + 1)


def _account_name(place: Place, default_name: str) -> str:
    """Name an account that has none after its place in the file."""
    given = place.path or default_name
    plain = "".join(
        letter if letter.isprintable() and letter != ACCOUNT_NAME_EXTRA else "_" for letter in given
    )
    return plain.strip()[-NAME_LENGTH_MAX:] or "account"


def _number(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise ValueError(f"{shown(digits)} is beyond all numbers") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the name {shown(twice)} stands twice in one object")
    return values


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not a number")


def _check_size(file: Path) -> None:
    """Refuse what is no file, holds nothing, or holds too much, before anything is read."""
    try:
        found = file.stat()
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{file}: is a folder, expected a file of accounts")
    if stat.S_ISREG(found.st_mode) and not 0 < found.st_size <= FILE_BYTES_MAX:
        raise InputError(f"{file}: {found.st_size} bytes, expected 1 to {FILE_BYTES_MAX}")


def _is_parquet(file: Path) -> bool:
    """Whether a file begins as Parquet files do; pipes are not asked, as they can be read only once.

    `InputError` for one that begins as what is not read at all.
    """
    try:
        if not file.is_file():
            return False
        with file.open("rb") as opened:
            begins = opened.read(MAGIC_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    for magic, what in OTHER_MAGICS.items():
        if begins.startswith(magic):
            raise InputError(f"{file}: is {what}")
    return begins.startswith(PARQUET_MAGIC)
