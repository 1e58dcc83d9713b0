"""What the contracts are made of: generated rules, code sizes, and gas from receipts against what was promised."""

import ast
import itertools
import re
from collections import defaultdict
from functools import cache

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

import gen_rules
import gen_vyper
from ringfence.chain import clearinghouse as chain
from ringfence.chain.accounts import Account
from ringfence.chain.compile import CODE_BYTES_MAX, CONTRACTS, compile_contract
from ringfence.chain.events import signature
from ringfence.chain.evm import Evm
from ringfence.chain.node import RevertedError
from ringfence.rules import close, requirement, socialize, transition, value, words

# -- the rules -----------------------------------------------------------------------------------------------

FUNCTIONS = {
    "words.mul_div_down": words.mul_div_down,
    "words.mul_div_up": words.mul_div_up,
    "words.mul_div": words.mul_div,
    **{
        f"{module.__name__.rpartition('.')[2]}.{name}": getattr(module, name)
        for module, names in {
            value: ("value_q", "notional_q", "funding_payment_q", "released_cost_q", "collateral_value_q"),
            requirement: ("fraction_q", "tiered_q", "tier_deduction", "withdrawal_q", "with_leverage_q"),
            close: (
                *("bankruptcy_quote_q", "liquidation_fee_q", "fee_share_q", "close_portion_b"),
                *("slipped_price", "accept_price", "fillable_spread_num"),
            ),
            transition: ("is_smaller", "keeps_ratio", "is_fair"),
            socialize: ("loss_per_lot", "half_loss_per_lot"),
        }.items()
        for name in names
    },
}
BOUND = {called: (name, given) for name, (called, given) in gen_vyper.BOUND.items()}
LIMITS = {"rounding": (0, 2), "sells": (0, 1)}
POSITIVE = {
    "d",
    "scale_den",
    "rate_den",
    "index_scale",
    "haircut_den",
    "step_b",
    "leverage_num",
    "denominator",
}
POSITIVE |= {"lots_b", "open_interest_b", "size_b_held"}


@cache
def bench():
    """A contract that lets every rule be called from outside, generated from the rules' signatures."""
    found = gen_rules.library()
    lines = ["# pragma version ==0.4.3", "import words", "import margin_rules as rules", ""]
    for name in (*FUNCTIONS, *BOUND):
        module, _, function = name.rpartition(".")
        home = "words" if module == "words" else "rules"
        kinds, result = parameters(found, name)
        arguments = ", ".join(f"a{at}: {kind}" for at, kind in enumerate(kinds))
        passed = ", ".join(f"a{at}" for at in range(len(kinds)))
        lines += ["@external", "@pure", f"def {function}({arguments}) -> {result}:"]
        lines += [f"    return {home}.{function}({passed})", ""]
    return "\n".join(lines)


def parameters(found, name):
    """Types on chain of a rule's parameters and result."""
    if name.startswith("words."):
        return ["int256"] * (4 if name.endswith("mul_div") else 3), "int256"
    rule, given = BOUND.get(name, (name, {}))
    node = found.function(rule).node
    kinds = [gen_vyper.kind(each.annotation) for each in node.args.args if each.arg not in given]
    return kinds, gen_vyper.kind(node.returns)


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    for name in ("words", "margin_rules"):
        (folder / f"{name}.vy").write_bytes((CONTRACTS / f"{name}.vy").read_bytes())
    (folder / "RulesBench.vy").write_text(bench())
    evm = Evm(signed=False)
    owner = evm.fund(Account.named("owner"))
    return evm.deploy(compile_contract("RulesBench", folder=folder), sender=owner)


def names_of(name):
    """Names of a rule's parameters, those that are bound left out."""
    rule, given = BOUND.get(name, (name, {}))
    function = FUNCTIONS[rule]
    return [
        each for each in function.__code__.co_varnames[: function.__code__.co_argcount] if each not in given
    ]


