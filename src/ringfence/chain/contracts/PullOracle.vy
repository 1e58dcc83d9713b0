# pragma version ==0.4.3
# pragma optimize gas
"""
@title Prices from reports that whoever needs them brings along
@license Apache-2.0
@notice A report holds a time and prices, signed (EIP-712) by enough of the known reporters. Anybody may bring one.
@dev A report that moves a price further than the limit allows for the time since the last one moves it to the limit: a
     single bad report does little harm, and a real crash is followed with a delay instead of being refused.
"""

import owned

initializes: owned
exports: owned.__interface__

interface PriceTable:
    def set_prices(time: uint256, updates: DynArray[uint256, 64]): nonpayable

struct Signature:
    r: uint256
    s: uint256
    v: uint256

event ReporterSet:
    reporter: indexed(address)
    known: bool

MARKETS_MAX: constant(uint256) = 256
REPORTERS_MAX: constant(uint256) = 8
PPM: constant(uint256) = 10 ** 6
PRICE_MASK: constant(uint256) = 2 ** 64 - 1
TIME_AT: constant(uint256) = 64
HALF: constant(uint256) = 128
HALF_MASK: constant(uint256) = 2 ** 128 - 1
# Half of the order of the curve: of the two signatures that anyone can make of one, the lower is taken.
S_MAX: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
REPORT_TYPE: constant(bytes32) = keccak256("Report(uint256 time,uint256[] updates)")

TABLE: public(immutable(address))
THRESHOLD: public(immutable(uint256))
MAX_AGE_S: public(immutable(uint256))
MOVE_PPM_PER_S: public(immutable(uint256))
DOMAIN: public(immutable(bytes32))

is_reporter: public(HashMap[address, bool])
last_time: public(uint256)
_lasts: uint256[MARKETS_MAX // 2]


@deploy
def __init__(table: address, threshold: uint256, max_age_s: uint256, move_ppm_per_s: uint256):
    """
    @param threshold Reporters that must have signed.
    @param move_ppm_per_s How far a price may move per second since its last report.
    """
    assert table != empty(address) and 0 < threshold and threshold <= REPORTERS_MAX, "PARAMETER_INVALID"
    assert 0 < max_age_s and max_age_s <= 3_600, "PARAMETER_INVALID"
    assert 0 < move_ppm_per_s and move_ppm_per_s <= PPM, "PARAMETER_INVALID"
    TABLE = table
    THRESHOLD = threshold
    MAX_AGE_S = max_age_s
    MOVE_PPM_PER_S = move_ppm_per_s
    DOMAIN = keccak256(
        abi_encode(DOMAIN_TYPE, keccak256("Ringfence prices"), keccak256("1"), chain.id, self)
    )
    owned.__init__()


@external
def set_reporter(reporter: address, known: bool):
    """
    @notice Take reports of an address, or no longer.
    """
    owned.only_owner()
    assert reporter != empty(address), "PARAMETER_INVALID"
    self.is_reporter[reporter] = known
    log ReporterSet(reporter=reporter, known=known)


@external
def update(time: uint256, updates: DynArray[uint256, 64], signatures: DynArray[Signature, REPORTERS_MAX]):
    """
    @notice Write the prices of a report: `market << 64 | price` each, signatures in rising order of their reporters.
    """
    assert time >= self.last_time, "TIME_RUNS_BACKWARDS"
    assert time <= block.timestamp and block.timestamp - time <= MAX_AGE_S, "PRICE_STALE"
    self._check_signatures(self._digest(time, updates), signatures)
    self.last_time = time
    bounded: DynArray[uint256, 64] = []
    for word: uint256 in updates:
        bounded.append(self._bounded(word, time))
    extcall PriceTable(TABLE).set_prices(time, bounded)


@external
@view
def last_of(market: uint256) -> (uint256, uint256):
    """
    @notice The last price that was written of a market, and its time.
    """
    half: uint256 = (self._lasts[market >> 1] >> ((market & 1) * HALF)) & HALF_MASK
    return half & PRICE_MASK, half >> TIME_AT


@external
@view
def report_digest(time: uint256, updates: DynArray[uint256, 64]) -> bytes32:
    """
    @notice What reporters sign.
    """
    return self._digest(time, updates)


@internal
@view
def _digest(time: uint256, updates: DynArray[uint256, 64]) -> bytes32:
    """
    @dev EIP-712; an array is hashed as its words, which lie behind two words (offset, length) of its encoding.
    """
    encoded: Bytes[2112] = abi_encode(updates)
    listed: bytes32 = keccak256(slice(encoded, 64, 32 * len(updates)))
    report: bytes32 = keccak256(abi_encode(REPORT_TYPE, time, listed))
    return keccak256(concat(b"\x19\x01", DOMAIN, report))


@internal
@view
def _check_signatures(digest: bytes32, signatures: DynArray[Signature, REPORTERS_MAX]):
    assert len(signatures) >= THRESHOLD, "SIGNATURE_INVALID"
    previous: uint256 = 0
    for signature: Signature in signatures:
        assert signature.s <= S_MAX, "SIGNATURE_INVALID"
        signer: address = ecrecover(digest, signature.v, signature.r, signature.s)
        number: uint256 = convert(signer, uint256)
        assert number > previous and self.is_reporter[signer], "SIGNATURE_INVALID"
        previous = number


@internal
def _bounded(word: uint256, time: uint256) -> uint256:
    """
    @dev The update with its price held within the limit, which is remembered.
    """
    market: uint256 = word >> 64
    price: uint256 = word & PRICE_MASK
    assert market < MARKETS_MAX, "MARKET_UNKNOWN"
    assert price != 0, "PRICE_NOT_POSITIVE"
    pair: uint256 = self._lasts[market >> 1]
    at: uint256 = (market & 1) * HALF
    half: uint256 = (pair >> at) & HALF_MASK
    last: uint256 = half & PRICE_MASK
    if last != 0:
        room: uint256 = last * (MOVE_PPM_PER_S * (time - (half >> TIME_AT))) // PPM
        price = min(price, min(last + room, PRICE_MASK))
        if last > room:
            price = max(price, last - room)
    self._lasts[market >> 1] = (pair & ~(HALF_MASK << at)) | (((time << TIME_AT) | price) << at)
    return (market << 64) | price
