"""Where everything stands in the engine's arrays: all of them are int64, and an exact amount takes two words.

The low word of an amount comes first and the high word, which bears the sign, after it. One subaccount is one record of
`rows`, its positions are consecutive records of `legs` in the order in which they were opened, and a leg is exactly one
cache line. Names of word offsets below are those of `clearing.model`.

| array | shape | one record is |
|---|---|---|
| `rows` | (subaccounts, 14 + 2 x assets, rounded up to 8) | a subaccount with its balances, quote first |
| `legs` | (room, 8) | a position |
| `markets` | (markets, 80) | prices, funding index, open interest, scale and requirement of a market |
| `margins` | (rows, 8) | a row of a margin table |
| `assets` | (assets, 24) | price, scale and weights of a collateral asset; the quote asset is number 0 |
| `haircuts` | (tiers, 8) | a tier of a haircut table |
| `ledger` | (accounts, 2 x assets) | balances of an account that is no subaccount |
| `pools` | (pools, 4) | gate and ledger accounts of a collateral pool |
| `terms` | (TERMS) | the policy |
| `sets` | (words,) | tables of the policy's rule over sets, behind three words for each: where, records, width |
| `clock` | (CLOCK) | time, block, counters of the block |
| `heap` | (room, 6) | a claim in the queue of one side of a market; the first one is room to move another |
| `queues` | (2 x markets, 6) | extent of a queue |
| `holders` | (positions,) | row of who has a position, by market |
| `holders_end` | (markets + 1,) | extent of a market in `holders` |
| `order` | (subaccounts,) | rows in the order of their ids |
| `siblings` | (subaccounts,) | the next row of the same account, around; empty where fills judge no account |
| `chosen` | (a power of two, 6) | a leverage that a subaccount chose for a market; see `choices` |
| `list` | (room, 8) | who bears a loss |
| `steps` | (room, 10) | a command that `resolve` had accepted |
| `tape` | (room, 8) | events, in the order in which they happened |
"""

# -- rows --------------------------------------------------------------------------------------------------------------

FLAGS = 0
LEG_COUNT = 1
LEG_FIRST = 2
"""Record of `legs` with the first position."""
LEG_ROOM = 3
"""Records of `legs` that belong to the subaccount."""
PARENT = 4
"""Row of the parent; -1 for none."""
ACCOUNT = 5
"""Number of the account that owns the subaccount."""
VERSION = 6
"""When the queues last saw it change: `TURN` of that time."""
RANK = 7
"""Place of the id in sorted order."""
COOLDOWN_MS = 8
BLOCK = 9
BLOCK_LIQUIDATED_Q = 10
BLOCK_INSURED_Q = 12
BALANCES = 14

SYSTEM = 1
RESTING = 2
"""Flag: it has resting orders, whose margin only the reference knows."""
FROZEN = 4
"""Flag: it is under auction or flagged, and the reference decides all that concerns it."""
CHOSEN = 8
"""Flag: it has chosen a leverage; see `chosen`."""

# -- legs --------------------------------------------------------------------------------------------------------------

LEG_MARKET = 0
SIZE_B = 2
COST_Q = 4
FUNDED = 6
"""Funding index to which the position is settled."""
LEG_WORDS = 8

# -- markets -----------------------------------------------------------------------------------------------------------

MARK = 0
PRICE_INDEX = 2
PREVIOUS = 4
FUNDING_INDEX = 6
OPEN_B = 8
SCALE_NUM = 10
SCALE_DEN = 12
STEP_B = 14
POOL = 16
MARKET_FLAGS = 17
MARKET_RANK = 18
COUNTERPARTY = 19
"""Row of the market's own subaccount; -1 where there is none."""
FUNDING_ACCOUNT = 20
SHAPE = 21
ROWS_FIRST = 22
"""First record of `margins`."""
ROWS_COUNT = 23
RATE_DEN = 24
BY_SIZE = 25
MINIMUM_AS = 26
CLOSES = 27
"""Whether closing has an estimated cost."""
CLOSE_OF_COST = 28
CLOSE_IN_INITIAL = 29
DEPTH_B = 30
INITIAL_SLOPE = 32
MAINTENANCE_SLOPE = 34
INITIAL_CAP = 36
MAINTENANCE_CAP = 38
UNIT_B = 40
FACTOR_NUM = 42
FACTOR_DEN = 44
OPEN_LOWER_Q = 46
OPEN_UPPER_Q = 48
OPEN_NUM = 50
OPEN_DEN = 52
LEAST_Q = 54
"""The market's fixed amount of margin."""
CLOSE_NUM = 56
CLOSE_DEN = 58
CLOSE_LOWER_Q = 60
CLOSE_UPPER_Q = 62
LONGS_B = 64
LONGS_Q = 66
SHORTS_B = 68
SHORTS_Q = 70
"""What traders hold on a side: lots and, two words on, their cost; counted where profits are capped."""
CAP_PPM = 72
"""Share of the reserve that a side is paid of its profit at most; -1 where profits are not capped."""
MARKET_WORDS = 80

