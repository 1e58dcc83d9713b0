"""Fees of the OP stack: L1 fee of every fork, operator fee, data footprint."""

import re

from ...chain.fees import fastlz, op_stack
from ...chain.fees.op_stack import Fork
from ...errors import InputError
from .vectors import ALONE, Case, Field, Ours, Rule

_HEX = re.compile(r"(0x)?((?:[0-9a-fA-F]{2})*)")


def octets(field: Field) -> bytes:
    """Bytes in hexadecimal."""
    found = _HEX.fullmatch(field.text())
    if found is None:
        raise InputError(f"{field.where}: expected bytes in hexadecimal")
    return bytes.fromhex(found[2])


def fork(asked: Field) -> Fork:
    """The fork that a case names."""
    stated = asked["fork"].text()
    try:
        return Fork[stated.upper()]
    except KeyError:
        names = ", ".join(each.name.lower() for each in Fork)
        raise InputError(f"{asked['fork'].where}: expected one of {names}, got {stated}") from None


def prices(asked: Field) -> op_stack.L1Prices:
    """What the chain knows of L1; what a fork does not use may be left out.

    In Ecotone's first block the new weights are still empty, which some cases say by a flag.
    """
    names = ("l1BaseFee", "blobBaseFee", "baseFeeScalar", "blobBaseFeeScalar", "overhead", "scalar")
    stated = op_stack.L1Prices(*(asked.whole(name) for name in names))
    if any("empty" in name and value.raw is True for name, value in asked.entries().items()):
        scalar = stated.scalar or stated.base_fee_scalar
        return op_stack.L1Prices(stated.base_fee, overhead=stated.overhead, scalar=scalar)
    return stated


def data_gas(case: Case) -> Ours:
    """L1 gas of a transaction's bytes, fork by fork."""
    transaction = octets(case.body["input"]["raw_tx"])
    return {each.name.lower(): op_stack.data_gas(transaction, each) for each in Fork}


def compressed(case: Case) -> Ours:
    """FastLZ's length of some bytes."""
    asked = case.body["input"]
    if asked.get("data_hex") is not None:
        return {ALONE: fastlz.compressed_length(octets(asked["data_hex"]))}
    count = asked["count"].integer(least=0, most=1 << 24)
    return {ALONE: fastlz.compressed_length(octets(asked["repeat_byte"]) * count)}


def l1_fee(case: Case) -> Ours:
    """L1 fee of a transaction, or of one that compresses to a stated length."""
    asked = case.body["input"]
    if asked.get("raw_tx") is not None:
        found = op_stack.l1_fee(octets(asked["raw_tx"]), fork(asked), prices(asked))
    elif fork(asked) >= Fork.FJORD:
        found = op_stack.fjord_fee(asked["fastlz_size"].integer(least=0), prices(asked))
    else:
        raise InputError(f"{asked.where}.raw_tx: missing")
    return {"fee": found.wei, "l1_gas": found.gas}


def operator_fee(case: Case) -> Ours:
    """Operator fee of some gas."""
    asked = case.body["input"]
    gas, scalar, constant = (asked[name].integer(least=0) for name in ("gas", "scalar", "constant"))
    return {ALONE: op_stack.operator_fee(fork(asked), gas, scalar, constant)}


def deducted_by_anvil(case: Case) -> Ours:
    """What anvil 1.7.1 takes beyond gas: Fjord's L1 fee and Isthmus' operator fee, whatever fork it was told."""
    asked = case.body["input"]
    transaction = octets(asked["raw_tx"])
    fee = op_stack.l1_fee(transaction, Fork.ISTHMUS, prices(asked)).wei
    operator = op_stack.operator_fee(
        Fork.ISTHMUS,
        asked["gas_used"].integer(least=0),
        asked.whole("operatorFeeScalar"),
        asked.whole("operatorFeeConstant"),
    )
    return {ALONE: fee if op_stack.is_free(transaction) else fee + operator}


def receipt(case: Case) -> Ours:
    """L1 fee and data footprint of a receipt that shows the L1 gas, or the estimated size, of its transaction."""
    asked = case.body["input"]
    found, named = _receipt_fee(asked), fork(asked)
    if named < Fork.JOVIAN:
        return {"fee": found.wei, "l1_gas": found.gas}
    scalar = asked.whole("daFootprintGasScalar") or op_stack.DA_FOOTPRINT_GAS_SCALAR
    footprint = op_stack.da_footprint(_size(asked), scalar)
    return {"fee": found.wei, "l1_gas": found.gas, "da_footprint": footprint}


def _size(asked: Field) -> int:
    """Estimated size in millionths of a byte: as stated, else the least that has the L1 gas shown."""
    if asked.get("estimated_size_scaled") is not None:
        return asked["estimated_size_scaled"].integer(least=0)
    return -(-asked["l1_gas_used"].integer(least=0) * op_stack.SCALAR_DEN // op_stack.CALLDATA_GAS)


def _receipt_fee(asked: Field) -> op_stack.L1Fee:
    if fork(asked) >= Fork.FJORD:
        return op_stack.size_fee(_size(asked), prices(asked))
    gas = asked["l1_gas_used"].integer(least=0)
    if fork(asked) >= Fork.ECOTONE:
        return op_stack.ecotone_fee(gas, prices(asked))
    return op_stack.bedrock_fee(gas, prices(asked)._replace(overhead=0))


KINDS: dict[str, Rule] = {
    "op_data_gas": data_gas,
    "op_extra_fee_anvil": deducted_by_anvil,
    "op_fastlz_len": compressed,
    "op_l1_fee": l1_fee,
    "op_operator_fee": operator_fee,
    "op_receipt_l1_fee": receipt,
}
