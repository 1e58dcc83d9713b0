"""Markets whose liquidity caps what traders are paid: who wins there is paid alike, whoever decides."""

import os
from collections import Counter
from contextlib import suppress

import pytest

from chaos.world import Crash
from kernel.engine.crowds import MARK, NAMES, crowd, crowd_venue, fallen, venue_with
from kernel.engine.logs import TRADERS, FullError, Keeper
from kernel.engine.test_accounts import must_agree
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing import ledger
from ringfence.clearing.liquidity import withheld_q
from ringfence.clearing.log import Clearinghouse, restore, state_hash
from ringfence.clearing.model import QUOTE, Position, Side, Subaccount, market_subaccount
from ringfence.clearing.policy import Deleveraging, Liquidation, Policy, Solvency
from ringfence.clearing.resolve import Fills, resolve
from ringfence.clearing.risk import risk_price, worth_q
from ringfence.clearing.verdict import Accepted, Reason
from ringfence.errors import InputError
from ringfence.kernel.engine.engine import Engine, copied
from venues.states import RULEBOOKS

FUZZ = os.environ.get("RINGFENCE_FUZZ") == "1"
HALF = Solvency(500_000, 900_000, 800_000)
POOL = market_subaccount("A")


def winner(taker_is_pool):
    """Ann buys 1,000 lots at 100,000 of a pool of 10^8, which then are worth twice as much; closes half of them.

    Half of the pool stands for the longs and half of that is paid at most: a quarter of the profit of 10^8.
    """

    def fill(lots, price):
        sides = (POOL, "ann") if taker_is_pool else ("ann", POOL)
        return cmd.Trade("A", -lots if taker_is_pool else lots, price, *sides)

    opened = [cmd.Deposit(POOL, QUOTE, 10**8), fill(1_000, MARK), cmd.SetPrices(2, 2, {"A": 2 * MARK})]
    return opened, fill(-500, 2 * MARK)


@pytest.mark.parametrize("taker_is_pool", [False, True])
def test_profit_beyond_the_cap_is_neither_counted_nor_paid(taker_is_pool):
    """Initial margin is 2 % of 2 x 10^8; of the profit a quarter counts, and of half of it as much is paid."""
    opened, close = winner(taker_is_pool)
    free_q = 10**12 + 25 * 10**6 - 4 * 10**6
    beyond, within = (cmd.Withdraw("ann", QUOTE, free_q + more) for more in (1, 0))
    verdicts = must_agree(venue_with(solvency=HALF), [*opened, beyond, within], 0)
    assert verdicts[3].reason is Reason.INITIAL_MARGIN
    assert isinstance(verdicts[4], Accepted)
    *_, closed = must_agree(venue_with(solvency=HALF), [*opened, close], 0)
    assert [event for event in closed.events if isinstance(event, ev.Transfer)][-1] == ev.Transfer(
        "sub/ann", f"sub/{POOL}", QUOTE, 50 * 10**6 - 12_500_000, "profit_cap"
    )


def test_what_others_do_moves_the_equity_of_a_winner():
    """Losses of the same side and money for the pool lift the cap; a fill that is refused leaves sides as they were."""
    opened, close = winner(taker_is_pool=False)
    commands = [
        *opened,
        cmd.Trade("A", 900, 3 * MARK, "ben", POOL),
        close,
        cmd.Trade("A", 10**9, 2 * MARK, "ben", POOL),
        cmd.Deposit(POOL, QUOTE, 10**9),
        close,
    ]
    closings = must_agree(venue_with(solvency=HALF), commands, 0)[4::3]
    kept = [sum(getattr(event, "why", "") == "profit_cap" for event in each.events) for each in closings]
    assert kept == [0, 0]


def test_a_pool_without_cash_or_that_nobody_opened_pays_nothing():
    opened, close = winner(taker_is_pool=False)
    must_agree(venue_with(solvency=HALF), [*opened[1:], close], 0)
    venue = venue_with(solvency=HALF)
    del venue.subaccounts[POOL]
    fills = [cmd.Trade("A", lots, MARK + lots, "ann", "ben") for lots in (1_000, -400)]
    moved = [fills[0], cmd.SetPrices(2, 2, {"A": 3 * MARK}), cmd.Withdraw("ann", QUOTE, 10**12 - 10**6)]
    must_agree(venue, [*moved, fills[1], cmd.OpenSubaccount(POOL, "venue", None, True), *moved], 1)


