"""`ringfence chain`: the contracts as they are, and onto a chain of one's own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ringfence.errors import InputError

if TYPE_CHECKING:
    from ringfence.chain.accounts import Account
    from ringfence.chain.node import Chain, Contract
    from ringfence.progress import Report

    Deployed = tuple[list[Contract], dict[str, list[int]]]

DESIGNS = ("IsolatedOnly", "CrossOnly", "Clearinghouse")
SHOWN = (
    "IsolatedOnly",
    "CrossOnly",
    "Clearinghouse",
    "Backoffice",
    "Resolution",
    "LiquidityPool",
    "PushOracle",
    "PullOracle",
)


class Plan(NamedTuple):
    """What a design is deployed with: `feed` sets prices, `token` is counted in (a mock one where none is named)."""

    chain: "Chain"
    owner: "Account"
    feed: str
    token: str
    markets: int
    report: "Report"


@click.group()
def chain() -> None:
    """Margin as contracts."""


@chain.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def contracts(*, as_json: bool) -> None:
    """Size of every contract, compiled here and now."""
    from ringfence import terminal
    from ringfence.chain.compile import CODE_BYTES_MAX, compile_contract, compiler

    sizes = {}
    with terminal.progress("compiling", after_s=1.0) as report:
        for at, name in enumerate(SHOWN):
            report(at, len(SHOWN), name)
            sizes[name] = compile_contract(name).code_bytes
    if as_json:
        terminal.print_json({"compiler": compiler(), "limit": CODE_BYTES_MAX, "code_bytes": sizes})
        return
    rows = [(name, f"{size:,}", f"{size / CODE_BYTES_MAX:.0%}") for name, size in sizes.items()]
    terminal.print_table("Contracts", ("contract", "bytes", "of the limit"), rows)
    click.echo(compiler())


@chain.command()
@click.option("--rpc", metavar="URL", help="Node to deploy to; without one nothing leaves this process.")
@click.option("--design", default="Clearinghouse", show_default=True, type=click.Choice(DESIGNS))
@click.option(
    "--token", default="", metavar="ADDRESS", help="Token that is counted in; a mock one otherwise."
)
@click.option("--feed", default="", metavar="ADDRESS", help="Who sets prices; the deployer otherwise.")
@click.option("--markets", default=1, show_default=True, type=click.IntRange(1, 64), help="Markets to list.")
@click.option(
    "--keystore", type=click.Path(path_type=Path), metavar="FILE", help="Key to deploy with, encrypted."
)
@click.option("--dry-run", is_flag=True, help="Do it on an embedded chain and say what it takes.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def deploy(**options: Any) -> None:  # noqa: ANN401 - click's options
    """Deploy a design with its markets.

    The key comes from RINGFENCE_KEY, or from a keystore file whose password is in RINGFENCE_KEYSTORE_PASSWORD or asked
    for; never from an argument. A dry run needs no key.
    """
    from ringfence import terminal

    is_local = options["dry_run"] or not options["rpc"]
    where, owner = _embedded(options) if is_local else _remote(options)
    with terminal.progress("deploying") as report:
        feed = options["feed"] or owner.address
        plan = Plan(where, owner, feed, options["token"], options["markets"], report)
        made, calls = _deploy(options["design"], plan)
    listed: list[dict[str, Any]] = [
        {
            "name": contract.artifact.name,
            "address": contract.address,
            "code_bytes": contract.code_bytes,
            "gas": contract.deployment.gas_used if contract.deployment else 0,
        }
        for contract in made
    ]
    sent = [{"name": name, "transactions": len(gas), "gas": sum(gas)} for name, gas in calls.items() if gas]
    if options["as_json"]:
        head = {"chain_id": where.chain_id, "dry_run": is_local, "deployer": owner.address}
        terminal.print_json({**head, "contracts": listed, "calls": sent})
        return
    rows = [(each["name"], each["address"], f"{each['code_bytes']:,}", f"{each['gas']:,}") for each in listed]
    rows += [(f"{each['name']} x {each['transactions']}", "", "", f"{each['gas']:,}") for each in sent]
    title = f"{'Dry run of' if is_local else 'Deployed'} {options['design']} on chain {where.chain_id}"
    terminal.print_table(title, ("contract or call", "address", "bytes", "gas"), rows, text_columns=2)


def _embedded(options: dict[str, Any]) -> "tuple[Chain, Account]":
    """A chain in this process; a token that lies elsewhere is not on it."""
    from ringfence.chain.accounts import Account
    from ringfence.chain.evm import Evm

    if options["token"]:
        raise InputError("--token: is not on the embedded chain of a dry run; leave it out")
    embedded = Evm()
    return embedded, embedded.fund(Account.named("deployer"))


def _remote(options: dict[str, Any]) -> "tuple[Chain, Account]":
    """The node, and the key to deploy with, which has to own something there."""
    from ringfence.chain.accounts import PASSWORD_VARIABLE, from_environment, from_keystore
    from ringfence.chain.rpc import RpcChain

    if options["keystore"]:
        password = os.environ.get(PASSWORD_VARIABLE)
        if password is None:
            password = click.prompt(f"Password of {options['keystore']}", hide_input=True, err=True)
        owner = from_keystore(options["keystore"], password)
    else:
        owner = from_environment()
    where = RpcChain(options["rpc"])
    if not where.balance(owner.address):
        raise InputError(f"{options['rpc']}: {owner.address} owns nothing there to pay gas with")
    return where, owner


def _deploy(design: str, plan: Plan) -> "Deployed":
    """Deploy and list markets; the contracts in the order in which they came, and the gas of calls by function."""
    from ringfence.chain.accounts import address_bytes

    for name, address in (("token", plan.token), ("feed", plan.feed)):
        if address and not any(address_bytes(address)):
            raise InputError(f"--{name} {address}: is nobody's address")
    return _clearinghouse(plan) if design == "Clearinghouse" else _baseline(design, plan)


def _clearinghouse(plan: Plan) -> "Deployed":
    from ringfence.chain import clearinghouse

    plan.report(0, 2, "Clearinghouse")
    made = clearinghouse.deploy(plan.chain, plan.owner, plan.feed, quote=plan.token)
    plan.report(1, 2, "markets")
    listing = clearinghouse.list_markets(made, plan.owner, [clearinghouse.MarketTerms()] * plan.markets)
    shares = clearinghouse.deploy_shares(made, plan.owner, 0)
    opening = made.house.send("open_pool", 0, shares.address, sender=plan.owner)
    contracts = [made.quote, made.resolution, made.backoffice, made.house, shares]
    return contracts, {
        "list_market": [receipt.gas_used for receipt in listing],
        "open_pool": [opening.gas_used],
    }


def _baseline(design: str, plan: Plan) -> "Deployed":
    from ringfence.chain.deploy import Baseline

    where, owner, feed, token, markets, report = plan
    venue = Baseline.create(where, design, owner, owner, markets=markets, token=token, report=report)
    if feed != owner.address:
        venue.contract.send("set_feed", feed, sender=owner)
    return [venue.token, venue.contract], {"set_market": [receipt.gas_used for receipt in venue.listing]}
