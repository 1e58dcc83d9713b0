"""A public account read live: Hyperliquid's own answer about an address.

The only network access of this package beside the download of prices; nothing is sent but the address.
Source: Hyperliquid docs, info endpoint, perpetuals: user's perpetuals account summary.
"""

import http.client
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request

from ..errors import InputError
from . import hyperliquid
from .account import Account
from .files import FILE_BYTES_MAX, json_document
from .record import Place, Record

URL = "https://api.hyperliquid.xyz/info"
URL_VARIABLE = "RINGFENCE_HYPERLIQUID_URL"
TIMEOUT_S = 10.0
TOO_MANY_REQUESTS = 429
REASON_MAX = 120

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def is_address(text: str) -> bool:
    """Whether a text is an address: `0x` and 40 hexadecimal digits."""
    return _ADDRESS.fullmatch(text) is not None


def endpoint(url: str | None = None) -> str:
    """Where accounts are asked for: the given address, else the environment's, else the venue's."""
    found = url or os.environ.get(URL_VARIABLE) or URL
    parts = urllib.parse.urlsplit(found)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(
            f"{URL_VARIABLE} is {found!r}, expected an address that starts with https:// or http://"
        )
    return found


def read_live(address: str, url: str | None = None, timeout_s: float = TIMEOUT_S) -> Account:
    """The account of an address at Hyperliquid now: its positions on the first dex and what backs them.

    Raises `InputError`, one line, when there is no connection, no answer in time, or an answer that is no account.
    """
    if not is_address(address):
        raise InputError(f"{address}: expected an address, 0x and 40 hexadecimal digits")
    where = endpoint(url)
    content = _ask(where, {"type": "clearinghouseState", "user": address.lower()}, address, timeout_s)
    try:
        document = json_document(content)
    except (ValueError, RecursionError):
        raise InputError(f"{address}: {where} answered with something that is not JSON") from None
    if not isinstance(document, dict) or not hyperliquid.is_state(document):
        raise InputError(f"{address}: {where} answered with something that is no account")
    return hyperliquid.read(Record(document, Place(address)), address)


def _ask(url: str, question: dict[str, str], address: str, timeout_s: float) -> bytes:
    """POST a question as JSON and return the answer's bytes; every failure is one line."""
    request = urllib.request.Request(  # noqa: S310 - `endpoint` lets no other scheme through
        url, json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            content: bytes = answer.read(FILE_BYTES_MAX + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise InputError(f"{address}: {url} answers {_refusal(error)}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", None) or error
        if isinstance(cause, TimeoutError):
            late = f"did not answer within {timeout_s:g} seconds; try again"
            raise InputError(f"{address}: {url} {late}") from None
        raise InputError(
            f"{address}: {url} cannot be reached ({_reason(cause)}); is there a network?"
        ) from None
    if len(content) > FILE_BYTES_MAX:
        raise InputError(f"{address}: {url} answered with more than {FILE_BYTES_MAX} bytes")
    return content


def _refusal(error: urllib.error.HTTPError) -> str:
    if error.code == TOO_MANY_REQUESTS:
        return "that there were too many requests; wait a minute"
    return f"HTTP {error.code} {error.reason}".strip()


def _reason(cause: object) -> str:
    text = str(getattr(cause, "strerror", None) or cause) or type(cause).__name__
    return text[:REASON_MAX]
