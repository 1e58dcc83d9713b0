"""A book at other prices: numbers worked out by hand.

Hyperliquid asks 1/80 of BTC's notional as maintenance margin (up to 150M USD). Long 1 BTC from 60000 with 3000 USD has
`3000 + (price - 60000)` at a price, is asked for `price / 80`, and short of it below `57000 * 80 / 79 = 57721.5`.
"""

from decimal import Decimal
from fractions import Fraction

import pytest
from msgspec.structs import replace

from ringfence.books import Account, BookPosition
from ringfence.books.options import OptionTerms
from ringfence.clearing.risk import Risk
from ringfence.errors import InputError
from ringfence.questions.build import build
from ringfence.questions.stress.measures import stress_measures
from ringfence.questions.stress.reference import Bench, Reference, bad_debt_q, pool_shares, shocked
from ringfence.questions.stress.shocks import map_shocks, shocks, wanted
from ringfence.questions.stress.surface import NO_POOL, Ladder, Rung, Sums, Tally, stress
from ringfence.venues.rulebook import load

D = Decimal
USD = 1_000_000


def position(symbol, size, price, **more):
    mode = "isolated" if "collateral" in more else "cross"
    return BookPosition(symbol, D(size), D(price), D(price), mode, **more)


def account(*positions, usdc="0", name="desk", **more):
    return Account(name, {"USDC": D(usdc), **more.pop("assets", {})}, positions, **more)


def btc(usdc="3000", name="desk", size="1"):
    return account(position("BTC", size, "60000"), usdc=usdc, name=name)


def ask(*accounts, venue="hyperliquid", most=10, maps=(), prices=None, **options):
    surface = Reference(accounts, Bench({venue: load(venue)}, venue, prices))
    asked = wanted(**options)
    ladders = [(name, map_shocks(asked, name)) for name in maps]
    return stress(surface, shocks(asked), most=most, maps=ladders)


def usd(amount_q):
    return D(amount_q) / USD


# -- one point ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("move", "deficit", "debt"),
    [
        ("-3%", "0", "0"),  # 1200 left, 727.5 asked
        ("-4%", "120", "0"),  # 600 left, 720 asked
        ("-5%", "712.5", "0"),  # nothing left
        ("-10%", "3675", "3000"),  # 3000 owed, 675 asked
        ("+50%", "0", "0"),
    ],
)
def test_margin_deficit_and_bad_debt(move, deficit, debt):
    tally = ask(btc(), moves=[move]).worst_tally
    assert (usd(tally.deficit_q), usd(tally.debt_q)) == (D(deficit), D(debt))
    assert tally.accounts == tally.subaccounts == int(D(deficit) > 0)
    assert tally.indebted == int(D(debt) > 0)


def test_what_is_liquidatable_is_counted_at_the_shocked_price():
    found = ask(btc(), btc("30000", "safe"), moves=["-10%"])
    tally = found.worst_tally
    assert usd(tally.notional_q) == 54000
    assert {
        name: (felled.positions, felled.contracts, usd(felled.notional_q))
        for name, felled in tally.markets.items()
    } == {"BTC": (1, D(1), D(54000))}
    assert tally.bad_debt_q == {"main": 3000 * USD}
    assert (found.book.accounts, found.book.subaccounts, found.book.anywhere) == (2, 2, 1)
    held = found.book.markets["BTC"]
    assert (held.positions, usd(held.notional_q), held.mark) == (2, 120000, 60000)


def test_a_short_is_hurt_by_a_rise():
    # 3000 - 6000 = -3000 of equity, and 66000 / 80 asked.
    tally = ask(btc(size="-1"), moves=["10%"]).worst_tally
    assert (usd(tally.deficit_q), usd(tally.debt_q)) == (3825, 3000)


def test_subaccounts_are_judged_alone_and_counted_with_their_account():
    mixed = account(
        position("ETH", "1", "3000"), position("BTC", "1", "60000", collateral=D(3000)), usdc="5000"
    )
    found = ask(mixed, moves=["-10%"])
    (toll,) = found.tolls
    assert [each.subaccount for each in toll.fallen] == ["desk/BTC"]
    assert (found.worst_tally.accounts, found.worst_tally.subaccounts, found.book.subaccounts) == (1, 1, 2)


def test_funding_is_paid_at_the_shocked_price_by_longs_to_shorts():
    # 1 % of 60000 leaves 1400 - 600 = 800 above the 750 asked; 1.2 % leaves 680.
    assert ask(btc("1400"), funding=["BTC=1%"]).worst_tally.deficit_q == 0
    assert usd(ask(btc("1400"), funding=["1.2%"]).worst_tally.deficit_q) == 70
    assert ask(btc("1400", size="-1"), funding=["1.2%"]).worst_tally.deficit_q == 0
    assert usd(ask(btc("1400", size="-1"), funding=["-1.2%"]).worst_tally.deficit_q) == 70
    # At half the price both are half as large: 31400 - 30000 - 360 = 1040 above 375.
    assert ask(btc("31400"), moves=["-50%"], funding=["1.2%"]).worst_tally.deficit_q == 0
    assert usd(ask(btc("30700"), moves=["-50%"], funding=["1.2%"]).worst_tally.deficit_q) == 35


