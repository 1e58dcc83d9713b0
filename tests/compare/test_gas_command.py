"""`ringfence gas` and `ringfence chain`, as a person calls them."""

import json
from fractions import Fraction

import pytest
from click.testing import CliRunner

from ringfence.chain.gas import Figure, Snapshot, read
from ringfence.cli import main
from ringfence.compare.gas_fees import figure_fee
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
    by_mode = {mode: [row for row in found if row["mode"] == mode] for mode in ("isolated", "cross")}
    for isolated, cross in zip(by_mode["isolated"], by_mode["cross"], strict=True):
        assert isolated["chain"] == cross["chain"]
        assert isolated["transactions"] > cross["transactions"] > 0
        assert isolated["gas_per_transaction"] == read().gas("IsolatedOnly", "liquidate_one", 1)
        assert cross["gas_per_transaction"] > isolated["gas_per_transaction"]
        assert float(cross["cost_usd"]) > 0
    assert {row["chain"] for row in found} == {"ethereum", "base", "optimism", "arbitrum"}


def test_a_chain_carries_what_it_carried_on_that_day():
    arguments = ("--crash", "--traders", "25", "--accounts", "50000")
    then, now = (
        {row["chain"]: row for row in answer(*arguments, *more)["crash"] if row["mode"] == "cross"}
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
        (("--design", "Nothing"), "--design Nothing: expected one of IsolatedOnly"),
        (("--positions", "3", "--fees"), "--positions 3: expected one of 1, 2, 4"),
        (("--chain", "nowhere"), "nowhere"),
        (("--set", "nothing"), "expected PATH=VALUE"),
        (("--crash", "--scenario", "1999-01-01"), "1999-01-01"),
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


@pytest.mark.parametrize("design", ["IsolatedOnly", "CrossOnly", "Clearinghouse"])
def test_a_dry_run_needs_neither_node_nor_key(design):
    found = json.loads(run("chain", "deploy", "--dry-run", "--design", design, "--json").stdout)
    assert found["dry_run"] is True
    assert design in [contract["name"] for contract in found["contracts"]]
    assert all(contract["gas"] > 53_000 for contract in found["contracts"])


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
    ],
)
def test_a_deployment_that_cannot_be_is_refused_in_one_line(arguments, sentence):
    env = {"RINGFENCE_KEY": "", "RINGFENCE_KEYSTORE_PASSWORD": "x"}
    result = run("chain", "deploy", *arguments, status=2, env=env)
    assert sentence in result.stderr
