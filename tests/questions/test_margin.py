"""Margin of accounts: numbers worked out by hand, and what is said where a number cannot be had."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from questions.desk import account, cross, isolated
from ringfence.books import Account, BookPosition, read_accounts
from ringfence.errors import InputError
from ringfence.questions.margin import ask, margin
from ringfence.venues.rulebook import load

D = Decimal


def figures(result, *names):
    return [result[name].value for name in names]


@pytest.fixture(scope="module")
def generic():
    """The neutral rulebook: BTC and ETH 2 % / 1 %, SOL 5 % / 2.5 % in the first tier."""
    return load("generic")


@pytest.fixture(scope="module")
def hyperliquid():
    """The newest Hyperliquid rulebook."""
    return load("hyperliquid")


def test_a_desk(generic):
    desk = account(
        cross("BTC", "0.5", "60000", "61000", leverage=D(10)),
        isolated("SOL", "-100", "150", "148", "1500"),
        assets={"ETH": D("2.5")},
        prices={"ETH": D(2000)},
    )
    (result,) = margin([desk], generic)
    shared, sol = result.subaccounts
    assert (shared.subaccount, shared.mode) == ("desk", "cross")
    assert (sol.subaccount, sol.mode) == ("desk/SOL", "isolated")
    assert figures(shared, "notional", "initialMargin", "maintenanceMargin") == ["30500", "3050", "305"]
    # 10000 + 0.5 x (61000 - 60000) + 2.5 x 2000 less 10 %
    assert figures(shared, "equity", "freeCollateral", "liquidatable") == ["15000", "11950", False]
    assert figures(sol, "equity", "initialMargin", "maintenanceMargin") == ["1700", "740", "370"]
    assert figures(sol, "marginRatio", "leverage", "removableMargin") == [
        "0.217647058824",
        "8.705882352941",
        "960",
    ]
    (short,) = sol.positions
    assert figures(short, "unrealizedPnl", "notional", "initialMargin") == ["200", "14800", "740"]
    # 1500 + 100 x 150 = 100 x 1.025 x p
    assert D(short["venueLiquidationPrice"].value) == D(16500) / D("102.5") // D("1e-10") * D("1e-10") + D(
        "1e-10"
    )


def test_prices_replace_those_of_the_file_under_any_name(generic):
    desk = account(cross("BTC/USDC:USDC", "1", "60000", "61000"))
    for name in ("BTC", "btc", "BTC-USD", "BTC/USDC:USDC"):
        (result,) = margin([desk], generic, {name: D(62000)})
        assert figures(result.subaccounts[0], "equity") == ["12000"]


def test_finer_numbers_than_the_venues_own_are_kept(hyperliquid):
    desk = account(cross("BTC", "0.123456789", "60000.123", "61000.4567"))
    (result,) = margin([desk], hyperliquid)
    (btc,) = result.positions
    assert btc.stated["contracts"] == "0.123456789"
    assert btc.stated["priceQuantum"] == "0.0001"
    exact = D("0.123456789") * D("61000.4567")
    assert 0 <= exact - D(btc["notional"].value) < D("0.000001")


def test_a_losing_short_leg_costs_and_a_winning_one_helps(generic):
    """A two-leg account whose other leg's PnL must carry its sign (a known defect elsewhere)."""
    bitcoin = cross("BTC", "1", "60000", "60000")
    losing, winning = (cross("ETH", size, "2500", "2000") for size in ("10", "-10"))
    prices = []
    for leg in (losing, winning):
        (result,) = margin([account(bitcoin, leg, usdc="12000")], generic)
        prices.append(D(result.positions[0]["venueLiquidationPrice"].value))
    # (60000 - surplus other than BTC's own) / 0.99, with 200 of maintenance margin for ETH
    assert [price.quantize(D("0.01")) for price in prices] == [D("53737.37"), D("43636.36")]


@pytest.mark.parametrize("mode", ["Cross", "CROSS", "isolate", "", None])
def test_a_mode_that_does_not_exist_is_refused(generic, mode):
    """The position would be in no subaccount, and the account would look empty."""
    desk = account(replace(cross("BTC", 1, 60000, 61000), mode=mode))
    with pytest.raises(InputError, match=f"marginMode: expected cross or isolated, got {mode!r}"):
        margin([desk], generic)


def test_each_leg_has_its_own_tier(generic):
    """Maintenance margin is the sum of the legs' and not that of a tier found by the sum of notionals."""
    legs = [cross(symbol, "1", "4000000", "4000000") for symbol in ("BTC", "ETH")]
    (result,) = margin([account(*legs, usdc="1000000")], generic)
    alone = [
        margin([account(leg, usdc="1000000")], generic)[0].subaccounts[0]["maintenanceMargin"].value
        for leg in legs
    ]
    assert D(result.subaccounts[0]["maintenanceMargin"].value) == sum(map(D, alone))


