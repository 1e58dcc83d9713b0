"""Scenarios as text: one line per command, ending in what must come of it.

    market    ETH-PERP initial 10% maintenance 5% pool main
    deposit   trader 1_000 USD                      -> accepted
    trade     trader +1 ETH-PERP @ 2_000 with maker -> accepted
    price     ETH-PERP 1_800
    risk      trader                                -> equity 800 maintenance 90 safe
    withdraw  trader 900 USD                        -> rejected initial_margin

A line without `->` must be accepted. `#` starts a comment. Amounts are USD, sizes whole units of the market, both with
decimals; a subaccount is opened when it is first named (`child of parent` says whose child it is), its account is the
part of the name before the dot. Every `price` line is a block of its own, one second later.
"""

from ringfence.clearing import command as cmd
from ringfence.clearing import ledger
from ringfence.clearing.log import Clearinghouse
from ringfence.clearing.model import QUOTE, Asset, CollateralPool, Market, Scale, Venue
from ringfence.clearing.policy import Deleveraging, Liquidation, Policy, Tier, Tiered
from ringfence.clearing.resolve import BACKSTOP, Fills, resolve
from ringfence.clearing.risk import subaccount_risk
from ringfence.clearing.verdict import Accepted
from ringfence.units import format_atoms, parse_decimal, to_atoms

USD, LOT, TICK = 6, 3, 2
"""Decimals: quote atoms are 1e-6 USD, lots 0.001 units, price quanta 0.01 USD."""
SCALE = Scale(10, 1)
"""0.001 units at 0.01 USD are 0.00001 USD: ten quote atoms."""
PPM = 1_000_000


def amount(text):
    return to_atoms(parse_decimal(text.replace("_", ""), text), USD, text)


def lots(text):
    return to_atoms(parse_decimal(text.replace("_", ""), text), LOT, text)


def quanta(text):
    return to_atoms(parse_decimal(text.replace("_", ""), text), TICK, text)


def ppm(text):
    return to_atoms(parse_decimal(text.removesuffix("%"), text), 4, text)


def pairs(words):
    """`initial 10% pool main` as a mapping."""
    return dict(zip(words[::2], words[1::2], strict=True))


def flat(initial, maintenance):
    return Tiered((Tier(0, ppm(initial), ppm(maintenance), 0),), PPM)


def value_of(text):
    """A value of a policy: a percentage in ppm, an integer, a list with commas, or a word."""
    if text.endswith("%"):
        return ppm(text)
    if "," in text or text == "none":
        return tuple(part for part in text.split(",") if part != "none")
    return int(text.replace("_", "")) if text.replace("_", "").isdigit() else text


