"""What the engine keeps of accounts: their subaccounts, judged together, and the leverages that they chose."""

from random import Random

import pytest
from msgspec.structs import replace

from kernel.engine.crowds import venue_with
from ringfence.clearing import command as cmd
from ringfence.clearing.log import Clearinghouse, state_hash
from ringfence.clearing.model import QUOTE, Position, Subaccount
from ringfence.clearing.policy import Policy
from ringfence.clearing.verdict import Accepted, Reason
from ringfence.kernel.engine import layout as at
from ringfence.kernel.engine.engine import Engine

GATED = Policy(account_gating="maintenance")


def must_agree(venue, commands, by_reference):
    """Verdicts on commands, which engine and reference decide alike."""
    engine, house = Engine.from_venue(venue), Clearinghouse(venue)
    verdicts = list(engine.submit(commands))
    assert verdicts == [house.submit(command) for command in commands]
    assert engine.state_hash() == state_hash(house.venue)
    assert engine.by_reference == by_reference
    return verdicts


def account_of(*cash_q):
    """The traders of `venue_with`, and more subaccounts of ann's account, each long 1,000 lots with so much quote."""
    venue = venue_with(GATED)
    for number, quote_q in enumerate(cash_q):
        name = f"ann-{number}"
        held = Position(1_000, 10**8, 0)
        venue.subaccounts[name] = Subaccount(name, "ann", None, False, {QUOTE: quote_q - 10**8}, {"B": held})
    return venue


def test_a_fill_is_refused_while_another_subaccount_of_the_account_is_sick():
    """Maintenance margin of 1,000 lots at 100,000 is 1 % of 10^8: the second and the third lack some of it."""
    fill = cmd.Trade("A", 10, 100_000, "ann", "ben")
    (verdict,) = must_agree(account_of(10**6, 10**6 - 7, 0), [fill], 0)
    assert (verdict.reason, verdict.detail) == (Reason.ACCOUNT_MARGIN, "ann-1 lacks 7")
    (verdict,) = must_agree(account_of(10**6, 10**6), [fill], 0)
    assert isinstance(verdict, Accepted)


def test_it_matters_who_fills_and_not_in_which_order_they_were_opened():
    sick, healthy = account_of(0, 10**6), account_of(10**6, 10**6)
    own = cmd.Trade("B", -500, 100_000, "ann-0", "ben")
    (verdict,) = must_agree(sick, [own], 0)
    assert (verdict.reason, verdict.detail) == (Reason.INITIAL_MARGIN, "ann-0 lacks 500000")
    assert isinstance(must_agree(healthy, [own], 0)[0], Accepted)
    other = cmd.Trade("A", 10, 100_000, "ben", "market/A")
    assert isinstance(must_agree(sick, [other], 0)[0], Accepted)


def test_a_new_subaccount_joins_the_account():
    opened = cmd.OpenSubaccount("ann-9", "ann")
    fills = [cmd.Trade("A", 10, 100_000, who, "ben") for who in ("ann-9", "ann")]
    commands = [opened, cmd.Deposit("ann-9", QUOTE, 20_000), *fills]
    commands += [cmd.SetPrices(2, 2, {"A": 98_200}), cmd.Trade("A", 1, 98_200, "ann", "ben")]
    assert must_agree(venue_with(GATED), commands, 1)[-1].detail == "ann-9 lacks 7820"


@pytest.mark.parametrize(("num", "den", "least_q"), [(10, 1, 10**8), (5, 2, 4 * 10**8)])
def test_a_chosen_leverage_asks_for_its_share(num, den, least_q):
    """10,000 lots at 100,000 are 10^9: a tenth or two fifths of it, before the position is there and after."""
    fill = cmd.Trade("A", 10_000, 100_000, "ann", "ben")
    short, enough = (cmd.Withdraw("ann", QUOTE, 10**12 - least_q + off) for off in (1, 0))
    chosen = cmd.SetLeverage("ann", "A", num, den)
    for commands in ([chosen, fill, short, enough], [fill, chosen, short, enough]):
        verdicts = must_agree(venue_with(), commands, 1)
        assert verdicts[2].reason is Reason.INITIAL_MARGIN
        assert isinstance(verdicts[3], Accepted)


def test_the_last_leverage_counts_and_only_in_its_market():
    chosen = [cmd.SetLeverage(who, market, 2) for who in ("ben", "ann") for market in "BAD"]
    again = cmd.SetLeverage("ann", "A", 20)
    fills = [cmd.Trade(market, 10_000, 100_000, "ann", "ben") for market in "AC"]
    # A twentieth in A, a fiftieth in C, for which nothing was chosen.
    asked_q = 5 * 10**7 + 2 * 10**7
    out = [cmd.Withdraw("ann", QUOTE, 10**12 - asked_q + off) for off in (1, 0)]
    verdicts = must_agree(venue_with(), [*chosen, again, *fills, *out], 7)
    assert [isinstance(verdict, Accepted) for verdict in verdicts[-2:]] == [False, True]


def test_a_leverage_that_is_checked_on_opening_leaves_fills_to_the_reference():
    venue = venue_with(leverage_checked="opening")
    commands = [
        cmd.SetLeverage("ann", "A", 50),
        cmd.Trade("A", 10_000, 100_000, "ann", "ben"),
        cmd.Withdraw("ann", QUOTE, 10**12 - 2 * 10**7),
    ]
    assert all(isinstance(verdict, Accepted) for verdict in must_agree(venue, commands, 2))


def test_a_table_of_choices_grows_now_and_then_and_forgets_none():
    """Forty traders choose in four markets, some of them twice; what each may take out is what the reference says."""
    venue, random = venue_with(), Random(1)
    names = [f"t{number}" for number in range(40)]
    for name in names:
        venue.subaccounts[name] = Subaccount(name, name, balances={QUOTE: 10**12})
    engine, house, tables = Engine.from_venue(venue), Clearinghouse(venue), set()
    chosen = [cmd.SetLeverage(name, market, random.randint(1, 50)) for name in names for market in "ABCD"]
    random.shuffle(chosen)
    for command in [*chosen, *random.sample(chosen, 40)]:
        again = replace(command, num=random.randint(1, 50))
        for each in (command, again):
            assert engine.submit([each]) == [house.submit(each)]
        tables.add(len(engine.book.chosen))
    assert engine.book.clock[at.CHOICES] == len(chosen)
    assert sorted(tables) == [8 << n for n in range(len(tables))]
    assert 2 * len(chosen) <= max(tables) < 8 * len(chosen)
    fills = [cmd.Trade(market, 10_000, 100_000, *random.sample(names, 2)) for market in "ABCD" * 20]
    most = 10**12
    out = [cmd.Withdraw(name, QUOTE, most - random.randint(1, 4) * 10**8) for name in names]
    asked = [*fills, *out]
    by_reference = engine.by_reference
    assert engine.submit(asked) == [house.submit(command) for command in asked]
    assert engine.by_reference == by_reference
    assert engine.state_hash() == state_hash(house.venue)
