"""An engine's log on the clearinghouse: nothing differs, what would differ is told, what is not on chain is named."""

import os

import pytest
from msgspec.structs import replace

from chain.anvil import PRAGUE, anvil
from ringfence.chain import twin
from ringfence.chain.evm import GENESIS_TIME_S, Evm
from ringfence.chain.replay import replay
from ringfence.chain.rpc import DevelopmentChain
from ringfence.chain.terms import market_terms, numbered, policy_of, refuse_what_is_left_out, terms_of
from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse, Entry, restore, snapshot
from ringfence.clearing.log import replay as replay_log
from ringfence.clearing.model import (
    QUOTE,
    CollateralPool,
    Market,
    Order,
    Scale,
    Venue,
    market_subaccount,
)
from ringfence.clearing.policy import CostShare, Liquidation, Policy, Tier, Tiered
from ringfence.clearing.risk import Risk
from ringfence.compare.crash_log import crash_logs
from ringfence.errors import InputError
from ringfence.rules.requirement import tier_deduction
from ringfence.rules.words import PPM

FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"
PRICE = 2_000 * 10**8
"""Of a coin of 1e8 atoms in quanta of 1e-8 USD; a step is a thousandth of a coin."""
POLICY = policy_of(
    terms_of(
        replace(
            Policy(),
            liquidation=Liquidation(size="target", fee_ppm=5_000),
            waterfall=("insurance", "counterparty", "deleverage"),
        )
    )
)
LOWER_Q = 20_000 * 10**6
TABLE = Tiered(
    (
        Tier(0, 100_000, 50_000, 0),
        Tier(LOWER_Q, 200_000, 100_000, tier_deduction(0, LOWER_Q, 100_000, 50_000)),
    ),
    PPM,
)
COIN, STEP = 10**8, 10**5


def market(name="ETH", pool="main", **fields):
    return Market(name, Scale(1, 10**10), TABLE, pool, step_b=STEP, **fields)


def venue(policy=POLICY):
    """Two markets in two pools, and nobody."""
    markets = {each.id: each for each in (market(), market("SOL", "small"))}
    return Venue(policy, markets, pools={name: CollateralPool(name) for name in ("main", "small")})


