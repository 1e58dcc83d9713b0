"""What the engine decides itself, what it leaves to the reference, and that nothing ever wraps."""

import pytest
from msgspec.structs import replace

from chaos.auditor import Auditor
from chaos.world import AuditedHouse, Crash
from clearing.option_world import RULE
from kernel.engine.crowds import crowd, crowd_venue, fallen, venue_with
from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse, state_hash
from ringfence.clearing.model import QUOTE, Option, Position
from ringfence.clearing.policy import Auction, Liquidation, Policy, Window
from ringfence.clearing.resolve import resolve
from ringfence.clearing.set_rules import DebtMargin, SpreadCredit
from ringfence.clearing.verdict import Accepted, Reason
from ringfence.errors import InputError
from ringfence.kernel.engine.engine import Engine, copied
from ringfence.kernel.engine.plan import plan_of


def test_a_policy_that_nothing_is_compiled_for_says_so():
    plan = plan_of(crowd_venue(0, Policy(initial_profit_cap_q=1 << 62)))
    assert plan.is_empty
    assert "takes more than 62 bits" in plan.reasons[0]


def test_single_commands_are_left_out_with_a_reason():
    auctioned = Policy(liquidation=Liquidation(auction=Auction(10**6, 0, 1, 1, 1)))
    plan = plan_of(replace(crowd_venue(0), policy=auctioned))
    assert cmd.Liquidate not in plan.compiled
    assert cmd.Trade in plan.compiled
    assert plan_of(crowd_venue(0)).reasons == ()


def test_an_option_is_traded_like_anything_else_until_it_expires():
    venue = venue_with(option=Option("A", 1, call=True, expiry_ms=10))
    engine, house = Engine.from_venue(venue), Clearinghouse(venue)
    fill = cmd.Trade("A", 5, 100_000, "ann", "ben")
    assert engine.submit([fill]) == [house.submit(fill)]
    assert engine.by_reference == 0
    late = [cmd.SetPrices(10, 2, {"B": 100_000}), fill]
    assert engine.submit(late) == [house.submit(command) for command in late]
    assert engine.submit([fill])[0].reason is Reason.EXPIRED
    assert engine.by_reference == 0


def test_an_option_without_prices_in_scenarios_is_not_traded():
    """And where somebody holds it all the same, the reference is left to say what it makes of that."""
    venue = venue_with(Policy(set_rule=RULE), option=Option("B", 1, call=True, expiry_ms=10))
    venue.markets["B"].option = None
    engine, house = Engine.from_venue(venue), Clearinghouse(venue)
    fill, perp = (cmd.Trade(market, 5, 100_000, "ann", "ben") for market in "AB")
    assert engine.submit([fill, perp]) == [house.submit(fill), house.submit(perp)]
    assert engine.submit([fill])[0].reason is Reason.PRICE_NOT_SET
    assert engine.by_reference == 0
    venue.markets["A"].open_interest_b = 5
    assert plan_of(venue).reasons == ("A has positions and no prices in scenarios",)


@pytest.mark.parametrize(
    "wrong",
    [
        cmd.Deposit("ann", QUOTE, 1.5),
        cmd.Deposit("ann", QUOTE, "5"),
        cmd.SetPrices(10, 2, {"A": 0.5}),
        "Deposit",
    ],
)
def test_what_is_no_whole_number_is_refused_with_all_that_it_came_with(wrong):
    """A deposit of 1.5 atoms was booked as 1, one of "5" as 5."""
    engine = Engine.from_venue(venue_with())
    before = engine.state_hash()
    with pytest.raises(InputError, match="expected a"):
        engine.submit([cmd.Deposit("ann", QUOTE, 7), wrong])
    with pytest.raises(InputError, match="expected a"):
        engine.refer(wrong)
    assert engine.state_hash() == before


