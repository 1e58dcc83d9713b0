"""Derive's simulated auctions: what a bid gets, what it costs, and what is left of the subaccount.

A case states the subaccount at the start and, before each bid, its worth and net maintenance margin (its feeds move in
between and are not stated). One position that asks all of its worth stands for the portfolio; the engine sells it.

The fee, and what bidders of the insolvent runs are paid, follow from the margin at the start, which the first portfolio
manager computes. Those runs belong to an earlier contract than the engine's: bidders got up to 1.1 times the buffer
margin at the start, in 100 steps of a second, and a share is one of the whole; the venue's own test leaves them out.

Set-up: `derivexyz/v2-core@7736900d test/risk-managers/unit-tests/PMRM/utils/PMRMTestBase.sol`
(`_getDefaultSolventParams`, `_getDefaultInsolventParams`, `setDefaultParameters`).
"""

from fractions import Fraction
from typing import NamedTuple

from ...clearing import command as cmd
from ...clearing import event as ev
from ...clearing.auction import buffer_q, discount_wad, is_lifted
from ...clearing.log import Clearinghouse
from ...clearing.model import QUOTE, CollateralPool, LiveAuction, Market, Position, Scale, Subaccount, Venue
from ...clearing.policy import Auction, Liquidation, Policy, Tier, Tiered
from ...clearing.risk import Risk, subaccount_risk
from ...clearing.verdict import Rejected
from ...errors import InputError
from ...rules.auction import largest_slice_wad, payout_q, start_fee_q
from ...rules.words import PPM, WAD
from .derive_pmrm import Rates, margin_of
from .named import NamedKinds
from .vectors import DOUBLE_STEP, Case, Field, Ours, Range, RefusedError, UnsupportedError, Value

ACCOUNT, BIDDER, MARKET, POOL = "account", "bidder", "portfolio", "main"
ALL_OF_IT = Tiered((Tier(0, 1, 1, 0),), 1)
SECOND_MS = 1_000
ENDLESS = 10**40
FEE_PPM = 20_000
"""Fee for starting an auction in the test set-up."""
INSOLVENT_MS = 100_000
LOWER = Fraction("1.1")
"""Share of the buffer margin at the start that bidders of an insolvent run got at most."""
RATES = Rates(
    doubt=(Fraction("0.6"), Fraction("0.5")),
    perp=Fraction("0.02"),
    base=Fraction("0.02"),
    gain=(Fraction("0.95"), Fraction(4), Fraction("0.05")),
)
STEPS = 16
"""Roundings of doubles behind a number of the simulation, each by at most `DOUBLE_STEP` of the largest amount."""


class Start(NamedTuple):
    """Margin, in wei, and by how much rounded option prices may have moved it."""

    risk: Risk
    slack: Fraction


class Now(NamedTuple):
    """The subaccount before a bid."""

    risk: Risk
    elapsed_ms: int
    reserved: int
    left: Fraction
    """Share of the subaccount at the start that is still there."""
    slack: Fraction
    """By how much the worth may be off: not at all where the case states it."""


def auction(case: Case) -> Ours:
    """The fee for starting, and every bid in turn."""
    terms, start = _terms(case.body["rule"]), _start(case.body["positions"].only())
    fee = _fee(terms, start.risk)
    reserved, left, actions = 0, Fraction(1), list[Value]()
    known = {0: Start(_risk(start.risk.equity_q - fee, start.risk.maintenance_q), start.slack)}
    for action in case.body["expected"].items("actions"):
        now = _now(action, known, reserved, left)
        want = Fraction(action["liquidator"]["PercentWant"].integer(), WAD)
        if not 0 < want <= 1:
            raise RefusedError("DA_InvalidPercentage")
        if now.risk.equity_q <= 0:
            results, after = _insolvent(terms, start, now, want)
            left -= want
        else:
            results, after, reserved, left = _solvent(terms, now, want)
        before = _before(now, known)
        known = {now.elapsed_ms: Start(after, start.slack + _slack(now))}
        actions.append(
            {
                "time": Fraction(now.elapsed_ms, SECOND_MS),
                "liquidator": {"PercentWant": want * WAD},
                "results": results | before,
            }
        )
    return {"liquidation_fee": _around(fee, start.slack, Fraction(1, WAD)), "actions": actions}


