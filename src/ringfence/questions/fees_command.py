"""`ringfence fees`: what one transaction costs on every chain, in three scenarios or right now."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringfence.errors import InputError

if TYPE_CHECKING:
    from ringfence.chain.fees import Fee, Parameters

GWEI_DECIMALS = 9
CALLDATA_BYTES = 132
CALLDATA_MAX = 1 << 20
GAS_MAX = 10**12
QUOTED = ("Fee", "Price", "PerUnit", "ETH", "STRK")
"""Endings of the paths of prices."""


@click.command()
@click.option("--gas", type=int, required=True, metavar="N", help="EVM gas, as a receipt shows it.")
@click.option(
    "--calldata-bytes",
    type=int,
    metavar="N",
    help=f"Length of the calldata; a typical call is taken ({CALLDATA_BYTES} bytes where nothing is said).",
)
@click.option(
    "--tx",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The signed transaction itself, raw or in hexadecimal.",
)
@click.option("--chain", "chains", multiple=True, metavar="NAME", help="Only this chain; may be repeated.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="A parameter of your own, such as l2.baseFee=0.02gwei.",
)
@click.option("--rpc", metavar="URL", help="Read the parameters of the one --chain from a node of it.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def fees(
    gas: int,
    calldata_bytes: int | None,
    tx: Path | None,
    chains: Sequence[str],
    settings: Sequence[str],
    rpc: str | None,
    *,
    as_json: bool,
) -> None:
    """What a transaction costs on Ethereum and five rollups.

    One row for each chain and scenario of fees (low, mid, high). Amounts are wei, on Starknet fri. ZKsync Era and
    Starknet are modelled from stated assumptions: no receipt of theirs was measured.
    """
    from ringfence.chain.fees import CHAINS, fee
    from ringfence.terminal import print_json

    if not 0 <= gas <= GAS_MAX:
        raise InputError(f"--gas {gas}: expected a number from 0 to {GAS_MAX}")
    named = [*dict.fromkeys(chains)] or [*CHAINS]
    transaction, assumed = _transaction(calldata_bytes, tx)
    given = overridden(scenario_parameters(named, rpc), settings)
    found = [(each, fee(each.chain, gas, transaction, each)) for each in given]
    if as_json:
        print_json(
            {
                "gas": gas,
                "transaction_bytes": len(transaction),
                "assumed": assumed,
                "fees": [_as_json(*each) for each in found],
            }
        )
        return
    _print(found, f"{gas:,} gas, {len(transaction):,} bytes signed", assumed)


def _transaction(calldata_bytes: int | None, path: Path | None) -> tuple[bytes, str]:
    """Bytes of the transaction, and what is assumed of them."""
    from ringfence.chain.fees import envelope

    if path is None:
        length = CALLDATA_BYTES if calldata_bytes is None else calldata_bytes
        if not 0 <= length <= CALLDATA_MAX:
            raise InputError(f"--calldata-bytes {length}: expected a number from 0 to {CALLDATA_MAX}")
        return envelope.signed_transaction(envelope.typical_calldata(length)), envelope.ASSUMPTION
    if calldata_bytes is not None:
        raise InputError("--tx and --calldata-bytes: expected one of the two")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"--tx {path}: cannot be read ({error.strerror})") from None
    return _unhexed(content, path), ""


def _unhexed(content: bytes, path: Path) -> bytes:
    """Bytes that may be written in hexadecimal; those of a transaction never look so."""
    try:
        text = content.decode("ascii").strip().removeprefix("0x")
        found = bytes.fromhex(text)
    except ValueError:
        found = content
    if not 0 < len(found) <= CALLDATA_MAX:
        raise InputError(
            f"--tx {path}: expected a transaction of 1 to {CALLDATA_MAX} bytes, got {len(found)}"
        )
    return found


def scenario_parameters(chains: Sequence[str], rpc: str | None) -> "list[Parameters]":
    """Every scenario of every chain, or what a node says of one."""
    from ringfence.chain.fees import SCENARIOS, parameters

    if rpc is None:
        return [parameters(chain, scenario) for chain in chains for scenario in SCENARIOS]
    if len(chains) != 1:
        raise InputError("--rpc: expected one --chain, the one that the node is of")
    from ringfence.chain.fees.live import live

    return [live(rpc, chains[0])]


def overridden(given: "list[Parameters]", settings: Sequence[str]) -> "list[Parameters]":
    """The parameters with those set by hand; each has to be one of some chain."""
    for setting in settings:
        path, sign, value = setting.partition("=")
        if not sign:
            raise InputError(f"--set {setting}: expected PATH=VALUE, such as l2.baseFee=0.02gwei")
        if all(path not in each.stated for each in given):
            given[0].override(path, value)
        given = [each.override(path, value) if path in each.stated else each for each in given]
    return given


def _as_json(given: "Parameters", found: "Fee") -> dict[str, Any]:
    import msgspec

    stated = {path: msgspec.to_builtins(value) for path, value in sorted(given.stated.items())}
    amounts = {"total_wei", "l1_wei", "l2_wei"}
    shown = {
        name: str(value) if name in amounts else value for name, value in msgspec.to_builtins(found).items()
    }
    return {"scenario": given.scenario, **shown, "parameters": stated}


def _print(found: "list[tuple[Parameters, Fee]]", what: str, assumed: str) -> None:
    from ringfence.chain.fees.parameters import chain_data
    from ringfence.terminal import print_table
    from ringfence.units import format_atoms

    rows = [
        (
            chain_data(fee.chain).title,
            given.scenario,
            "modelled" if fee.modelled else "formula",
            f"{fee.total_wei:,}",
            format_atoms(fee.total_wei, GWEI_DECIMALS),
            fee.usd,
            f"{fee.l1_wei / fee.total_wei:.1%}" if fee.total_wei else "-",
        )
        for given, fee in found
    ]
    columns = ("chain", "scenario", "how", "wei (fri)", "gwei", "USD", "for L1")
    print_table(f"Fee of {what}", columns, rows, text_columns=3)
    notes = {f"{fee.chain}, {given.scenario}: {fee.assumption}": None for given, fee in found if fee.modelled}
    for line in [*_prices(found), *([assumed] if assumed else []), *(f"modelled: {note}" for note in notes)]:
        click.echo(line)


def _prices(found: "list[tuple[Parameters, Fee]]") -> list[str]:
    """What is quoted, not weighted or assumed: a line each, with the chains and scenarios that it holds for."""
    holders: dict[tuple[str, ...], list[Parameters]] = {}
    for given, _ in found:
        for path, each in sorted(given.stated.items()):
            if path.endswith(QUOTED) and each.value:
                quote = (path, str(each.value), f"{each.date}, {each.confidence}", each.source)
                holders.setdefault(quote, []).append(given)
    return [
        f"{path} {value} ({_joined(each.scenario for each in held)}; {_joined(each.chain for each in held)}): "
        f"{dated}: {source}"
        for (path, value, dated, source), held in holders.items()
    ]


def _joined(names: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(names))