def test_a_trader_who_is_the_liquidity_itself_leaves_all_to_the_reference():
    venue = venue_with(solvency=HALF)
    del venue.subaccounts[POOL]
    engine, house = Engine.from_venue(venue), Clearinghouse(venue)
    opened, close = winner(taker_is_pool=False)
    commands = [cmd.OpenSubaccount(POOL, "venue"), *opened, close]
    assert engine.submit(commands[1:2])[0].reason is Reason.SUBACCOUNT_UNKNOWN
    assert engine.plan.reasons == ()
    assert engine.submit(commands) == [house.submit(command) for command in commands]
    assert "is a trader itself" in engine.plan.reasons[0]
    assert engine.state_hash() == state_hash(house.venue)


def test_sides_that_leave_128_bits_are_left_to_the_reference():
    """What a side costs passes 2^127 in the midst of a fill, which is refused all the same."""
    venue = venue_with(solvency=HALF)
    cost_q = 3 << 125
    venue.subaccounts["cem"] = Subaccount("cem", "cem", positions={"A": Position(1, cost_q, 0)})
    venue.subaccounts[POOL].positions["A"] = Position(-1, -cost_q, 0)
    venue.markets["A"].longs, venue.markets["A"].open_interest_b = Side(1, cost_q), 1
    for who in ("cem", POOL):
        venue.subaccounts[who].balances[QUOTE] = -venue.subaccounts[who].positions["A"].cost_q
    too_much = cmd.Trade("A", 1 << 31, 1 << 95, "eve", POOL)
    venue.subaccounts["eve"] = Subaccount("eve", "eve")
    must_agree(venue, [too_much, cmd.Trade("A", 5, MARK, "ann", POOL)], 1)


# -- crashes -----------------------------------------------------------------------------------------------------------


def crash(policy, cash_q, count=240):
    """A crowd whose markets all cap profits; half of the winners' PnL is beyond what pools of `cash_q` pay."""
    venue = crowd_venue(0, policy)
    for name in NAMES:
        venue.markets[name].solvency = Solvency(600_000, 500_000, 400_000)
        venue.subaccounts[market_subaccount(name)].balances[QUOTE] = cash_q
    venue.ledger["outside"] = {QUOTE: -4 * cash_q}
    engine = Engine.from_columns(venue, crowd(count, 1))
    ledger.audit(engine.to_venue())
    engine.submit([cmd.SetPrices(2, 2, fallen())])
    house = Clearinghouse(engine.to_venue(), keep_log=False)
    found, wanted = engine.resolve(), resolve(house, [*engine.names.rows], Fills())
    assert list(found) == wanted
    assert engine.state_hash() == state_hash(house.venue)
    ledger.audit(engine.to_venue())
    return engine, Counter(type(command) for command, _ in wanted)


@pytest.mark.parametrize("score", ["profit_leverage", "profit_margin"])
def test_winners_are_ranked_by_what_the_pool_would_pay_them(score):
    policy = Policy(liquidation=Liquidation(fee_ppm=5_000), deleveraging=Deleveraging("ranked", score))
    engine, kinds = crash(policy, 2 * 10**10)
    assert kinds[cmd.Deleverage] > 40
    assert kinds[cmd.RelievePool] > 0
    assert engine.by_reference == kinds[cmd.RelievePool]


@pytest.mark.parametrize("how", ["cyclic", "pro_rata"])
def test_capped_winners_are_deleveraged_in_turn_or_all_together(how):
    _, kinds = crash(Policy(deleveraging=Deleveraging(how)), 10**11)
    assert kinds[cmd.Deleverage] > 20


def test_the_liquidity_bears_what_nobody_pays_as_on_gmx():
    _, kinds = crash(Policy(waterfall=("counterparty",)), 10**12)
    assert kinds[cmd.Liquidate] > 40


