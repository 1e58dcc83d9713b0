"""The dated parameters: complete, in order, sourced; and what is derived in them follows from what it names."""

from datetime import date
from fractions import Fraction

import pytest

from ringfence.chain.congestion import price_after
from ringfence.chain.fees import CHAINS, SCENARIOS, parameters
from ringfence.chain.fees.parameters import LIMITED, capacity, chain_data, parameter_rows
from ringfence.errors import InputError

ROWS = [(chain, row) for chain in CHAINS for row in parameter_rows(chain)]


@pytest.mark.parametrize(("chain", "row"), ROWS, ids=lambda value: getattr(value, "path", value))
def test_every_parameter_rises_with_the_scenario_and_says_where_it_is_from(chain, row):
    stated = [row.stated(scenario) for scenario in SCENARIOS]
    values = [Fraction(each.value) for each in stated]
    assert values == sorted(values)
    assert all(each.source and each.date <= chain_data(chain).checked for each in stated)
    assert row.unit
    assert (row.all is None) or not (row.low or row.mid or row.high)


@pytest.mark.parametrize("chain", LIMITED)
def test_capacities_stand_in_the_order_of_their_days(chain):
    rows = chain_data(chain).capacity
    assert [row.since for row in rows] == sorted({row.since for row in rows})
    assert all(row.source for row in rows)
    for row in rows:
        assert capacity(chain, row.since) is row
    assert capacity(chain) is rows[-1]
    with pytest.raises(InputError, match=f"{chain}: its capacity is known since {rows[0].since}, not on 2"):
        capacity(chain, date(2015, 1, 1))


def test_derived_values_follow_from_what_they_name():
    of = {(chain, scenario): parameters(chain, scenario) for chain in CHAINS for scenario in SCENARIOS}
    for scenario in ("mid", "high"):
        l1 = of["ethereum", scenario]
        assert l1["l1.blobBaseFee"] == l1["l1.baseFee"] // 16
        assert of["starknet", scenario]["l1.dataGasPrice"] == l1["l1.blobBaseFee"]
    for scenario in SCENARIOS:
        l1 = of["ethereum", scenario]
        assert (
            of["base", scenario]["l1.baseFee"] == of["starknet", scenario]["l1.gasPrice"] == l1["l1.baseFee"]
        )
        assert of["zksync", scenario]["l1.pubdataPrice"] == l1["l1.blobBaseFee"]
    for scenario in ("low", "high"):
        found = of["arbitrum", scenario]["l1.pricePerUnit"]
        assert found == of["ethereum", scenario]["l1.blobBaseFee"] // 16
    start = of["optimism", "mid"]["l2.baseFee"]
    assert of["optimism", "high"]["l2.baseFee"] == price_after(capacity("optimism"), 20_000_000, 3_600, start)
    rate = Fraction(493_336, 30_380_000_000)
    assert round(of["starknet", "mid"].price("ETH") * rate, 4) == of["starknet", "mid"].price("STRK")


@pytest.mark.parametrize(
    ("value", "wei"),
    [
        ("7", 7),
        (8, 8),
        ("0.02gwei", 20_000_000),
        ("1.5 Gwei", 1_500_000_000),
        ("5_000_000 wei", 5_000_000),
        ("2e6", 2_000_000),
    ],
)
def test_a_parameter_can_be_set_by_hand(value, wei):
    before = parameters("base")
    after = before.override("l2.baseFee", value)
    assert (after["l2.baseFee"], before["l2.baseFee"]) == (wei, 5_000_000)
    assert after.stated["l2.baseFee"].confidence == "given"
    assert before.override("price.ETH", "1234.5").price("ETH") == Fraction("1234.5")


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (
            "l2.basefee",
            1,
            "l2.basefee: base has no such parameter; did you mean l2.baseFee .it has l1.baseFee, l1.b",
        ),
        ("l1.pricePerUnit", 1, "l1.pricePerUnit: base has no such parameter"),
        ("l2.baseFee", "-1", "l2.baseFee: expected a number, such as 5000000 or 0.02gwei, got -1"),
        ("l2.baseFee", "0.5", "l2.baseFee: expected a whole number of at most 1e.30, got 0.5"),
        ("l2.baseFee", "1e99", "l2.baseFee: expected a whole number"),
        ("l2.baseFee", "much", "l2.baseFee: expected a number"),
        ("price.ETH", "0", "price.ETH: expected a price above 0, got 0"),
        ("price.ETH", "3gwei", "price.ETH: expected a number, got 3gwei"),
    ],
)
def test_what_cannot_be_set_is_refused_in_one_line(path, value, complaint):
    with pytest.raises(InputError, match=complaint):
        parameters("base").override(path, value)


def test_unknown_names_are_told_the_known_ones():
    with pytest.raises(InputError, match="solana: no such chain; known are ethereum, base, optimism"):
        parameters("solana")
    with pytest.raises(InputError, match="worst: no such scenario; known are low, mid, high"):
        parameters("base", "worst")
    with pytest.raises(InputError, match="dydx: its fees are not modelled; those of ethereum"):
        parameters("dydx")
