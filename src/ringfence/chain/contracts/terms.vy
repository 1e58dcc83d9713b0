# pragma version ==0.4.3
"""
@title Terms
@license Apache-2.0
@notice The numbers of a venue that never change: fees, liquidation, withdrawals, funding, how old and how fast
        prices may be. Their bounds are checked once, here.
"""
import words


struct Terms:
    taker_fee_ppm: int256
    maker_fee_ppm: int256
    liquidation_fee_ppm: int256  # of what a liquidation fill is worth
    fee_to_fund_ppm: int256  # the insurance fund's part of that fee; the keeper gets the rest
    target_ppm: int256  # a liquidation lifts equity to this share of maintenance margin
    withdrawal_floor_ppm: int256  # of notional stays behind
    funding_cap_ppm: int256  # largest rate of one interval, either way
    funding_interval_s: uint256
    price_age_s: uint256  # older prices are of no use
    price_move_ppm: uint256  # most that a price moves in a second
    grace_s: uint256  # time after an outage of the sequencer before anybody is liquidated
    socializes: bool  # whether a loss beyond the fund is for traders to share, and not for the pool
    free_reduce: bool  # whether lots may be closed without a look at other positions (see `trading`)


TAKER_FEE_PPM: immutable(int256)
MAKER_FEE_PPM: immutable(int256)
LIQUIDATION_FEE_PPM: immutable(int256)
FEE_TO_FUND_PPM: immutable(int256)
TARGET_PPM: immutable(int256)
WITHDRAWAL_FLOOR_PPM: immutable(int256)
FUNDING_CAP_PPM: immutable(int256)
FUNDING_INTERVAL_S: immutable(uint256)
PRICE_AGE_S: immutable(uint256)
PRICE_MOVE_PPM: immutable(uint256)
GRACE_S: immutable(uint256)
SOCIALIZES: immutable(bool)
FREE_REDUCE: immutable(bool)
UPTIME: immutable(address)
TERMS_HASH: public(immutable(bytes32))


@deploy
def __init__(uptime: address, given: Terms):
    self._check_share(given.taker_fee_ppm)
    self._check_share(given.maker_fee_ppm)
    self._check_share(given.liquidation_fee_ppm)
    self._check_share(given.fee_to_fund_ppm)
    self._check_share(given.withdrawal_floor_ppm)
    self._check_share(given.funding_cap_ppm)
    assert given.target_ppm >= words.PPM and given.target_ppm <= 10 * words.PPM, "PARAMETER_INVALID"
    assert given.price_age_s > 0 and given.price_move_ppm > 0, "PARAMETER_INVALID"
    assert given.price_age_s <= 2**30 and given.price_move_ppm <= 10**12 and given.grace_s < 2**32, "PARAMETER_INVALID"
    TAKER_FEE_PPM = given.taker_fee_ppm
    MAKER_FEE_PPM = given.maker_fee_ppm
    LIQUIDATION_FEE_PPM = given.liquidation_fee_ppm
    FEE_TO_FUND_PPM = given.fee_to_fund_ppm
    TARGET_PPM = given.target_ppm
    WITHDRAWAL_FLOOR_PPM = given.withdrawal_floor_ppm
    FUNDING_CAP_PPM = given.funding_cap_ppm
    FUNDING_INTERVAL_S = given.funding_interval_s
    PRICE_AGE_S = given.price_age_s
    PRICE_MOVE_PPM = given.price_move_ppm
    GRACE_S = given.grace_s
    SOCIALIZES = given.socializes
    FREE_REDUCE = given.free_reduce
    UPTIME = uptime
    TERMS_HASH = keccak256(abi_encode(uptime, given))


@internal
@pure
def _check_share(share_ppm: int256):
    assert share_ppm >= 0 and share_ppm <= words.PPM, "PARAMETER_INVALID"