# -- collateral --------------------------------------------------------------------------------------------------------


def tether(usdt, **more):
    """Long 1 BTC at 60000 under the generic rulebook: 1 % is asked, 2 % is taken off USDT."""
    return account(position("BTC", "1", "60000"), assets={"USDT": D(usdt)}, prices={"USDT": D(1)}, **more)


def test_a_depeg_moves_collateral_alone():
    # 1000 USDT count 980 and, at 0.75, 735; 600 are asked. At 0.6 they count 588.
    assert ask(tether("1000"), venue="generic", depegs=["USDT=-25%"]).worst_tally.deficit_q == 0
    assert usd(ask(tether("1000"), venue="generic", depegs=["USDT=-40%"]).worst_tally.deficit_q) == 12


def test_bad_debt_is_what_the_sale_of_all_collateral_leaves():
    # At -10 % 6000 are lost. 5000 USDT are sold at 1 less 0.5 %, for 4975; equity counts them 4900.
    found = ask(tether("5000"), venue="generic", moves=["-10%"])
    assert usd(found.worst_tally.debt_q) == 1025
    assert usd(found.tolls[0].equity_q) == -1100


def test_collateral_moves_with_the_market_of_its_name_and_a_depeg_comes_on_top():
    held = account(position("ETH", "-1", "2000"), assets={"ETH": D(2)}, prices={"ETH": D(2000)})
    rulebook = load("generic")
    built = build(held, rulebook, {})
    before = built.venue.assets["ETH"].price
    (fall,) = shocks(wanted(["-20%"]))
    assert Fraction(shocked(built, fall).assets["ETH"].price, before) == Fraction(4, 5)
    (both,) = shocks(wanted(["ETH=-20%"], depegs=["ETH=-10%"]))
    assert Fraction(shocked(built, both).assets["ETH"].price, before) == Fraction(18, 25)
    (other,) = shocks(wanted(["BTC=-20%"]))
    assert shocked(built, other).assets["ETH"].price == before


def test_stable_collateral_stays_when_all_markets_move():
    built = build(tether("1000"), load("generic"), {})
    (fall,) = shocks(wanted(["-20%"]))
    assert shocked(built, fall).assets["USDT"].price == built.venue.assets["USDT"].price


# -- pools -------------------------------------------------------------------------------------------------------------


def test_each_pool_has_its_own_bad_debt():
    # dYdX v4 keeps EIGEN in a pool of its own: 2000 lost at -20 % of 10000, with 500 behind it.
    eigen = account(position("EIGEN", "10000", "1", collateral=D(500)), name="eigen")
    found = ask(btc(), eigen, venue="dydx-v4", moves=["-20%"])
    assert {pool: usd(debt_q) for pool, debt_q in found.worst_tally.bad_debt_q.items()} == {
        "cross": 9000,
        "EIGEN": 1500,
    }


def two_pools():
    built = build(
        account(position("BTC", "1", "60000"), position("ETH", "10", "3000"), usdc="0"),
        load("hyperliquid"),
        {},
    )
    venue = built.venue
    venue.markets["ETH"] = replace(venue.markets["ETH"], pool="other")
    return venue, venue.subaccounts["desk"]


def test_a_debt_is_shared_out_by_maintenance_margin():
    # BTC asks 750 and ETH 30000 / 50 = 600: of 8 atoms that is 4.4 and 3.6, and the atom left goes to the larger share.
    venue, subaccount = two_pools()
    assert pool_shares(venue, subaccount, 8) == {"main": 5, "other": 3}
    assert pool_shares(venue, subaccount, 1350 * USD) == {"main": 750 * USD, "other": 600 * USD}


def test_a_debt_without_a_position_belongs_to_no_pool():
    venue, subaccount = two_pools()
    subaccount.positions = {}
    assert pool_shares(venue, subaccount, 7) == {NO_POOL: 7}
    found = ask(account(usdc="-5"), btc("30000", "safe"), moves=["-1%"])
    assert found.worst_tally.bad_debt_q == {NO_POOL: 5 * USD}
    assert found.worst_tally.accounts == 0


def test_who_has_equity_left_has_no_bad_debt():
    venue, subaccount = two_pools()
    assert bad_debt_q(venue, subaccount, Risk(5, 10, 10, 100)) == 0
    assert bad_debt_q(venue, subaccount, Risk(-5, 10, 10, 100)) == 5


# -- many points, and who matters --------------------------------------------------------------------------------------


def test_the_worst_point_is_the_one_with_the_most_bad_debt():
    found = ask(btc(), btc(size="-1", name="short"), grid="-10%:10%:5%")
    assert [tally.accounts for tally in found.tallies] == [1, 1, 0, 1, 1]
    assert found.worst_shock.label == "+10%"  # both ends owe 3000, but the short lacks 3825 and the long 3675
    assert found.book.anywhere == 2
    told = stress_measures(found)
    assert (told["liquidatable"], told["liquidatableAnywhere"], told["liquidatableNow"]) == (1, 2, 0)
    assert (told["badDebt"], told["marginDeficit"], told["liquidatableNotional"]) == (3000, 3825, 66000)