def _now(action: Field, known: dict[int, Start], reserved: int, left: Fraction) -> Now:
    """The subaccount before a bid: as stated, or as it was left at this moment."""
    results, elapsed_ms = action["results"], action["time"].integer(0) * SECOND_MS
    worth, net = results.get("PreMtM"), results.get("PreMM")
    if worth is not None and net is not None:
        if net.integer() >= worth.integer():
            raise InputError(f"{net.where}: expected less than PreMtM, got {net.integer()}")
        found = Start(_risk(worth.integer(), worth.integer() - net.integer()), Fraction(0))
    elif elapsed_ms in known:
        found = known[elapsed_ms]
    else:
        raise UnsupportedError("the case does not state what the subaccount is worth before a bid")
    return Now(found.risk, elapsed_ms, reserved, left, found.slack)


def _before(now: Now, known: dict[int, Start]) -> Ours:
    """Worth and net margin before a bid; ours where no feed moved since it was last known, else as stated."""
    found = known.get(now.elapsed_ms)
    if found is None:
        return {"PreMtM": now.risk.equity_q, "PreMM": now.risk.surplus_q}
    return {
        "PreMtM": _around(found.risk.equity_q, found.slack),
        "PreMM": _around(found.risk.surplus_q, found.slack),
    }


def _terms(rule: Field) -> Auction:
    return Auction(
        _ppm(rule["start_mtm"]),
        _ppm(rule["fast_cutoff"]),
        rule["fast_s"].integer(0) * SECOND_MS,
        rule["slow_s"].integer(0) * SECOND_MS,
        INSOLVENT_MS,
        _ppm(rule["buffer"]),
        FEE_PPM,
    )


def _ppm(field: Field) -> int:
    share = field.fraction() * PPM
    if share.denominator != 1 or not 0 <= share <= PPM:
        raise InputError(
            f"{field.where}: expected a share of at most 1 with six decimal places, got {field.raw}"
        )
    return int(share)


def _start(stated: Field) -> Start:
    found = margin_of(stated, RATES)
    worth, net = (found.usd(amount) for amount in (found.risk.equity_q, found.risk.surplus_q))
    middle = [int((each.low + each.high) / 2 * WAD) for each in (worth, net)]
    return Start(_risk(middle[0], middle[0] - middle[1]), (worth.high - worth.low) * WAD)


def _risk(worth: int, maintenance: int) -> Risk:
    return Risk(worth, maintenance, maintenance, maintenance)


def _fee(terms: Auction, risk: Risk) -> int:
    if risk.equity_q <= 0:
        return 0
    most = largest_slice_wad(_buffer(terms, risk), risk.equity_q, 0, WAD)
    return start_fee_q(risk.equity_q, most, terms.fee_ppm, PPM)


def _solvent(terms: Auction, now: Now, want: Fraction) -> tuple[Ours, Risk, int, Fraction]:
    """A bid in a solvent auction: the subaccount, what is reserved and what is left after it come with it."""
    live = LiveAuction(0, insolvent=False, reserved_q=now.reserved)
    house, sold = _bid(terms, now, live, int(want * WAD))
    share, slack = Fraction(sold.share_wad, WAD), _slack(now)
    received = share * now.left
    ours: Ours = {
        "PreFMax": _around(_most(terms, house.venue, live, now.risk), _share_slack(now)),
        "ExpectedBidPrice": _around(sold.price_q, slack),
        "FinalPercentageReceived": _around(received * WAD, _share_slack(now)),
        "fLiquidatedOfOriginal": _around(share * WAD, _share_slack(now)),
        "SMPayout": 0,
        "Lowerbound": 0,
    }
    reserved = now.reserved + sold.price_q
    after = LiveAuction(0, insolvent=False, reserved_q=reserved)
    return ours | _books(terms, house, now, after), _risk_of(house), reserved, now.left - received


