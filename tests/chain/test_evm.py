"""The embedded chain: real transactions, cold gas, time, snapshots, reasons of reverts."""

import subprocess
import sys

import pytest

from ringfence.chain.accounts import Account
from ringfence.chain.compile import CODE_BYTES_MAX, compile_contract
from ringfence.chain.evm import CHAIN_ID, Evm
from ringfence.chain.node import RevertedError
from ringfence.errors import InputError

COUNTER = """
# pragma version ==0.4.3
event Added:
    who: indexed(address)
    amount: uint256
    note: String[8]

count: public(uint256)
by: public(HashMap[address, uint256])
STEP: immutable(uint256)

@deploy
def __init__(step: uint256):
    STEP = step

@external
def add(amount: uint256, times: uint256 = 1) -> uint256:
    assert amount != 7, "SEVEN"
    assert amount != 8
    self.count += amount * times * STEP
    self.by[msg.sender] += 1
    log Added(who=msg.sender, amount=amount, note="x")
    return self.count

@external
@view
def both() -> (uint256, uint256):
    return self.count, block.timestamp

@external
def spin():
    for i: uint256 in range(1_000_000):
        self.count += 1

@external
@payable
def pay():
    pass
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    (folder / "Counter.vy").write_text(COUNTER)
    return compile_contract("Counter", folder=folder)


@pytest.fixture
def chain():
    return Evm(signed=False)


@pytest.fixture
def user(chain):
    return chain.fund(Account.named("user"))


@pytest.fixture
def counter(chain, user, artifact):
    return chain.deploy(artifact, 2, sender=user)


def test_a_transaction_changes_state_and_a_call_does_not(counter, user):
    assert counter.call("add", 5) == 10
    assert counter.call("count") == 0
    counter.send("add", 5, sender=user)
    counter.send("add", 5, 3, sender=user)
    assert counter.call("count") == 40
    assert counter.call("by", user.address) == 2
    assert counter.call("both") == (40, counter.chain.time_s)


def test_events_have_the_names_of_the_interface(counter, user):
    receipt = counter.send("add", 5, sender=user)
    (event,) = counter.events(receipt)
    assert event == ("Added", {"who": user.address, "amount": 5, "note": "x"})
    assert receipt.calldata == counter.data("add", 5)


def test_a_plain_transfer_costs_the_intrinsic_gas(chain, user):
    friend = Account.named("friend")
    assert chain.transact(friend.address, b"", sender=user, value=3).gas_used == 21_000
    assert chain.balance(friend.address) == 3


def test_every_transaction_starts_cold_whatever_was_touched_before(counter, user):
    """A second write of the same slots in a warm session would cost 4,000 gas less."""
    counter.send("add", 5, sender=user)
    first = counter.send("add", 5, sender=user).gas_used
    counter.call("count")
    counter.call("add", 5, sender=user)
    assert counter.send("add", 5, sender=user).gas_used == first


def test_signing_changes_no_gas(artifact):
    used = []
    for signed in (True, False):
        chain = Evm(signed=signed)
        user = chain.fund(Account.named("user"))
        counter = chain.deploy(artifact, 2, sender=user)
        used.append((counter.deployment.gas_used, counter.send("add", 5, sender=user).gas_used))
    assert used[0] == used[1]


def test_a_signed_transaction_is_accepted_from_its_bytes_alone(artifact):
    writer = Evm()
    user = writer.fund(Account.named("user"))
    raw = writer.deploy(artifact, 2, sender=user).deployment.raw
    reader = Evm()
    reader.fund(user)
    receipt = reader.send_raw(raw)
    assert reader.nonce(user.address) == 1
    assert receipt.created == reader.at(artifact, receipt.created).address
    assert reader.code(receipt.created) == writer.code(receipt.created)


def test_a_transaction_for_another_chain_is_refused(artifact):
    other = Evm(chain_id=CHAIN_ID + 1)
    user = other.fund(Account.named("user"))
    raw = other.deploy(artifact, 2, sender=user).deployment.raw
    with pytest.raises(InputError, match="refused"):
        Evm().send_raw(raw)


@pytest.mark.parametrize(("amount", "reason"), [(7, "SEVEN"), (8, "")])
def test_a_revert_says_why_and_still_costs_gas_and_a_nonce(counter, user, amount, reason):
    with pytest.raises(RevertedError) as called:
        counter.call("add", amount)
    with pytest.raises(RevertedError) as sent:
        counter.send("add", amount, sender=user)
    assert called.value.reason == sent.value.reason == reason
    assert sent.value.gas_used > 21_000
    assert counter.chain.nonce(user.address) == 2
    assert counter.call("count") == 0


def test_running_out_of_gas_is_named(counter, user):
    with pytest.raises(RevertedError, match="out of gas") as sent:
        counter.chain.transact(counter.address, counter.data("spin"), sender=user, gas=100_000)
    assert sent.value.gas_used == 100_000


def test_money_sent_to_what_takes_none_reverts(counter, user):
    counter.send("pay", sender=user, value=5)
    assert counter.chain.balance(counter.address) == 5
    with pytest.raises(RevertedError):
        counter.send("add", 1, sender=user, value=5)


def test_a_snapshot_holds_state_time_and_block_and_can_be_used_twice(counter, user):
    chain = counter.chain
    before = (chain.time_s, chain.block, chain.nonce(user.address))
    snapshot = chain.snapshot()
    for _ in range(2):
        counter.send("add", 5, sender=user)
        chain.warp(100)
        assert (counter.call("count"), chain.time_s) == (10, before[0] + 100)
        chain.rollback(snapshot)
        assert (chain.time_s, chain.block, chain.nonce(user.address)) == before
        assert counter.call("count") == 0


def test_an_attempt_is_undone_even_if_it_fails(counter, user):
    def attempt():
        with counter.chain.attempt():
            counter.send("add", 5, sender=user)
            counter.send("add", 7, sender=user)

    with pytest.raises(RevertedError):
        attempt()
    assert counter.call("count") == 0


def test_gas_is_the_same_after_a_rollback(counter, user):
    snapshot = counter.chain.snapshot()
    first = counter.send("add", 5, sender=user).gas_used
    counter.chain.rollback(snapshot)
    assert counter.send("add", 5, sender=user).gas_used == first


def test_time_only_moves_forward(chain):
    start = chain.time_s
    chain.warp(10)
    assert chain.time_s == start + 10
    with pytest.raises(InputError, match="backwards"):
        chain.warp(-1)


def test_slots_that_an_action_touches_are_counted(counter, user):
    counter.send("add", 5, sender=user)
    assert counter.chain.slots_touched(counter.address, lambda: counter.send("add", 5, sender=user)) == 2
    assert counter.chain.slots_touched(counter.address, lambda: counter.call("count")) == 1


def test_storage_can_be_read_directly(counter, user):
    counter.send("add", 5, sender=user)
    assert counter.chain.storage(counter.address, 0) == 10


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("add", (), "expected add.uint256. or add.uint256,uint256., not 0"),
        ("subtract", (1,), "Counter has no function subtract"),
    ],
)
def test_a_call_that_does_not_fit_the_interface_is_refused(counter, name, arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        counter.call(name, *arguments)


def test_a_constructor_wants_its_arguments(chain, user, artifact):
    with pytest.raises(InputError, match=r"constructor takes .step., not 0"):
        chain.deploy(artifact, sender=user)


@pytest.mark.parametrize("excess", [0, 1])
def test_a_contract_over_the_size_limit_is_not_deployed(chain, user, excess):
    size = CODE_BYTES_MAX + excess
    code = bytes([0x61]) + size.to_bytes(2) + bytes([0x5F, 0xF3])  # PUSH2 size, PUSH0, RETURN
    if excess:
        with pytest.raises(RevertedError):
            chain.transact(None, code, sender=user)
    else:
        receipt = chain.transact(None, code, sender=user)
        assert len(chain.code(receipt.created)) == size


def test_the_deployed_size_is_the_one_that_the_compiler_said(counter, artifact):
    assert counter.code_bytes == artifact.code_bytes


def test_a_document_nested_too_deeply_is_still_an_error():
    """The EVM's library raises the interpreter's recursion limit; beyond the stack a parser ends the process."""
    code = (
        "import ringfence.chain.evm\nfrom ringfence.books.files import json_document\n"
        "try:\n    json_document(b'[' * 100_000)\nexcept RecursionError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n")
