"""The log: hash chain, replay, snapshots, and what damage is found where."""

import io
import json

import msgspec
import pytest

from clearing.world import World, empty_venue
from ringfence.clearing import command as cmd
from ringfence.clearing.log import (
    Clearinghouse,
    Entry,
    encode,
    read,
    replay,
    restore,
    snapshot,
    state_hash,
    write,
)
from ringfence.clearing.model import QUOTE
from ringfence.clearing.policy import Liquidation, Policy
from ringfence.errors import InputError


@pytest.fixture(scope="module")
def world():
    """A story with everything in it: children, orders, funding, liquidation, deleveraging, refusals."""
    made = World()
    for name in ("trader", "maker"):
        made.open(name, 2_000)
    made.open("trader.eth", parent="trader")
    made.ok(cmd.Reserve("maker", "ask", "ETH", -100))
    made.trade("ETH", 90, "trader.eth", "maker")
    made.house.submit(cmd.Withdraw("trader", QUOTE, 10**6))
    made.ok(cmd.AccrueFunding("ETH", 333))
    made.price(ETH=70)
    made.resolve(slippage_ppm=10_000, draw=7)
    return made


def lines(world):
    file = io.BytesIO()
    write(world.house.entries, file)
    return file.getvalue().splitlines()


def test_replay_gives_the_same_state_and_the_same_head(world):
    again = replay(empty_venue(), read(lines(world)))
    assert again.head == world.house.head
    assert state_hash(again.venue) == state_hash(world.venue)
    assert len(again.entries) == len(world.house.entries)


def test_refusals_are_part_of_the_chain(world):
    kept = [entry for entry in world.house.entries if not isinstance(entry.command, cmd.Withdraw)]
    with pytest.raises(InputError, match="log entry"):
        replay(empty_venue(), kept)


def test_replay_on_another_starting_state_is_found_out(world):
    venue = empty_venue()
    venue.markets["ETH"].minimum_margin_q = 1
    with pytest.raises(InputError, match=r"log entry \d+: hash is"):
        replay(venue, world.house.entries)


def test_a_changed_amount_is_found_at_its_entry(world):
    damaged = list(world.house.entries)
    at = next(i for i, entry in enumerate(damaged) if isinstance(entry.command, cmd.Deposit))
    damaged[at] = Entry(cmd.Deposit("trader", QUOTE, 1_001), damaged[at].hash)
    with pytest.raises(InputError, match=f"log entry {at + 1}: "):
        replay(empty_venue(), damaged)


def test_a_swapped_pair_is_found(world):
    damaged = list(world.house.entries)
    damaged[6], damaged[7] = damaged[7], damaged[6]
    with pytest.raises(InputError, match="log entry 7: "):
        replay(empty_venue(), damaged)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b'{"command":{"type":"Deposit"},"hash":"00"}',
        b'{"command":{"type":"Steal","subaccount":"a"},"hash":"00"}',
        b'{"command":{"type":"Deposit","subaccount":"a","asset":"USDC","amount":1.5},"hash":"00"}',
        b'{"command":{"type":"Deposit","subaccount":"a","asset":"USDC","amount":"1"},"hash":"00"}',
        b"\xff\xfe",
    ],
)
def test_a_line_that_cannot_be_read_is_named(world, line):
    damaged = lines(world)
    damaged[4] = line
    with pytest.raises(InputError, match=r"^log line 5: ") as caught:
        list(read(damaged))
    assert "\n" not in str(caught.value)


def test_the_canonical_encoding_is_fixed():
    assert encode(cmd.Deposit("a", QUOTE, 2**80)) == (
        b'{"type":"Deposit","subaccount":"a","asset":"USDC","amount":1208925819614629174706176}'
    )
    # Every field in the order of its definition, also those that hold their defaults; keys of mappings sorted.
    assert encode(cmd.SetPrices(1, 2, {"b": 1, "a": 2})) == (
        b'{"type":"SetPrices","time_ms":1,"block":2,"marks":{"a":2,"b":1},"indexes":{},"assets":{},'
        b'"confidences":{},"index_confidences":{},"asset_confidences":{},"quote_wad":0}'
    )