def _insolvent(terms: Auction, start: Start, now: Now, want: Fraction) -> tuple[Ours, Risk]:
    """A bid in an insolvent run: a share of the whole, paid out of the buffer margin at the start."""
    live = LiveAuction(0, insolvent=True)
    share = want / now.left if want < now.left else Fraction(1)
    house, _ = _bid(terms, now, live, int(share * WAD))
    bound = int(LOWER * -_buffer(terms, start.risk))
    paid = payout_q(0, bound, now.elapsed_ms, INSOLVENT_MS, int(want * WAD))
    slack = _slack(now) + 2 * start.slack
    ours: Ours = {
        "PreFMax": 0,
        "ExpectedBidPrice": 0,
        "FinalPercentageReceived": int(want * WAD),
        "fLiquidatedOfOriginal": 0,
        "SMPayout": _around(-paid, slack),
        "Lowerbound": _around(-bound, slack),
    }
    return ours | _books(terms, house, now, live), _risk_of(house)


def _risk_of(house: Clearinghouse) -> Risk:
    return subaccount_risk(house.venue, house.venue.subaccounts[ACCOUNT])


def _books(terms: Auction, house: Clearinghouse, now: Now, live: LiveAuction) -> Ours:
    """The subaccount before and after the bid."""
    risk, slack = _risk_of(house), _slack(now)
    most = (
        0
        if live.insolvent or is_lifted(terms, live, risk, at_equality=False)
        else _most(terms, house.venue, live, risk)
    )
    return {
        "PreBM": _around(_buffer(terms, now.risk), slack),
        "PostMtM": _around(risk.equity_q, slack),
        "PostMM": _around(risk.surplus_q, slack),
        "PostBM": _around(_buffer(terms, risk), slack),
        "PostFMax": _around(most, _share_slack(now)),
    }


def _buffer(terms: Auction, risk: Risk) -> int:
    return buffer_q(terms, risk, at_equality=False)


def _most(terms: Auction, venue: Venue, live: LiveAuction, risk: Risk) -> int:
    discount = discount_wad(venue, terms, live)
    return largest_slice_wad(_buffer(terms, risk), risk.equity_q, live.reserved_q, discount)


def _bid(terms: Auction, now: Now, live: LiveAuction, share: int) -> tuple[Clearinghouse, ev.SliceSold]:
    """Submit a bid for a share of the subaccount; the state after it, and what was sold."""
    house = Clearinghouse(_venue(terms, now, live), keep_log=False)
    verdict = house.submit(cmd.Bid(ACCOUNT, BIDDER, share))
    if isinstance(verdict, Rejected):
        raise RefusedError(verdict.reason.name)
    return house, next(event for event in verdict.events if isinstance(event, ev.SliceSold))


def _venue(terms: Auction, now: Now, live: LiveAuction) -> Venue:
    """The subaccount with one position that asks all of its worth, and a fund that pays anything."""
    lots = now.risk.maintenance_q
    account = Subaccount(ACCOUNT, ACCOUNT, balances={QUOTE: now.risk.equity_q - lots}, auction=live)
    account.positions[MARKET] = Position(lots, lots, 0)
    other = Subaccount(MARKET, MARKET, system=True, positions={MARKET: Position(-lots, -lots, 0)})
    market = Market(MARKET, Scale(1, 1), ALL_OF_IT, POOL, mark=1, index=1, open_interest_b=lots)
    held = now.risk.equity_q - lots + ENDLESS
    return Venue(
        Policy(liquidation=Liquidation(auction=terms), waterfall=("insurance",)),
        {MARKET: market},
        pools={POOL: CollateralPool(POOL)},
        subaccounts={each.id: each for each in (account, other, Subaccount(BIDDER, BIDDER, system=True))},
        ledger={f"fund/{POOL}": {QUOTE: ENDLESS}, "outside": {QUOTE: -held}},
        time_ms=now.elapsed_ms,
    )


def _slack(now: Now) -> Fraction:
    """What doubles leave open of an amount."""
    largest = max(abs(now.risk.equity_q), now.risk.maintenance_q, now.reserved)
    return STEPS * DOUBLE_STEP * largest + 2 * now.slack


def _share_slack(now: Now) -> Fraction:
    """The same of a share: a share is a quotient of amounts, the divisor at least the requirement."""
    return WAD * (STEPS * DOUBLE_STEP + 4 * now.slack / now.risk.maintenance_q)


def _around(amount: int | Fraction, slack: int | Fraction, unit: Fraction = Fraction(1)) -> Range:
    return Range((amount - slack) * unit, (amount + slack) * unit)


KINDS = NamedKinds({auction: ("actions", "liquidation_fee")})
