"""The answer to a command: accepted with its events, or rejected with the first reason that applies.

A rejection is a value, not an exception. The order of `Reason` *is* the order of precedence: a command that fails for
several reasons is rejected with the one that stands first.
"""

from enum import IntEnum

from msgspec import Struct

from .event import AnyEvent


class Reason(IntEnum):
    """Why a command was refused: 100s the command, 200s subaccounts, 300s positions, 400s margin, 500s liquidation."""

    AMOUNT_NOT_POSITIVE = 101
    AMOUNT_TOO_LARGE = 102
    MARKET_UNKNOWN = 103
    ASSET_UNKNOWN = 104
    POOL_UNKNOWN = 105
    PRICE_NOT_POSITIVE = 106
    PRICE_NOT_SET = 107
    TIME_RUNS_BACKWARDS = 108
    SIZE_NOT_A_MULTIPLE = 109
    PARAMETER_INVALID = 110
    NOT_OFFERED = 111
    WRONG_INSTRUMENT = 112
    NOT_EXPIRED = 113
    EXPIRED = 114
    SUBACCOUNT_UNKNOWN = 201
    SUBACCOUNT_EXISTS = 202
    PARENT_INVALID = 203
    SUBACCOUNTS_MUST_DIFFER = 204
    ACCOUNTS_DIFFER = 205
    SYSTEM_SUBACCOUNT = 206
    POSITION_UNKNOWN = 301
    ORDER_UNKNOWN = 302
    ORDER_EXISTS = 303
    ORDER_MISMATCH = 304
    POOLS_MIXED = 305
    LEVERAGE_TOO_HIGH = 306
    MARKET_SETTLING = 307
    MARGIN_LOCKED = 308
    UNDER_AUCTION = 309
    NOT_UNDER_AUCTION = 310
    AUCTION_OVER = 311
    FLAGGED = 312
    BALANCE_TOO_SMALL = 401
    WITHDRAWALS_GATED = 402
    PARENT_MARGIN = 403
    INITIAL_MARGIN = 404
    INITIAL_MARGIN_COUNTERPARTY = 405
    ACCOUNT_MARGIN = 406
    NOT_LIQUIDATABLE = 501
    NOT_INSOLVENT = 502
    COOLDOWN = 503
    BLOCK_LIMIT = 504
    PRICE_BEYOND_LIMIT = 505
    INSURANCE_TOO_SMALL = 506
    NO_COUNTERPARTY = 507
    BACKSTOP_CAPACITY = 508
    NOTHING_OWED = 509
    AUCTION_RUNNING = 510

    @property
    def sentence(self) -> str:
        """What a trader can do about it."""
        return SENTENCES[self]


