"""A public account read live, from a server that gives recorded answers; no test needs a network."""

import json
import socket
from decimal import Decimal

import pytest

from ringfence.books.live import URL_VARIABLE, endpoint, is_address, read_live
from ringfence.errors import InputError
from serving import running

ADDRESS = "0x" + "Ab" * 20
STATE = {
    "marginSummary": {"accountValue": "12000.0", "totalNtlPos": "30500.0", "totalMarginUsed": "3050.0"},
    "crossMarginSummary": {"accountValue": "12000.0", "totalNtlPos": "30500.0", "totalMarginUsed": "3050.0"},
    "crossMaintenanceMarginUsed": "381.25",
    "withdrawable": "8950.0",
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": "BTC",
                "szi": "0.5",
                "leverage": {"type": "cross", "value": 10},
                "entryPx": "60000.0",
                "positionValue": "30500.0",
                "unrealizedPnl": "500.0",
                "liquidationPx": "37468.3544303797",
                "marginUsed": "3050.0",
                "maxLeverage": 40,
            },
        }
    ],
    "time": 1764350959056,
}
"""A `clearinghouseState` answer in the form of the venue's documents."""


class Recorded:
    """What the server answers, and what it was asked."""

    def __init__(self):
        self.status, self.content, self.asked = 200, json.dumps(STATE).encode(), []

    def answer(self, handler):
        length = int(handler.headers["Content-Length"])
        self.asked.append((handler.headers["Content-Type"], json.loads(handler.rfile.read(length))))
        handler.send_response(self.status)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    recorded = Recorded()
    with running(recorded) as url:
        monkeypatch.setenv(URL_VARIABLE, f"{url}/info")
        yield recorded


def test_a_recorded_account(server):
    account = read_live(ADDRESS)
    assert server.asked == [
        ("application/json", {"type": "clearinghouseState", "user": ADDRESS.lower()}),
    ]
    assert (account.name, account.venue, account.complete) == (ADDRESS, "hyperliquid", True)
    assert account.collateral == {"USDC": Decimal(11500)}
    (position,) = account.positions
    assert (position.symbol, position.size, position.venue_max_leverage) == ("BTC", Decimal("0.5"), 40)


def test_an_account_that_holds_nothing(server):
    empty = {"accountValue": "0.0", "totalNtlPos": "0.0", "totalMarginUsed": "0.0"}
    server.content = json.dumps(
        {"marginSummary": empty, "crossMarginSummary": empty, "assetPositions": [], "time": 1}
    ).encode()
    account = read_live(ADDRESS)
    assert (account.positions, account.collateral) == ((), {"USDC": Decimal("0.0")})


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (429, b"", "answers that there were too many requests; wait a minute"),
        (500, b"", "answers HTTP 500 Internal Server Error"),
        (422, b"Failed to deserialize", "answers HTTP 422"),
        (200, b"<html>", "answered with something that is not JSON"),
        (200, b"\xff\xfe", "answered with something that is not JSON"),
        (200, b"[" * 100_000, "answered with something that is not JSON"),
        (200, b"null", "answered with something that is no account"),
        (200, b'{"account": "a", "positions": []}', "answered with something that is no account"),
        (
            200,
            json.dumps({**STATE, "crossMarginSummary": {"accountValue": "x"}}).encode(),
            "crossMarginSummary.accountValue: expected a decimal number",
        ),
    ],
)
def test_an_answer_that_is_no_account_is_one_line(server, status, content, said):
    server.status, server.content = status, content
    with pytest.raises(InputError) as caught:
        read_live(ADDRESS)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{ADDRESS}: ")
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/info"
        with pytest.raises(InputError, match=r"cannot be reached \(.*refused\); is there a network\?"):
            read_live(ADDRESS, url)


def test_a_name_that_does_not_resolve(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(InputError, match=r"cannot be reached \(.*\); is there a network\?"):
        read_live(ADDRESS, "http://name.invalid/info")


def test_a_server_that_says_nothing(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}/info"
        with pytest.raises(InputError, match=r"did not answer within 0\.1 seconds; try again"):
            read_live(ADDRESS, url, timeout_s=0.1)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://x/y", "api.hyperliquid.xyz", "https://"])
def test_only_web_addresses(url):
    with pytest.raises(InputError, match="expected an address that starts with https:// or http://"):
        endpoint(url)


def test_what_an_address_is():
    assert is_address(ADDRESS)
    assert not any(
        map(is_address, ("", "0x", ADDRESS[:-1], ADDRESS + "0", ADDRESS.replace("A", "g"), "book.json"))
    )
    with pytest.raises(InputError, match="expected an address, 0x and 40 hexadecimal digits"):
        read_live("0x12")