def test_accounts_are_listed_by_bad_debt_then_deficit_then_name():
    book = [
        btc("3000", "b"),
        btc("3000", "a"),
        btc("1000", "worst"),
        btc("6500", "little"),
        btc("7000", "safe"),
    ]
    found = ask(*book, moves=["-10%"])
    assert [toll.account for toll in found.tolls] == ["worst", "a", "b", "little"]
    assert [usd(toll.bad_debt_q) for toll in found.tolls] == [5000, 3000, 3000, 0]
    assert [usd(toll.deficit_q) for toll in found.tolls] == [5675, 3675, 3675, 175]
    assert [toll.account for toll in ask(*book, moves=["-10%"], most=2).tolls] == ["worst", "a"]
    assert len(ask(*book, moves=["-10%"], most=None).tolls) == 4
    assert ask(*book, moves=["-10%"], most=0).tolls == []
    assert found.tolls[0].fallen[0].largest == "BTC long"


def test_accounts_that_cannot_be_held_are_named_and_do_not_count():
    odd = account(position("NOSUCH", "1", "1"), usdc="5", name="odd")
    found = ask(btc(), odd, moves=["-10%"])
    assert (found.book.accounts, [each.account for each in found.book.refused]) == (1, ["odd"])
    with pytest.raises(InputError, match=r"no account can be judged: .*NOSUCH"):
        ask(odd, moves=["-10%"])


def test_who_does_not_say_what_backs_a_position_is_not_judged():
    bare = Account("bare", None, (position("BTC", "1", "60000"),))
    found = ask(bare, btc(), moves=["-90%"])
    assert (found.book.unknown, found.worst_tally.accounts) == (1, 1)


def test_options_are_priced_anew_when_their_underlying_moves_and_only_then():
    option = OptionTerms("BTC", "put", D(60000), 1_800_000_000_000, volatility=D("0.6"))
    put = BookPosition(option.name("BTC"), D(1), D(3000), D(3000), "cross", option=option)
    perp = position("BTC", "1", "60000")
    hedged = Account("h", {"USDC": D(20000)}, (perp, put), time_ms=1_790_000_000_000)
    built = build(hedged, load("derive-pm2"), {})
    name = next(name for name, market in built.venue.markets.items() if market.option)
    (fall,), (funding,) = shocks(wanted(["-20%"])), shocks(wanted(funding=["1%"]))
    assert shocked(built, fall).markets[name].mark > built.venue.markets[name].mark
    assert shocked(built, funding).markets[name] == built.venue.markets[name]


# -- the liquidation map -----------------------------------------------------------------------------------------------


def test_a_map_counts_each_subaccount_once_on_each_side():
    # A long with 3000 goes at -3.8 %, one with 5000 at -7.2 %; a short with 3000 at 63000 * 80 / 81, +3.7 %.
    book = [btc("3000", "a"), btc("5000", "b", "1.0"), btc("3000", "c", "-2")]
    found = ask(*book, grid="-10%:10%:2%", maps=["BTC"])
    (ladder,) = found.ladders
    assert [rung.subaccounts for rung in ladder.rungs] == [0, 1, 0, 1, 0, 1, 0, 0, 0, 0]
    assert [rung.contracts for rung in ladder.rungs if rung.subaccounts] == [1, 1, 2]
    assert [usd(rung.notional_q) for rung in ladder.rungs if rung.subaccounts] == [55200, 57600, 122400]
    assert [usd(total.notional_q) for total in ladder.cumulative()] == [
        *(112800, 112800, 57600, 57600, 0),
        *(122400, 122400, 122400, 122400, 122400),
    ]
    assert (ladder.now, ladder.mark) == (Rung(), 60000)


def test_who_is_liquidatable_already_stands_on_no_rung():
    (ladder,) = ask(btc("100"), grid="-10%:10%:10%", maps=["BTC"]).ladders
    assert (ladder.now.subaccounts, usd(ladder.now.notional_q)) == (1, 60000)
    assert all(rung.subaccounts == 0 for rung in ladder.rungs)


def test_cumulative_sums_run_outwards_whatever_the_order():
    moves = [Fraction(1, 10), Fraction(-1, 5), Fraction(-1, 10), Fraction(1, 5)]
    ladder = Ladder("BTC", None, moves, [Rung(1, D(at), at) for at in (1, 2, 4, 8)], Rung())
    assert [total.notional_q for total in ladder.cumulative()] == [1, 6, 4, 9]
    assert [total.contracts for total in ladder.cumulative()] == [1, 6, 4, 9]


def test_sums_of_parts_of_a_book_add_up():
    left, right = Sums([Tally()]), Sums([Tally(1, 2, 3, 4, 1, {"main": 5})], {"x": 1}, 2, 1, 1)
    left.add(right)
    left.add(right)
    assert left.points[0] == Tally(2, 4, 6, 8, 2, {"main": 10})
    assert (left.accounts, left.subaccounts, left.anywhere, left.unknown) == (2, 4, 2, 2)