SHAPES = (*("Tiered", "OpenInterestScaled", "Stepped", "SkewScaled", "Sided", "RootScaled", "CostShare"),)
TIERED, OPEN_INTEREST_SCALED, STEPPED, SKEW_SCALED, SIDED, ROOT_SCALED, COST_SHARE = range(7)
MINIMUMS = ("added", "floor", "floor_with_fees")
ADDED, FLOOR, FLOOR_WITH_FEES = range(3)

LOCKED = 1
"""Flag: margin is locked."""
SETTLING = 2
"""Flag: in final settlement."""
EXPIRED = 4
"""Flag: an option that has expired."""
PACED = 8
"""Flag: a window paces its liquidations, which only the reference decides."""
UNPRICED = 32
"""Flag: an option without prices in the scenarios of the policy."""
AT_OPENING = 16
"""Flag: a chosen leverage replaces the rate of initial margin; whether it may be, fills are asked by the reference."""

# -- chosen ------------------------------------------------------------------------------------------------------------

CHOICE = 0
"""Row times markets, plus market; -1 in an empty record."""
LEVERAGE_NUM = 2
LEVERAGE_DEN = 4
CHOSEN_WORDS = 6

# -- assets ------------------------------------------------------------------------------------------------------------

PRICE = 0
ASSET_NUM = 2
ASSET_DEN = 4
SORTED = 6
"""Of record `n`: the number of the asset whose id is the `n`-th in sorted order."""
OWED = 7
"""Whether a balance may be negative."""
WEIGHTED = 8
"""Whether equity counts it whole and margins ask a share of it: the five words from here on are those weights."""
LONG_INITIAL = 9
LONG_MAINTENANCE = 10
SHORT_INITIAL = 11
SHORT_MAINTENANCE = 12
WEIGHTS_DEN = 13
HAIRCUT_FIRST = 14
"""First record of `haircuts`."""
HAIRCUT_COUNT = 15
HAIRCUT_DEN = 16
ASSET_WORDS = 24

LOWER_Q = 0
HAIRCUT_NUM = 2
DEDUCTION = 4
HAIRCUT_WORDS = 8

# -- margins -----------------------------------------------------------------------------------------------------------

LOWER = 0
INITIAL = 2
MAINTENANCE = 4
TIER_DEDUCTION = 6
MARGIN_WORDS = 8
"""A row of a margin table; one row where a shape has no table, one a side where it has sides."""

# -- pools -------------------------------------------------------------------------------------------------------------

GATED_UNTIL = 0
FUND = 1
DEBT = 2
"""`FUND` and `DEBT`: ledger account."""
POOL_WORDS = 4

# -- clock -------------------------------------------------------------------------------------------------------------

TIME_MS = 0
BLOCK_NOW = 1
BLOCK_LIQUIDATIONS = 2
BLOCK_DELEVERAGINGS = 3
ALL_GATED_UNTIL = 4
ROWS = 5
"""Subaccounts."""
LEG_TOP = 6
"""First record of `legs` that belongs to nobody."""
EVENTS = 7
"""Records on the tape."""
FROZEN_ROWS = 8
"""Subaccounts with the flag `FROZEN`."""
WANTED = 9
SEEN = 10
"""Records of the tape that the queues know of."""
HOLDERS_KNOWN = 11
"""Whether `holders` lists everybody who has a position."""
HEAP_TOP = 12
"""First record of `heap` that belongs to no queue."""
TURN = 13
"""How often the queues were told of changes."""
BEGUN = 14
"""Records on the tape before the command at hand."""
AT = 15
"""The command at hand."""
LACKING = 16
"""What is lacking: one of those below. `WANTED` says how many records it takes, or which queue is to be ranked."""
STEPS = 17
"""Steps noted."""
SLIPPAGE = 18
"""By how much (ppm) a liquidation fills worse than the mark."""
DRAWN = 19
"""Draw of a cyclic scan."""
BACKSTOP_ROW = 20
TRIED = 21
"""Proposals to the row at hand that were answered."""
STATUS = 22
"""Why the loop over rows stopped."""
DISORDER = 23
"""Set by a command that ran out of room while claims were out of their queue."""
ASSUMED = 24
"""Set where a liquidation takes it for granted that somebody can be deleveraged."""
TRIED_LEG = 25
"""The position that is tried at another size, plus one; 0 where none is."""
TRIED_SIZE_B = 26
TRIED_COST_Q = 28
"""Its lots and cost as they are."""
ANSWERED = 30
"""Proposals to the row at hand that were answered before the loop stopped for want of room: none is made twice."""
CHOICES = 31
"""Leverages in `chosen`."""
CLOCK = 32
TAPE_LACKS, LEGS_LACK, HEAP_LACKS, HOLDERS_LACK, LIST_LACKS, STEPS_LACK, ORDER_LACKS = range(1, 8)

