"""Signed orders: who signed what, how much of it is filled, cancelled or too late, one by one and in batches."""

import pytest

from chain.house import fresh
from ringfence.chain import clearinghouse as chain

MARK = 2_000_000
USD = 10**6
COIN = 1_000
TAKER, MAKER = "ada.0", "ben.0"


@pytest.fixture(params=[0, 14, 1_000])
def house(request):
    """Nonces whose states lie in the head of a subaccount, in words of their own, and one of each."""
    found = fresh()
    found.nonce = request.param
    for name in (TAKER, MAKER, "ben.1"):
        found.deposit(name, 1_000 * USD)
    return found


def settle(house, taker, maker, lots):
    return house.refusal("settle", (taker, maker, lots), by="keeper")


def lots_of(house, name):
    who, _, sub = name.partition(".")
    return house.made.position(house.people[who].address, int(sub), 0).size_b


def test_two_orders_meet_at_the_makers_price(house):
    buy = house.order(TAKER, 0, COIN, MARK + 10)
    sell = house.order(MAKER, 0, -COIN, MARK - 10)
    assert settle(house, buy, sell, COIN) == ""
    assert house.made.position(house.people["ada"].address, 0, 0) == chain.Position(
        COIN, COIN * (MARK - 10), 0
    )
    [told] = [event.fields for event in house.house.events(house.receipt) if event.name == "Filled"]
    assert (told["taker"], told["maker"]) == (house.key(TAKER), house.key(MAKER))
    assert (told["size_b"], told["price"]) == (COIN, MARK - 10)


def test_what_is_signed_is_what_the_contract_hashes(house):
    order = house.order(TAKER, 0, COIN, MARK).order
    seen = house.house.call("order_hash", order)
    changed = house.house.call("order_hash", order._replace(price=MARK + 1))
    assert seen != changed


def test_an_order_is_filled_in_parts_and_no_further(house):
    buy, sell = house.order(TAKER, 0, COIN, MARK), house.order(MAKER, 0, -600, MARK)
    digest = house.house.call("order_hash", buy.order)
    assert settle(house, buy, sell, 400) == ""
    assert house.house.call("filled", digest) == 400
    assert settle(house, buy, sell, 201) == "ORDER_MISMATCH"
    assert settle(house, buy, sell, 200) == ""
    assert settle(house, buy, sell, 1) == "ORDER_FINISHED"
    assert settle(house, buy, house.order(MAKER, 0, -COIN, MARK), 400) == ""
    assert house.house.call("filled", digest) == 0  # finished: nothing is kept but a bit
    assert settle(house, buy, house.order(MAKER, 0, -COIN, MARK), 1) == "ORDER_FINISHED"
    assert lots_of(house, TAKER) == COIN


def test_an_order_can_be_taken_back_before_and_between(house):
    first, second = house.order(TAKER, 0, COIN, MARK), house.order(TAKER, 0, COIN, MARK)
    assert settle(house, second, house.order(MAKER, 0, -COIN, MARK), 100) == ""
    for order in (first, second):
        assert not house.refusal("cancel", 0, order.order.nonce, by="ada")
        assert settle(house, order, house.order(MAKER, 0, -COIN, MARK), 100) == "ORDER_FINISHED"


def test_an_order_is_good_until_its_very_second(house):
    house.evm.warp(1)
    now = house.evm.time_s
    sell = house.order(MAKER, 0, -2 * COIN, MARK)
    assert settle(house, house.order(TAKER, 0, COIN, MARK, expiry=now), sell, COIN) == ""
    assert settle(house, house.order(TAKER, 0, COIN, MARK, expiry=now - 1), sell, COIN) == "EXPIRED"


def test_nobody_cancels_for_another(house):
    buy = house.order(TAKER, 0, COIN, MARK)
    for sub in (0, 1):
        assert not house.refusal("cancel", sub, buy.order.nonce, by="ben")
    assert not house.refusal("cancel", 1, buy.order.nonce, by="ada")
    assert settle(house, buy, house.order(MAKER, 0, -COIN, MARK), COIN) == ""


