"""A clearinghouse on a chain: its contracts deployed and joined, its packed words as numbers.

What traders call lies in `Clearinghouse.vy`; the other `PARTS` run on the same storage. A call that one part does not
know is passed on to the next. `interface()` is the one interface that all make up.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from ..clearing.adl import split
from ..rules.words import mul_div_down
from .accounts import Account
from .compile import Artifact, compile_contract
from .node import Chain, Contract, Receipt

PARTS = ("Clearinghouse", "Backoffice", "Resolution")
"""Contracts that make up a clearinghouse, in the order in which a call is passed on."""

ZERO_ADDRESS = "0x" + "00" * 20
FIRST_ASSET = 128
"""Id of the quote asset in a price update; collateral asset `n` is this plus `n`."""

PRICE_AT = 64
"""Where the id of a price update starts, above its price."""
PAYS_ODD_ATOM = 1 << 255
"""Set in the word of a payer who pays an atom more than its share rounded down; see `socialization.vy`."""
POSITION_BITS = (80, 88, 88)
"""Widths of a position's lots, cost and funding index, from the lowest bit."""

DOMAIN_NAME, DOMAIN_VERSION = "Ringfence", "1"
ORDER_FIELDS = (
    ("account", "address"),
    ("sub", "uint8"),
    ("market", "uint8"),
    ("size_b", "int256"),
    ("price", "uint256"),
    ("nonce", "uint256"),
    ("expiry", "uint256"),
)


class Terms(NamedTuple):
    """What never changes after deployment: rates in parts per million, times in seconds; see `terms.vy`."""

    taker_fee_ppm: int = 500
    maker_fee_ppm: int = 0
    liquidation_fee_ppm: int = 10_000
    fee_to_fund_ppm: int = 500_000
    target_ppm: int = 1_250_000
    withdrawal_floor_ppm: int = 0
    funding_cap_ppm: int = 10_000
    funding_interval_s: int = 3_600
    price_age_s: int = 60
    price_move_ppm: int = 20_000
    grace_s: int = 3_600
    socializes: bool = False
    free_reduce: bool = False


class MarketTerms(NamedTuple):
    """What a market is and asks; see `parameters.vy`."""

    pool: int = 0
    scale_exp: int = 6
    step_exp: int = 0
    initial_ppm: int = 100_000
    maintenance_ppm: int = 50_000
    spread_ppm: int = 0
    capacity_q: int = 10**9 * (2**40 - 1)


class Position(NamedTuple):
    """Signed lots, what they cost, and the funding index that they are settled to."""

    size_b: int
    cost_q: int
    funding_index: int


class Order(NamedTuple):
    """A promise to trade up to `size_b` lots (negative: sell) at `price` or better, until `expiry`."""

    account: str
    sub: int
    market: int
    size_b: int
    price: int
    nonce: int
    expiry: int


class Signed(NamedTuple):
    """An order with its signature in two words (EIP-2098)."""

    order: Order
    r: bytes
    vs: bytes


class Deployment(NamedTuple):
    """A clearinghouse and the token it counts in; `house` has the interface of all of its parts."""

    house: Contract
    quote: Contract
    backoffice: Contract
    resolution: Contract

    def sign(self, account: Account, order: Order) -> Signed:
        """The order as its owner hands it out."""
        house = self.house
        domain = {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": house.chain.chain_id,
            "verifyingContract": house.address,
        }
        types = {"Order": [{"name": name, "type": kind} for name, kind in ORDER_FIELDS]}
        signature = account.sign_typed(domain, types, order._asdict())
        s, v = int.from_bytes(signature[32:64], "big"), signature[64]
        return Signed(order, signature[:32], (s | (v - 27) << 255).to_bytes(32, "big"))

    def position(self, account: str, sub: int, market: int) -> Position:
        """A position, all zeros where there is none."""
        return unpacked(self.house.call("position_of", account, sub, market))


def interface() -> Artifact:
    """The clearinghouse's artifact with the functions and events of its other parts in its interface."""
    front, *others = map(compile_contract, PARTS)
    entries = {_named(entry): entry for part in reversed(others) for entry in part.abi if "name" in entry}
    joined = entries | {_named(entry): entry for entry in front.abi}
    return replace(front, abi=list(joined.values()))


def _named(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["type"], entry.get("name", "")


def deploy(
    chain: Chain,
    owner: Account,
    feed: str,
    terms: Terms | None = None,
    *,
    quote: str = "",
    uptime: str = ZERO_ADDRESS,
) -> Deployment:
    """Deploy all parts of a clearinghouse, and a mock token where the address of none is given."""
    given = tuple(terms or Terms())
    token = chain.at("MockToken", quote) if quote else chain.deploy("MockToken", sender=owner)
    resolution = chain.deploy("Resolution", uptime, given, sender=owner)
    backoffice = chain.deploy("Backoffice", uptime, given, resolution.address, sender=owner)
    house = chain.deploy(interface(), token.address, feed, uptime, given, backoffice.address, sender=owner)
    return Deployment(house, token, backoffice, resolution)


def list_markets(deployment: Deployment, owner: Account, markets: Iterable[MarketTerms]) -> list[Receipt]:
    """List markets 0, 1, ... with one margin tier each."""
    house = deployment.house
    return [house.send("list_market", number, *terms, sender=owner) for number, terms in enumerate(markets)]


def deploy_shares(deployment: Deployment, owner: Account, pool: int) -> Contract:
    """The shares of a pool's liquidity, which the clearinghouse does not know yet."""
    house = deployment.house
    return house.chain.deploy("LiquidityPool", deployment.quote.address, house.address, pool, sender=owner)


def open_pool(deployment: Deployment, owner: Account, pool: int) -> Contract:
    """Deploy the shares of a pool's liquidity and name them to the clearinghouse."""
    shares = deploy_shares(deployment, owner, pool)
    deployment.house.send("open_pool", pool, shares.address, sender=owner)
    return shares


def set_prices(deployment: Deployment, feed: Account, marks: dict[int, int], time_s: int = 0) -> Receipt:
    """Set prices by id as of now, or as of `time_s`."""
    house = deployment.house
    words = [number << PRICE_AT | price for number, price in marks.items()]
    return house.send("set_prices", time_s or house.chain.time_s, words, sender=feed)


def unpacked(word: int, widths: Sequence[int] = POSITION_BITS) -> Position:
    """A position word's fields."""
    fields, rest = [], word
    for width in widths:
        field = rest & ((1 << width) - 1)
        fields.append(field - (1 << width) if field >> (width - 1) else field)
        rest >>= width
    return Position(*fields)


def key_of(account: str, sub: int) -> int:
    """Key of a subaccount."""
    return int(account, 16) << 8 | sub


def payers(owed_q: int, equities_q: Mapping[int, int]) -> list[int]:
    """What `socialize` is given for a debt that the fund does not pay, out of the equity of all who hold by their keys.

    The odd atoms go where the engine's split puts them.
    """
    keys = sorted(equities_q)
    weights = [max(0, equities_q[key]) for key in keys]
    total_q = sum(weights)
    amount_q = min(owed_q, total_q)
    words = []
    for key, weight, share_q in zip(keys, weights, split(amount_q, weights), strict=True):
        is_odd = total_q > 0 and share_q > mul_div_down(amount_q, weight, total_q)
        words.append(key | PAYS_ODD_ATOM if is_odd else key)
    return words