def test_without_collateral_only_what_needs_none_is_said(generic):
    bare = Account("bare", None, (cross("BTC", "1", "60000", "61000"),))
    (result,) = margin([bare], generic)
    (part,) = result.subaccounts
    assert figures(part, "notional", "initialMargin", "maintenanceMargin") == ["61000", "1220", "610"]
    unknown = (
        "equity",
        "freeCollateral",
        "marginRatio",
        "liquidatable",
        "maxWithdrawal",
        "uniformMoveToLiquidation",
    )
    assert figures(part, *unknown) == [None] * len(unknown)
    assert part.positions[0]["liquidationPrice"].value is None
    assert "does not say what backs" in str(part["equity"].explain())


def test_collateral_without_a_price_counts_for_nothing_and_says_so(generic):
    desk = account(assets={"ETH": D(5)})
    (result,) = margin([desk], generic)
    assert figures(result.subaccounts[0], "equity") == ["10000"]
    assert result.notes == ("ETH: no price is given, so it counts for nothing; give --price ETH=...",)
    (priced,) = margin([desk], generic, {"ETH": D(1000)})
    assert figures(priced.subaccounts[0], "equity") == ["14500"]


def test_a_price_of_nothing_is_a_price(generic):
    (result,) = margin([account(assets={"ETH": D(5)})], generic, {"ETH": D(0)})
    assert result.notes == ()
    held = replace(account(assets={"ETH": D(5)}), prices={"ETH": D(1000)})
    (stressed,) = margin([held], generic, {"ETH": D(0)})
    assert figures(stressed.subaccounts[0], "equity") == ["10000"]


def test_no_ratio_where_equity_is_gone(generic):
    (result,) = margin([account(cross("BTC", "1", "60000", "40000"), usdc="15000")], generic)
    part = result.subaccounts[0]
    assert figures(part, "equity", "marginRatio", "leverage") == ["-5000", None, None]
    assert figures(part, "liquidatable", "maxWithdrawal", "uniformMoveToLiquidation") == [True, "0", "0"]


def test_a_position_that_nothing_can_liquidate_has_no_liquidation_price(generic):
    (result,) = margin([account(cross("BTC", "1", "60000", "60000"), usdc="60001")], generic)
    assert figures(result.positions[0], "liquidationPrice", "venueLiquidationPrice") == [None, None]


def test_margin_that_cannot_leave(hyperliquid):
    strict = next(
        name for name in hyperliquid.symbols if hyperliquid.market_modes(name) == ("strict_isolated",)
    )
    (result,) = margin([account(isolated(strict, "1000", "1", "1", "900"))], hyperliquid)
    assert result.subaccounts[1]["removableMargin"].value == "0"


def refusal(rulebook, *accounts, prices=None):
    with pytest.raises(InputError) as caught:
        margin(accounts, rulebook, prices)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_a_venue_cannot_hold(hyperliquid):
    assert "no market 'DOGEX'" in refusal(hyperliquid, account(cross("DOGEX", "1", "1", "1")))
    assert "ETH: not collateral on hyperliquid" in refusal(hyperliquid, account(assets={"ETH": D(1)}))
    dydx = load("dydx-v4")
    lonely = next(name for name in dydx.symbols if dydx.market_modes(name) == ("isolated_market",))
    assert "cannot be held cross on dydx-v4" in refusal(dydx, account(cross(lonely, "1", "1", "1")))


def test_one_symbol_under_two_names(generic):
    twice = account(cross("BTC", "1", "1", "1"), cross("BTC-USD", "1", "1", "1"))
    assert "BTC stands twice as cross" in refusal(generic, twice)


def test_a_price_that_is_missing_or_contradicts_another(generic):
    unpriced = account(BookPosition("BTC", D(1), D(1), None, "cross"))
    assert "markPrice: missing; state it in the file or give --price BTC=..." in refusal(generic, unpriced)
    margin([unpriced], generic, {"BTC": D(5)})
    two = account(cross("BTC", "1", "1", "1"), isolated("BTC", "1", "1", "2", "1"))
    assert "BTC has two mark prices in one account" in refusal(generic, two)