SENTENCES: dict[Reason, str] = {
    Reason.AMOUNT_NOT_POSITIVE: "The amount must be a positive whole number of atoms.",
    Reason.AMOUNT_TOO_LARGE: "The amount is beyond what the engine can hold (2^96 atoms); split it.",
    Reason.MARKET_UNKNOWN: "There is no such market; list the venue's markets and use one of their names.",
    Reason.ASSET_UNKNOWN: "This asset is not accepted as collateral here; use one of the venue's assets.",
    Reason.POOL_UNKNOWN: "There is no such collateral pool.",
    Reason.PRICE_NOT_POSITIVE: "The price must be a positive whole number of price quanta.",
    Reason.PRICE_NOT_SET: "This market or asset has no price yet; set prices first.",
    Reason.TIME_RUNS_BACKWARDS: "Time and block may not run backwards.",
    Reason.SIZE_NOT_A_MULTIPLE: "The size is not a multiple of the market's step; round it to the step.",
    Reason.PARAMETER_INVALID: "The parameter is not valid: tiers must rise and initial margin cover maintenance.",
    Reason.NOT_OFFERED: "This venue has no such step in its liquidation or loss waterfall.",
    Reason.WRONG_INSTRUMENT: "This is for the other kind of market: options expire, perpetual futures pay funding.",
    Reason.NOT_EXPIRED: "The option has not expired yet; settle it at its expiry or later.",
    Reason.EXPIRED: "The option has expired; it can only be settled.",
    Reason.SUBACCOUNT_UNKNOWN: "There is no such subaccount; open it first.",
    Reason.SUBACCOUNT_EXISTS: "A subaccount of this name exists; choose another name.",
    Reason.PARENT_INVALID: "The parent must be an existing subaccount of the same account that has no parent itself.",
    Reason.SUBACCOUNTS_MUST_DIFFER: "The two subaccounts must differ.",
    Reason.ACCOUNTS_DIFFER: "Margin moves only between subaccounts of one account; withdraw and deposit instead.",
    Reason.SYSTEM_SUBACCOUNT: "A system subaccount takes no part in this; name a trader's subaccount.",
    Reason.POSITION_UNKNOWN: "The subaccount has no position in this market.",
    Reason.ORDER_UNKNOWN: "There is no such resting order.",
    Reason.ORDER_EXISTS: "A resting order of this name exists; release it first.",
    Reason.ORDER_MISMATCH: "The fill does not fit the resting order's market, side or size.",
    Reason.POOLS_MIXED: "This market has its own collateral pool; trade it in a subaccount of its own.",
    Reason.LEVERAGE_TOO_HIGH: "The leverage is outside what this market allows; choose a lower one.",
    Reason.MARKET_SETTLING: "The market is in final settlement: its positions are closed, nobody trades in it.",
    Reason.MARGIN_LOCKED: "The margin stays with its position; reduce or close that, and it comes back in proportion.",
    Reason.BALANCE_TOO_SMALL: "The balance does not cover the amount; deposit more or ask for less.",
    Reason.WITHDRAWALS_GATED: "Withdrawals are closed after an insolvency or an outage; try later.",
    Reason.INITIAL_MARGIN: "Not enough free collateral; deposit more or reduce a position first.",
    Reason.INITIAL_MARGIN_COUNTERPARTY: "The other side lacks free collateral; the fill cannot happen.",
    Reason.ACCOUNT_MARGIN: "Another subaccount of the account is below maintenance margin; top it up first.",
    Reason.PARENT_MARGIN: "The parent subaccount cannot spare the margin; deposit more or choose a higher leverage.",
    Reason.NOT_LIQUIDATABLE: "The subaccount is above maintenance margin; it cannot be liquidated.",
    Reason.COOLDOWN: "This position was liquidated a moment ago; wait for the cooldown to end.",
    Reason.BLOCK_LIMIT: "This block's limit is used up; try in the next block.",
    Reason.PRICE_BEYOND_LIMIT: "The price is worse than the fillable price; offer a better one.",
    Reason.INSURANCE_TOO_SMALL: "The insurance fund cannot cover this fill; deleveraging comes next.",
    Reason.NOT_INSOLVENT: "The subaccount has equity left; there is no loss to allocate.",
    Reason.NO_COUNTERPARTY: "Nobody can be closed against this position.",
    Reason.BACKSTOP_CAPACITY: "Who takes this over cannot carry it; add collateral there first.",
    Reason.NOTHING_OWED: "The subaccount owes nothing that this step could cover.",
    Reason.UNDER_AUCTION: "The subaccount is under auction: deposit, reduce positions, or wait until it ends.",
    Reason.NOT_UNDER_AUCTION: "The subaccount has no such auction; start one first.",
    Reason.AUCTION_RUNNING: "The auction goes on: it neither lifted the subaccount nor reached a price of zero.",
    Reason.FLAGGED: "The subaccount is flagged for liquidation: nothing moves until its positions are closed.",
    Reason.AUCTION_OVER: "The solvent auction is over; convert it, or end it if the margin is there.",
}


class Accepted(Struct, frozen=True, tag=True):
    """The command holds; applying the events is all there is to do."""

    events: tuple[AnyEvent, ...]


class Rejected(Struct, frozen=True, tag=True):
    """The command does not hold and nothing changes; `detail` says who and how much."""

    reason: Reason
    detail: str = ""

    @property
    def sentence(self) -> str:
        """The reason with its detail, as one line."""
        return f"{self.reason.sentence} ({self.detail})" if self.detail else self.reason.sentence


Verdict = Accepted | Rejected
