"""Rulebooks with a rule over a set of positions: what the engine and pricing get of them, and mistakes in them."""

from fractions import Fraction

import pytest

from ringfence.clearing.model import QUOTE, Market, Option, Position, Subaccount, Venue
from ringfence.clearing.portfolio import valid
from ringfence.clearing.risk import subaccount_risk
from ringfence.clearing.set_rules import Scenario
from ringfence.clearing.solve import liquidation_price
from ringfence.errors import InputError
from ringfence.pricing.black76 import Terms, price
from ringfence.pricing.scenarios import Discount, Quote, SkewShock, VolShock, revaluation, shocks_of
from ringfence.venues.rulebook import load

USD = 10**6
ETH = 10**18
"""Atoms of ETH, and quanta of its price, in a whole one."""
MANAGERS = ("derive-pm", "derive-pm2")


def venue_of(name, *symbols, **options):
    """The venue of a rulebook, with ETH and BTC at 2,000 and options on ETH."""
    rulebook = load(name)
    markets = {symbol: rulebook.market(symbol) for symbol in symbols}
    eth = markets["ETH"]
    for option, terms in options.items():
        markets[option] = Market(
            option, eth.scale, eth.requirement, eth.pool, price_decimals=18, option=terms
        )
    for symbol in symbols:
        markets[symbol].mark = markets[symbol].index = 2_000 * ETH
    assets = rulebook.assets()
    for asset in assets.values():
        asset.price = 2_000 * ETH
    account = Subaccount("a", "a", balances={QUOTE: 0})
    return Venue(rulebook.margin_policy(), markets, assets, subaccounts={"a": account})


def hold(venue, **lots):
    """Give the account positions (markets) or collateral (assets in lower case), in hundredths, bought at the mark."""
    account = venue.subaccounts["a"]
    for name, hundredths in lots.items():
        if name.islower():
            account.balances[name.upper()] = hundredths * ETH // 100
            continue
        paid_q = hundredths * venue.markets[name].mark * USD // ETH // 100
        account.balances[QUOTE] -= paid_q
        account.positions[name] = Position(hundredths * ETH // 100, paid_q, 0)
    return subaccount_risk(venue, account)


# -- what the rulebooks say --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count", "skews"), [("derive-pm", 23, 0), ("derive-pm2", 33, 2)])
def test_the_scenarios_are_those_of_the_deployment(name, count, skews):
    rule = load(name).scenarios()
    assert valid(rule)
    assert len(rule.scenarios) == len(set(rule.scenarios)) == count
    assert sum(scenario.vol in ("linear", "abs") for scenario in rule.scenarios) == skews
    assert Scenario(rule.den, "none", rule.den) in rule.scenarios


def test_tails_count_in_part():
    rule = load("derive-pm2").scenarios()
    tails = [Fraction(row.weight_num, rule.den) for row in rule.scenarios if row.weight_num < rule.den]
    # A rise by k times 100 % weighs 0.1386 / k, so its whole loss stays what a rise by 13.86 % costs.
    assert tails == [
        Fraction(n) for n in ("0.21", "0.42", "0.2772", "0.1386", "0.0693", "0.0462", "0.03465", "0.02772")
    ]
    assert {Fraction(move) * weight for move, weight in zip(("0.66", "0.33"), tails[:2], strict=True)} == {
        Fraction("0.1386")
    }


def test_pricing_gets_its_half():
    shocks = shocks_of(load("derive-pm2").portfolio_shocks())
    assert shocks.vol == VolShock(0.5, 0.3, 0.3, 0.13, 86_400.0, 0.4)
    assert shocks.discount == Discount(1.05, 0.0, 0.16, 0.95, 0.0, 0.16)
    assert shocks.skew == SkewShock(0.25, -0.1, 0.25, -0.1, 0.01, 4.0, 0.6, 0.0)
    assert shocks.present_value
    first = shocks_of(load("derive-pm").portfolio_shocks())
    assert (first.skew, first.present_value, first.discount.debt) == (None, False, 1.0)


# -- what the engine makes of them -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "initial", "maintenance"),
    [
        ("derive-pm", "0.2875", "0.23"),  # (20 % + 3 %) x 1.25, and x 1
        ("derive-pm2", "0.22", "0.174"),  # 18 % + 4 %, and 0.8 x 18 % + 3 %
    ],
)
@pytest.mark.parametrize("hundredths", [100, -250])
def test_a_perp_alone_asks_what_its_margin_table_says(name, initial, maintenance, hundredths):
    venue = venue_of(name, "ETH")
    risk = hold(venue, ETH=hundredths)
    notional_q = abs(hundredths) * 20 * USD
    assert risk.initial_q == Fraction(initial) * notional_q
    assert risk.maintenance_q == Fraction(maintenance) * notional_q
    table = load(name).margin_table("alone", 18)
    tier = table.tiers[0]
    assert Fraction(tier.initial_num, table.den) == Fraction(initial)
    assert Fraction(tier.maintenance_num, table.den) == Fraction(maintenance)