def test_equal_commands_have_one_encoding():
    """Defaults are written out: left out, they would be so by identity, and a policy read back would hash otherwise."""
    policy = Policy(liquidation=Liquidation(portion_ppm=int("1000000")))
    again = msgspec.json.decode(encode(cmd.ChangePolicy(policy)), type=cmd.ChangePolicy)
    assert again == cmd.ChangePolicy(Policy())
    assert encode(again) == encode(cmd.ChangePolicy(Policy()))


def test_a_snapshot_of_an_older_version_is_read_with_defaults_for_what_it_lacks():
    state = json.loads(snapshot(empty_venue()))
    del state["quote_wad"], state["policy"]["liquidation"]["auction"], state["markets"]["ETH"]["settling"]
    assert state_hash(restore(json.dumps(state).encode())) == state_hash(empty_venue())


def test_the_head_of_a_log_never_changes():
    """Another hash means that old logs no longer replay: then, and only then, this one may change."""
    house = Clearinghouse(empty_venue())
    house.require(cmd.OpenSubaccount("trader", "trader"))
    house.require(cmd.Deposit("trader", QUOTE, 5))
    house.submit(cmd.Deposit("nobody", QUOTE, 5))
    assert house.head == "bfc9581d47b960e793e5933252d77534f6340e94e99c099d4cb7c2e9965fc148"


def test_the_hash_does_not_depend_on_the_order_of_insertion():
    one, two = empty_venue(), empty_venue()
    two.markets = dict(reversed(two.markets.items()))
    two.pools = dict(reversed(two.pools.items()))
    assert state_hash(one) == state_hash(two)


def test_a_snapshot_restores_the_state(world):
    venue = restore(snapshot(world.venue))
    assert state_hash(venue) == state_hash(world.venue)
    assert snapshot(venue) == snapshot(world.venue)


def test_a_restored_state_goes_on_alike(world):
    left, right = Clearinghouse(restore(snapshot(world.venue))), Clearinghouse(restore(snapshot(world.venue)))
    for house in (left, right):
        house.submit(cmd.Trade("ETH", -1, 70, "maker", "trader"))
        house.submit(cmd.AccrueFunding("ETH", -77))
    assert left.head == right.head
    assert state_hash(left.venue) == state_hash(right.venue)


def test_integers_of_any_size_survive(world):
    venue = restore(snapshot(world.venue))
    venue.markets["ETH"].funding_index = -(10**60)
    assert restore(snapshot(venue)).markets["ETH"].funding_index == -(10**60)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state["subaccounts"]["maker"]["balances"].update(USDC=1), "is not conserved"),
        (lambda state: state["subaccounts"]["maker"].pop("account"), "missing required field"),
        (lambda state: state["markets"].pop("ETH"), "unknown market ETH"),
        (lambda state: state.update(time_ms=1.5), "Expected `int`, got `float`"),
        (lambda state: state["policy"].update(insurance="never"), "Invalid enum value"),
    ],
)
def test_a_damaged_snapshot_is_bad_input_of_one_line(change, sentence):
    world = World()
    world.open("trader", 100)
    world.open("maker", 100)
    world.trade("ETH", 1, "trader", "maker")
    state = json.loads(snapshot(world.venue))
    change(state)
    with pytest.raises(InputError, match=f"^snapshot: .*{sentence}") as caught:
        restore(json.dumps(state).encode())
    assert "\n" not in str(caught.value)


def test_a_truncated_snapshot_is_bad_input(world):
    with pytest.raises(InputError, match=r"^snapshot: "):
        restore(snapshot(world.venue)[:-2])


def test_a_command_that_must_hold_says_why_it_does_not():
    house = Clearinghouse(empty_venue())
    with pytest.raises(InputError, match=r"There is no such subaccount; open it first. \(nobody\)"):
        house.require(cmd.Deposit("nobody", QUOTE, 5))


def test_a_house_may_keep_no_log():
    house = Clearinghouse(empty_venue(), keep_log=False)
    house.require(cmd.OpenSubaccount("trader", "trader"))
    assert house.entries == []
