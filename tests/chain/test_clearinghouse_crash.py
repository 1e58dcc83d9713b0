"""A crash on the contract and on the engine: one keeper works for both, and what is left is the same to the unit."""

import random

from chain.house import START_BTC, START_PRICES, SUBS, TRADERS, fresh
from ringfence.clearing import command as cmd
from ringfence.clearing import event as ev
from ringfence.clearing.resolve import Fills, proposals

NAMES = tuple(f"{trader}.{sub}" for trader in TRADERS for sub in SUBS)
TICKS_PPM = (980_000, 950_000, 930_000, 880_000, 900_000, 960_000, 1_060_000, 940_000)
"""Down by more than a third in seven ticks, with one that comes back."""


def build(house, draw):
    """Everybody holds what their margin carries; some on bitcoin, some on both sides of two markets."""
    for name in NAMES:
        house.deposit(name, draw.randrange(2 * 10**9, 6 * 10**9))
        if draw.random() < 0.4:
            house.deposit(name, draw.randrange(10**5, 10**7), 1)
        for market, worth_q in enumerate((12, 12, 5)):
            lots = int(
                worth_q * 10**9 * draw.uniform(0.3, 1) / (START_PRICES[market] / 10 ** (0, 3, 1)[market])
            )
            size_b = lots // 10 * 10 * draw.choice((1, 1, 1, -1))
            if draw.random() < 0.8 and size_b:
                house.trade(name, market, size_b)


def step(house, name):
    """Do the first thing that is due of a subaccount, on both; False when nothing is."""
    for command in proposals(house.venue, house.venue.subaccounts[name], Fills()):
        if isinstance(command, cmd.Liquidate):
            done = house.liquidate(name, int(command.market[1:]))
        elif isinstance(command, cmd.SellCollateral):
            done = house.sell_collateral(name)
        elif isinstance(command, cmd.Deleverage):
            done = house.deleverage(name, int(command.market[1:]))
        else:
            continue
        if done:
            return True
    return False


def test_a_crash_ends_the_same():
    house, draw = fresh(), random.Random(10)
    build(house, draw)
    liquidations, losses = 0, 0
    prices, btc = dict(START_PRICES), START_BTC
    for tick_ppm in TICKS_PPM:
        prices = {market: price * tick_ppm // 10**6 for market, price in prices.items()}
        btc = btc * tick_ppm // 10**6
        house.prices(prices, btc)
        for name in NAMES:
            while step(house, name):
                told = [event for event in house.house.events(house.receipt) if event.name == "Liquidated"]
                liquidations += len(told)
                losses += sum(event.fields["loss_q"] > 0 for event in told)
    house.compare()
    for name in NAMES:
        house.compare_risk(name)
    assert liquidations > 10
    assert losses > 0


def test_events_say_what_the_engines_say(monkeypatch):
    """A liquidation's event is the engine's, field by field."""
    house = fresh()
    house.deposit("ada.0", 300 * 10**6)
    house.trade("ada.0", 0, 1_000)
    house.prices({0: 1_790_421})
    told = []
    submit = house.engine.submit
    monkeypatch.setattr(house.engine, "submit", lambda command: told.append(submit(command)) or told[-1])
    house.liquidate("ada.0", 0)
    [wanted] = [event for event in told[0].events if isinstance(event, ev.Liquidated)]
    [found] = [event.fields for event in house.house.events(house.receipt) if event.name == "Liquidated"]
    assert found["account"] == house.people["ada"].address
    for field in ("size_b", "price", "notional_q", "fee_q", "loss_q"):
        assert found[field] == getattr(wanted, field)
