"""A price of 610000.5 quanta or a deposit of 1.5 atoms was accepted, and every balance was a float from then on."""

from decimal import Decimal

import numpy as np
import pytest

from ringfence.clearing import command as do
from ringfence.clearing.log import Clearinghouse, state_hash
from ringfence.errors import InputError
from ringfence.venues.rulebook import build_venue, load


@pytest.fixture
def house():
    made = Clearinghouse(build_venue(load("generic"), ["BTC"]))
    made.require(do.SetPrices(time_ms=0, block=0, marks={"BTC": 610_000}))
    made.require(do.OpenSubaccount("desk", account="desk"))
    return made


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (do.SetPrices(time_ms=1, block=1, marks={"BTC": 610_000.5}), "SetPrices: marks"),
        (do.SetPrices(time_ms=1.0, block=1, marks={"BTC": 610_000}), "SetPrices: time_ms"),
        (do.Deposit("desk", "USDC", 1.5), "Deposit: amount"),
        (do.Deposit("desk", "USDC", Decimal(2)), "Deposit: amount"),
        (do.Deposit("desk", "USDC", np.int64(2)), "Deposit: amount"),
        (do.Deposit("desk", "USDC", "2"), "Deposit: amount"),
        (do.Deposit("desk", "USDC", True), "Deposit: amount"),
        (do.Deposit("desk", "USDC", (2,)), "Deposit: amount"),
        (do.Trade("BTC", 1e3, 610_000, taker="desk", maker="desk"), "Trade: size_b"),
    ],
)
def test_it_is_refused_and_nothing_happens(house, command, field):
    before, length = state_hash(house.venue), len(house.entries)
    with pytest.raises(InputError, match=f"{field}: expected a whole number, got "):
        house.submit(command)
    assert (state_hash(house.venue), len(house.entries)) == (before, length)


@pytest.mark.parametrize("thing", ["Deposit", None, {"amount": 1}])
def test_what_is_no_command_is_said_so(house, thing):
    with pytest.raises(InputError, match="expected a command, such as `Deposit`, got "):
        house.submit(thing)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (do.Deposit(7, "USDC", 2), "Deposit: subaccount: expected text, got 7"),
        (do.OpenSubaccount("a", "b", system=1), "OpenSubaccount: system: expected true or false, got 1"),
        (do.ChangePolicy("strict"), "ChangePolicy: policy: expected a Policy, got 'strict'"),
    ],
)
def test_other_fields_are_asked_for_what_they_are(house, command, said):
    with pytest.raises(InputError, match=f"^{said}$"):
        house.submit(command)
