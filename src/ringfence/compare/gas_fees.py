"""Fees of measured operations on every chain, from their gas and the bytes of a transaction with their calldata."""

from collections.abc import Sequence

import msgspec

from ..chain.fees import Parameters, fee
from ..chain.fees.envelope import signed_transaction
from ..chain.fees.parameters import chain_data
from ..chain.gas import Figure, Snapshot
from ..units import format_fraction, to_fraction

USD_DIGITS = 8
SHOWN = ("deposit", "open", "add", "withdraw", "liquidate_one", "liquidate_all", "price")


class OperationFee(msgspec.Struct, frozen=True):
    """What an operation costs on one chain in one scenario, all its transactions together."""

    design: str
    operation: str
    positions: int
    chain: str
    scenario: str
    usd: str
    total_wei: str
    l1_share: float
    """Part of it that pays for publishing on L1."""
    modelled: bool


def operation_fees(snapshot: Snapshot, given: Sequence[Parameters], positions: int) -> list[OperationFee]:
    """Fees of the operations at one number of positions, for every set of parameters."""
    found: list[OperationFee] = []
    for design in snapshot.designs:
        for name in SHOWN:
            for figure in snapshot.series(design, name):
                if figure.positions == positions:
                    found.extend(figure_fee(figure, each) for each in given)
    return found


def figure_fee(figure: Figure, given: Parameters) -> OperationFee:
    """Fee of one figure; what takes several transactions pays for each as if they were alike."""
    times = max(figure.transactions, 1)
    raw = signed_transaction(bytes.fromhex(figure.calldata), chain_data(given.chain).chain_id or 1)
    one = fee(given.chain, figure.gas // times, raw, given)
    return OperationFee(
        figure.design,
        figure.operation,
        figure.positions,
        given.chain,
        given.scenario,
        format_fraction(to_fraction(one.usd, "fee") * times, USD_DIGITS),
        str(one.total_wei * times),
        one.l1_wei / one.total_wei if one.total_wei else 0.0,
        one.modelled,
    )
