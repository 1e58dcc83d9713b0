# pragma version ==0.4.3
"""
@title Packed words
@license Apache-2.0
@notice What lies in a storage word, and how it gets there. Everything that a margin check needs of a position lies
        in two words, the position's and its market's; the layout is drawn in docs/explain/contracts.md.
@dev    Amounts are `int256` outside, as in the rules. Packing asserts that a field fits; unpacking cannot fail.
"""

struct Position:
    size_b: int256  # signed lots, base atoms
    cost_q: int256  # what they cost, signed quote atoms
    index: int256  # funding index that it is settled to


struct Asset:
    price: int256  # price quanta
    time: uint256
    haircut_ppm: int256  # 1e6 less the collateral weight
    discount_ppm: int256  # at which it is sold for a debt
    den: int256


TIER_UNIT_Q: constant(int256) = 10_000_000_000  # 10,000 USD
CAPACITY_UNIT_Q: constant(int256) = 1_000_000_000  # 1,000 USD
SPREAD_UNIT_PPM: constant(int256) = 10


@internal
@pure
def signed(word: uint256, high: uint256, low: uint256) -> int256:
    """
    @notice The signed field of `word` that has `high` bits above it and, moved to the top, `low` bits below it.
    """
    return convert(convert(word << high, bytes32), int256) >> low


@internal
@pure
def bits(amount: int256, width: uint256) -> uint256:
    """
    @notice A signed amount as a field of `width` bits; reverts where it does not fit.
    """
    free: uint256 = unsafe_sub(256, width)
    raw: uint256 = convert(convert(amount, bytes32), uint256) << free
    assert self.signed(raw, 0, free) == amount, "AMOUNT_TOO_LARGE"
    return raw >> free


@internal
@pure
def position_of(word: uint256) -> Position:
    """
    @notice A position word's fields.
    """
    return Position(
        size_b=self.signed(word, 176, 176), cost_q=self.signed(word, 88, 168), index=self.signed(word, 0, 168)
    )


@internal
@pure
def position_word(held: Position) -> uint256:
    """
    @notice A position as a word; zero where it has no lots.
    """
    if held.size_b == 0:
        return 0
    return self.bits(held.size_b, 80) | (self.bits(held.cost_q, 88) << 80) | (self.bits(held.index, 88) << 168)


@internal
@pure
def mark_of(word: uint256) -> int256:
    """
    @notice A market's mark, price quanta.
    """
    return convert(word & (2**48 - 1), int256)


@internal
@pure
def index_of(word: uint256) -> int256:
    """
    @notice A market's funding index: quote atoms per base atom times 1e18.
    """
    return self.signed(word, 88, 168)


@internal
@pure
def pool_of(word: uint256) -> uint256:
    """
    @notice A market's collateral pool.
    """
    return (word >> 232) & 15


@internal
@pure
def den_of(word: uint256) -> int256:
    """
    @notice One base atom at one quantum is worth 1 over this many quote atoms.
    """
    return convert(10 ** ((word >> 236) & 31), int256)


@internal
@pure
def step_of(word: uint256) -> int256:
    """
    @notice Sizes in a market are multiples of it.
    """
    return convert(10 ** ((word >> 241) & 15), int256)


@internal
@pure
def spread_of(word: uint256) -> int256:
    """
    @notice The pool trades at so much worse than the mark, parts per million.
    """
    return convert((word >> 245) & (2**10 - 1), int256) * SPREAD_UNIT_PPM


@internal
@pure
def with_price(word: uint256, mark: uint256, time: uint256) -> uint256:
    """
    @notice A market word with another mark.
    """
    assert mark > 0, "PRICE_NOT_POSITIVE"
    assert mark < 2**48, "AMOUNT_TOO_LARGE"
    return (word >> 80 << 80) | mark | (time << 48)


@internal
@pure
def with_index(word: uint256, index: int256) -> uint256:
    """
    @notice A market word with another funding index.
    """
    return (word >> 168 << 168) | (self.bits(index, 88) << 80) | (word & (2**80 - 1))


@internal
@pure
def asset_of(word: uint256) -> Asset:
    """
    @notice A collateral asset's fields.
    """
    return Asset(
        price=convert(word & (2**64 - 1), int256),
        time=(word >> 64) & (2**32 - 1),
        haircut_ppm=convert((word >> 96) & (2**20 - 1), int256),
        discount_ppm=convert((word >> 116) & (2**20 - 1), int256),
        den=convert(10 ** ((word >> 136) & 63), int256),
    )


@internal
@pure
def with_asset_price(word: uint256, price: uint256, time: uint256) -> uint256:
    """
    @notice An asset word with another price.
    """
    assert price > 0, "PRICE_NOT_POSITIVE"
    assert price < 2**64, "AMOUNT_TOO_LARGE"
    return (word >> 96 << 96) | price | (time << 64)
