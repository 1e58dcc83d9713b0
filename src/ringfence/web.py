"""A question asked over HTTP as JSON: plain standard library, and one sentence for everything that can go wrong."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request

from .errors import InputError

TOO_MANY_REQUESTS = 429
REASON_MAX = 120


def host_of(url: str, name: str) -> str:
    """The host of an address; `InputError`, which calls it `name`, where it is not http or https."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"{name}: expected an address that starts with https:// or http://")
    return parts.hostname


def post_json(url: str, question: object, shown: str, *, timeout_s: float, bytes_max: int) -> bytes:
    """POST a question to an address that `host_of` let through and return the answer's bytes.

    Raises `InputError`, which begins with `shown`: an address may carry a key in its path, so it is not told by itself.
    """
    request = urllib.request.Request(  # noqa: S310 - `host_of` lets no other scheme through
        url, json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            content: bytes = answer.read(bytes_max + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise InputError(f"{shown} answers {_refusal(error)}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", None) or error
        if isinstance(cause, TimeoutError):
            raise InputError(f"{shown} did not answer within {timeout_s:g} seconds; try again") from None
        raise InputError(f"{shown} cannot be reached ({_reason(cause)}); is there a network?") from None
    if len(content) > bytes_max:
        raise InputError(f"{shown} answered with more than {bytes_max} bytes")
    return content


def _refusal(error: urllib.error.HTTPError) -> str:
    if error.code == TOO_MANY_REQUESTS:
        return "that there were too many requests; wait a minute"
    return f"HTTP {error.code} {error.reason}".strip()


def _reason(cause: object) -> str:
    text = str(getattr(cause, "strerror", None) or cause) or type(cause).__name__
    return text[:REASON_MAX]