def argument(parameter):
    """Cases of one parameter: both signs, small and large, edges of powers of two."""
    if parameter in LIMITS:
        return st.integers(*LIMITS[parameter])
    edges = st.builds(lambda bits, off: (1 << bits) + off, st.integers(0, 79), st.integers(-2, 2))
    size = st.one_of(st.integers(0, 1_000), edges, st.integers(0, 2**80 - 1)).map(abs)
    if parameter in POSITIVE:
        return size.map(lambda amount: max(1, amount))
    signed = {
        "a",
        "b",
        "size_b",
        "cost_q",
        "index_delta",
        "equity_q",
        "value_closed_q",
        "deduction",
        "numerator",
    }
    signed |= {"surplus_q", "raw_q", "before_b", "after_b", "value_before", "value_after", "previous"}
    return st.one_of(size, size.map(lambda amount: -amount)) if parameter in signed else size


@pytest.mark.parametrize("name", [*FUNCTIONS, *BOUND])
def test_every_rule_on_chain_is_the_rule(rules, name):
    rule, given_ = BOUND.get(name, (name, {}))
    function = name.rpartition(".")[2]
    kinds, _ = parameters(gen_rules.library(), name)

    @settings(max_examples=15, derandomize=True)
    @given(st.tuples(*map(argument, names_of(name))))
    def agree(arguments):
        try:
            wanted = FUNCTIONS[rule](**dict(zip(names_of(name), arguments, strict=True)), **given_)
        except ZeroDivisionError:
            return
        passed = [bool(each) if kind == "bool" else each for each, kind in zip(arguments, kinds, strict=True)]
        assert rules.call(function, *passed) == wanted

    agree()


def test_a_denominator_of_zero_reverts(rules):
    with pytest.raises(RevertedError):
        rules.call("mul_div_up", 1, 1, 0)


def test_a_product_that_does_not_fit_reverts(rules):
    with pytest.raises(RevertedError):
        rules.call("mul_div_down", 2**200, 2**200, 2**200)


def test_the_generated_rules_are_current():
    files = gen_vyper.files(gen_rules.library())
    assert gen_rules.stale(files) == []
    assert list(files) == [gen_vyper.TARGET]


def test_every_core_rule_is_there_and_no_other():
    found = gen_rules.library()
    core = [rule for module in found.modules for rule in found.functions(module) if rule.is_core]
    text = gen_vyper.TARGET.read_text(encoding="utf-8")
    assert text.count("\ndef ") == len(core) + len(gen_vyper.BOUND)
    assert len(core) > 100


def test_what_has_no_meaning_on_chain_is_refused():
    for code in ("a / b", "[a]", "a ** 2", "a if b else 'c'"):
        with pytest.raises((SystemExit, KeyError)):
            gen_vyper.Speller({}, set()).value(ast.parse(code, mode="eval").body)


# -- code ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*chain.PARTS, "LiquidityPool", "MockToken"])
def test_no_contract_is_too_large(name):
    assert compile_contract(name).code_bytes < CODE_BYTES_MAX


def test_no_two_parts_share_a_function():
    """Otherwise the later one's would never be reached, and its author would not know."""
    names = [
        entry["name"]
        for part in chain.PARTS
        for entry in compile_contract(part).abi
        if entry["type"] == "function" and entry["name"] != "TERMS_HASH"
    ]
    assert len(names) == len(set(names))


