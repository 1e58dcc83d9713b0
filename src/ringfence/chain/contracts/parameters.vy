# pragma version ==0.4.3
"""
@title Parameters
@license Apache-2.0
@notice The owner lists markets and collateral assets and changes what they ask. Every bound is checked here;
        scales, steps, pools and tokens stay as they were listed.
"""
import access
import markets
import ledger

uses: access
uses: markets
uses: ledger


struct Tier:
    lower_q: uint256  # from this notional on; a multiple of 10,000 USD
    initial_ppm: uint256
    maintenance_ppm: uint256


event PausedSet:
    paused: bool

event MarketListed:
    market: indexed(uint8)
    word: uint256

event TiersSet:
    market: indexed(uint8)
    table: uint256

event AssetListed:
    asset: indexed(uint8)
    token: address
    word: uint256


@external
def list_market(
    market: uint8,
    pool: uint8,
    scale_exp: uint8,
    step_exp: uint8,
    initial_ppm: uint256,
    maintenance_ppm: uint256,
    spread_ppm: uint256,
    capacity_q: uint256,
):
    """
    @notice List a market with one margin tier, or change what it asks; its scale, step and pool stay as they were
            listed.
    @param scale_exp One base atom at one price quantum is worth `10 ** -scale_exp` quote atoms.
    @param step_exp Sizes are multiples of `10 ** step_exp` base atoms.
    @param spread_ppm How much worse than the mark the pool trades; a multiple of 10.
    @param capacity_q Notional up to which the pool takes positions; a multiple of 1,000 USD.
    """
    access.only_owner()
    id: uint256 = convert(market, uint256)
    assert id < markets.MARKETS, "MARKET_UNKNOWN"
    held: uint256 = markets.market_words[id]
    fixed: uint256 = (
        (convert(pool, uint256) << 232) | (convert(scale_exp, uint256) << 236) | (convert(step_exp, uint256) << 241)
    )
    valid: bool = (
        maintenance_ppm > 0
        and maintenance_ppm <= initial_ppm
        and initial_ppm <= 1_000_000
        and pool < 16
        and scale_exp < 32
        and step_exp < 16
        and spread_ppm % 10 == 0
        and spread_ppm < 10_240
        and capacity_q % 10**9 == 0
        and capacity_q < 2**40 * 10**9
        and (held == 0 or held & ((2**13 - 1) << 232) == fixed)
    )
    assert valid, "PARAMETER_INVALID"
    word: uint256 = (
        (held & (2**168 - 1)) | (initial_ppm << 168) | (maintenance_ppm << 188) | fixed | (spread_ppm // 10 << 245)
    )
    markets.market_words[id] = word
    markets.tables[id] = capacity_q // 10**9 << 192
    markets.members[pool] |= 1 << id
    log MarketListed(market=market, word=word)


@external
def set_tiers(market: uint8, tiers: DynArray[Tier, 3]):
    """
    @notice Replace the margin tiers above the first; bounds rise, and no rate falls.
    """
    access.only_owner()
    id: uint256 = convert(market, uint256)
    assert id < markets.MARKETS and markets.market_words[id] != 0, "MARKET_UNKNOWN"
    word: uint256 = markets.market_words[id]
    table: uint256 = markets.tables[id] >> 192 << 192
    below: Tier = Tier(
        lower_q=0, initial_ppm=(word >> 168) & (2**20 - 1), maintenance_ppm=(word >> 188) & (2**20 - 1)
    )
    at: uint256 = 0
    for tier: Tier in tiers:
        valid: bool = (
            tier.lower_q > below.lower_q
            and tier.lower_q % 10**10 == 0
            and tier.lower_q < 2**24 * 10**10
            and tier.initial_ppm >= below.initial_ppm
            and tier.maintenance_ppm >= below.maintenance_ppm
            and tier.maintenance_ppm <= tier.initial_ppm
            and tier.initial_ppm <= 1_000_000
        )
        assert valid, "PARAMETER_INVALID"
        table |= (tier.lower_q // 10**10 | (tier.initial_ppm << 24) | (tier.maintenance_ppm << 44)) << at
        at += 64
        below = tier
    markets.tables[id] = table
    second: uint256 = table & (2**24 - 1)
    markets.market_words[id] = (word >> 232 << 232) | (second << 208) | (word & (2**208 - 1))
    log TiersSet(market=market, table=table)


@external
def list_asset(asset: uint8, token: address, scale_exp: uint8, haircut_ppm: uint256, discount_ppm: uint256):
    """
    @notice Accept a token as collateral, or change its haircut; its token and scale stay as they were listed.
    @param haircut_ppm What its worth loses as collateral; covers the discount, so that a sale repays what it backed.
    @param discount_ppm At which it is sold when its owner owes quote.
    """
    access.only_owner()
    id: uint256 = convert(asset, uint256)
    assert id > 0 and id < markets.ASSETS, "ASSET_UNKNOWN"
    held: uint256 = markets.asset_words[id]
    fixed: uint256 = convert(scale_exp, uint256) << 136
    valid: bool = (
        token != empty(address)
        and scale_exp < 64
        and discount_ppm <= haircut_ppm
        and haircut_ppm <= 1_000_000
        and (held == 0 or (held >> 136 == (fixed >> 136 | 256) and markets.tokens[id] == token))
    )
    assert valid, "PARAMETER_INVALID"
    word: uint256 = (held & (2**96 - 1)) | (haircut_ppm << 96) | (discount_ppm << 116) | fixed | (1 << 144)
    markets.asset_words[id] = word
    markets.tokens[id] = token
    log AssetListed(asset=asset, token=token, word=word)


@external
def set_paused(paused: bool):
    """
    @notice Switch to a state in which positions only shrink, or back. Deposits, withdrawals, reductions and
            liquidations go on.
    """
    access.only_owner()
    for pool: uint256 in range(16):
        ledger.set_paused(pool, paused)
    log PausedSet(paused=paused)