# -- terms -------------------------------------------------------------------------------------------------------------

(
    VALUE_ROUNDING,
    NOTIONAL_ROUNDING,
    REQUIREMENT_ROUNDING,
    FUNDING_ROUNDING,
    BY_INDEX,
    AT_EQUALITY,
    WITHDRAWAL_FLOOR_PPM,
    OVERDRAFT_Q,
    PROFIT_CAP_Q,
    CAP_OF_ACCOUNT,
    GATED,
    EXCLUSIVE_POOLS,
    STRICT_REDUCE,
    FREE_REDUCE,
    TAKER_FEE_PPM,
    MAKER_FEE_PPM,
    SIZE,
    PORTION_PPM,
    OF_ACCOUNT,
    PORTION_ABOVE_Q,
    PORTION_FLOOR_PPM,
    PORTION_ONCE,
    MINIMUM_Q,
    TARGET_PPM,
    TARGET_INITIAL,
    BUFFER_PPM,
    COOLS_MS,
    FILLABLE,
    ADJUSTMENT_PPM,
    SPREAD_PPM,
    FEE_PPM,
    FEE_OF,
    FEE_TO_FUND_PPM,
    FEE_IN_FULL,
    BLOCK_LIQUIDATIONS_MAX,
    BLOCK_DELEVERAGINGS_MAX,
    BLOCK_SUBACCOUNT_Q,
    BLOCK_INSURANCE_Q,
    KEEPER,
    REMAINDER_LEAST_Q,
    BACKSTOP_NUM,
    BACKSTOP_DEN,
    ALL_OR_NOTHING,
    ADL_POLICY,
    ADL_SCORE,
    ADL_PRICE,
    SCAN_MAX,
    HAS_INSURANCE,
    HAS_COUNTERPARTY,
    HAS_DELEVERAGE,
    HAS_SOCIALIZE,
    BY_OPEN_INTEREST,
    GATE_BLOCKS,
    SET_RULE,
    CAPPED,
    TERMS,
) = range(56)
"""Fields of `policy.Policy`; a choice among names is the place of its name below, and no limit at all is -1.

`SET_RULE` is where the function of the policy's rule over sets is (`sets`); 0 where it has none. `CAPPED` says whether
the liquidity behind some market caps profits: the equity of a trader then changes with what others do.
"""
SIZES = ("full", "portion", "target")
FEES_OF = ("notional", "cost", "maintenance")
KEEPERS = ("subaccount", "fund", "fees")
ADL_POLICIES = ("ranked", "pro_rata", "cyclic")
ADL_SCORES = ("profit_leverage", "index", "index_literal", "profit_margin")
ADL_PRICES = ("bankruptcy", "mark", "previous_mark")
FULL, PORTION, TARGET = range(3)
OF_NOTIONAL, OF_COST, OF_MAINTENANCE = range(3)
KEPT, TO_FUND, TO_FEES = range(3)
RANKED, PRO_RATA, CYCLIC = range(3)
PROFIT_LEVERAGE, BY_INVERTED_INDEX, BY_LITERAL_INDEX, PROFIT_MARGIN = range(4)
AT_BANKRUPTCY, AT_MARK, AT_PREVIOUS_MARK = range(3)

# -- queues ------------------------------------------------------------------------------------------------------------

QUEUE_LIVE = 0
QUEUE_FIRST = 1
"""First record of `heap`."""
QUEUE_ROOM = 2
QUEUE_COUNT = 3
"""Claims that are ranked; the others came later and stand behind them as a heap."""
QUEUE_NEXT = 4
"""Record of `heap` with the first ranked claim that was not taken out."""
QUEUE_LATE = 5
QUEUE_WORDS = 6
"""Queue `2 x market` holds the longs of a market, the next one its shorts."""