def test_the_interface_for_other_contracts_is_what_the_parts_offer(tmp_path):
    """A contract that claims to implement it and has nothing else: its functions are the clearinghouse's."""
    text = (CONTRACTS / "IClearinghouse.vyi").read_text(encoding="utf-8")
    offered = {signature(entry) for entry in chain.interface().abi if entry["type"] == "function"}
    (tmp_path / "IClearinghouse.vyi").write_text(text, encoding="utf-8")
    bodies = re.sub(r"\n    \.\.\.", "\n    raise", text.partition("\n\nstruct")[2].partition("\n\n\n")[2])
    bodies = bodies.replace("-> Risk", "-> IClearinghouse.Risk")
    (tmp_path / "Stub.vy").write_text(
        f"# pragma version ==0.4.3\nimport IClearinghouse\nimplements: IClearinghouse\n\n\n{bodies}",
        encoding="utf-8",
    )
    stub = compile_contract("Stub", folder=tmp_path)
    wanted = {signature(entry) for entry in stub.abi if entry["type"] == "function"}
    assert len(wanted) == text.count("\ndef ")
    assert wanted <= offered


# -- gas -----------------------------------------------------------------------------------------------------

PRICE = 100 * 10**6
LOTS = 10**9
MARGIN_Q = 12 * 10**9
"""Collateral per position of 100,000 USD."""