def test_a_column_must_not_take_the_name_of_a_market():
    venue = crowd_venue(0)
    del venue.subaccounts[POOL]
    with pytest.raises(InputError, match="a market's own subaccount"):
        Engine.from_columns(venue, crowd(2, 1)._replace(ids=["t", POOL]))


# -- random logs -------------------------------------------------------------------------------------------------------


def is_capped(venue, name):
    """Whether some profit of a trader does not count."""
    sub = venue.subaccounts.get(name)
    for market_id, held in sub.positions.items() if sub and not sub.system else ():
        market = venue.markets[market_id]
        price = risk_price(venue, market)
        profit_q = worth_q(market, held.size_b, price, venue.policy.rounding) - held.cost_q
        if withheld_q(venue, market, profit_q, price, is_long=held.size_b > 0) > 0:
            return True
    return False


class Winners(Keeper):
    """A log in which traders win of pools that cannot pay it, close, and take out what they may."""

    def take_out(self):
        name = self.random.choice(TRADERS)
        self.submit(cmd.Withdraw(name, QUOTE, self.amount(5, 10)))
        self.submit(cmd.TransferMargin(name, f"{name}-2", QUOTE, self.amount(5, 10)))

    def close(self):
        held = [(sub, market) for sub in self.venue.subaccounts.values() for market in sub.positions]
        traders = [(sub, market) for sub, market in held if not sub.system]
        if traders:
            sub, name = self.random.choice(traders)
            market, size_b = self.venue.markets[name], sub.positions[name].size_b
            part_b = size_b // self.random.randint(1, 3) // market.step_b * market.step_b or size_b
            parties = self.random.choice(((sub.id, f"market/{name}"), (f"market/{name}", sub.id)))
            self.submit(
                cmd.Trade(name, -part_b if parties[0] == sub.id else part_b, market.mark or 1, *parties)
            )

    def run(self, actions=40):
        with suppress(FullError):
            self.populate()
            doing = (self.trade, self.trade, self.move, self.close, self.close, self.take_out, self.loss_step)
            for _ in range(actions):
                self.random.choice(doing)()
                if self.chance(0.05):
                    self.due()
        return self


def replay(start, commands, verdicts):
    """A log, command by command; what the engine decided itself of whom a cap concerned."""
    engine, house, met = Engine.from_venue(start), Clearinghouse(start, keep_log=False), Counter()
    for command, wanted in zip(commands, verdicts, strict=True):
        before = engine.by_reference
        concerned = any(is_capped(house.venue, name) for name in ledger.parties(command))
        assert engine.submit([command]) == [wanted], command
        house.submit(command)
        if engine.by_reference == before:
            met[type(command), "risk"] += concerned
            events = getattr(wanted, "events", ())
            met[type(command), "fill"] += any(getattr(each, "why", "") == "profit_cap" for each in events)
    assert engine.state_hash() == state_hash(house.venue)
    return met


def play(seed):
    """A log of GMX v2."""
    log = Winners(next(each for each in RULEBOOKS if each.name.startswith("gmx-v2")), seed)
    start = copied(log.venue)
    log.run()
    return replay(start, log.commands, log.verdicts)


def test_random_logs_reach_capped_winners_in_risk_and_in_fills():
    met = sum((play(seed) for seed in range(30)), Counter())
    for kind in (cmd.Trade, cmd.Withdraw, cmd.TransferMargin, cmd.Liquidate, cmd.Deleverage):
        assert met[kind, "risk"] > 0, kind
    assert met[cmd.Trade, "fill"] > 10


def test_a_chaos_run_pays_winners_less_than_they_won():
    world = Crash(8)
    verdicts, submit = [], world.house.submit

    def told(command):
        verdicts.append(submit(command))
        return verdicts[-1]

    world.house.submit = told
    world.run()
    met = replay(restore(world.start), [entry.command for entry in world.house.entries], verdicts)
    assert sum(met[key] for key in met if key[1] == "fill") > 0
    assert sum(met[key] for key in met if key[1] == "risk") > 5


@pytest.mark.fuzz
def test_more_random_logs_of_capped_winners_end_in_the_same_state():
    """A thousand under `make fuzz`."""
    for seed in range(30, 1_000 if FUZZ else 34):
        play(seed)
