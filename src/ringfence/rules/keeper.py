"""What a liquidation pays its keepers, and how fast it may close a position.

On a chain nobody liquidates for nothing, so the reward is part of what a position must be backed by. Amounts, sizes and
rates count in 1e18 fixed point (`_wad`); every product is cut off towards zero, in the venue's order.

Sources: `Synthetixio/synthetix@1609d156 contracts/PerpsV2MarketBase.sol`, `PerpsV2MarketLiquidate.sol` (v2) and
`Synthetixio/synthetix-v3@23585f73 markets/perps-market/contracts/storage/` (v3).
"""

from .words import WAD, Int, UInt, abs_, max_, min_, mul_div_down, mul_div_up

# -- one fee per position (v2) --------------------------------------------------------------------------------------


def clamped_fee_wad(worth_wad: UInt, rate_wad: UInt, least_wad: UInt, most_wad: UInt) -> UInt:
    """Share of the notional for whoever flags a position, at most `most` and at least `least`; the floor wins.

    Source: v2 `PerpsV2MarketBase.sol:369-383` (`_liquidationFee`).
    """
    return max_(min_(mul_div_down(worth_wad, rate_wad, WAD), most_wad), least_wad)


def liquidation_margin_wad(
    worth_wad: UInt, buffer_wad: UInt, flag_fee_wad: UInt, keeper_fee_wad: UInt
) -> UInt:
    """Maintenance margin: a buffer against the next price, and both keepers' fees.

    Source: v2 `PerpsV2MarketBase.sol:385-397` (`_liquidationMargin`).
    """
    return mul_div_down(worth_wad, buffer_wad, WAD) + flag_fee_wad + keeper_fee_wad


def closes_alone(
    size_wad: Int, skew_wad: Int, scale_wad: UInt, max_delta_wad: UInt, max_premium_wad: UInt
) -> bool:
    """May anyone close a flagged position, or only an endorsed address? Small in a market that is even: anyone.

    Source: v2 `PerpsV2MarketLiquidate.sol:30-60`: both shares of the skew scale strictly below their limits.
    """
    size_share_wad = mul_div_down(abs_(size_wad), WAD, scale_wad)
    skew_share_wad = mul_div_down(abs_(skew_wad), WAD, scale_wad)
    return size_share_wad < max_delta_wad and skew_share_wad < max_premium_wad


# -- rewards within bounds (v3) -------------------------------------------------------------------------------------


def flag_reward_wad(position_rewards_wad: UInt, collateral_wad: UInt, collateral_rate_wad: UInt) -> UInt:
    """Reward for flagging an account: that of its positions, or a share of its collateral where that is more.

    Source: v3 `PerpsAccount.sol` (`getKeeperRewardsAndCosts`).
    """
    return max_(position_rewards_wad, mul_div_down(collateral_wad, collateral_rate_wad, WAD))


def least_reward_wad(cost_wad: UInt, profit_wad: UInt, profit_rate_wad: UInt) -> UInt:
    """Cost of execution with the larger of two profits: an amount, or a share of the cost.

    Source: v3 `GlobalPerpsMarketConfiguration.sol:116-126` (`minimumKeeperRewardCap`).
    """
    return max_(cost_wad + profit_wad, mul_div_down(cost_wad, WAD + profit_rate_wad, WAD))


def most_reward_wad(collateral_wad: UInt, collateral_rate_wad: UInt, cap_wad: UInt) -> UInt:
    """Cap of a reward: a share of the collateral, at most `cap_wad`; the latter alone where nothing is left to seize.

    Source: v3 `GlobalPerpsMarketConfiguration.sol:128-142` (`maximumKeeperRewardCap`).
    """
    if collateral_wad == 0:
        return cap_wad
    return min_(mul_div_down(collateral_wad, collateral_rate_wad, WAD), cap_wad)


def keeper_reward_wad(reward_wad: UInt, cost_wad: UInt, least_wad: UInt, most_wad: UInt) -> UInt:
    """Reward and cost of one execution between its bounds; the cap wins.

    Source: v3 `GlobalPerpsMarketConfiguration.sol:144-155` (`keeperReward`).
    """
    return min_(max_(least_wad, reward_wad + cost_wad), most_wad)


def account_reward_wad(first_wad: UInt, next_wad: UInt, windows: UInt) -> UInt:
    """What liquidating an account may cost in all: flagging it with the first window, and every window after that.

    `first_wad` pays for flagging *and* for the first window. Source: v3 `PerpsAccount.sol:527`
    (`getPossibleLiquidationReward`); that the first window was once forgotten is `synthetix-v3#2330`.
    """
    return first_wad + next_wad * max_(windows - 1, 0)


# -- windows (v3) ----------------------------------------------------------------------------------------------


def window_capacity_wad(
    maker_wad: UInt, taker_wad: UInt, scale_wad: UInt, multiplier_wad: UInt, seconds: UInt
) -> UInt:
    """Most base units that liquidations may close in a market within one window; 0 is no limit.

    Source: v3 `PerpsMarketConfiguration.sol` (`maxLiquidationAmountInWindow`).
    """
    per_second_wad = mul_div_down(mul_div_down(maker_wad + taker_wad, scale_wad, WAD), multiplier_wad, WAD)
    return per_second_wad * seconds


def windows_of(size_wad: Int, capacity_wad: UInt) -> UInt:
    """Windows that closing a position takes, rounded up; none where there is no limit.

    Source: v3 `PerpsMarketConfiguration.sol` (`numberOfLiquidationWindows`).
    """
    return mul_div_up(abs_(size_wad), 1, capacity_wad) if capacity_wad > 0 else 0


def in_window(time_s: UInt, now_s: UInt, seconds: UInt) -> bool:
    """Does a liquidation at `time_s` still count? After exactly `seconds` it does not."""
    return time_s > now_s - seconds


def window_size_wad(size_wad: Int, capacity_wad: UInt, used_wad: UInt, reopens: bool) -> UInt:
    """Base units of a position that may be closed now, when `used_wad` were closed within the window.

    An exhausted window `reopens` once per block while the market is even enough. Source: v3 `PerpsMarket.sol:117-170`.
    """
    left_wad = max_(capacity_wad - used_wad, 0)
    if capacity_wad == 0:
        return abs_(size_wad)
    if left_wad == 0 and reopens:
        left_wad = capacity_wad
    return min_(abs_(size_wad), left_wad)


def reopens(skew_wad: Int, scale_wad: UInt, max_premium_wad: UInt) -> bool:
    """Is the market even enough for another window? Strictly below the limit; a limit of zero never.

    Source: v3 `PerpsMarket.sol:150-165`.
    """
    return max_premium_wad > 0 and mul_div_down(abs_(skew_wad), WAD, scale_wad) < max_premium_wad
