# pragma version ==0.4.3
"""
@title Signed orders
@license Apache-2.0
@notice An order is a promise signed by EIP-712: up to `size_b` lots (negative: sells) at `price` or better, until
        `expiry`. Two bits per nonce of a subaccount say whether it was touched and whether it is finished; lots
        filled are kept by order hash, only while an order is partly filled.
@dev    The first nonces have their bits in the subaccount's head, which a fill writes anyway: who has never traded
        needs no new word for them. The others have theirs 128 to a word.

        A signature is checked when an order is first touched; what is kept by its hash afterwards proves it. The
        signature comes in two words (EIP-2098).
"""
import ledger

uses: ledger


struct Order:
    account: address
    sub: uint8
    market: uint8
    size_b: int256
    price: uint256
    nonce: uint256
    expiry: uint256


struct Signed:
    order: Order
    r: bytes32
    vs: bytes32


event OrderCancelled:
    account: indexed(address)
    sub: uint8
    nonce: uint256


ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(address account,uint8 sub,uint8 market,int256 size_b,uint256 price,uint256 nonce,uint256 expiry)"
)
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
PARTLY: constant(uint256) = 1
FINISHED: constant(uint256) = 2
FIRST: constant(uint256) = 16  # so many nonces have their bits in the head

states: HashMap[uint256, HashMap[uint256, uint256]]
filled: public(HashMap[bytes32, uint256])

CHAIN: immutable(uint256)
DOMAIN: immutable(bytes32)


@deploy
def __init__():
    CHAIN = chain.id
    DOMAIN = self._domain()


@internal
@view
def _domain() -> bytes32:
    return keccak256(
        abi_encode(DOMAIN_TYPE, keccak256("Ringfence"), keccak256("1"), chain.id, self)
    )


@external
@view
def order_hash(order: Order) -> bytes32:
    """
    @notice What the owner of an order signs.
    """
    return self._hash(order)


@internal
@view
def _hash(order: Order) -> bytes32:
    domain: bytes32 = DOMAIN
    if chain.id != CHAIN:
        domain = self._domain()
    return keccak256(concat(b"\x19\x01", domain, keccak256(abi_encode(ORDER_TYPE, order))))


@internal
def used(signed: Signed, lots: uint256, sub: ledger.Sub) -> uint256:
    """
    @notice Take `lots` of an order of a subaccount; reverts where it is finished, expired, too small or not signed by
            its owner.
    @return States of the subaccount's first orders.
    """
    order: Order = signed.order
    assert block.timestamp <= order.expiry, "EXPIRED"
    total: uint256 = convert(abs(order.size_b), uint256)
    assert lots <= total, "ORDER_MISMATCH"
    at: uint256 = (order.nonce & 127) << 1
    word: uint256 = sub.orders if order.nonce < FIRST else self.states[sub.key][order.nonce >> 7]
    state: uint256 = (word >> at) & 3
    assert state & FINISHED == 0, "ORDER_FINISHED"
    digest: bytes32 = self._hash(order)
    before: uint256 = 0
    if state == PARTLY:
        before = self.filled[digest]
    if before == 0:
        self._check_signature(digest, signed)
    assert before + lots <= total, "ORDER_MISMATCH"
    done: bool = before + lots == total
    if not done or before != 0:
        self.filled[digest] = 0 if done else before + lots
    word |= (FINISHED if done else PARTLY) << at
    if order.nonce < FIRST:
        return word
    if done or state == 0:
        self.states[sub.key][order.nonce >> 7] = word
    return sub.orders


@internal
@pure
def _check_signature(digest: bytes32, signed: Signed):
    vs: uint256 = convert(signed.vs, uint256)
    s: uint256 = vs & (2**255 - 1)
    signer: address = ecrecover(digest, 27 + (vs >> 255), convert(signed.r, uint256), s)
    assert signer == signed.order.account and signer != empty(address), "SIGNATURE_INVALID"


@external
@nonreentrant
def cancel(sub: uint8, nonce: uint256):
    """
    @notice Finish the order of that nonce of the caller's subaccount, whatever of it is filled.
    """
    at: ledger.Sub = ledger.opened(ledger.key_of(msg.sender, convert(sub, uint256)))
    finished: uint256 = FINISHED << ((nonce & 127) << 1)
    if nonce < FIRST:
        at.orders |= finished
        ledger.store(at)
    else:
        self.states[at.key][nonce >> 7] |= finished
    log OrderCancelled(account=msg.sender, sub=sub, nonce=nonce)
