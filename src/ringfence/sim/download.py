"""Candles from Binance's public data: one archive per day or month, verified and kept.

The archives lie under fixed addresses, each with a ``.CHECKSUM`` file beside it that holds its SHA-256
(github.com/binance/binance-public-data, README):

    {base}/data/futures/um/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-10-10.zip
    {base}/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-09.zip

A file enters the cache under its own name only when complete and verified, so whatever is in the cache can be used
(`readers.read_prices` reads it), and a broken download leaves nothing behind.
"""

import calendar
import hashlib
import http.client
import os
import re
import ssl
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from ringfence.cache import default_cache_dir
from ringfence.errors import InputError

BASE_URL = "https://data.binance.vision"
INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
MAX_ARCHIVE_BYTES = 1 << 29
FIRST_YEAR, LAST_YEAR = 1970, 2099  # what `readers.read_prices` takes

Kind: TypeAlias = Literal["um", "spot"]
Progress: TypeAlias = Callable[[int, int, str], None]

_FOLDERS: dict[Kind, str] = {"um": "futures/um", "spot": "spot"}
_ATTEMPTS = 4
_TIMEOUT_S = 30.0
_BLOCK_BYTES = 1 << 16
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # HTTP answers after which the same request may succeed


def download(
    symbol: str,
    interval: str,
    start_date: date,
    end_date: date,
    *,
    kind: Kind = "um",
    base_url: str | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    pause_s: float = 0.5,
) -> list[Path]:
    """Fetch the kline archives of `symbol` from `start_date` to `end_date` (both included); return them by time.

    `kind` is ``um`` (USD-M perpetuals) or ``spot``. A whole calendar month comes as one archive, or day by day where
    there is none for the month (yet). `base_url` falls back to the environment's RINGFENCE_DATA_URL and then to
    `BASE_URL`, `cache_dir` to `default_cache_dir`. `progress` is told, after each archive, how many of how many are
    there, and its name. A request that fails is tried `_ATTEMPTS` times, after `pause_s` seconds and twice as long
    each time.

    Raises `InputError` for a bad argument, a date without data, a checksum that does not match (the download is
    deleted), and a server that cannot be reached.
    """
    client = _Client(_checked_url(base_url), cache_dir or default_cache_dir(), pause_s)
    plan = list(_plan(*_checked(symbol, interval, kind), start_date, end_date))
    done: list[Path] = []
    while plan:
        archive = plan.pop(0)
        try:
            done.append(client.get(archive))
        except _MissingError as error:
            if not archive.days:
                raise InputError(
                    f"no {interval} {kind} klines of {symbol} for {archive.period}: {error} was not found"
                ) from error
            plan = [*archive.days, *plan]
            continue
        if progress is not None:
            progress(len(done), len(done) + len(plan), done[-1].name)
    return done


class _MissingError(Exception):
    """The server answers that there is no such file."""


class _TransientError(Exception):
    """A request failed in a way that another attempt may not."""


@dataclass(frozen=True)
class _Archive:
    """One file of the server: its path below the base URL, and the days to ask for where a month has none."""

    path: str
    period: str
    days: tuple["_Archive", ...] = ()


def _plan(symbol: str, interval: str, kind: Kind, start: date, end: date) -> Iterator[_Archive]:
    """Cut the period into whole months and single days."""
    for name, day in (("start", start), ("end", end)):
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise InputError(f"{name} date is {day}, expected one from {FIRST_YEAR} to {LAST_YEAR}")
    if end < start:
        raise InputError(f"end date {end} lies before start date {start}")

    def archive(span: str, period: str, days: tuple[_Archive, ...] = ()) -> _Archive:
        name = f"{symbol}-{interval}-{period}.zip"
        return _Archive(f"data/{_FOLDERS[kind]}/{span}/klines/{symbol}/{interval}/{name}", period, days)

    day = start
    while day <= end:
        length = calendar.monthrange(day.year, day.month)[1]
        last = day.replace(day=length)
        if day.day == 1 and last <= end:
            days = (archive("daily", str(day + timedelta(days=i))) for i in range(length))
            yield archive("monthly", f"{day:%Y-%m}", tuple(days))
            day = last
        else:
            yield archive("daily", str(day))
        day += timedelta(days=1)


