"""GMX's cases beyond their tables: the state machine pays what the venue paid, and what a case leaves out is named."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, Subaccount
from ringfence.clearing.resolve import resolve
from ringfence.errors import InputError
from ringfence.questions.conformance.gmx_v2 import ACCOUNT, TOKEN, stake, venue_of
from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import judge, run
from ringfence.rules.collateral import tokens_down

CASES = Path(__file__).parent / "cases"
RAW = {
    case["case_id"]: case
    for name in ("gmx_v1", "gmx_v2")
    for case in json.loads((CASES / f"{name}.json").read_text())
}
CLOSED = [
    case for case in read_cases(CASES / "gmx_v2.json") if "/liquidation/" in case.id and "payout" in case.kind
]


def changed(tmp_path, case_id, changes, expected=None):
    """The verdict on a case with parts exchanged (`None`: left out), and other expected values where some are given.

    `positions.mark` names a field of the only position.
    """
    case = deepcopy(RAW[case_id])
    for name, value in changes.items():
        part, _, key = name.partition(".")
        target = case[part][0] if isinstance(case[part], list) else case[part]
        target.pop(key, None)
        if value is not None:
            target[key] = value
    case["expected"] = case["expected"] if expected is None else expected
    case["kind"] = "+".join(sorted(case["expected"]))
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([case]))
    return judge(read_cases(file)[0])


@pytest.mark.parametrize("name", ["gmx_v1", "gmx_v2"])
def test_the_reference_folder_agrees(shared, name):
    report = run([shared / "vectors" / f"{name}.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.passed == len(read_cases(shared / "vectors" / f"{name}.json"))


@pytest.mark.parametrize("case", CLOSED, ids=lambda case: case.id)
def test_the_state_machine_pays_what_the_venue_paid(case):
    """The position liquidated by commands: tokens sold for the loss, the rest returned, a gap left to the pool."""
    held = stake(case)
    venue = venue_of(case, held)
    liquidation = venue.policy.liquidation
    venue.policy = type(venue.policy)(
        liquidation=type(liquidation)(fee_ppm=0),
        waterfall=venue.policy.waterfall,
        rounding=venue.policy.rounding,
    )
    for name in (f"market/{held.market}", f"market/{TOKEN}"):
        venue.subaccounts[name] = Subaccount(name, name, system=True)
    account = venue.subaccounts[ACCOUNT]
    position = account.positions[held.market]
    pool = venue.subaccounts[f"market/{held.market}"]
    pool.positions[held.market] = type(position)(-position.size_b, -position.cost_q, 0)
    pool.balances[QUOTE] = position.cost_q
    venue.markets[held.market].open_interest_b = held.size
    venue.ledger["outside"] = {TOKEN: -held.collateral}
    done = resolve(Clearinghouse(venue), [ACCOUNT])
    assert done
    assert not account.positions
    tokens = account.balances.get(TOKEN, 0) + tokens_down(account.quote_q, held.token_high)
    assert tokens == int(case.body["expected"]["payout"][held.asset].fraction() * 10**held.decimals)


OTHERS = [
    # a long of 90 USD with half the fee: 0.045 USD
    ("gmx_v1/long/open", {"rule.margin_fee_bps": 5}, {"collateral_after_fee_usd": "9.955"}),
    # at 100x a long that was closed at 50x stands, and nobody is paid
    (
        "gmx_v1/long/closed",
        {"rule.max_leverage_bps": 1_000_000},
        {"trader_receives_sats": 0, "pool_after_sats": 5_232_561},
    ),
    # WETH at 4,999: 510 USD are 0.1020204040808161632... tokens, rounded up in 18 decimal places
    (
        "gmx_v2/liquidation/short at 15.017",
        {"collateral.price": "4999"},
        {"payout": {"WETH": "0.897979595919183836"}},
    ),
    # the oracle shows two prices: a long is worth the lower one, a short the higher
    (
        "gmx_v2/liquidation/collateral halves and a cent",
        {"positions.mark": None, "positions.mark_min": "14.99", "positions.mark_max": "20"},
        {"pnl_usd": "-300"},
    ),
    (
        "gmx_v2/liquidation/short at 15.017",
        {"positions.mark": None, "positions.mark_min": "10", "positions.mark_max": "15.017"},
        {"pnl_usd": "-510"},
    ),
    # a fee of 0.1 % of the size, 450 USD, counts in the trigger: 4,501 are not enough
    (
        "gmx_v2/liquidation/short, collateral at 4,501",
        {"rule.position_fee": "0.001"},
        {"liquidatable": True, "payout": {"WETH": "0.900022217285047767"}},
    ),
    # however the side is written
    ("gmx_v2/liquidation/short at 15.017", {"positions.side": "SHORT"}, {"pnl_usd": "-510"}),
    ("gmx_v1/short/90@41000", {"positions.side": "sell"}, {"has_profit": False}),
    # no collateral is left, and the loss of 510 USD stays with the pool
    (
        "gmx_v2/liquidation/short at 15.017",
        {"collateral.amount": "0"},
        {"liquidatable": True, "payout": {"WETH": "0"}, "uncollectable_usd": "510"},
    ),
    # a third of a token to 17 digits is as close to a third as a case can say
    (
        "gmx_v2/liquidation/smallest collateral",
        {"positions.size_tokens": "0.06666666666666667"},
        {"remaining_collateral_usd_before_fees": "0.75"},
    ),
    # a profit that the pool pays in part, and the same in full
    ("gmx_v2/cap/one token", {}, {"payout": {"USDC": "100000"}, "pnl_usd": "450000"}),
    # the size in tokens is found where it is not stated
    ("gmx_v2/liquidation/long, nothing moved", {"positions.size_tokens": None}, {"pnl_usd": "0"}),
    # closing 1,836,735 USD of profit leaves the side below 2 %, and half of the size is profit
    (
        "gmx_v2/deleveraging/one step",
        {"action.size_delta_usd": "1836735"},
        {"adl_enabled": True, "order_executed_secondary_type": 0},
    ),
    (
        "gmx_v2/deleveraging/one step",
        {"action.size_delta_usd": "1836734"},
        {"order_executed_secondary_type": 1},
    ),
    ("gmx_v2/deleveraging/one step", {"rule.max_pnl_factor_for_adl": "0.2"}, {"adl_enabled": False}),
    ("gmx_v2/cap/one token", {"rule.pool_amount_usd": "1000000"}, {"capped_pnl_usd": "450000"}),
]


@pytest.mark.parametrize(("case_id", "changes", "expected"), OTHERS)
def test_other_numbers_of_the_same_kinds(tmp_path, case_id, changes, expected):
    result = changed(tmp_path, case_id, changes, expected)
    assert (result.status, [str(mismatch) for mismatch in result.mismatches]) == ("passed", [])


SENTENCE = (
    "a loss of 420000 USD meets {} USD of collateral; 415000 stay uncollected, there is no insurance fund"
)


@pytest.mark.parametrize(("amount", "status"), [("5000", "passed"), ("6000", "failed")])
def test_a_sentence_holds_when_its_amounts_are_ours(tmp_path, amount, status):
    result = changed(tmp_path, "gmx_v2/liquidation/long at 1", {"expected.note": SENTENCE.format(amount)})
    assert result.status == status


@pytest.mark.parametrize(
    ("case_id", "changes", "reason"),
    [
        ("gmx_v1/long/open", {"collateral.asset": "SHIB"}, "a token of unknown decimals: SHIB"),
        ("gmx_v1/long/closed", {"positions.size_usd": "5000"}, "how much liquidity the vault holds"),
        ("gmx_v2/deleveraging/one step", {"positions.side": "short"}, "what the pool holds to pay this side"),
        ("gmx_v1/long/open", {"expected.gas_used": 5}, "no value for gas_used"),
        ("gmx_v2/liquidation/long at 1", {"rule.borrowing": "0.5"}, "for how long borrowing has been owed"),
        (
            "gmx_v2/deleveraging/one step",
            {"positions.market": "SOL-USD", "collateral.asset": "USDC"},
            "what the pool",
        ),
    ],
)
def test_what_a_case_leaves_out_is_named(tmp_path, case_id, changes, reason):
    result = changed(tmp_path, case_id, changes)
    assert result.status == "unsupported"
    assert reason in result.reason


@pytest.mark.parametrize(
    ("case_id", "changes", "field"),
    [
        ("gmx_v1/long/90@39000", {"positions.mark": "high"}, "positions[0].mark"),
        ("gmx_v1/long/90@39000", {"positions.mark": "5 min / 1.2.3 max"}, "positions[0].mark"),
        ("gmx_v1/long/90@39000", {"positions.size_usd": "0"}, "positions[0].size_usd"),
        ("gmx_v2/liquidation/long at 1", {"collateral.price": None}, "collateral[0].price"),
        ("gmx_v2/liquidation/long at 1", {"collateral.amount": "-1"}, "collateral[0].amount"),
        ("gmx_v2/liquidation/long at 1", {"positions.side": "up"}, "positions[0].side"),
        ("gmx_v2/impact/01", {"positions.exponent": "x"}, "positions[0].exponent"),
        (
            "gmx_v2/cap/one token",
            {"rule.max_pnl_factor_for_traders": None},
            "rule.max_pnl_factor_for_traders",
        ),
    ],
)
def test_bad_input_is_named_by_case_and_field(tmp_path, case_id, changes, field):
    with pytest.raises(InputError) as caught:
        changed(tmp_path, case_id, changes)
    message = str(caught.value)
    assert message.startswith(f"cases.json: {case_id}: {field}: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"positions.exponent": "30"}, "the power is too large"),
        ({"positions.diff_usd": "-5"}, "no power of a negative number"),
    ],
)
def test_a_power_that_the_contract_refuses_is_refused(tmp_path, changes, refused):
    assert refused in str(changed(tmp_path, "gmx_v2/impact/01", changes).mismatches[0])
