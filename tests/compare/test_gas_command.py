"""`ringfence gas` and `ringfence chain`, as a person calls them."""

import json
from fractions import Fraction

import pytest
from click.testing import CliRunner

from ringfence.chain.gas import Figure, Snapshot, read
from ringfence.cli import main
from ringfence.compare.gas_crash import crash_tables
from ringfence.compare.gas_fees import SHOWN, figure_fee
from ringfence.compare.gas_tables import crossover_rows
from ringfence.compare.onchain import liquidation_gas


def run(*arguments, status=0, env=None):
    result = CliRunner().invoke(main, [*arguments], env=env)
    assert result.exit_code == status, result.output
    return result


def answer(*arguments):
    return json.loads(run("gas", "--json", *arguments).stdout)


def test_the_table_shows_the_snapshot_beside_the_venues():
    text = run("gas").stdout
    snapshot = read()
    assert f"{snapshot.gas('CrossOnly', 'liquidate_all', 16):,}" in text
    for words in ("Gas of IsolatedOnly", "cheapest real venue", "Complexity", "vyper 0.4.3"):
        assert words in text
    assert "Fees" not in text


def test_json_holds_every_figure():
    found = answer()
    assert len(found["snapshot"]["figures"]) == len(read().figures)
    assert found["crossover"]["IsolatedOnly > CrossOnly"]["liquidate_all"] == 2
    assert found["slopes"]["CrossOnly"]["add"] <= 6_000
    assert found["fees"] == []


def test_one_design_alone():
    found = answer("--design", "IsolatedOnly")
    assert {figure["design"] for figure in found["snapshot"]["figures"]} == {"IsolatedOnly"}
    assert found["crossover"] == {}


def test_fees_follow_the_parameters():
    """Ethereum charges gas times its price; at 10 gwei and 2,000 USD per ETH that is 2e-5 USD per gas."""
    settings = ("--set", "l1.baseFee=10gwei", "--set", "l1.priorityFee=0", "--set", "price.ETH=2000")
    found = answer("--chain", "ethereum", "--positions", "2", *settings)
    gas = read().gas("CrossOnly", "withdraw", 2)
    fees = [
        fee
        for fee in found["fees"]
        if (fee["design"], fee["operation"], fee["positions"]) == ("CrossOnly", "withdraw", 2)
    ]
    assert {fee["scenario"] for fee in fees} == {"low", "mid", "high"}
    assert {fee["total_wei"] for fee in fees} == {str(gas * 10**10)}
    assert {Fraction(fee["usd"]) for fee in fees} == {Fraction(gas * 2, 10**5)}


def test_an_operation_of_several_transactions_pays_for_each():
    from ringfence.chain.fees import parameters

    one = Figure("A", "x", 1, 50_000, 1, "00" * 68)
    ten = Figure("A", "x", 1, 500_000, 10, "00" * 68)
    given = parameters("base", "mid")
    single, together = figure_fee(one, given), figure_fee(ten, given)
    assert int(together.total_wei) == 10 * int(single.total_wei)
    assert single.l1_share == together.l1_share > 0


def test_the_report_is_one_file_with_the_charts(tmp_path):
    path = tmp_path / "out" / "gas.html"
    run("gas", "--out", str(path))
    text = path.read_text()
    assert "gas-liquidate_all" in text
    assert "Against the cheapest real venue" in text
    assert "http://" not in text.replace("http://www.w3.org", "").split("<script", 1)[0]


def test_a_crash_asks_more_of_a_chain_under_isolated_margin():
    found = answer("--crash", "--traders", "60", "--accounts", "50000")["crash"]
    rows = {(row["mode"], row["design"], row["chain"]): row for row in found}
    designs = [
        ("isolated", "IsolatedOnly"),
        ("isolated", "Clearinghouse"),
        ("cross", "CrossOnly"),
        ("cross", "Clearinghouse"),
        ("hybrid", "Clearinghouse"),
    ]
    chains = ("ethereum", "base", "optimism", "arbitrum")
    assert set(rows) == {(*design, chain) for design in designs for chain in chains}
    for chain in chains:
        isolated, house_isolated, cross, house_cross, hybrid = (rows[*design, chain] for design in designs)
        assert isolated["transactions"] >= hybrid["transactions"] >= cross["transactions"] > 0
        assert isolated["transactions"] > cross["transactions"]
        assert isolated["transactions"] == house_isolated["transactions"]
        assert cross["transactions"] == house_cross["transactions"]
        assert isolated["gas_per_transaction"] == read().gas("IsolatedOnly", "liquidate_one", 1)
        assert house_isolated["gas_per_transaction"] == read().gas("Clearinghouse, cross", "liquidate_one", 1)
        assert cross["gas_per_transaction"] > isolated["gas_per_transaction"]
        assert house_cross["gas_per_transaction"] > cross["gas_per_transaction"]
        assert float(cross["cost_usd"]) > 0


