"""A public account read live: Hyperliquid's own answer about an address.

The only network access of this package beside the download of prices; nothing is sent but the address.
Source: Hyperliquid docs, info endpoint, perpetuals: user's perpetuals account summary.
"""

import os
import re

from ..errors import InputError
from ..web import host_of, post_json
from . import hyperliquid
from .account import Account
from .files import FILE_BYTES_MAX, json_document
from .record import Place, Record

URL = "https://api.hyperliquid.xyz/info"
URL_VARIABLE = "RINGFENCE_HYPERLIQUID_URL"
TIMEOUT_S = 10.0

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def is_address(text: str) -> bool:
    """Whether a text is an address: `0x` and 40 hexadecimal digits."""
    return _ADDRESS.fullmatch(text) is not None


def endpoint(url: str | None = None) -> str:
    """Where accounts are asked for: the given address, else the environment's, else the venue's."""
    found = url or os.environ.get(URL_VARIABLE) or URL
    host_of(found, f"{URL_VARIABLE} is {found!r}")
    return found


def read_live(address: str, url: str | None = None, timeout_s: float = TIMEOUT_S) -> Account:
    """The account of an address at Hyperliquid now: its positions on the first dex and what backs them.

    Raises `InputError`, one line, when there is no connection, no answer in time, or an answer that is no account.
    """
    if not is_address(address):
        raise InputError(f"{address}: expected an address, 0x and 40 hexadecimal digits")
    where = endpoint(url)
    question = {"type": "clearinghouseState", "user": address.lower()}
    content = post_json(where, question, f"{address}: {where}", timeout_s=timeout_s, bytes_max=FILE_BYTES_MAX)
    try:
        document = json_document(content)
    except (ValueError, RecursionError):
        raise InputError(f"{address}: {where} answered with something that is not JSON") from None
    if not isinstance(document, dict) or not hyperliquid.is_state(document):
        raise InputError(f"{address}: {where} answered with something that is no account")
    return hyperliquid.read(Record(document, Place(address)), address)
