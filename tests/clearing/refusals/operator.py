"""Commands of the venue itself: prices, funding, settlement, parameters."""

from clearing.refusals.case import (
    NO_MARKET,
    NO_PRICE,
    SETTLING,
    TOO_MUCH,
    Case,
    Violation,
)
from clearing.refusals.trading import open_market
from clearing.world import PPM, TEN_FIVE
from ringfence.clearing import command as cmd
from ringfence.clearing.policy import OpenInterestScaled, Policy
from ringfence.clearing.verdict import Reason

CASES = [
    Case(
        open_market,
        cmd.SetPrices(9_000, 9, {"ETH": 100}, {"SOL": 100}, {"BTC": 1_000}, {}, {}, {}, 10**18),
        [
            Violation(Reason.AMOUNT_TOO_LARGE, {"assets": {"BTC": TOO_MUCH}}),
            Violation(Reason.AMOUNT_TOO_LARGE, {"quote_wad": TOO_MUCH}),
            Violation(Reason.MARKET_UNKNOWN, {"indexes": {"NONE": 1}}),
            Violation(Reason.MARKET_UNKNOWN, {"confidences": {"NONE": 1}}),
            Violation(Reason.MARKET_UNKNOWN, {"index_confidences": {"NONE": 1}}),
            Violation(Reason.ASSET_UNKNOWN, {"assets": {"XRP": 1}}),
            Violation(Reason.ASSET_UNKNOWN, {"asset_confidences": {"XRP": 1}}),
            Violation(Reason.PRICE_NOT_POSITIVE, {"marks": {"ETH": 0}}),
            Violation(Reason.PRICE_NOT_POSITIVE, {"quote_wad": -1}),
            Violation(Reason.TIME_RUNS_BACKWARDS, {"block": 0}),
            Violation(Reason.TIME_RUNS_BACKWARDS, {"time_ms": 0}),
            Violation(Reason.PARAMETER_INVALID, {"confidences": {"ETH": -1}}),
            Violation(Reason.PARAMETER_INVALID, {"asset_confidences": {"BTC": PPM + 1}}),
        ],
    ),
    Case(
        open_market,
        cmd.AccrueFunding("ETH", 100),
        [
            *(NO_MARKET, NO_PRICE),
            Violation(Reason.AMOUNT_TOO_LARGE, {"rate_ppm": -PPM - 1}),
            Violation(Reason.WRONG_INSTRUMENT, {"market": "CALL"}),
        ],
    ),
    Case(open_market, cmd.SettleMarket("ETH"), [NO_MARKET, NO_PRICE, SETTLING]),
    Case(
        open_market,
        cmd.ChangeRequirement("ETH", TEN_FIVE),
        [
            NO_MARKET,
            Violation(Reason.PARAMETER_INVALID, {"minimum_margin_q": -1}),
            Violation(Reason.PARAMETER_INVALID, {"requirement": OpenInterestScaled(PPM + 1, 0, 0, 0)}),
        ],
    ),
    Case(
        open_market,
        cmd.ChangePolicy(Policy()),
        [Violation(Reason.PARAMETER_INVALID, {"policy": Policy(taker_fee_ppm=-1)})],
    ),
]