def test_a_crash_is_shown_on_the_designs_that_are_asked_for():
    found = answer("--crash", "--traders", "25", "--design", "IsolatedOnly")["crash"]
    assert {row["design"] for row in found} == {"IsolatedOnly"}


def test_a_crash_costs_what_the_parameters_that_were_set_say():
    """Two thirds of the notional below which a liquidation does not pay, at two thirds of ether's price."""
    arguments = ("--crash", "--traders", "10", "--design", "CrossOnly", "--chain", "base", "--set")
    (dear,), (cheap,) = (answer(*arguments, f"price.ETH={usd}")["crash"] for usd in (3000, 2000))
    assert dear["chain"] == cheap["chain"] == "base"
    assert float(cheap["dust_usd"]) == pytest.approx(float(dear["dust_usd"]) * 2 / 3, abs=0.01)


def test_where_sharing_costs_less_is_said_also_where_it_ends():
    """CrossOnly opens up to four positions for less than IsolatedOnly, and never adds to one for less."""
    rows = {row[:3]: row[3] for row in crossover_rows(read())}
    pair = ("IsolatedOnly", "CrossOnly")
    assert rows[*pair, "open"] == "up to 4"
    assert rows[*pair, "liquidate all"] == "from 2 on"
    assert rows[*pair, "add"] == "never"
    assert rows[*pair, "deposit"] == "always"


def test_sharing_that_costs_less_in_between_is_listed_number_by_number():
    figures = [("IsolatedOnly", "open", count, 10) for count in (1, 2, 4, 8)]
    figures += [("CrossOnly", "open", count, gas) for count, gas in ((1, 11), (2, 9), (4, 9), (8, 11))]
    snapshot = Snapshot("", "", "", {}, {}, (), tuple(Figure(*row) for row in figures))
    assert crossover_rows(snapshot) == [("IsolatedOnly", "CrossOnly", "open", "at 2, 4")]


def test_fees_of_every_chain_fit_a_terminal_unbroken():
    lines = run("gas", "--fees", "--positions", "64").stdout.splitlines()
    rows = [line.split() for line in lines if " high " in line]
    assert len(rows) == 4 * len(SHOWN)
    assert {len(row[row.index("high") :]) for row in rows} == {7}
    assert max(map(len, lines)) <= 100


def test_the_tables_of_a_crash_name_a_design_by_the_mode_where_it_holds_several():
    row = {
        "mode": "cross",
        "design": "CrossOnly",
        "chain": "base",
        "capacity_since": "2026-05-28",
        "transactions": 12_000,
        "gas_per_transaction": 60_000,
        "worst_gas_per_s": 45_900_000,
        "sustained_gas_per_s": 40_000_000,
        "burst_gas_per_s": 200_000_000,
        "ceiling_gas_per_s": 200_000_000,
        "minutes_of_backlog": 3,
        "cost_usd": "1234.5",
        "dust_usd": "0.31",
    }
    house = row | {"design": "Clearinghouse", "mode": "hybrid", "cost_usd": "9910271390490311.12"}
    asked, carried, results = crash_tables([row, house])
    assert asked.rows[0] == ("CrossOnly", "12,000", "60,000", "45.9")
    assert asked.rows[1][0] == "Clearinghouse, hybrid"
    assert carried.rows == [("base", "2026-05-28", "40.0", "200.0", "200.0")]
    assert results.rows[0] == ("CrossOnly", "base", "3", "1,234.50", "0.31")
    assert results.rows[1][3] == "priced out"


def test_a_crash_has_its_tables_in_the_report(tmp_path):
    path = tmp_path / "gas.html"
    text = run("gas", "--crash", "--traders", "10", "--chain", "base", "--out", str(path)).stdout
    assert "What the liquidations of the crash ask" in text
    assert "Clearinghouse, hybrid" in path.read_text()


def test_a_chain_carries_what_it_carried_on_that_day():
    arguments = ("--crash", "--traders", "25", "--accounts", "50000", "--chain", "base")
    then, now = (
        {row["chain"]: row for row in answer(*arguments, *more)["crash"] if row["design"] == "CrossOnly"}
        for more in (("--as-of", "2024-12-10"), ())
    )
    assert then["base"]["ceiling_gas_per_s"] == 198_000_000 // 2
    assert now["base"]["ceiling_gas_per_s"] > then["base"]["ceiling_gas_per_s"]
    assert then["base"]["capacity_since"] == "2024-12-04"


