"""A node behind JSON-RPC gives the same answers and the same gas as the embedded chain."""

import socket

import pytest

from chain.anvil import PRAGUE, anvil
from chain.rpc_server import Node, serving
from ringfence.chain.accounts import Account
from ringfence.chain.deploy import LOT, Baseline
from ringfence.chain.evm import Evm
from ringfence.chain.jsonrpc import Node as Client
from ringfence.chain.node import RevertedError
from ringfence.chain.rpc import DevelopmentChain, RpcChain
from ringfence.errors import InputError

MARGIN_Q = 400_000_019


def story(chain):
    """Deploy a design, trade and be refused; what is seen of it from outside."""
    owner, feed, trader = (chain.fund(Account.named(name)) for name in ("owner", "feed", "trader"))
    venue = Baseline.create(chain, "IsolatedOnly", owner, feed, markets=1)
    venue.set_prices({0: 50_000 * LOT})
    venue.supply(0, 10**12, 10**9)
    venue.mint(trader, 10**12)
    contract = venue.contract
    receipts = [
        contract.send("trade", 0, LOT // 10, 0, MARGIN_Q, sender=trader),
        contract.send("withdraw", 0, 1, sender=trader),
    ]
    with pytest.raises(RevertedError) as sent:
        contract.send("withdraw", 0, MARGIN_Q, sender=trader)
    with pytest.raises(RevertedError) as called:
        contract.call("trade", 1, 1, 0, 0, sender=trader)
    chain.warp(4_000)
    with pytest.raises(RevertedError) as stale:
        contract.call("trade", 0, 1, 0, 0, sender=trader)
    return {
        "gas": [receipt.gas_used for receipt in receipts],
        "deployment": contract.deployment.gas_used,
        "events": [contract.events(receipt) for receipt in receipts],
        "refused": [(error.value.reason, error.value.gas_used) for error in (sent, called, stale)],
        "position": contract.call("position_of", trader.address, 0),
        "code": contract.code_bytes,
        "slot": chain.storage(contract.address, 0),
        "balance": chain.balance(trader.address) > 0,
    }


@pytest.fixture(scope="module")
def told():
    return story(Evm(signed=False))


def test_the_story_is_what_it_should_be(told):
    assert [reason for reason, _ in told["refused"]] == ["INITIAL_MARGIN", "MARKET_UNKNOWN", "PRICE_STALE"]
    assert told["position"] == (-5_000_000_000 - 2_500_000 + MARGIN_Q - 1, LOT // 10, 0)
    assert [event.name for event in told["events"][0]] == ["Trade", "Deposit"]


def test_a_remote_node_tells_the_same_story(told):
    with serving(Node(Evm(), late=1)) as url:
        assert story(DevelopmentChain(url)) == told


def test_anvil_tells_the_same_story(told):
    with anvil(*PRAGUE) as url:
        assert story(DevelopmentChain(url)) == told


def test_a_snapshot_of_a_node_is_rolled_back():
    with serving(Node(Evm())) as url:
        chain = DevelopmentChain(url)
        user = chain.fund(Account.named("user"))
        friend = Account.named("friend").address
        snapshot = chain.snapshot()
        chain.transact(friend, b"", sender=user, value=5)
        assert chain.balance(friend) == 5
        chain.rollback(snapshot)
        assert chain.balance(friend) == 0
        with pytest.raises(InputError, match="there is no snapshot 0x9"):
            chain.rollback("0x9")


def test_a_method_that_the_node_lacks_is_named():
    with (
        serving(Node(Evm())) as url,
        pytest.raises(InputError, match="eth_absent failed: the method does not exist"),
    ):
        Client(url).ask("eth_absent")


@pytest.mark.parametrize("url", ["ftp://node", "node:8545", ""])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InputError, match="expected an address that starts with https:// or http://"):
        RpcChain(url)


def test_a_node_that_does_not_answer_is_named():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(InputError, match=r"^127\.0\.0\.1 \(\w+\) cannot be reached") as said:
        RpcChain(f"{url}/a-secret-key")
    assert "secret" not in str(said.value)
