"""Every operation of the clearinghouse by an example whose numbers can be followed.

Prices of `m0` are in thousandths of a USD and lots in thousandths of a coin: one lot at one quantum is one quote atom.
It starts at 2,000 USD, so a lot is worth 2,000,000 atoms; it asks 10 % initial and 5 % maintenance margin. A trade
costs its taker 0.045 % and its maker 0.012 %. Every operation is also done by the engine and compared (`chain.house`).
"""

import pytest

from chain.house import FUND_Q, LIQUIDITY_Q, fresh
from ringfence.chain import clearinghouse as chain
from ringfence.clearing.solve import liquidation_price

MARK = 2_000_000
COIN = 1_000
USD = 10**6


@pytest.fixture
def house():
    return fresh()


@pytest.fixture
def long(house):
    """Ada with one coin bought for 2,000 USD on 300 USD: 1,700.90 owed after the fee."""
    house.deposit("ada.0", 300 * USD)
    house.trade("ada.0", 0, COIN)
    return house


@pytest.fixture
def deep(house):
    """Ada with five coins on 1,500 USD, ben on the other side, and a price at which ada lost all and 504.50 more."""
    for name in ("ada.0", "ben.0"):
        house.deposit(name, 1_500 * USD)
    house.settle("ada.0", "ben.0", 0, 5 * COIN, MARK)
    house.prices({0: 1_600_000})
    return house


def quote_q(house, name):
    who, _, sub = name.partition(".")
    return house.house.call("head_of", house.people[who].address, int(sub))[0]


def position(house, name, market=0):
    who, _, sub = name.partition(".")
    return house.made.position(house.people[who].address, int(sub), market)


def pool_q(house):
    return house.house.call("head_of", house.house.address, 0)[0]


def events(house, name):
    return [event.fields for event in house.house.events(house.receipt) if event.name == name]


def test_collateral_comes_in_and_goes_out(house):
    held = house.made.quote.call("balanceOf", house.people["ada"].address)
    house.deposit("ada.0", 500)
    house.deposit("ada.0", 70)
    house.withdraw("ada.0", 569)
    assert quote_q(house, "ada.0") == 1
    assert house.made.quote.call("balanceOf", house.people["ada"].address) == held - 1
    assert events(house, "Withdrawn") == [
        {"account": house.people["ada"].address, "sub": 0, "asset": 0, "amount": 569}
    ]


def test_a_trade_books_its_cost_and_its_fee(long):
    assert quote_q(long, "ada.0") == 300 * USD - 2_000 * USD - 900_000  # 450 ppm of 2,000 USD
    assert position(long, "ada.0") == chain.Position(COIN, 2_000 * USD, 0)
    assert pool_q(long) == LIQUIDITY_Q + 2_000 * USD - 240_000  # 120 ppm
    assert long.house.call("pool_of", 0) == (FUND_Q, 1_140_000)
    risk = long.house.call("risk_of", long.people["ada"].address, 0)
    assert risk == (299_100_000, 200 * USD, 100 * USD, 2_000 * USD)


def test_what_a_withdrawal_leaves_covers_initial_margin(long):
    assert not long.withdraw("ada.0", 99_100_001)
    assert long.withdraw("ada.0", 99_100_000)


def test_a_position_opens_only_with_initial_margin(house):
    house.deposit("ada.0", 200_899_999)  # the margin of 200 USD and the fee of 0.90 USD, less one atom
    assert not house.trade("ada.0", 0, COIN)
    house.deposit("ada.0", 1)
    assert house.trade("ada.0", 0, COIN)


def test_a_spread_makes_the_pool_dearer(house):
    house.deposit("ada.0", 10_000 * USD)
    house.trade("ada.0", 1, COIN)  # 30,000 USD and 500 ppm of it, 15 USD
    assert position(house, "ada.0", 1).cost_q == 30_015 * USD
    assert house.refusal("trade", 0, 1, COIN, 30_014_999_999, by="ada") == "PRICE_BEYOND_LIMIT"
    assert house.refusal("trade", 0, 1, -COIN, 29_985_000_001, by="ada") == "PRICE_BEYOND_LIMIT"


def test_margin_is_a_partition(house):
    """The same two positions: apart, one's loss leaves the other untouched; together, they share what there is."""
    for sub in (0, 1):
        house.deposit(f"ada.{sub}", 300 * USD)
        house.deposit("ben.0", 300 * USD)
        house.trade(f"ada.{sub}", 0, COIN if sub else -COIN)
        house.trade("ben.0", 2 * sub, COIN if sub else -COIN)
    house.prices({0: 2_250_000})
    assert house.liquidate("ada.0", 0)
    assert not house.liquidate("ada.1", 0)
    assert not house.liquidate("ben.0", 0)  # 600 USD stand behind the short
    assert position(house, "ada.1") == chain.Position(COIN, 2_000 * USD, 0)