def test_gas_between_measured_positions_lies_on_a_line():
    rows = [
        ("liquidate_one", 1, 50),
        ("liquidate_one", 4, 80),
        ("liquidate_all", 1, 50),
        ("liquidate_all", 4, 200),
    ]
    snapshot = Snapshot("", "", "", {}, {}, (), tuple(Figure("A", *row) for row in rows))
    assert liquidation_gas(snapshot, "A", 1, 1) == 50
    assert liquidation_gas(snapshot, "A", 3, 1) == 70
    assert liquidation_gas(snapshot, "A", 4, 4) == 200
    assert liquidation_gas(snapshot, "A", 4, 2) == 80 + Fraction(120, 3)
    assert liquidation_gas(snapshot, "A", 9, 1) == 80


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--design", "Nothing"), "--design Nothing: expected one of 'IsolatedOnly', 'CrossOnly'"),
        (("--out", "gas.pdf", "--measure"), "--out gas.pdf: expected a name that ends in .html"),
        (("--out", "/dev/null/gas.html", "--measure"), "--out /dev/null/gas.html: its folder cannot be made"),
        (("--positions", "3", "--fees"), "--positions 3: expected one of 1, 2, 4"),
        (("--chain", "nowhere"), "nowhere"),
        (("--set", "nothing"), "expected PATH=VALUE"),
        (("--crash", "--scenario", "1999-01-01"), "1999-01-01"),
        (("--crash", "--chain", "starknet"), "--chain starknet: runs no EVM"),
        (("--traders", "500"), "--traders: says something of a crash; give --crash with it"),
        (("--as-of", "2025-10-10"), "--as-of: says something of a crash"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(arguments, sentence):
    result = run("gas", *arguments, status=2)
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


# -- chain ----------------------------------------------------------------------------------------------------------


def test_every_contract_is_listed_with_its_size():
    found = json.loads(run("chain", "contracts", "--json").stdout)
    assert found["limit"] == 24_576
    assert all(0 < size < 24_576 for size in found["code_bytes"].values())


def test_the_compiler_is_named_on_a_line_of_its_own():
    title, *_, last = run("chain", "contracts").stdout.splitlines()
    assert (title.strip(), last) == ("Contracts", "vyper 0.4.3 (evm prague)")


@pytest.mark.parametrize("design", ["IsolatedOnly", "CrossOnly", "Clearinghouse"])
def test_a_dry_run_needs_neither_node_nor_key(design):
    found = json.loads(run("chain", "deploy", "--dry-run", "--design", design, "--json").stdout)
    assert found["dry_run"] is True
    assert design in [contract["name"] for contract in found["contracts"]]
    assert all(contract["gas"] > 53_000 for contract in found["contracts"])


@pytest.mark.parametrize(("design", "call"), [("CrossOnly", "set_market"), ("Clearinghouse", "list_market")])
def test_listing_markets_has_its_gas_beside_deployment(design, call):
    def used(count):
        command = ("chain", "deploy", "--dry-run", "--design", design, "--markets", str(count), "--json")
        return {each["name"]: each for each in json.loads(run(*command).stdout)["calls"]}

    one, two = used(1), used(2)
    assert two[call]["transactions"] == 2
    assert 21_000 * 2 < one[call]["gas"] * 1.7 < two[call]["gas"] < one[call]["gas"] * 2.1
    assert ("open_pool" in one) is (design == "Clearinghouse")


def test_a_design_is_deployed_to_a_node_with_a_key_from_the_environment():
    from chain.rpc_server import Node, serving
    from ringfence.chain.accounts import Account
    from ringfence.chain.evm import Evm

    key = "0x" + "07" * 32
    chain = Evm()
    owner = chain.fund(Account(bytes.fromhex(key[2:])))
    feed = Account.named("feed").address
    with serving(Node(chain)) as url:
        command = ("chain", "deploy", "--rpc", url, "--design", "CrossOnly", "--feed", feed, "--json")
        result = run(*command, env={"RINGFENCE_KEY": key})
    found = json.loads(result.stdout)
    assert (found["dry_run"], found["deployer"]) == (False, owner.address)
    deployed = chain.at("CrossOnly", found["contracts"][-1]["address"])
    assert deployed.call("feed") == feed
    assert deployed.call("owner") == owner.address
    assert key[2:] not in result.output


def test_a_key_without_money_is_refused():
    from chain.rpc_server import Node, serving
    from ringfence.chain.evm import Evm

    with serving(Node(Evm())) as url:
        result = run("chain", "deploy", "--rpc", url, status=2, env={"RINGFENCE_KEY": "09" * 32})
    assert "owns nothing there" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--rpc", "http://127.0.0.1:1"), "RINGFENCE_KEY is not set"),
        (("--rpc", "http://127.0.0.1:1", "--keystore", "absent.json"), "keystore absent.json"),
        (("--dry-run", "--token", "0x12"), "--token: is not on the embedded chain"),
        (("--dry-run", "--feed", "0x12"), "expected 0x and 40 hexadecimal digits"),
        (("--dry-run", "--feed", "0x" + 40 * "0"), "is nobody's address"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_in_one_line(arguments, sentence):
    env = {"RINGFENCE_KEY": "", "RINGFENCE_KEYSTORE_PASSWORD": "x"}
    result = run("chain", "deploy", *arguments, status=2, env=env)
    assert sentence in result.stderr