SCORE = 0
"""A whole part (two words) and 64 bits below it."""
SCORE_REST = 2
CLAIM_RANK = 3
CLAIM_ROW = 4
CLAIM_VERSION = 5
CLAIM_WORDS = 6

# -- list --------------------------------------------------------------------------------------------------------------

KEY = 0
ITEM = 1
WEIGHT = 2
SHARE = 4
REMAINDER_OF = 6
LIST_WORDS = 8
"""Who bears a loss, or whose turn it is: what it is ordered by, a row or a claim, its weight and its share."""

# -- ledger ------------------------------------------------------------------------------------------------------------

OUTSIDE = 0
FEES = 1

# -- tape --------------------------------------------------------------------------------------------------------------

EVENT = 0
"""Kind, plus the reason of a transfer times 256."""
FIRST = 1
SECOND = 2
ABOUT = 3
"""`FIRST` and `SECOND`: a row, or -1 less the ledger account; `ABOUT`: the asset, market or pool."""
X = 4
Y = 6
TAPE_WORDS = 8

TRANSFER = 1
POSITION_CHANGED = 2
FUNDING_SETTLED = 3
LIQUIDATED = 4
MORE = 5
"""Two more amounts of the event before."""
TAKEN_OVER = 6
DELEVERAGED = 7
LOSS_SOCIALIZED = 8
INSOLVENCY_SEEN = 9

WHYS = (
    *("deposit", "insurance_deposit", "withdrawal", "margin_transfer", "funding", "trade", "trading_fee"),
    *("margin_posted", "margin_returned", "liquidation", "liquidation_fee", "insurance", "bad_debt"),
    *("forgone", "remainder", "backstop", "deleveraging", "profit_haircut", "socialized_loss", "profit_cap"),
)
"""Reasons for a transfer; its number is the place in this list."""
(
    DEPOSITED,
    INSURANCE_DEPOSITED,
    WITHDRAWN,
    MARGIN_MOVED,
    FUNDING_PAID,
    TRADED,
    TRADING_FEE,
    MARGIN_POSTED,
    MARGIN_RETURNED,
    LIQUIDATION,
    LIQUIDATION_FEE,
    INSURANCE,
    BAD_DEBT,
    FORGONE,
    REMAINDER,
    BACKSTOP,
    DELEVERAGING,
    PROFIT_HAIRCUT,
    SOCIALIZED_LOSS,
    PROFIT_CAP,
) = range(len(WHYS))

# -- commands ----------------------------------------------------------------------------------------------------------

COMMAND_WORDS = 8
"""Kind, three names (row, market, asset or pool; -1 unknown, -2 not given), two amounts; `TAPE`'s places."""
(
    DEPOSIT,
    WITHDRAW,
    TRANSFER_MARGIN,
    FUND_INSURANCE,
    TRADE,
    LIQUIDATE,
    TAKE_OVER,
    DRAW_INSURANCE,
    DELEVERAGE,
    SOCIALIZE,
) = range(1, 11)
UNKNOWN = -1
ABSENT = -2

# -- verdicts ----------------------------------------------------------------------------------------------------------

REASON = 0
"""0 accepted, a `verdict.Reason`, or one of the two below."""
DETAIL = 1
WHO = 2
TAPE_END = 3
"""Events on the tape after the command."""
VERDICT_WORDS = 8
STEP_BEGIN = 8
STEP_END = 9
STEP_WORDS = 10
"""A step that `resolve` did: its command, and where its events begin and end."""
ACCEPTED = 0
REFERENCE = -1
"""The reference must decide: a feature or a number beyond the compiled domain."""
ROOM = -2
"""An array is full: the command is to be tried again with larger ones."""

LIMIT = 1 << 96
"""`clearing.decide.LIMIT`."""

(
    NO_DETAIL,
    OF_COMMAND,
    NAMED,
    HOLDS,
    ALL_POOLS,
    OF_POOL,
    MUST_KEEP,
    OF_MARKET,
    LACKS,
    STEP,
    EQUITY,
    UNTIL_MS,
    LIQUIDATIONS,
    ENOUGH,
    INSURANCE_LIMIT,
    FILLABLE_PRICE,
    POOL_NEEDS,
    ABOVE_BACKSTOP,
    POOL_HOLDS,
    DELEVERAGINGS,
    NO_BACKSTOP,
    NO_INSURANCE,
    NO_DELEVERAGE,
    NO_SOCIALIZE,
    OWN_COUNTERPARTY,
) = range(25)
"""What the detail of a refusal says; `details` has the sentences."""