@pytest.mark.parametrize(
    ("position", "said"),
    [
        (cross("BTC", "1e29", "1", "1"), "more than the engine holds (2^96 atoms"),
        (cross("BTC", "1", "1", "1e29"), "more than the engine holds (2^96 atoms"),
        (cross("BTC", "1e20", "1e20", "1"), "the balance of desk is more than the engine holds"),
        (cross("BTC", "1." + "0" * 34 + "1", "1", "1"), "has more than 30 decimal places"),
    ],
)
def test_numbers_that_are_too_large_or_too_fine(generic, position, said):
    assert said in refusal(generic, account(position))


def test_the_largest_position_that_fits(generic):
    size = D("792281625142643375935.43950335")
    (result,) = margin([account(isolated("SOL", size, "0.0001", "0.0001", "1"))], generic)
    assert result.positions[0]["liquidationPrice"].value is not None


def test_a_changed_rulebook_counts_above_what_the_venue_stated(hyperliquid):
    """The venue's word on leverage is about its rules as they are, not about changed ones."""
    position = cross("BTC", "1", "60000", "60000", venue_max_leverage=D(50))
    desk = account(position, venue="hyperliquid")
    (stated,) = ask([desk], "hyperliquid", {})
    (changed,) = ask([desk], "hyperliquid{BTC.maxLeverage=20}", {})
    asked = [answer.accounts[0].positions[0]["initialMargin"].value for answer in (stated, changed)]
    assert asked == ["1200", "3000"]
    assert "BTC: maximum leverage is 50 in the file" in str(stated.warnings)
    assert changed.warnings == []


def test_accounts_may_be_held_another_way(generic):
    desk = account(cross("BTC", "1", "60000", "60000"), isolated("SOL", "-100", "150", "148", "1500"))
    (together,) = margin([desk], generic, wanted="cross")
    assert [part.subaccount for part in together.subaccounts] == ["desk"]
    assert figures(together.subaccounts[0], "equity") == ["11700"]
    assert together.subaccounts[0].collateral == {"USDC": "11500"}
    (alone,) = margin([desk], generic, wanted="isolated")
    assert [part.subaccount for part in alone.subaccounts] == ["desk", "desk/BTC", "desk/SOL"]
    assert [figures(part, "equity") for part in alone.subaccounts] == [["0"], ["10000"], ["1700"]]


def test_each_account_is_judged_by_its_own_venue():
    here = account(cross("BTC", "1", "60000", "60000"), venue="hyperliquid", name="here")
    there = account(cross("BTC", "1", "60000", "60000"), name="there")
    answers = ask([here, there], None, {})
    assert [(answer.rulebook.head.venue, answer.accounts[0].account) for answer in answers] == [
        ("hyperliquid", "here"),
        ("generic", "there"),
    ]


def test_a_price_of_something_that_nobody_holds():
    with pytest.raises(InputError, match="--price BCT: no account holds BCT"):
        ask([account(cross("BTC", "1", "1", "1"))], None, {"BCT": D(1)})


def test_json_is_text_all_the_way_down(generic):
    desk = account(cross("BTC", "0.5", "60000", "61000"), isolated("SOL", "-100", "150", "148", "1500"))
    (result,) = margin([desk], generic)
    written = json.loads(json.dumps(result.to_json(explain=True)))

    def numbers(value):
        if isinstance(value, dict):
            return [number for inner in value.values() for number in numbers(inner)]
        if isinstance(value, list):
            return [number for inner in value for number in numbers(inner)]
        return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []

    assert numbers(written) == []
    assert {"equity", "initialMargin", "maintenanceMargin", "marginRatio", "liquidatable"} <= written[
        "subaccounts"
    ][0].keys()
    assert {
        "liquidationPrice",
        "entryPrice",
        "markPrice",
        "notional",
        "unrealizedPnl",
        "contracts",
        "side",
    } <= (written["subaccounts"][0]["positions"][0].keys())


def test_equity_and_margin_are_the_servers(shared):
    """Equity, maintenance margin and initial margin of whole recorded accounts, to the last digit."""
    recorded = json.loads((shared / "data/ccxt_positions.json").read_text())["vectors"]
    states = [case["raw"] for case in recorded if case["exchange"] == "hyperliquid"]
    accounts = read_accounts(shared / "data/ccxt_positions.json")
    for state, result in zip(states, margin(accounts, load("hyperliquid")), strict=True):
        part = result.subaccounts[0]
        assert D(part["equity"].value) == D(state["crossMarginSummary"]["accountValue"])
        assert D(part["maintenanceMargin"].value) == D(state["crossMaintenanceMarginUsed"])
        assert D(part["initialMargin"].value) == D(state["crossMarginSummary"]["totalMarginUsed"])
        equity = sum(D(each["equity"].value) for each in result.subaccounts)
        assert equity == D(state["marginSummary"]["accountValue"])
