"""The tables `[standard]` and `[policy.auction]`, and the rulebooks that have them: Derive and Aevo."""

import pytest

from ringfence.clearing.policy import Auction
from ringfence.clearing.set_rules import StandardMargin, StandardTerms
from ringfence.errors import InputError, UnknownValueError
from ringfence.venues.rulebook import build_venue, load

AUCTION = """
[policy.auction]
start = { value = "0.95", unit = "share" }
cutoff = { value = "0.7", unit = "share" }
fast = { value = "0.5", unit = "s" }
slow = { value = "43200", unit = "s" }
insolvent = { value = "3600", unit = "s" }
"""
STANDARD = """
[standard]
initial_at_the_money = { value = "3/20", unit = "share" }
initial_least = { value = "0.1", unit = "share" }
call_maintenance = { value = "1/12", unit = "share" }
put_maintenance = { value = "0.075", unit = "share" }
longs_count = { value = false, unit = "flag" }
netting = { value = "expiry", unit = "choice" }
unpaired_maintenance = { value = "1.1", unit = "share" }
unpaired_initial = { value = "1.2", unit = "share" }
"""


def test_an_auction_takes_the_place_of_a_size(write):
    policy = load(write(('size = "full"\n', ""), add=AUCTION)).policy()
    assert policy.liquidation.auction == Auction(950_000, 700_000, 500, 43_200_000, 3_600_000)


def test_standard_margin_keeps_its_rates_exactly(write):
    rule = load(write(add=STANDARD)).margin_policy().set_rule
    assert rule == StandardMargin(
        StandardTerms(
            18, 12, 10, 9, 0, 0, 120, netted=True, unpaired_initial_num=144, unpaired_maintenance_num=132
        )
    )


@pytest.mark.parametrize(
    ("changes", "add", "sentence"),
    [
        ([('size = "full"\n', "")], "", "policy.liquidation: size is missing, and there is no auction"),
        ([], AUCTION.replace("slow", "slowly"), "policy.auction.slowly: no such field; did you mean slow?"),
        (
            [],
            AUCTION.replace('slow = { value = "43200", unit = "s" }\n', ""),
            "policy.auction: slow is missing",
        ),
        ([], AUCTION.replace('"0.7"', '"0.96"'), "policy: the auction's price rises, or a share is none"),
        (
            [],
            AUCTION.replace('"0.95"', '"1.1"'),
            "policy.auction.start: expected a share from 0 to 1, got 1.1",
        ),
        ([], STANDARD.replace('"expiry"', '"all"'), "standard.netting: expected none or expiry, got 'all'"),
        ([], STANDARD.replace("put_", "pit_"), "standard.pit_maintenance: no such field"),
        ([], STANDARD.replace('"3/20"', '"0.09"'), "standard: a rate falls where it must rise"),
        ([], STANDARD.replace('"1.2"', '"1.05"'), "standard: a rate falls where it must rise"),
    ],
)
def test_a_mistake_is_named(write, changes, add, sentence):
    with pytest.raises(InputError) as caught:
        load(write(*changes, add=add))
    assert f"rules.toml: {sentence}" in str(caught.value)


def test_derive():
    rulebook = load("derive")
    policy, eth = rulebook.margin_policy(), rulebook.asset("ETH")
    assert isinstance(policy.set_rule, StandardMargin)
    terms = policy.set_rule.options
    assert (terms.highest_num * 100, terms.lowest_num * 100) == (15 * terms.den, 13 * terms.den)
    assert eth.weights is not None
    assert (eth.weights.long_initial_num * 4, eth.weights.long_maintenance_num * 5) == (eth.weights.den,) * 2
    assert rulebook.max_leverage("BTC") == 10
    assert rulebook.max_leverage("TRUMP") == 2
    assert build_venue(rulebook, ["ETH"], procedures=False).policy.set_rule == policy.set_rule
    with pytest.raises(UnknownValueError, match="taker_fee is not known"):
        rulebook.policy()


def test_aevo():
    rulebook = load("aevo")
    policy = rulebook.margin_policy()
    assert isinstance(policy.set_rule, StandardMargin)
    assert policy.set_rule.options.longs_count
    assert not policy.set_rule.options.netted
    assert rulebook.max_leverage("ETH") == 20
    for path in ("facts.portfolio_floor", "margin.other.tiers", "policy.taker_fee"):
        with pytest.raises(UnknownValueError, match="is not known"):
            rulebook.ask(path)
    with pytest.raises(UnknownValueError, match=r"margin\.other\.tiers"):
        rulebook.market("BTC")
