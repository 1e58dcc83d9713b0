"""Parameters read from a node: what a chain asks right now, over JSON-RPC. Nothing is signed or sent but questions.

Where the values stand: baseFeePerGas of the latest block; on the OP stack the slots of the contract L1Block (optimism
specs, `L1Block`; op-revm l1block.rs for their places in a word); on Arbitrum `ArbGasInfo.getL1BaseFeeEstimate`, which
is the price per unit; on ZKsync Era `zks_getFeeParams`; on Starknet the prices in the header of the latest block.
"""

from collections.abc import Callable, Mapping
from datetime import date

from ...errors import InputError
from ..jsonrpc import REASON_MAX, Node, quantity
from .parameters import Parameters, Stated, chain_data, parameters

TIMEOUT_S = 10.0
PPM = 1_000_000

L1_BLOCK = "0x4200000000000000000000000000000000000015"
BASE_FEE_SLOT, SCALARS_SLOT, BLOB_FEE_SLOT, OPERATOR_SLOT = 1, 3, 7, 8
BASE_SCALAR, BLOB_SCALAR = slice(16, 20), slice(20, 24)
DA_SCALAR, OPERATOR_SCALAR, OPERATOR_CONSTANT = slice(18, 20), slice(20, 24), slice(24, 32)
"""Bytes of the words in those slots, from the front."""
ARB_GAS_INFO = "0x000000000000000000000000000000000000006c"
GET_L1_BASE_FEE_ESTIMATE = "0xf5d6ded7"


def live(rpc_url: str, chain: str, timeout_s: float = TIMEOUT_S) -> Parameters:
    """The chain's parameters with what a node of it says in place of the `mid` scenario's.

    Raises `InputError`, one sentence, where the node cannot be asked, answers nothing of use, or is of another chain.
    """
    data, base = chain_data(chain), parameters(chain)
    node = Node(rpc_url, timeout_s)
    if data.chain_id:
        found = node.number("eth_chainId")
        if found != data.chain_id:
            raise InputError(f"{node.host}: is a node of chain {found}, {data.title} is {data.chain_id}")
    source = f"read from {node.host}"
    today = date.today()  # noqa: DTZ011 - the reader's day
    values = _READERS[data.rule](node)
    stated = {path: Stated(value, today, "live", source) for path, value in values.items()}
    return Parameters(chain, "live", {**base.stated, **stated})


def _ethereum(node: Node) -> dict[str, int]:
    return {
        "l1.baseFee": node.base_fee(),
        "l1.blobBaseFee": node.number("eth_blobBaseFee"),
        "l1.priorityFee": node.number("eth_maxPriorityFeePerGas"),
    }


def _op_stack(node: Node) -> dict[str, int]:
    scalars, operator = node.word(L1_BLOCK, SCALARS_SLOT), node.word(L1_BLOCK, OPERATOR_SLOT)
    return {
        "l2.baseFee": node.base_fee(),
        "l2.priorityFee": node.number("eth_maxPriorityFeePerGas"),
        "l1.baseFee": int.from_bytes(node.word(L1_BLOCK, BASE_FEE_SLOT)),
        "l1.blobBaseFee": int.from_bytes(node.word(L1_BLOCK, BLOB_FEE_SLOT)),
        "l1.baseFeeScalar": int.from_bytes(scalars[BASE_SCALAR]),
        "l1.blobBaseFeeScalar": int.from_bytes(scalars[BLOB_SCALAR]),
        "l2.daFootprintGasScalar": int.from_bytes(operator[DA_SCALAR]),
        "l2.operatorFeeScalar": int.from_bytes(operator[OPERATOR_SCALAR]),
        "l2.operatorFeeConstant": int.from_bytes(operator[OPERATOR_CONSTANT]),
    }


def _arbitrum(node: Node) -> dict[str, int]:
    call = {"to": ARB_GAS_INFO, "data": GET_L1_BASE_FEE_ESTIMATE}
    return {"l2.baseFee": node.base_fee(), "l1.pricePerUnit": node.number("eth_call", call, "latest")}


def _zksync(node: Node) -> dict[str, int]:
    answer = node.ask("zks_getFeeParams")
    stated = answer.get("V2") if isinstance(answer, dict) else None
    config = stated.get("config") if isinstance(stated, dict) else None
    if not isinstance(stated, dict) or not isinstance(config, dict):
        raise InputError(f"{node.host}: zks_getFeeParams answered without parameters of version 2")

    def whole(values: Mapping[str, object], name: str) -> int:
        return quantity(values.get(name), f"{node.host}: {name}")

    def share_ppm(name: str) -> int:
        part = config.get(name)
        if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part <= PPM:
            raise InputError(f"{node.host}: {name}: expected a number, got {str(part)[:REASON_MAX]}")
        return round(part * PPM)

    return {
        "l1.baseFee": whole(stated, "l1_gas_price"),
        "l1.pubdataPrice": whole(stated, "l1_pubdata_price"),
        "l2.minimalGasPrice": whole(config, "minimal_l2_gas_price"),
        "l2.batchOverheadL1Gas": whole(config, "batch_overhead_l1_gas"),
        "l2.maxGasPerBatch": whole(config, "max_gas_per_batch"),
        "l2.maxPubdataPerBatch": whole(config, "max_pubdata_per_batch"),
        "l2.computeOverheadPpm": share_ppm("compute_overhead_part"),
        "l2.pubdataOverheadPpm": share_ppm("pubdata_overhead_part"),
    }


def _starknet(node: Node) -> dict[str, int]:
    block = node.ask("starknet_getBlockWithTxHashes", "latest")

    def price(kind: str, unit: str) -> int:
        stated = block.get(kind) if isinstance(block, dict) else None
        value = stated.get(unit) if isinstance(stated, dict) else None
        return quantity(value, f"{node.host}: {kind}.{unit} of the latest block")

    return {
        "l1.gasPrice": price("l1_gas_price", "price_in_wei"),
        "l1.dataGasPrice": price("l1_data_gas_price", "price_in_wei"),
        "l2.gasPrice": price("l2_gas_price", "price_in_fri"),
    }


_READERS: dict[str, Callable[[Node], dict[str, int]]] = {
    "ethereum": _ethereum,
    "op_stack": _op_stack,
    "arbitrum": _arbitrum,
    "zksync": _zksync,
    "starknet": _starknet,
}