def test_spot_and_the_perp_on_it_offset():
    """One ETH held, one sold: no scenario costs anything, charges remain. Of both, 2,000 x (3 % + 3 %), x 1.25."""
    venue = venue_of("derive-pm", "ETH")
    risk = hold(venue, ETH=-100, eth=100)
    assert (risk.initial_q, risk.maintenance_q) == (150 * USD, 120 * USD)
    assert risk.equity_q == 2_000 * USD


def test_underlyings_do_not_offset():
    venue = venue_of("derive-pm", "ETH", "BTC")
    assert hold(venue, ETH=100, BTC=-100).initial_q == 2 * 575 * USD


def test_the_liquidation_price_of_a_perp_follows_from_its_rate():
    """One ETH bought at 2,000 with 1,000: equity of p - 1,000 meets 23 % of p; the spot price moves with the mark."""
    venue = venue_of("derive-pm", "ETH")
    hold(venue, ETH=100)
    account = venue.subaccounts["a"]
    account.balances[QUOTE] += 1_000 * USD
    assert Fraction(liquidation_price(venue, account, "ETH"), ETH) == pytest.approx(1_000 / 0.77)


@pytest.mark.parametrize("name", MANAGERS)
def test_options_are_judged_with_what_they_hedge(name):
    expiry_ms = 60 * 86_400_000
    call = Option("ETH", 2_000 * ETH, call=True, expiry_ms=expiry_ms)
    venue = venue_of(name, "ETH", CALL=call)
    shocks = shocks_of(load(name).portfolio_shocks())
    command = revaluation(venue, "ETH", shocks, {"CALL": Quote(2_000.0, 0.6, rate=0.03)})
    venue.markets["CALL"].grid, venue.markets["ETH"].terms = command.grids["CALL"], command.terms
    mark = price(Terms(2_000.0, 2_000.0, 60 / 365, call=True), 0.6)
    venue.markets["CALL"].mark = round(mark * ETH)
    naked = hold(venue, CALL=-200)
    covered = hold(venue, eth=100)
    assert 0 < covered.initial_q < naked.initial_q
    assert covered.maintenance_q < naked.maintenance_q
    assert covered.equity_q - naked.equity_q == 2_000 * USD


# -- mistakes ----------------------------------------------------------------------------------------------------------

PORTFOLIO = """
[portfolio]
scenarios = [{ price = "1.1", vol = "none" }, { price = "0.9", vol = "none" }]
initial_factor = "1.2"
maintenance_factor = "1"
[portfolio.vol]
defaults = { unit = "number" }
up = "0.5"
down = "0.3"
short_power = "0.3"
long_power = "0.1"
floor = "86400"
[portfolio.discount]
defaults = { unit = "number" }
gain = "1"
gain_times = "0"
gain_plus = "0"
"""
KNOWN = 'price_decimals = "decimals"\n'
MORE = """scenarios = "scenarios"
initial_factor = "number"
maintenance_factor = "number"
assets = "list"
charges = "choice"
fee = "number"
"""
UNITS = (KNOWN, KNOWN + MORE)


def test_a_small_table_loads(write):
    rule = load(write(UNITS, add=PORTFOLIO)).scenarios()
    share = rule.den // 10
    assert [row.price_num // share for row in rule.scenarios] == [11, 9]
    assert (rule.initial_num, rule.maintenance_num) == (12 * share, 10 * share)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            '{ price = "1.1", vol = "none" }',
            '{ price = "1.1" }',
            "portfolio.scenarios[0]: expected a row of price",
        ),
        ('vol = "none" }]', 'vol = "side" }]', "portfolio.scenarios[1].vol: expected none or up"),
        ('price = "0.9"', 'price = "-1"', "portfolio.scenarios[1]: expected numbers from 0 on"),
        ('vol = "none" }]', 'vol = "abs" }]', "portfolio.skew: missing"),
        ('maintenance_factor = "1"\n', "", "portfolio: maintenance_factor is missing"),
        ('maintenance_factor = "1"', 'maintenance_factor = "1.3"', "initial margin must ask at least"),
        ('maintenance_factor = "1"', 'maintenance_factor = "x"', "portfolio.maintenance_factor"),
        ('"1"\n[', '"1"\nassets = ["BTC"]\n[', "portfolio.assets: there is no asset 'BTC'"),
        ('"1"\n[', '"1"\ncharges = "none"\n[', "portfolio.charges: expected"),
        ('"1"\n[', '"1"\nfee = 1\n[', "portfolio.fee: no such field"),
        ('down = "0.3"\n', "", "portfolio.vol: down is missing"),
        ('floor = "86400"', "floor = -1", "portfolio.vol.floor: expected a number from 0 on"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_path(write, old, new, words):
    assert PORTFOLIO.count(old) == 1
    with pytest.raises(InputError) as refused:
        load(write(UNITS, add=PORTFOLIO.replace(old, new)))
    message = str(refused.value)
    assert words in message
    assert "rules.toml: " in message
    assert "\n" not in message


def test_one_venue_has_one_rule_over_a_set(write):
    both = PORTFOLIO + '[standard]\ndefaults = { unit = "share" }\ninitial_least = "0.1"\n'
    with pytest.raises(InputError, match="one rule over a set, got portfolio and standard"):
        load(write(UNITS, add=both))
