"""Fees: what no single transcribed case shows. The cases themselves stand in `cases/fees_*.json`."""

import json

import pytest

from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import run

FILES = ("ethereum", "op_stack", "arbitrum", "zksync", "starknet")


def result(tmp_path, chain, kind, asked, expected):
    case = {"case_id": "here", "kind": kind, "origin": "published", "input": asked, "expected": expected}
    file = tmp_path / f"fees_{chain}.json"
    file.write_text(json.dumps([case]))
    (found,) = run([file]).results
    return found


@pytest.mark.parametrize("chain", FILES)
def test_the_published_file_agrees(shared, chain):
    report = run([shared / "vectors" / f"fees_{chain}.json"])
    assert (report.failed, report.unsupported, report.unreadable) == (0, 0, 0)
    assert report.passed == len(report.results) > 8


@pytest.mark.parametrize(
    ("chain", "kind", "asked", "expected"),
    [
        # a schedule by its name alone, and a target that is stated beside it
        ("ethereum", "l1_blob_base_fee", {"excess_blob_gas": 5_007_716, "schedule": "prague 6/9"}, 2),
        (
            "ethereum",
            "l1_next_excess_blob_gas",
            {"excess": 0, "blob_gas_used": 14 * 131_072, "schedule": "bpo2", "base_fee": 1},
            0,
        ),
        ("op_stack", "op_data_gas", {"raw_tx": "0xfacade"}, {"ecotone": 48, "jovian": 1600}),
        ("op_stack", "op_fastlz_len", {"data_hex": ""}, 0),
        (
            "op_stack",
            "op_l1_fee",
            {
                "fork": "ecotone",
                "raw_tx": "facade",
                "l1BaseFee": 1000,
                "blobBaseFee": 1000,
                "baseFeeScalar": 1000,
                "blobBaseFeeScalar": 1000,
                "overhead": 1000,
                "empty_ecotone_scalars": True,
            },
            {"fee": 1048},
        ),
        (
            "op_stack",
            "op_receipt_l1_fee",
            {
                "fork": "ecotone",
                "l1_gas_used": 1600,
                "l1BaseFee": 10**9,
                "blobBaseFee": 1,
                "baseFeeScalar": 16,
                "blobBaseFeeScalar": 0,
            },
            {"fee": 1600 * 16 * 10**9 * 16 // 16_000_000},
        ),
        (
            "arbitrum",
            "arb_multigas_exponent_bips",
            {"constraints": [{"target": 1, "window": 1, "backlog": 0, "weights": {"Computation": 1}}]},
            {"Computation": 0, "StorageGrowth": 0},
        ),
        ("zksync", "zksync_compress_value", {"prev": "0", "new": "0x" + "f" * 64}, "0a01"),
        ("starknet", "starknet_da_blob_gas", {"n_modified_contracts": 1}, 64),
    ],
)
def test_other_forms_of_the_same_kinds(tmp_path, chain, kind, asked, expected):
    found = result(tmp_path, chain, kind, asked, expected)
    assert (found.status, [str(each) for each in found.mismatches]) == ("passed", [])


def test_a_bare_expected_value_is_compared_and_named(tmp_path):
    found = result(tmp_path, "ethereum", "l1_blob_base_fee", {"excess_blob_gas": 0, "update_fraction": 1}, 2)
    assert [str(each) for each in found.mismatches] == ["value: ours 1, expected 2 (to the last digit)"]


@pytest.mark.parametrize(
    ("chain", "kind", "asked", "complaint"),
    [
        ("op_stack", "op_data_gas", {"raw_tx": "0xfac"}, "input.raw_tx: expected bytes in hexadecimal"),
        (
            "op_stack",
            "op_operator_fee",
            {"fork": "shanghai", "gas": 1, "scalar": 1, "constant": 1},
            "input.fork: expected one of bedrock, regolith",
        ),
        ("zksync", "zksync_compress_value", {"prev": "0", "new": str(2**256)}, "input.new: expected a whole"),
        (
            "ethereum",
            "l1_blob_base_fee",
            {"excess_blob_gas": 0, "schedule": "paris"},
            "input.schedule: expected one of cancun",
        ),
        ("op_stack", "op_l1_fee", {"fork": "ecotone"}, "input.raw_tx: missing"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, chain, kind, asked, complaint):
    found = result(tmp_path, chain, kind, asked, 0)
    assert found.status == "unreadable"
    assert f"fees_{chain}.json: here: {complaint}" in found.reason


def test_a_real_transaction_of_every_size_is_among_the_cases(shared):
    sizes = [
        len(case.body["input"]["raw_tx"].text()) // 2
        for case in read_cases(shared / "vectors" / "fees_op_stack.json")
        if case.body["input"].get("raw_tx")
    ]
    assert min(sizes) < 10
    assert max(sizes) > 3_000