class Table:
    """Runs a scenario line by line; what a line says must come of it is asserted."""

    def __init__(self):
        self.house = Clearinghouse(Venue())
        self.block = 0
        self.told = ()
        self.steps = []

    def run(self, text):
        for number, line in enumerate(text.splitlines(), 1):
            words, _, expected = (part.strip() for part in line.partition("#")[0].partition("->"))
            if not words:
                continue
            verb, *arguments = words.split()
            try:
                outcome = getattr(self, f"do_{verb}")(*arguments)
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                raise AssertionError(f"line {number}: {line.strip()!r}: {error!r}") from error
            wanted = " ".join(expected.split()) or "accepted"
            assert outcome == wanted or outcome is None, f"line {number}: {line.strip()!r}: got {outcome!r}"
            ledger.audit(self.house.venue)

    # --- the venue ---

    def do_market(self, name, *words):
        given = pairs(words)
        table = flat(given.pop("initial"), given.pop("maintenance"))
        pool = given.pop("pool", "main")
        step = lots(given.pop("step", "0.001"))
        minimum = amount(given.pop("minimum", "0"))
        assert not given, given
        venue = self.house.venue
        venue.pools.setdefault(pool, CollateralPool(pool))
        venue.markets[name] = Market(name, SCALE, table, pool, LOT, TICK, step, minimum)
        self.open(f"market/{name}", system=True)

    def do_asset(self, name, *words):
        given = pairs(words)
        haircut = flat(given["haircut"], given["haircut"])
        discount = ppm(given.get("discount", "0%"))
        scale = Scale(10, 1)
        asset = Asset(name, scale, haircut, LOT, TICK, conversion_discount_ppm=discount)
        self.house.venue.assets[name] = asset
        self.open(f"market/{name}", system=True)

    def do_policy(self, *words):
        """`policy liquidation.fee_ppm 1% waterfall insurance,socialize`."""
        parts = {"": {}, "liquidation": {}, "deleveraging": {}}
        for key, text in pairs(words).items():
            group, _, field = key.rpartition(".")
            parts[group][field] = value_of(text)
        nested = {
            "liquidation": Liquidation(**parts["liquidation"]),
            "deleveraging": Deleveraging(**parts["deleveraging"]),
        }
        if nested["liquidation"].backstop_num:
            self.open(BACKSTOP, system=True)
        return self.submit(cmd.ChangePolicy(Policy(**parts[""], **nested)))

    def do_requirement(self, market, *words):
        given = pairs(words)
        return self.submit(cmd.ChangeRequirement(market, flat(given["initial"], given["maintenance"])))

    def do_fund(self, pool, text, _usd):
        return self.submit(cmd.FundInsurance(pool, amount(text)))

    # --- traders ---

    def open(self, name, parent=None, *, system=False):
        if name not in self.house.venue.subaccounts:
            self.house.require(cmd.OpenSubaccount(name, name.partition(".")[0], parent, system))
        return name

    def do_child(self, name, of, parent):
        assert of == "of"
        self.open(name, self.open(parent))

    def atoms(self, text, asset):
        return (amount(text), QUOTE) if asset == "USD" else (lots(text), asset)

    def do_deposit(self, name, text, asset):
        held, asset_id = self.atoms(text, asset)
        return self.submit(cmd.Deposit(self.open(name), asset_id, held))

    def do_withdraw(self, name, text, asset):
        held, asset_id = self.atoms(text, asset)
        return self.submit(cmd.Withdraw(name, asset_id, held))

    def do_transfer(self, source, target, text, asset):
        held, asset_id = self.atoms(text, asset)
        return self.submit(cmd.TransferMargin(source, self.open(target), asset_id, held))

    def do_leverage(self, name, market, text):
        return self.submit(cmd.SetLeverage(self.open(name), market, int(text.removesuffix("x"))))

    def do_reserve(self, name, order, size, market):
        return self.submit(cmd.Reserve(name, order, market, lots(size)))

    def do_release(self, name, order):
        return self.submit(cmd.Release(name, order))

    def do_trade(self, taker, size, market, at, price, with_, maker):
        assert (at, with_) == ("@", "with")
        return self.submit(cmd.Trade(market, lots(size), quanta(price), self.open(taker), self.open(maker)))

    # --- the world ---

    def do_price(self, *words):
        self.block += 1
        prices = {name: quanta(text) for name, text in pairs(words).items()}
        marks = {name: price for name, price in prices.items() if name in self.house.venue.markets}
        assets = {name: price for name, price in prices.items() if name not in marks}
        return self.submit(cmd.SetPrices(self.block * 1_000, self.block, marks, {}, assets))

    def do_wait(self, seconds, _seconds):
        self.block += int(seconds) - 1
        return self.do_price()

    def do_funding(self, market, rate):
        return self.submit(cmd.AccrueFunding(market, ppm(rate)))

    def do_liquidate(self, name, market, size="0", *at):
        price = quanta(at[1]) if at else 0
        return self.submit(cmd.Liquidate(name, market, lots(size), price))

    def do_takeover(self, name):
        return self.submit(cmd.TakeOver(name, BACKSTOP))

    def do_deleverage(self, name, market, draw="0"):
        return self.submit(cmd.Deleverage(name, market, int(draw)))

    def do_draw(self, pool, *of):
        return self.submit(cmd.DrawInsurance(pool, *of))

    def do_socialize(self, pool):
        return self.submit(cmd.Socialize(pool))

    def do_resolve(self, slippage="0%"):
        """All that is due; the outcome is the names of the steps taken."""
        done = resolve(self.house, list(self.house.venue.subaccounts), Fills(ppm(slippage)))
        return ", ".join(type(command).__name__.lower() for command, _ in done) or "nothing"

    # --- questions ---

    def do_risk(self, name, *fields):
        """Equity, initial and maintenance margin, and whether the subaccount is safe."""
        venue = self.house.venue
        risk = subaccount_risk(venue, venue.subaccounts[name])
        unsafe = risk.liquidatable(at_equality=venue.policy.trigger_at_equality)
        known = {
            "equity": risk.equity_q,
            "initial": risk.initial_q,
            "maintenance": risk.maintenance_q,
            "free": risk.free_q,
        }
        shown = [f"{field} {format_atoms(known[field], USD)}" for field in fields]
        return " ".join([*shown, "liquidatable" if unsafe else "safe"])

    def do_position(self, name, market):
        held = self.house.venue.subaccounts[name].positions.get(market)
        return format_atoms(held.size_b, LOT) if held else "none"

    def do_balance(self, account):
        """Quote on a ledger account: `fund/main`, `debt/main`, `fees`, `funding/ETH-PERP`."""
        held = self.house.venue.balance_q(account)
        return f"{format_atoms(held, USD)} USD"

    def submit(self, command):
        verdict = self.house.submit(command)
        return "accepted" if isinstance(verdict, Accepted) else f"rejected {verdict.reason.name.lower()}"