def _checked(symbol: str, interval: str, kind: Kind) -> tuple[str, str, Kind]:
    if not re.fullmatch(r"[A-Z0-9]{2,30}(_[A-Z0-9]{1,10})?", symbol):
        raise InputError(f"symbol is {symbol!r}, expected one of Binance's such as BTCUSDT")
    if interval not in INTERVALS:
        raise InputError(f"interval is {interval!r}, expected one of {', '.join(INTERVALS)}")
    if kind not in _FOLDERS:
        raise InputError(f"kind is {kind!r}, expected one of {', '.join(_FOLDERS)}")
    return symbol, interval, kind


def _checked_url(base_url: str | None) -> str:
    url = base_url or os.environ.get("RINGFENCE_DATA_URL") or BASE_URL
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise InputError(f"base URL is {url!r}, expected one that starts with https:// or http://")
    return url.rstrip("/")


@dataclass(frozen=True)
class _Client:
    """Gets files from one server into one cache folder."""

    base_url: str
    cache_dir: Path
    pause_s: float

    def get(self, archive: _Archive) -> Path:
        """Return the verified archive, from the cache where it is there and still whole."""
        target = self.cache_dir.joinpath(*archive.path.split("/"))
        kept_sum = target.with_name(target.name + ".CHECKSUM")
        if target.is_file() and kept_sum.is_file() and _sha256(target) == _digest(kept_sum.read_bytes()):
            return target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as folder:
                return self._fetch_verified(archive, Path(folder), target, kept_sum)
        except OSError as error:
            raise InputError(f"{target}: cannot be written ({error})") from error

    def _fetch_verified(self, archive: _Archive, folder: Path, target: Path, kept_sum: Path) -> Path:
        part, part_sum = folder / target.name, folder / kept_sum.name
        self._fetch(f"{archive.path}.CHECKSUM", part_sum)
        expected = _digest(part_sum.read_bytes())
        if expected is None:
            raise InputError(f"{self.base_url}/{archive.path}.CHECKSUM does not hold a SHA-256")
        self._fetch(archive.path, part)
        found = _sha256(part)
        if found != expected:
            raise InputError(
                f"{self.base_url}/{archive.path} has the SHA-256 {found}, its CHECKSUM file says {expected}; "
                "the download was deleted, try again"
            )
        part_sum.replace(kept_sum)
        return part.replace(target)

    def _fetch(self, path: str, target: Path) -> None:
        """Copy one file of the server to `target`, with a bounded number of attempts."""
        url = f"{self.base_url}/{path}"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _copy(url, target)
            except _TransientError as error:
                if attempt == _ATTEMPTS:
                    raise InputError(
                        f"{url} could not be fetched in {_ATTEMPTS} attempts: {error}"
                    ) from error
                time.sleep(self.pause_s * 2 ** (attempt - 1))
            else:
                return


def _copy(url: str, target: Path) -> None:
    """Copy `url` to `target` once; the length must be the announced one."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, target.open("wb") as file:  # noqa: S310
            announced = answer.headers.get("Content-Length")
            received = 0
            while block := answer.read(_BLOCK_BYTES):
                received += len(block)
                if received > MAX_ARCHIVE_BYTES:
                    raise InputError(f"{url} is larger than {MAX_ARCHIVE_BYTES} bytes")
                file.write(block)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.NOT_FOUND:
                raise _MissingError(url) from error
            if error.code in _BUSY:
                raise _TransientError(f"HTTP {error.code} {error.reason}") from error
            raise InputError(f"{url}: the server answers HTTP {error.code} {error.reason}") from error
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        ssl.SSLError,
        ConnectionError,
        TimeoutError,
    ) as error:
        raise _TransientError(str(getattr(error, "reason", error)) or type(error).__name__) from error
    if announced and announced.isdigit() and received != int(announced):
        raise _TransientError(f"the connection was cut after {received} of {announced} bytes")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(checksum_file: bytes) -> str | None:
    """Digest in a checksum file: ``<64 hexadecimal digits>  <file name>``."""
    found = re.match(rb"[0-9a-fA-F]{64}(?=\s|$)", checksum_file)
    return found[0].decode().lower() if found else None
