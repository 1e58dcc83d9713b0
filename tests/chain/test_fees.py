"""The fee of a transaction on each chain: examples worked out by hand, and real receipts."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.chain.fees import CHAINS, SCENARIOS, arbitrum, envelope, fee, parameters
from ringfence.errors import InputError

GAS = 100_000
SHORT = b"\x02" + bytes(20)
"""So short that every rollup of the OP stack counts it as its least size, 100 bytes."""


def test_ethereum_is_gas_times_price():
    found = fee("ethereum", GAS, SHORT, parameters("ethereum").override("l1.priorityFee", 38_000_000))
    assert found.total_wei == found.l1_wei == GAS * 1_200_000_000
    assert found.usd == "0.3"  # 0.00012 ETH at 2,500 USD
    assert not found.modelled


def test_base_adds_the_l1_fee_of_its_bytes():
    given_ = parameters("base", "low")
    found = fee("base", GAS, SHORT, given_)
    assert found.l2_wei == GAS * 5_000_000
    assert found.l1_wei == 100 * (16 * 215_715_704 * 2_269 + 11_087_811 * 1_055_762) // 1_000_000
    with_operator = given_.override("l2.operatorFeeScalar", 3).override("l2.operatorFeeConstant", 9)
    assert fee("base", GAS, SHORT, with_operator).l2_wei == found.l2_wei + GAS * 3 * 100 + 9
    assert fee("base", GAS, b"\x7e", with_operator).total_wei == found.l2_wei  # a deposit pays neither


def test_a_receipt_of_op_mainnet():
    """Block 151,551,014 (2026-05-13): l1Fee 2,928,613,781 wei, effective gas price 351 wei."""
    found = fee("optimism", GAS, SHORT, parameters("optimism", "low"))
    assert (found.l1_wei, found.l2_wei) == (2_928_613_781, GAS * 351)


def test_arbitrum_charges_bytes_as_gas_rounded_down():
    given_ = parameters("arbitrum")
    transaction = envelope.signed_transaction(envelope.typical_calldata(132), 42_161)
    units = 16 * arbitrum.compressed_length(transaction, 1)
    poster_gas = units * 2_700_000 // 20_010_000
    found = fee("arbitrum", GAS, transaction, given_)
    assert found.l1_wei == poster_gas * 20_010_000
    assert found.total_wei == (GAS + poster_gas) * 20_010_000
    older = fee("arbitrum", GAS, transaction, given_.override("l1.arbosVersion", 11))
    assert (
        older.l1_wei == 16 * arbitrum.compressed_length(transaction, 0) * 2_700_000 // 20_010_000 * 20_010_000
    )


def test_zksync_is_modelled_and_says_from_what():
    found = fee("zksync", GAS, SHORT, parameters("zksync"))
    pubdata_price = (
        72_625_000 + 1_162_000_000 * 800_000 // 100_000
    )  # a share of closing the batch in every byte
    per_byte = -(-pubdata_price // 100_000_000)
    assert found.l1_wei == 6 * 13 * per_byte * 100_000_000
    assert found.l2_wei == (10_000 + 2 * GAS) * 100_000_000
    assert found.modelled
    assert found.assumption == "2 EraVM gas per EVM gas, 6 slots of 13 bytes of pubdata"


def test_starknet_is_modelled_in_its_own_token():
    found = fee("starknet", GAS, SHORT, parameters("starknet"))
    data_price = ceil(72_625_000 * Fraction(2_500) / Fraction("0.0406"))
    assert found.token == "STRK"
    assert found.l1_wei == 32 * (2 * 5 + 2 * 3) * data_price
    assert found.l2_wei == (GAS * 20 + 5_120) * 30_380_000_000
    assert found.usd == f"{float(Fraction(found.total_wei, 10**18) * Fraction('0.0406')):.8f}".rstrip("0")
    assert found.modelled


@pytest.mark.parametrize("chain", CHAINS)
@given(gas=st.integers(0, 10**8), more=st.integers(0, 10**6), length=st.integers(0, 600))
def test_a_fee_is_its_parts_and_never_falls_with_gas_or_scenario(chain, gas, more, length):
    transaction = envelope.signed_transaction(envelope.typical_calldata(length))
    found = [fee(chain, gas, transaction, parameters(chain, scenario)) for scenario in SCENARIOS]
    for each in found:
        assert each.total_wei == each.l2_wei + each.l1_wei
        assert each.modelled == bool(each.assumption) == (chain in {"zksync", "starknet"})
    assert [each.total_wei for each in found] == sorted(each.total_wei for each in found)
    dearer = fee(chain, gas + more, transaction, parameters(chain))
    assert dearer.total_wei >= found[1].total_wei


def test_bad_questions_are_refused():
    with pytest.raises(InputError, match="base: these parameters are those of optimism"):
        fee("base", GAS, SHORT, parameters("optimism"))
    with pytest.raises(InputError, match="gas: expected a number from 0 on, got -1"):
        fee("base", -1, SHORT, parameters("base"))
    with pytest.raises(InputError, match="no such chain"):
        fee("solana", GAS, SHORT, parameters("base"))


def test_an_envelope_is_a_transaction_that_others_can_read():
    typed = pytest.importorskip("eth_account.typed_transactions", reason="needs the extra chain")
    calldata = envelope.typical_calldata(132)
    signed = envelope.signed_transaction(calldata, 8_453)
    read = typed.TypedTransaction.from_bytes(_hex_bytes(signed)).as_dict()
    assert (bytes(read["data"]), read["chainId"], read["type"]) == (calldata, 8_453, 2)
    assert len(signed) == 247
    assert calldata[:4] != b"\0\0\0\0"
    assert calldata[4:30] == bytes(26)  # a word with a number of six bytes
    assert len(envelope.typical_calldata(0)) == 0


def _hex_bytes(content):
    from hexbytes import HexBytes

    return HexBytes(content)


@pytest.mark.parametrize("size", [0, 1, 55, 56, 300, 70_000])
def test_our_encoding_is_the_one_of_the_chain(size):
    rlp = pytest.importorskip("rlp", reason="needs the extra chain")
    content = bytes(index % 251 for index in range(size))
    assert envelope.rlp([content, [1, 0, 127, 128], b"", b"\x7f", b"\x80"]) == rlp.encode(
        [content, [b"\x01", b"", b"\x7f", b"\x80"], b"", b"\x7f", b"\x80"]
    )