def test_a_window_leaves_fills_compiled_and_liquidations_to_the_reference():
    venue = venue_with(window=Window(10**9, 10**6, 10**6, 60_000))
    engine, house = Engine.from_venue(venue), Clearinghouse(venue)
    assert "a window paces liquidations of A" in plan_of(venue).reasons[0]
    fills = [cmd.Trade("A", 9 * 10**7, 100_000, "ann", "ben"), cmd.Trade("A", -5, 100_000, "ann", "ben")]
    assert engine.submit(fills) == [house.submit(fill) for fill in fills]
    assert engine.by_reference == 0
    fall = [cmd.SetPrices(2, 2, {"A": 99_000 - 8_000}), cmd.Liquidate("ann", "A")]
    assert engine.submit(fall) == [house.submit(command) for command in fall]
    assert engine.by_reference == 1
    assert engine.state_hash() == state_hash(house.venue)


HUGE = (1 << 95) + 12_345
"""The largest amounts that a command may say: their products leave 128 bits."""


@pytest.mark.parametrize("rule", [None, DebtMargin(1, 10), SpreadCredit(1, 5)])
def test_no_number_ever_wraps(rule):
    """Sizes and prices at the limit: compiled code gives up in the midst of a fill, and the reference takes over."""
    venue = venue_with(Policy(set_rule=rule))
    engine, house = Engine.from_venue(venue), Clearinghouse(venue)
    commands = [
        cmd.Deposit("ann", QUOTE, HUGE),
        cmd.Deposit("ben", QUOTE, HUGE),
        cmd.Trade("A", 10, 100_000, "ann", "ben"),
        cmd.Trade("A", HUGE, HUGE, "ann", "ben"),
        cmd.Trade("B", HUGE, 1, "ann", "ben"),
        cmd.Withdraw("ann", QUOTE, HUGE - 1),
        cmd.SetPrices(5, 5, {"A": HUGE, "B": HUGE}),
        cmd.Withdraw("ben", QUOTE, 1),
        cmd.Liquidate("ben", "A"),
        cmd.Trade("A", -3, 100_000, "ann", "ben"),
        cmd.Deposit("ann", QUOTE, 1 << 130),
    ]
    assert engine.submit(commands) == [house.submit(command) for command in commands]
    assert engine.by_reference > 2
    assert engine.state_hash() == state_hash(house.venue)


def test_prices_of_more_digits_than_64_bits_hold_leave_margin_to_the_reference():
    """As long as they stand: with shorter ones the rule is compiled again."""
    long = 10**25 + 1
    venue = venue_with(Policy(set_rule=RULE), mark=long, index=long)
    engine, house = Engine.from_venue(venue), Clearinghouse(venue)
    commands = [cmd.Deposit("ann", QUOTE, 5), cmd.Withdraw("ann", QUOTE, 5)]
    assert engine.submit(commands) == [house.submit(command) for command in commands]
    assert engine.by_reference == 1
    short = dict.fromkeys("ABCD", 10**25)
    commands = [cmd.SetPrices(2, 2, short, short), cmd.Trade("A", 1, 10**25, "ann", "ben"), *commands]
    assert engine.submit(commands) == [house.submit(command) for command in commands]
    assert engine.by_reference == 1


def test_what_was_done_for_others_stays_where_a_number_leaves_128_bits():
    venue = venue_with(Policy(liquidation=Liquidation()))
    ann, ben = venue.subaccounts["ann"], venue.subaccounts["ben"]
    ann.positions["A"], ben.positions["A"] = Position(10**6, 10**11, 0), Position(-(10**6), -(10**11), 0)
    ann.balances[QUOTE] = 5 * 10**8 - 10**11
    ben.positions["B"] = Position(HUGE << 16, HUGE << 16, 0)
    venue.markets["B"].mark = venue.markets["B"].index = HUGE
    engine, house = Engine.from_venue(venue), Clearinghouse(venue, keep_log=False)
    assert list(engine.resolve(["ann", "ben"])) == resolve(house, ["ann", "ben"])
    assert engine.state_hash() == state_hash(house.venue)
    assert "A" not in house.venue.subaccounts["ann"].positions


