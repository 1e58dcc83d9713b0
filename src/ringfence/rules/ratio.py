"""Margin as a ratio of equity to what is held, and what a liquidation by such a ratio closes, charges and returns.

Ratios are counted in 1e18 (`_wad`), shares in parts per million. Signed divisions cut towards zero where the venues'
contracts do; each function says so.
"""

from .words import PPM, TRUNC, WAD, Int, UInt, abs_, max_, min_, mul_div, mul_div_down


def margin_ratio_wad(equity: Int, notional: UInt) -> Int:
    """Equity over notional, towards zero.

    Source: Perp v1 `perpetual-protocol@bf5adf65 src/ClearingHouse.sol:706` (`divD`).
    """
    return mul_div(equity, WAD, notional, TRUNC)


def price_gap_wad(price: UInt, oracle: UInt) -> UInt:
    """How far a price is away from the oracle's, as a share of the latter, rounded down.

    Source: Perp v1 `perpetual-protocol@bf5adf65 src/Amm.sol:600`.
    """
    return mul_div_down(abs_(price - oracle), WAD, oracle)


def judged_ratio_wad(ratio_wad: Int, oracle_ratio_wad: Int, gap_wad: UInt, limit_wad: UInt) -> Int:
    """The ratio that decides: where the market left the oracle by the limit or more, the better of the two.

    Source: Perp v1 `perpetual-protocol@bf5adf65 src/ClearingHouse.sol:830-845` (limit 10 %: `src/Amm.sol:89`).
    """
    return max_(ratio_wad, oracle_ratio_wad) if gap_wad >= limit_wad else ratio_wad


def closed_share_ppm(spot_ratio_wad: Int, fee_wad: UInt, portion_ppm: UInt) -> UInt:
    """Share of a position that one liquidation closes: the portion while equity exceeds the fee, else all of it.

    Source: Perp v1 `perpetual-protocol@bf5adf65 src/ClearingHouse.sol:855-905`; a portion of 0 or 1 closes all.
    """
    return portion_ppm if spot_ratio_wad > fee_wad and portion_ppm > 0 else PPM


def taken_share_ppm(equity: Int, maintenance: UInt, notional: UInt, total: UInt, minimum: UInt) -> UInt:
    """Share of one position that may be taken over from an account that holds several.

    Nothing above maintenance margin; half of all positions' notional (`total`) while equity is at least half of
    maintenance margin, rounded down; everything below that, and every position worth at most `minimum`.
    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/AccountBalance.sol:292-331`.
    """
    if equity >= maintenance or notional == 0:
        return 0
    if notional <= minimum or equity < mul_div_down(maintenance, 1, 2):
        return PPM
    return min_(PPM, mul_div_down(total, PPM, 2 * notional))


def penalty(notional: UInt, penalty_ppm: UInt) -> UInt:
    """What a liquidation costs its owner, rounded down.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/ClearingHouse.sol` (`_liquidate`).
    """
    return mul_div_down(notional, penalty_ppm, PPM)


def liquidator_penalty(charged: UInt, equity: Int) -> UInt:
    """The liquidator's part of a penalty: half, rounded down, or all of it from an account in the red.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/ClearingHouse.sol` (`_liquidate`).
    """
    return charged if equity < 0 else mul_div_down(charged, 1, 2)


def released_quote(open_quote: Int, closed: UInt, size: UInt) -> Int:
    """Part of a position's quote that leaves with the lots closed: the closed share first, in 1e18, towards zero.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/Exchange.sol` (`getPnlToBeRealized`).
    """
    return mul_div(open_quote, mul_div_down(closed, WAD, size), WAD, TRUNC)


def realized(open_quote: Int, size: Int, traded: Int, traded_quote: Int) -> Int:
    """Profit that a trade of `traded` lots for `traded_quote` takes out of a position of the opposite sign.

    A trade beyond the position closes it at the trade's mean price. Nothing is realized by a trade that adds.
    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/Exchange.sol` (`getPnlToBeRealized`).
    """
    if size * traded >= 0:
        return 0
    if abs_(traded) <= abs_(size):
        return traded_quote + released_quote(open_quote, abs_(traded), abs_(size))
    ratio_wad = mul_div_down(abs_(traded), WAD, abs_(size))
    return open_quote + mul_div(traded_quote, WAD, ratio_wad, TRUNC)


def median(first: Int, second: Int, third: Int) -> Int:
    """The middle one of three.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/AccountBalance.sol:524-538` (mark price).
    """
    return max_(min_(first, second), min_(max_(first, second), third))


def debt_value(base_debt_value: UInt, net_quote: Int) -> UInt:
    """Worth of what an account owes: base at its price, and the quote that all markets owe together.

    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/AccountBalance.sol` (`getTotalDebtValue`).
    """
    return base_debt_value + max_(0, -net_quote)


def free_collateral(collateral: Int, equity: Int, debt: UInt, rate_ppm: UInt) -> Int:
    """What an account may take out or use: collateral less losses (profits do not count), less margin on its debt.

    The margin is rounded down, in favour of the account.
    Source: Perp v2 `perp-curie-contract@d520bd8e contracts/Vault.sol:815-838`.
    """
    return min_(collateral, equity) - mul_div_down(debt, rate_ppm, PPM)
