"""Fee of one transaction on one chain, from its gas and its signed bytes.

On chains that run the EVM the gas is what a receipt shows, so the fee is the chain's own formula and nothing else. On
ZKsync Era and Starknet the contracts were not run: their fee is modelled from stated assumptions, and says so.
"""

from collections.abc import Callable
from fractions import Fraction
from math import ceil

from msgspec import Struct

from ...errors import InputError
from ...units import format_fraction
from . import arbitrum, op_stack, starknet, zksync
from .parameters import Parameters, chain_data

ATOMS = 10**18
"""Wei per ETH, and fri per STRK."""
PPM = 1_000_000
USD_DIGITS = 8


class Fee(Struct, frozen=True):
    """A fee in wei, or in fri where the token is STRK; `l1_wei` is its part for publishing on L1.

    A `modelled` fee rests on the `assumption` beside it and is never a measured one.
    """

    chain: str
    token: str
    total_wei: int
    l2_wei: int
    l1_wei: int
    usd: str
    modelled: bool = False
    assumption: str = ""


def fee(chain: str, gas_used: int, transaction: bytes, parameters: Parameters) -> Fee:
    """Fee of a transaction that used so much EVM gas (as a receipt shows it) and has these signed bytes.

    Raises `InputError` for parameters of another chain, or gas that no transaction has.
    """
    data = chain_data(chain)
    if parameters.chain != chain:
        raise InputError(f"{chain}: these parameters are those of {parameters.chain}")
    if gas_used < 0:
        raise InputError(f"gas: expected a number from 0 on, got {gas_used}")
    rule = _RULES.get(data.rule)
    if rule is None:
        raise InputError(f"{chain}: its fees are not modelled")
    l2_wei, l1_wei, assumption = rule(gas_used, transaction, parameters)
    usd = Fraction(l2_wei + l1_wei, ATOMS) * parameters.price(data.token)
    return Fee(
        chain,
        data.token,
        l2_wei + l1_wei,
        l2_wei,
        l1_wei,
        format_fraction(usd, USD_DIGITS),
        bool(assumption),
        assumption,
    )


Parts = tuple[int, int, str]
"""Fee for execution and for publishing, and what was assumed."""


def _ethereum(gas: int, _transaction: bytes, given: Parameters) -> Parts:
    return 0, gas * (given["l1.baseFee"] + given["l1.priorityFee"]), ""


def _op_stack(gas: int, transaction: bytes, given: Parameters) -> Parts:
    fork = op_stack.Fork[chain_data(given.chain).fork.upper()]
    prices = op_stack.L1Prices(
        given["l1.baseFee"],
        given["l1.blobBaseFee"],
        given["l1.baseFeeScalar"],
        given["l1.blobBaseFeeScalar"],
    )
    execution = gas * (given["l2.baseFee"] + given["l2.priorityFee"])
    if not op_stack.is_free(transaction):
        execution += op_stack.operator_fee(
            fork, gas, given["l2.operatorFeeScalar"], given["l2.operatorFeeConstant"]
        )
    return execution, op_stack.l1_fee(transaction, fork, prices).wei, ""


def _arbitrum(gas: int, transaction: bytes, given: Parameters) -> Parts:
    price = max(given["l2.baseFee"], 1)
    level = arbitrum.brotli_level(given["l1.arbosVersion"])
    units = arbitrum.poster_units(arbitrum.compressed_length(transaction, level))
    return gas * price, arbitrum.poster_gas(units, given["l1.pricePerUnit"], price) * price, ""


def _zksync(gas: int, transaction: bytes, given: Parameters) -> Parts:
    model = zksync.FeeModel(
        given["l2.minimalGasPrice"],
        given["l2.batchOverheadL1Gas"],
        max(given["l2.maxGasPerBatch"], 1),
        max(given["l2.maxPubdataPerBatch"], 1),
        given["l2.computeOverheadPpm"] / PPM,
        given["l2.pubdataOverheadPpm"] / PPM,
    )
    prices = zksync.fair_prices(model, given["l1.baseFee"], given["l1.pubdataPrice"]).clipped()
    factor, slots, width = (
        given[f"model.{name}"] for name in ("gasPerEvmGas", "slotsWritten", "pubdataBytesPerSlot")
    )
    if not prices.l2_gas and not prices.pubdata:
        return 0, 0, "a price of zero"
    price = zksync.base_fee(prices)
    published = slots * width * zksync.gas_per_pubdata(prices)
    total = zksync.total_gas(len(transaction), gas * factor, slots * width, prices)
    assumption = f"{factor} EraVM gas per EVM gas, {slots} slots of {width} bytes of pubdata"
    return (total - published) * price, published * price, assumption


def _starknet(gas: int, transaction: bytes, given: Parameters) -> Parts:
    factor, slots, contracts = (
        given[f"model.{name}"] for name in ("gasPerEvmGas", "slotsWritten", "contractsModified")
    )
    fri_per_wei = given.price("ETH") / given.price("STRK")
    prices = starknet.Prices(
        ceil(given["l1.gasPrice"] * fri_per_wei),
        ceil(given["l1.dataGasPrice"] * fri_per_wei),
        given["l2.gasPrice"],
    )
    state = starknet.state_gas(starknet.StateChanges(slots, modified_contracts=contracts))
    archived = starknet.archive_gas(-(-len(transaction) // starknet.FELT_BYTES))
    published = starknet.fee(starknet.Gas(l1_data=state.l1_data), prices)
    executed = starknet.fee(starknet.Gas(l2=gas * factor + archived + state.l2), prices, given["l2.tip"])
    return executed, published, f"{factor} L2 gas per EVM gas, {slots} slots in {contracts} contracts changed"


_RULES: dict[str, Callable[[int, bytes, Parameters], Parts]] = {
    "ethereum": _ethereum,
    "op_stack": _op_stack,
    "arbitrum": _arbitrum,
    "zksync": _zksync,
    "starknet": _starknet,
}
