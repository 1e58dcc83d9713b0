"""A snapshot in which a subaccount stood in a market that is not there ended in a `KeyError`."""

import json

import pytest

from clearing.world import World
from ringfence.clearing.log import restore, snapshot
from ringfence.errors import InputError


def test_it_is_bad_input_that_names_what_is_missing():
    world = World()
    world.open("trader", 100)
    world.trade("ETH", 1, "trader", "market/ETH")
    state = json.loads(snapshot(world.venue))
    del state["markets"]["ETH"]
    with pytest.raises(InputError, match="snapshot: market/ETH is in the unknown market ETH"):
        restore(json.dumps(state).encode())