def test_one_nonce_is_one_order(house):
    """Two orders with one nonce: once one of them is partly filled, the other can only begin by its own signature."""
    buy = house.order(TAKER, 0, COIN, MARK)
    house.nonce -= 1
    twin = house.order(TAKER, 0, 500, MARK)
    assert settle(house, buy, house.order(MAKER, 0, -COIN, MARK), COIN) == ""
    assert settle(house, twin, house.order(MAKER, 0, -COIN, MARK), 500) == "ORDER_FINISHED"


def changed(signed, **fields):
    return signed._replace(order=signed.order._replace(**fields))


@pytest.mark.parametrize(
    ("reason", "taker", "maker"),
    [
        ("SIGNATURE_INVALID", {"size_b": COIN + 1}, {}),
        ("SIGNATURE_INVALID", {"sub": 1}, {}),
        ("SIGNATURE_INVALID", {}, {"price": MARK - 1}),
        ("SIGNATURE_INVALID", {}, {"account": chain.ZERO_ADDRESS}),
        ("ORDER_MISMATCH", {"market": 1}, {}),
        ("ORDER_MISMATCH", {"size_b": -COIN}, {}),
        ("ORDER_MISMATCH", {"size_b": 1}, {}),
        ("PRICE_BEYOND_LIMIT", {"price": MARK - 1}, {}),
        ("PRICE_BEYOND_LIMIT", {}, {"price": MARK + 1}),
        ("PRICE_NOT_POSITIVE", {}, {"price": 0}),
        ("AMOUNT_TOO_LARGE", {}, {"price": 2**48}),
        ("EXPIRED", {"expiry": 1}, {}),
        ("EXPIRED", {}, {"expiry": 1}),
    ],
)
def test_an_order_that_was_changed_or_does_not_fit_is_refused(house, reason, taker, maker):
    buy, sell = house.order(TAKER, 0, COIN, MARK), house.order(MAKER, 0, -COIN, MARK)
    assert settle(house, changed(buy, **taker), changed(sell, **maker), COIN) == reason
    assert settle(house, buy, sell, COIN) == ""


def test_an_order_of_another_house_is_refused(house):
    """The same order, signed for another address."""
    elsewhere = house.made._replace(house=house.made.quote)
    buy = house.order(TAKER, 0, COIN, MARK)
    foreign = elsewhere.sign(house.people["ada"], buy.order)
    assert settle(house, foreign, house.order(MAKER, 0, -COIN, MARK), COIN) == "SIGNATURE_INVALID"


def test_nobody_trades_with_the_same_subaccount(house):
    pair = house.order(TAKER, 0, COIN, MARK), house.order(TAKER, 0, -COIN, MARK)
    assert settle(house, *pair, COIN) == "SUBACCOUNTS_MUST_DIFFER"


def test_both_sides_keep_their_margin(house):
    buy, sell = house.order(TAKER, 0, 20 * COIN, MARK), house.order("cyd.0", 0, -20 * COIN, MARK)
    assert settle(house, buy, sell, 4 * COIN) == "INITIAL_MARGIN_COUNTERPARTY"
    assert settle(house, buy, house.order(MAKER, 0, -20 * COIN, MARK), 5 * COIN) == "INITIAL_MARGIN"


def test_a_batch_does_what_its_fills_do_one_by_one(house):
    fills = [
        (house.order(TAKER, 0, 100, MARK + at), house.order(f"ben.{at % 2}", 0, -100, MARK + at), 100 - at)
        for at in range(4)
    ]
    with house.evm.attempt():
        for fill in fills:
            assert house.refusal("settle", fill, by="keeper") == ""
        apart = [house.storage.head(house.key(name)) for name in (TAKER, MAKER, "ben.1")]
    assert house.refusal("settle_many", fills, by="keeper") == ""
    assert [house.storage.head(house.key(name)) for name in (TAKER, MAKER, "ben.1")] == apart
    assert lots_of(house, TAKER) == 394


def test_a_batch_is_filled_whole_or_not_at_all(house):
    good = (house.order(TAKER, 0, 100, MARK), house.order(MAKER, 0, -100, MARK), 100)
    assert house.refusal("settle_many", [good, good], by="keeper") == "ORDER_FINISHED"
    assert lots_of(house, TAKER) == 0
