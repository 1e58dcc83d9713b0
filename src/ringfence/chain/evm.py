"""An Ethereum of one process: py-evm with Prague's rules, one transaction per block.

Transactions are real: signed, encoded, decoded, charged their intrinsic gas, with every slot cold. Blocks are not
sealed, so a block is a number that rises by one per transaction; the base fee is zero, as gas is measured and not its
price.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from eth.abc import BlockHeaderAPI, ComputationAPI, SignedTransactionAPI
from eth.consensus.context import ConsensusContext
from eth.constants import BLANK_ROOT_HASH, CREATE_CONTRACT_ADDRESS, ZERO_ADDRESS
from eth.db.atomic import AtomicDB
from eth.db.chain import ChainDB
from eth.exceptions import OutOfGas, Revert
from eth.vm.chain_context import ChainContext
from eth.vm.forks.london.transactions import DynamicFeeTransaction
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.forks.prague.transactions import PragueTransactionBuilder, PragueTypedTransaction
from eth.vm.message import Message
from eth_typing import Address, BlockNumber
from eth_utils.exceptions import ValidationError

from ..errors import InputError
from .accounts import Account, address_bytes
from .events import Log, revert_reason
from .node import GAS_LIMIT, LocalChain, Receipt, RevertedError

CHAIN_ID = 31_337
GENESIS_TIME_S = 1_750_000_000
BLOCK_GAS = 1_000_000_000
"""Large, so that what limits a transaction is its own gas."""

RECURSION_LIMIT = 1_000
"""Python's own. py-evm raises it tenfold for call depths that no contract here has; then a document that is nested
too deeply would end the process instead of being refused."""

DYNAMIC_FEE = 2
"""Type of a transaction with a fee cap (EIP-1559)."""

sys.setrecursionlimit(RECURSION_LIMIT)


class Snapshot(NamedTuple):
    """Root of the state, and the block it belongs to."""

    header: BlockHeaderAPI


class Evm(LocalChain):
    """The embedded chain.

    With `signed=False` transactions carry an arbitrary signature that nobody checks, which saves the arithmetic of
    signing (nearly all the time of a short transaction) and changes no gas.
    """

    def __init__(
        self, *, signed: bool = True, chain_id: int = CHAIN_ID, time_s: int = GENESIS_TIME_S
    ) -> None:
        self.chain_id = chain_id
        self._signed = signed
        self._db = AtomicDB()
        self._context = ChainContext(chain_id)
        self._open(
            PragueBlockHeader(
                difficulty=0,
                block_number=BlockNumber(1),
                gas_limit=BLOCK_GAS,
                timestamp=time_s,
                base_fee_per_gas=0,
                state_root=BLANK_ROOT_HASH,
            )
        )

    def _open(self, header: BlockHeaderAPI) -> None:
        """Start at the state that a header names."""
        self._header = header
        self._vm = PragueVM(header, ChainDB(self._db), self._context, ConsensusContext(self._db))
        self._state = self._vm.state

    def _move(self, **fields: int) -> None:
        """Change the number or the time of the present block."""
        self._header = self._header.copy(**fields)
        self._state.execution_context = self._vm.create_execution_context(self._header, (), self._context)

    # -- time and state -------------------------------------------------------------------------------------------

    @property
    def time_s(self) -> int:
        """Timestamp of the present block."""
        return int(self._header.timestamp)

    @property
    def block(self) -> int:
        """Number of the present block."""
        return int(self._header.block_number)

    def warp(self, seconds: int) -> None:
        """Let time pass; a block more."""
        if seconds < 0:
            raise InputError(f"warp {seconds}: time does not run backwards")
        self._move(timestamp=self.time_s + seconds, block_number=self.block + 1)

    def snapshot(self) -> Snapshot:
        """Write the state down and name it."""
        self._state.lock_changes()
        self._state.persist()
        return Snapshot(self._header.copy(state_root=self._state.state_root))

    def slots_touched(self, contract: str, act: Callable[[], object]) -> int:
        """How many storage slots of a contract an action reads or writes, each counted once."""
        self.rollback(self.snapshot())
        act()
        self._state.lock_changes()
        return len(self._state.persist().get_slots_queried(_address(contract)))

    def rollback(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot, which stays usable."""
        self._open(snapshot.header)

    # -- accounts ---------------------------------------------------------------------------------------------------

    def fund(self, account: Account, amount_wei: int = 10**24) -> Account:
        """Give an account native coins, and return it."""
        self._state.set_balance(_address(account.address), amount_wei)
        return account

    def balance(self, address: str) -> int:
        """Wei at an address."""
        return int(self._state.get_balance(_address(address)))

    def nonce(self, address: str) -> int:
        """Transactions that an address has sent."""
        return int(self._state.get_nonce(_address(address)))

    def code(self, address: str) -> bytes:
        """Code that lies at an address."""
        return bytes(self._state.get_code(_address(address)))

    def storage(self, address: str, slot: int) -> int:
        """The word in a storage slot."""
        return int(self._state.get_storage(_address(address), slot))

    # -- calls and transactions -------------------------------------------------------------------------------------

    def call(self, to: str, data: bytes, *, sender: str | None = None, value: int = 0) -> bytes:
        """Run a call on the present block and undo it; what it touched is cold again afterwards."""
        caller = _address(sender) if sender else ZERO_ADDRESS
        target = _address(to)
        state = self._state
        message = Message(
            gas=GAS_LIMIT,
            to=target,
            sender=caller,
            value=value,
            data=data,
            code=state.get_code(target),
        )
        context = state.get_transaction_context_class()(gas_price=0, origin=caller)
        before = state.snapshot()
        try:
            computation = state.computation_class.apply_message(state, message, context)
        finally:
            state.revert(before)
        _raise_reverted(computation, 0)
        return bytes(computation.output)

    def transact(
        self, to: str | None, data: bytes, *, sender: Account, value: int = 0, gas: int = GAS_LIMIT
    ) -> Receipt:
        """Send a transaction in a block of its own."""
        transaction = self._transaction(to, data, sender, value, gas)
        return self._apply(transaction)

    def send_raw(self, raw: bytes) -> Receipt:
        """Take a signed transaction as it comes over the wire, and check its signature."""
        transaction = PragueTransactionBuilder.decode(raw)
        if transaction.chain_id != self.chain_id:
            raise InputError(
                f"transaction refused: it is for chain {transaction.chain_id}, not {self.chain_id}"
            )
        transaction.validate()
        return self._apply(transaction)

    def _apply(self, transaction: SignedTransactionAPI) -> Receipt:
        try:
            receipt, computation = self._vm.apply_transaction(self._header, transaction)
        except ValidationError as error:
            raise InputError(f"transaction refused: {error}") from error
        number = self.block
        self._move(block_number=number + 1)
        gas_used = int(receipt.gas_used)
        _raise_reverted(computation, gas_used)
        logs = tuple(
            Log(f"0x{log.address.hex()}", tuple(topic.to_bytes(32, "big") for topic in log.topics), log.data)
            for log in receipt.logs
        )
        created = f"0x{computation.msg.storage_address.hex()}" if computation.msg.is_create else ""
        return Receipt(gas_used, number, logs, created, transaction.encode(), bytes(transaction.data))

    def _transaction(
        self, to: str | None, data: bytes, sender: Account, value: int, gas: int
    ) -> SignedTransactionAPI:
        target = address_bytes(to) if to else CREATE_CONTRACT_ADDRESS
        nonce = self.nonce(sender.address)
        transaction: Any
        if self._signed:
            fields = {
                "type": DYNAMIC_FEE,
                "chainId": self.chain_id,
                "nonce": nonce,
                "gas": gas,
                "maxFeePerGas": 0,
                "maxPriorityFeePerGas": 0,
                "value": value,
                "data": data,
                **({"to": target} if to else {}),
            }
            transaction = PragueTransactionBuilder.decode(sender.sign_transaction(fields))
        else:
            unsigned = (self.chain_id, nonce, 0, 0, gas, target, value, data, (), 0, 1, 1)
            transaction = PragueTypedTransaction(DYNAMIC_FEE, DynamicFeeTransaction(*unsigned))
        # Who signed is known; recovering it from the signature would take longer than the transaction itself.
        transaction.__dict__["sender"] = _address(sender.address)
        return transaction  # type: ignore[no-any-return]


def _address(text: str) -> Address:
    return Address(address_bytes(text))


def _raise_reverted(computation: ComputationAPI, gas_used: int) -> None:
    if not computation.is_error:
        return
    error = computation.error
    if isinstance(error, Revert):
        data = bytes(computation.output)
        raise RevertedError(revert_reason(data), data, gas_used)
    name = "out of gas" if isinstance(error, OutOfGas) else str(error) or type(error).__name__
    raise RevertedError(name, b"", gas_used)