class Meter:
    """A clearinghouse in its steady state: pools hold positions, the keeper was paid before, every slot is cold."""

    def __init__(self):
        self.evm = Evm(signed=False)
        self.people = {
            name: self.evm.fund(Account.named(name)) for name in ("owner", "feed", "ada", "ben", "keeper")
        }
        owner, feed = self.people["owner"], self.people["feed"]
        terms = chain.Terms(price_age_s=3_600, price_move_ppm=10**6, liquidation_fee_ppm=100)
        self.made = chain.deploy(self.evm, owner, feed.address, terms)
        self.house = self.made.house
        chain.list_markets(self.made, owner, [chain.MarketTerms() for _ in range(17)])
        self.mint("owner", chain.open_pool(self.made, owner, 0).address)
        shares = self.evm.at("LiquidityPool", self.house.call("shares", 0))
        shares.send("deposit", 10**15, sender=owner)
        self.mint("owner", self.house.address)
        self.send("fund_insurance", 0, 10**12, by="owner")
        self.prices(PRICE)
        for name in ("ada", "ben", "keeper"):
            self.mint(name, self.house.address)
        self.send("deposit", 0, 0, 10**13, by="ben")
        self.send("deposit", 0, 0, 1, by="keeper")
        for market in range(17):
            self.send("trade", 0, market, LOTS, 2**60, by="ben")
        self.nonces = defaultdict(itertools.count)

    def mint(self, name, spender):
        account = self.people[name]
        self.made.quote.send("mint", account.address, 10**16, sender=account)
        self.made.quote.send("approve", spender, 2**256 - 1, sender=account)

    def prices(self, price):
        self.evm.warp(1)
        chain.set_prices(self.made, self.people["feed"], dict.fromkeys(range(17), price))

    def send(self, *call, by):
        return self.house.send(*call, sender=self.people[by]).gas_used

    def once(self, *call, by):
        """Gas of a call that is undone again."""
        with self.evm.attempt():
            return self.send(*call, by=by)

    def enter(self, sub, count):
        """Open so many positions in a subaccount of ada's; gas of the last."""
        self.send("deposit", sub, 0, MARGIN_Q * count, by="ada")
        return [self.send("trade", sub, market, LOTS, 2**60, by="ada") for market in range(count)][-1]

    def fill(self, sub, market):
        """Two signed orders of 1 % of a position, ada's from a subaccount and ben's from his 1."""
        orders = []
        for name, number, size_b in (("ada", sub, LOTS // 100), ("ben", 1, -LOTS // 100)):
            account = self.people[name]
            order = chain.Order(
                account.address, number, market, size_b, PRICE, next(self.nonces[name, number]), 2**40
            )
            orders.append(self.made.sign(account, order))
        return (*orders, LOTS // 100)

    def fall(self, per_cent):
        self.prices(PRICE * (100 - per_cent) // 100)


@pytest.fixture(scope="module")
def meter():
    return Meter()


@pytest.fixture
def metered(meter):
    with meter.evm.attempt():
        yield meter


def test_gas_of_deposits_and_withdrawals(metered):
    assert metered.send("deposit", 1, 0, 10**9, by="ada") <= 95_000
    assert metered.send("deposit", 1, 0, 10**9, by="ada") <= 60_000
    metered.enter(2, 1)
    metered.enter(3, 16)
    assert metered.once("withdraw", 2, 0, 1, by="ada") <= 90_000
    assert metered.once("withdraw", 3, 0, 1, by="ada") <= 180_000


def test_gas_of_a_margin_check_per_position(metered):
    metered.enter(1, 8)
    metered.enter(2, 16)
    eight, sixteen = (metered.once("withdraw", sub, 0, 1, by="ada") for sub in (1, 2))
    assert (sixteen - eight) / 8 <= 6_000


def test_a_listed_market_that_is_not_held_costs_nothing(metered):
    metered.enter(1, 1)
    before = metered.once("withdraw", 1, 0, 1, by="ada")
    for market in (17, 18):
        metered.send("list_market", market, *chain.MarketTerms(), by="owner")
    assert metered.once("withdraw", 1, 0, 1, by="ada") == before


def test_gas_of_fills(metered):
    """A new position on both sides, of subaccounts that have never filled an order before; then of ones that have."""
    metered.send("deposit", 1, 0, MARGIN_Q, by="ben")
    metered.send("deposit", 1, 0, MARGIN_Q, by="ada")
    metered.enter(2, 15)
    assert metered.once("settle", metered.fill(1, 16), by="keeper") <= 120_000
    batch = metered.once("settle_many", [metered.fill(1, 16) for _ in range(10)], by="keeper")
    assert batch / 10 <= 70_000
    metered.nonces.clear()
    assert metered.once("settle", metered.fill(2, 16), by="keeper") <= 240_000
    metered.nonces.update({("ada", 1): itertools.count(128), ("ben", 1): itertools.count(128)})
    metered.send("settle", metered.fill(1, 16), by="keeper")
    for account, limit in (("ada", 0), ("ben", 2**60)):
        metered.send("close", 1, 16, limit, by=account)
    assert metered.once("settle", metered.fill(1, 16), by="keeper") <= 150_000


def test_gas_of_liquidations(metered):
    for sub, count in ((1, 1), (2, 8), (3, 16)):
        metered.enter(sub, count)
    metered.fall(11)
    ada = metered.people["ada"].address
    isolated = metered.once("liquidate", ada, 1, 0, 0, by="keeper")
    one_of_eight = metered.once("liquidate", ada, 2, 0, 0, by="keeper")
    whole = {
        sub: metered.once("liquidate_account", ada, sub, list(range(count)), by="keeper")
        for sub, count in ((1, 1), (3, 16))
    }
    assert isolated <= 110_000
    assert one_of_eight <= 160_000
    assert whole[1] <= 130_000
    assert whole[3] <= 800_000


def test_the_largest_account_fits_into_a_transaction_many_times_over(metered):
    """Liquidation at the block limit: all 16 positions cost so little that 128 of them stay below 2^24 gas."""
    metered.enter(3, 16)
    metered.fall(11)
    ada = metered.people["ada"].address
    few, all_ = (
        metered.once("liquidate_account", ada, 3, list(range(count)), by="keeper") for count in (8, 16)
    )
    assert few + (all_ - few) / 8 * 120 < 2**24


def test_slots_are_where_the_layout_says(metered):
    """A head is one word, found by the hash of its key: what other programs may rely on to read balances."""
    layout = metered.house.artifact.layout["storage_layout"]
    slot = layout["ledger"]["heads"]["slot"]
    key = chain.key_of(metered.people["keeper"].address, 0)
    at = int.from_bytes(keccak(slot.to_bytes(32, "big") + key.to_bytes(32, "big")), "big")
    assert metered.evm.storage(metered.house.address, at) == 1