def told(*commands, start=None):
    """The log of some commands, behind those that open the markets."""
    house = Clearinghouse(start or venue())
    for name in house.venue.markets:
        house.submit(cmd.OpenSubaccount(market_subaccount(name), "venue", system=True))
    house.submit(cmd.SetPrices(1_000, 1, {"ETH": PRICE, "SOL": PRICE // 10}))
    for command in commands:
        house.submit(command)
    return house.entries


def trade(name, size_b, market="ETH", price=PRICE):
    return cmd.Trade(market, size_b, price, name, market_subaccount(market))


def on_chain(entries, start=None):
    return replay(start or venue(), entries, Evm(signed=False))


OPENED = (
    cmd.OpenSubaccount("ada", "ada"),
    cmd.OpenSubaccount("ada/ETH", "ada", "ada"),
    cmd.Deposit("ada", QUOTE, 3_000 * 10**6),
)
STORY = (
    *OPENED,
    cmd.FundInsurance("main", 10**6),
    trade("ada/ETH", 40 * COIN),  # PARENT_MARGIN: ada lacks 16,000
    trade("ada/ETH", 9 * COIN),  # draws 1,800 from ada
    cmd.OpenSubaccount("ada/SOL", "ada", "ada"),
    trade("ada/SOL", COIN, "SOL", PRICE // 10),
    trade("ada", -COIN, "SOL", PRICE // 10),
    cmd.Withdraw("ada", QUOTE, 1_185 * 10**6),  # INITIAL_MARGIN: ada has 1,160 free
    cmd.Withdraw("ada", QUOTE, 1_100 * 10**6),
    cmd.AccrueFunding("ETH", 1_000),
    trade("ada/ETH", -4 * COIN),
    cmd.TransferMargin("ada", "ada/ETH", QUOTE, 5 * 10**7),
    cmd.Liquidate("ada/ETH", "ETH"),  # NOT_LIQUIDATABLE
    cmd.SetPrices(61_000, 2, {"ETH": PRICE * 85 // 100}),
    cmd.Liquidate("ada/ETH", "ETH"),
    cmd.Liquidate("ada/ETH", "ETH"),  # NOT_LIQUIDATABLE any more
    cmd.SetPrices(121_000, 3, {"ETH": PRICE * 60 // 100}),
    cmd.Liquidate("ada/ETH", "ETH"),
    trade("ada", COIN, "SOL", PRICE // 10),
    trade("ada/SOL", -COIN, "SOL", PRICE // 10),  # hands its margin back
)


# -- one story ------------------------------------------------------------------------------------------------------


def test_a_story_with_refusals_margin_of_a_parent_and_a_loss_is_the_same():
    entries = told(*STORY)
    found = on_chain(entries)
    assert found.differences == []
    assert found.commands == len(entries)
    assert found.liquidations == 2
    assert found.losses == 1
    used = {name: len(gas) for name, gas in found.gas.items()}
    assert used["trade"] == 6
    assert used["withdraw"] == 1  # the other was refused by both, for the same reason
    assert used["liquidate"] == 2
    assert used["transfer_margin"] == 4  # drawn at two openings, handed back once, and one command


@pytest.mark.parametrize(
    ("field", "change"), [("liquidation_fee_ppm", 1), ("fee_to_fund_ppm", -1), ("target_ppm", 10_000)]
)
def test_another_rule_on_chain_is_told(monkeypatch, field, change):
    """The comparison sees a millionth of the fee, of the fund's part of it, and a percent of the target."""
    terms = terms_of(POLICY)
    other = terms._replace(**{field: getattr(terms, field) + change})
    monkeypatch.setattr(twin, "terms_of", lambda _policy: other)
    found = on_chain(told(*STORY))
    assert found.differences
    assert all("engine" in each and "contract" in each for each in found.differences)


def test_another_reason_is_told(monkeypatch):
    """Here the contract judges withdrawals by a floor that the engine does not have."""
    terms = terms_of(POLICY)._replace(withdrawal_floor_ppm=900_000)
    monkeypatch.setattr(twin, "terms_of", lambda _policy: terms)
    found = on_chain(told(*STORY))
    assert found.differences[0].endswith("engine accepted, contract INITIAL_MARGIN")


def test_a_log_may_start_from_a_state_with_positions():
    first, second = told(*OPENED, trade("ada/ETH", 9 * COIN)), told(*STORY)
    house = Clearinghouse(venue())
    for entry in first:
        house.submit(entry.command)
    state = snapshot(house.venue)
    later = Clearinghouse(restore(state))
    for command in STORY[5:]:
        later.submit(command)
    assert len(second) > len(later.entries)
    found = on_chain(later.entries, restore(state))
    assert found.differences == []
    assert found.liquidations == 2


# -- shared losses ----------------------------------------------------------------------------------------------------

SHARED = replace(POLICY, waterfall=("insurance", "socialize"))
FALL = (
    cmd.OpenSubaccount("ada", "ada"),
    cmd.OpenSubaccount("ben", "ben"),
    cmd.OpenSubaccount("cyd", "cyd"),
    *(cmd.Deposit(name, QUOTE, 2_000 * 10**6) for name in ("ada", "ben", "cyd")),
    trade("ada", 9 * COIN),
    trade("ben", -COIN),
    trade("cyd", -COIN),
    cmd.SetPrices(2_000, 2, {"ETH": PRICE * 85 // 100}),
    cmd.Liquidate("ada", "ETH"),  # 2,000 of collateral against a loss of 2,700
)
FUNDED = cmd.FundInsurance("main", 10**8)


ODD = cmd.FundInsurance("main", 1)
"""It leaves an odd number of atoms to the two."""


@pytest.mark.parametrize(
    "funds", [(), (FUNDED,), (FUNDED, ODD), (FUNDED,) * 10], ids=["none", "too little", "odd", "enough"]
)
def test_a_shared_loss_is_the_same(funds):
    """Two of the same equity share what money that came after the loss does not pay, by name here, by address there."""
    owed = (cmd.DrawInsurance("main"), cmd.Socialize("main"))
    found = on_chain(told(*FALL, *funds, *owed, start=venue(SHARED)), venue(SHARED))
    assert found.differences == []
    assert found.losses == 1
    assert len(found.gas["socialize"]) == 1


def test_nothing_is_shared_where_nothing_is_owed():
    entries = told(*FALL[:-2], cmd.Socialize("main"), cmd.Socialize("large"), start=venue(SHARED))
    found = on_chain(entries, venue(SHARED))
    assert found.differences == []
    assert "socialize" not in found.gas


def test_a_share_that_differs_is_told(monkeypatch):
    monkeypatch.setattr(twin, "subaccount_risk", lambda _, held: Risk(10**9 if held.id == "ben" else 1))
    found = on_chain(told(*FALL, cmd.Socialize("main"), start=venue(SHARED)), venue(SHARED))
    assert found.differences[0].endswith("engine accepted, contract OUT_OF_ORDER")


@pytest.mark.parametrize("after", [(), (cmd.AccrueFunding("ETH", 1),), (cmd.Socialize("small"),)])
def test_a_fund_that_pays_alone_is_not_on_chain(after):
    entries = told(*FALL, FUNDED, cmd.DrawInsurance("main"), *after, start=venue(SHARED))
    with pytest.raises(InputError, match="DrawInsurance of main: expected Socialize next"):
        on_chain(entries, venue(SHARED))


# -- a simulated crash ------------------------------------------------------------------------------------------------


def crash(mode, traders=12, move_ppm=100_000, *, socializes=False):
    """The crash of 2025-10-10 as `ringfence chain replay` simulates it."""
    [run] = crash_logs("2025-10-10", traders=traders, move_ppm=move_ppm, modes=[mode], socializes=socializes)
    return run


@pytest.mark.parametrize("mode", ["isolated", "cross", "hybrid"])
def test_a_simulated_crash_ends_the_same_on_chain(mode):
    """Real prices, drawn traders: same balances, same liquidations, same funds after every block."""
    run = crash(mode)
    found = on_chain(run.entries, restore(run.state))
    assert found.differences == []
    assert found.commands == len(run.entries)
    assert found.liquidations == len(run.tally.liquidations) > 10
    assert found.losses == sum(fill.loss_q > 0 for fill in run.tally.liquidations) > 2
    sent = {name: len(used) for name, used in found.gas.items()}
    assert sent["liquidate"] + sent.get("liquidate_account", 0) <= found.liquidations
    assert ("liquidate_account" in sent) is (mode != "isolated")


@pytest.mark.parametrize("mode", ["isolated", "cross", "hybrid"] if FUZZ else ["cross"])
def test_a_simulated_crash_whose_losses_traders_share_ends_the_same_on_chain(mode):
    run = crash(mode, 100 if FUZZ else 12, socializes=True)
    found = on_chain(run.entries, restore(run.state))
    assert found.differences == []
    assert found.losses > 2
    assert len(found.gas["socialize"]) > 1


@pytest.mark.fuzz
@pytest.mark.parametrize("mode", ["isolated", "cross", "hybrid"])
def test_a_larger_crash_in_finer_steps_ends_the_same_on_chain(mode):
    """A hundred traders under `make fuzz`: some hundred liquidations."""
    run = crash(mode, *((100, 50_000) if FUZZ else (4, 50_000)))
    found = on_chain(run.entries, restore(run.state))
    assert found.differences == []
    assert found.liquidations == len(run.tally.liquidations)


def test_a_simulated_crash_takes_the_same_gas_on_anvil():
    run = crash("cross", traders=6)
    here = on_chain(run.entries, restore(run.state))
    with anvil(*PRAGUE, "--timestamp", str(GENESIS_TIME_S)) as url:
        there = replay(restore(run.state), run.entries, DevelopmentChain(url))
    assert there == here
    assert there.differences == []
    assert there.liquidations > 0


def test_the_log_is_the_run_that_a_comparison_makes():
    """Taking the log changes nothing of the run."""
    run = crash("hybrid")
    house = replay_log(restore(run.state), run.entries)
    assert house.head == run.entries[-1].hash
    fills = [entry for entry in run.entries if isinstance(entry.command, cmd.Liquidate)]
    assert len(fills) == len(run.tally.liquidations)


# -- what is not on chain ---------------------------------------------------------------------------------------------


def test_an_entry_with_another_hash_is_refused():
    entries = told(*OPENED)
    entries[-1] = Entry(entries[-1].command, "00" * 32)
    with pytest.raises(InputError, match=f"log entry {len(entries)}: hash is 0000"):
        on_chain(entries)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (cmd.SetLeverage("ada", "ETH", 5), "SetLeverage"),
        (cmd.Reserve("ada", "one", "ETH", COIN), "Reserve"),
        (cmd.Deposit("ada", "BTC", 1), "Deposit"),
        (cmd.Deposit(market_subaccount("ETH"), QUOTE, 1), "market/ETH: is no trader's"),
        (trade("ada", COIN, price=PRICE + 1), "Trade"),
        (cmd.Trade("ETH", COIN, PRICE, "ada", "ada/ETH"), "Trade"),
        (cmd.Liquidate("ada", "ETH", 0, PRICE + 1), "Liquidate"),
        (cmd.SetPrices(2_000, 2, {"ETH": PRICE}, {"ETH": PRICE + 1}), "SetPrices"),
        (cmd.SetPrices(2_000, 2, {}, {}, {"BTC": 1}), "SetPrices"),
    ],
)
def test_a_command_that_the_contracts_do_not_have_is_named(command, sentence):
    with pytest.raises(InputError, match=rf"log entry \d+: .*{sentence}"):
        on_chain(told(*OPENED, command))


@pytest.mark.parametrize("under_margin", ["ratio", "free_reduce"])
@pytest.mark.parametrize("waterfall", [POLICY.waterfall, SHARED.waterfall])
def test_terms_are_a_policy_in_other_words(under_margin, waterfall):
    policy = replace(POLICY, under_margin=under_margin, waterfall=waterfall)
    assert policy_of(terms_of(policy)) == policy


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"under_margin": "strict_reduce"}, "policy.under_margin is strict_reduce; the contracts know ratio"),
        ({"risk_price": "index"}, "policy.risk_price is index; the contracts know mark"),
        (
            {"waterfall": ("insurance", "deleverage", "socialize")},
            "policy.waterfall is insurance, deleverage, socialize; the contracts know insurance, socialize",
        ),
        (
            {"liquidation": Liquidation(size="full")},
            "policy.liquidation.size is full; the contracts know target",
        ),
        ({"withdrawal_gate_blocks": 3}, "policy.withdrawal_gate_blocks is 3; the contracts know 0"),
    ],
)
def test_a_policy_that_the_contracts_do_not_follow_is_refused(changes, sentence):
    with pytest.raises(InputError, match=f"^{sentence}"):
        terms_of(replace(POLICY, **changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"requirement": CostShare(1, 1, 10)},
            "requirement CostShare: the contracts have margin tables only",
        ),
        ({"requirement": Tiered((Tier(0, 1, 1, 0),), 3)}, "whole parts per million"),
        (
            {"requirement": Tiered((*TABLE.tiers, Tier(10**10 + 1, 3, 3, 0)), PPM)},
            "bounds in steps of 10,000 USD",
        ),
        ({"requirement": Tiered((Tier(0, 1, 1, 0),), 0)}, "bounds and rates from 0 on"),
        ({"requirement": Tiered((Tier(0, -1, 1, 0),), PPM)}, "bounds and rates from 0 on"),
        ({"requirement": Tiered((Tier(0, 1, 1, 0),) * 5, PPM)}, "5 tiers: the contracts hold 4"),
        ({"scale": Scale(3, 10)}, "powers of ten only"),
        ({"step_b": 20}, "powers of ten only"),
        ({"minimum_margin_q": 5}, "minimum_margin_q: the contracts have none"),
        ({"settling": True}, "settling: the contracts have none"),
    ],
)
def test_a_market_that_the_contracts_do_not_have_is_refused(changes, sentence):
    with pytest.raises(InputError, match=f"^market ETH: .*{sentence}"):
        market_terms(replace(market(), **changes), 0)


def test_a_markets_terms_are_those_of_its_table():
    terms, above = market_terms(market(), 3)
    assert (terms.pool, terms.scale_exp, terms.step_exp) == (3, 10, 5)
    assert (terms.initial_ppm, terms.maintenance_ppm) == (100_000, 50_000)
    assert above == [(LOWER_Q, 200_000, 100_000)]


def test_more_than_the_contracts_hold_is_refused():
    assert numbered(["a", "b"], 2, "markets") == {"a": 0, "b": 1}
    with pytest.raises(InputError, match="3 markets: the contracts hold 2"):
        numbered("abc", 2, "markets")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda found: setattr(found.markets["ETH"], "funding_index", 1), "market ETH: funding has accrued"),
        (
            lambda found: setattr(found.markets["ETH"], "scale", Scale(1, 0)),
            "market ETH: scale: expected a fraction above 0",
        ),
        (
            lambda found: setattr(found.markets["ETH"], "step_b", 1),
            "market ETH: a step of a lot is worth less",
        ),
        (
            lambda found: found.subaccounts["ada"].balances.update(BTC=1),
            "subaccount ada: collateral other than USDC",
        ),
        (lambda found: found.subaccounts["ada"].orders.update(x=Order("ETH", 1)), "subaccount ada: orders"),
    ],
)
def test_a_state_that_cannot_be_set_up_is_refused(change, sentence):
    house = Clearinghouse(venue())
    for entry in told(*OPENED):
        house.submit(entry.command)
    change(house.venue)
    with pytest.raises(InputError, match=f"^{sentence}"):
        refuse_what_is_left_out(house.venue)


def test_parameters_that_the_contract_refuses_are_no_traceback():
    """Maintenance margin of nothing is a table like any other to the engine."""
    free = market()
    free = replace(free, requirement=Tiered((Tier(0, 1, 0, 0),), PPM))
    with pytest.raises(InputError, match=r"the contracts refuse the state .*PARAMETER_INVALID"):
        on_chain([], replace(venue(), markets={"ETH": free}))


def test_positions_that_were_opened_elsewhere_cannot_be_set_up():
    """Whatever they cost, deposits and trades at the marks give another cost."""
    house = Clearinghouse(venue())
    for entry in told(*OPENED, trade("ada/ETH", 9 * COIN)):
        house.submit(entry.command)
    held = house.venue.subaccounts["ada/ETH"].positions
    held["ETH"] = replace(held["ETH"], cost_q=held["ETH"].cost_q + 1)
    with pytest.raises(
        InputError, match="deposits and trades at the marks do not lead to this state: ada/ETH: ETH"
    ):
        on_chain([], house.venue)