def test_a_state_that_outgrows_128_bits_leaves_the_rest_to_the_reference():
    """Money that liquidations and fills move takes the market's balance below -2^127; others are next in turn."""
    venue = venue_with(Policy(liquidation=Liquidation()))
    for name in ("ann", "ben"):
        venue.subaccounts[name].positions["A"] = Position(10**6, 10**11, 0)
        venue.subaccounts[name].balances[QUOTE] = 5 * 10**8 - 10**11
    venue.subaccounts["market/A"].balances[QUOTE] = -(1 << 127) + 10**10
    fills = [cmd.Trade("A", -lots, 100_000, "ann", "market/A") for lots in (10**6, 1)]
    engine, house = Engine.from_venue(venue), Clearinghouse(copied(venue), keep_log=False)
    assert engine.submit(fills) == [house.submit(fill) for fill in fills]
    assert engine.state_hash() == state_hash(house.venue)
    engine, house = Engine.from_venue(venue), Clearinghouse(venue, keep_log=False)
    assert list(engine.resolve()) == resolve(house, [*house.venue.subaccounts])
    assert engine.plan.is_empty
    assert engine.state_hash() == state_hash(house.venue)
    assert "A" not in house.venue.subaccounts["ben"].positions


def test_a_number_beyond_128_bits_in_the_state_leaves_all_to_the_reference():
    venue = venue_with()
    venue.subaccounts["ann"].balances[QUOTE] = 1 << 130
    engine = Engine.from_venue(venue)
    assert engine.plan.is_empty
    assert engine.state_hash() == state_hash(venue)
    assert isinstance(engine.submit([cmd.Withdraw("ann", QUOTE, 5)])[0], Accepted)


def test_a_refusal_leaves_no_trace():
    engine = Engine.from_venue(venue_with())
    before = engine.state_hash()
    refused = [
        cmd.Withdraw("ann", QUOTE, 10**13),
        cmd.Trade("A", 10**9, 100_000, "ann", "ben"),
        cmd.Liquidate("ann", "A"),
        cmd.Deleverage("ann", "A"),
        cmd.Socialize("main"),
    ]
    assert not any(isinstance(verdict, Accepted) for verdict in engine.submit(refused))
    assert engine.state_hash() == before
    assert engine.by_reference == 0


def test_small_arrays_grow_while_a_batch_runs():
    """Room for positions, records, claims and shares is found when it is needed, and changes nothing."""
    venue = crowd_venue(0)
    engine = Engine.from_columns(venue, crowd(200, 4))
    engine._held = engine.book._replace(tape=engine.book.tape[:64].copy(), steps=engine.book.steps[:4].copy())
    twin = Clearinghouse(engine.to_venue(), keep_log=False)
    fills = [cmd.Trade(m, 7, 100_000, "t0000001", "t0000002") for m in "ABCD" for _ in range(20)]
    commands = [cmd.Deposit(name, QUOTE, 10**12) for name in engine.names.rows[4:]] + fills
    assert engine.submit(commands) == [twin.submit(command) for command in commands]
    engine.submit([cmd.SetPrices(2, 2, fallen())])
    twin.submit(cmd.SetPrices(2, 2, fallen()))
    assert engine.state_hash() == state_hash(twin.venue)


class EngineHouse(AuditedHouse):
    """A clearinghouse whose every command goes through the engine, with the auditor at the door."""

    def __init__(self, venue):
        super().__init__(venue)
        self.engine = Engine.from_venue(venue)
        self.auditor = Auditor(venue)

    def submit(self, command):
        verdict = self.engine.submit([command])[0]
        self.venue = self.engine.to_venue()
        accepted = isinstance(verdict, Accepted)
        self.auditor.check(command, verdict.events if accepted else verdict.reason.name, self.venue)
        return verdict


@pytest.mark.parametrize("seed", range(3))
def test_an_auditor_who_knows_nothing_of_it_finds_nothing_wrong(seed, monkeypatch):
    """Conservation, lots, fences and every amount, worked out by the auditor from the command alone."""
    monkeypatch.setattr("chaos.world.AuditedHouse", EngineHouse)
    monkeypatch.setattr(Crash, "finish", lambda self: self.house.engine.audit())
    Crash(seed).run()