def test_margin_moves_between_subaccounts_of_one_account(long):
    assert long.transfer("ada.0", 2, 99_100_000)
    assert quote_q(long, "ada.2") == 99_100_000
    assert not long.transfer("ada.0", 2, 1)


def test_a_position_closes_in_part_and_whole(long):
    long.trade("ada.0", 0, -400)
    assert position(long, "ada.0") == chain.Position(600, 1_200 * USD, 0)
    assert long.refusal("close", 0, 0, 0, by="ada") == ""
    # Three trades at the mark: only their fees of 0.045 % are gone, 0.90 + 0.36 + 0.54 USD.
    assert quote_q(long, "ada.0") == 300 * USD - 1_800_000
    assert long.house.call("head_of", long.people["ada"].address, 0)[1] == 0
    assert long.refusal("close", 0, 0, 0, by="ada") == "POSITION_UNKNOWN"


def test_a_trade_turns_a_position_around(long):
    long.trade("ada.0", 0, -1_500)
    assert position(long, "ada.0") == chain.Position(-500, -1_000 * USD, 0)


@pytest.mark.parametrize(("mark", "stands"), [(26_545_000_000, True), (26_533_000_000, False)])
def test_whether_lots_may_be_closed_is_decided_by_all_positions(house, mark, stands):
    """Why shrinking pays for a margin check: one lot and its market are the same, another market's mark decides.

    The lot frees 100,000 atoms of maintenance margin for a fee of 900: equity must be 0.9 % of what is asked. It is
    15.60 or 3.60 USD (3,470.60 less what bitcoin fell from 30,000 USD) of about 763, 2.0 % or 0.5 %.
    """
    house.deposit("ada.0", 3_500 * USD)
    for market in (0, 1):
        house.trade("ada.0", market, COIN)
    house.prices({1: mark})
    assert house.trade("ada.0", 0, -1) == stands


def test_longs_pay_shorts(long):
    long.deposit("ben.1", 300 * USD)
    long.trade("ben.1", 0, -COIN)
    long.fund(0, 1_000)  # 0.1 % of 2,000 USD
    long.withdraw("ada.0", 1)
    long.withdraw("ben.1", 1)
    assert quote_q(long, "ada.0") == 300 * USD - 2_000 * USD - 900_000 - 2 * USD - 1
    assert quote_q(long, "ben.1") == 300 * USD + 2_000 * USD - 900_000 + 2 * USD - 1
    assert position(long, "ada.0").funding_index == position(long, "ben.1").funding_index != 0


def test_liquidation_is_due_one_quantum_below_and_not_above(long):
    """1,000 p - 1,700.90 USD < 50 p first holds at p = 1,790.421 USD."""
    published = liquidation_price(long.venue, long.venue.subaccounts["ada.0"], "m0")
    assert published == 1_790_421
    long.prices({0: published + 1})
    assert not long.liquidate("ada.0", 0)
    long.prices({0: published})
    assert long.liquidate("ada.0", 0)


def test_liquidation_stops_at_the_target(long):
    """Closing x lots leaves 89,521,000 - 17,904.21 x against 1.25 times 5 % of the rest: x = 239."""
    long.prices({0: 1_790_421})
    long.liquidate("ada.0", 0)
    assert position(long, "ada.0").size_b == COIN - 239
    [told] = events(long, "Liquidated")
    assert (told["size_b"], told["fee_q"], told["loss_q"]) == (-239, 4_279_106, 0)  # 1 % of 427,910,619
    assert quote_q(long, "keeper.0") == 2_139_553  # half of it, rounded down for the fund
    assert long.house.call("pool_of", 0)[0] == FUND_Q + 2_139_553
    assert not long.liquidate("ada.0", 0)


@pytest.mark.parametrize(("asked", "closed"), [(0, 239), (239, 239), (240, 239), (1_000, 239), (100, 100)])
def test_a_liquidator_may_ask_for_less_and_gets_no_more(long, asked, closed):
    long.prices({0: 1_790_421})
    assert long.liquidate("ada.0", 0, asked)
    assert position(long, "ada.0").size_b == COIN - closed


def test_a_right_size_costs_less_than_a_search(long):
    long.prices({0: 1_790_421})
    with long.evm.attempt():
        assert not long.refusal("liquidate", long.people["ada"].address, 0, 0, 239, by="keeper")
        asked = long.receipt.gas_used
    assert not long.refusal("liquidate", long.people["ada"].address, 0, 0, 0, by="keeper")
    assert asked < long.receipt.gas_used


def test_a_whole_account_is_liquidated_until_it_is_healthy(house):
    house.deposit("cyd.1", 4_500 * USD)
    for market, size_b in enumerate((5 * COIN, COIN, -20 * COIN)):
        house.trade("cyd.1", market, size_b)
    house.prices({0: 1_800_000, 1: 29_000_000_000, 2: 2_000_000})
    assert house.liquidate_account("cyd.1", [2, 0, 1])
    assert [told["market"] for told in events(house, "Liquidated")] == [2]
    assert position(house, "cyd.1", 0).size_b == 5 * COIN


def test_a_loss_is_for_the_fund_and_then_for_the_pool(house):
    house.deposit("ada.0", 1_500 * USD)
    house.trade("ada.0", 0, 5 * COIN)
    house.prices({0: 1_600_000})
    before_q = pool_q(house)
    assert house.liquidate("ada.0", 0)
    # 1,500 - 10,000 - 4.50 + 8,000 USD = -504.50 USD, of which the fund has 200.
    [told] = events(house, "Liquidated")
    assert told["loss_q"] == 504_500_000
    assert house.house.call("pool_of", 0)[0] == 0
    assert pool_q(house) == before_q - 8_000 * USD - 304_500_000
    assert quote_q(house, "ada.0") == 0


def test_winners_close_at_the_losers_bankruptcy_price(deep):
    """Ada's five coins are worth 8,000 USD and she owes 504.50 USD: ben buys his back for 8,504.50 USD."""
    assert deep.deleverage("ada.0", 0)
    assert quote_q(deep, "ada.0") == 0
    assert quote_q(deep, "ben.0") == 1_500 * USD - 1_200_000 + 10_000 * USD - 8_504_500_000
    assert deep.house.call("pool_of", 0)[0] == FUND_Q
    [told] = events(deep, "Deleveraged")
    assert (told["size_b"], told["loss_q"], told["winners"]) == (5 * COIN, 504_500_000, 1)


def test_nobody_is_deleveraged_for_who_has_equity(long):
    assert not long.deleverage("ada.0", 0)


def test_only_winners_of_the_other_side_are_deleveraged_and_the_first_first(deep):
    """Cyd sold later, at a lower price: she has the smaller profit on the same leverage and may not come first."""
    deep.prices({0: 1_900_000})
    deep.deposit("cyd.0", 1_500 * USD)
    deep.trade("cyd.0", 0, -COIN)
    deep.prices({0: 1_600_000})
    keys = {name: deep.key(f"{name}.0") for name in ("ada", "ben", "cyd")}
    ada = deep.people["ada"].address

    def refusal(*winners):
        return deep.refusal("deleverage", ada, 0, 0, [keys[name] for name in winners], by="keeper")

    assert refusal("cyd", "ben") == "OUT_OF_ORDER"
    assert refusal("ada") == refusal() == "NO_COUNTERPARTY"
    pool = chain.key_of(deep.house.address, 0)
    assert deep.refusal("deleverage", ada, 0, 0, [pool], by="keeper") == "SYSTEM_SUBACCOUNT"
    assert deep.deleverage("ada.0", 0)


def test_collateral_counts_less_its_haircut_and_is_sold_for_a_debt(house):
    """0.01 BTC, worth 600 USD: 540 after the haircut of 10 %, 570 in a sale at a discount of 5 %."""
    house.deposit("ada.0", 1_000_000, 1)
    house.compare_risk("ada.0")
    house.trade("ada.0", 0, COIN)
    house.prices({0: 1_800_000})
    house.trade("ada.0", 0, -COIN)
    assert quote_q(house, "ada.0") == -201_710_000  # a loss of 200 USD and fees of 0.90 and 0.81 USD
    keeper = house.people["keeper"].address
    before_q = house.made.quote.call("balanceOf", keeper)
    assert house.sell_collateral("ada.0")
    # 201.71 / 57,000 BTC, rounded up to an atom, for 570 quote atoms each
    assert events(house, "CollateralSold")[0]["amount"] == 353_878
    assert quote_q(house, "ada.0") == 353_878 * 570 - 201_710_000 == 460
    assert before_q - house.made.quote.call("balanceOf", keeper) == 353_878 * 570
    assert not house.sell_collateral("ada.0")


def test_a_larger_position_is_asked_more(house):
    """30 coins, 60,000 USD: 15 % initial margin; 5 % maintenance up to 50,000 USD and 8 % above."""
    house.deposit("ben.2", 20_000 * USD)
    house.trade("ben.2", 0, 30 * COIN)
    _, initial, maintenance, _ = house.house.call("risk_of", house.people["ben"].address, 2)
    assert initial == 9_000 * USD
    assert maintenance == (2_500 + 800) * USD
    house.compare_risk("ben.2")


def test_fees_go_to_the_owner(long):
    assert long.refusal("collect_fees", 0, long.people["cyd"].address, by="ada") == "NOT_OWNER"
    before_q = long.made.quote.call("balanceOf", long.people["cyd"].address)
    assert not long.refusal("collect_fees", 0, long.people["cyd"].address, by="owner")
    assert long.made.quote.call("balanceOf", long.people["cyd"].address) == before_q + 1_140_000
    assert long.house.call("pool_of", 0)[1] == 0
