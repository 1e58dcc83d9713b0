"""Aevo: cases that are not in the reference folder, and cases that cannot be read."""

import json

import pytest

from ringfence.errors import InputError
from ringfence.questions.conformance.vectors import read_cases
from ringfence.questions.verify import judge


def judged(tmp_path, **case):
    file = tmp_path / "aevo.json"
    whole = {
        "venue": "aevo",
        "case_id": "aevo/made_up",
        "rule": {},
        "collateral": [],
        "positions": [],
        **case,
    }
    file.write_text(json.dumps([whole]), encoding="utf-8")
    return judge(read_cases(file)[0])


def option(market, size, mark, underlying="1400"):
    return {"market": market, "size": size, "mark": mark, "underlying": underlying}


@pytest.mark.parametrize(
    ("positions", "initial", "maintenance"),
    [
        ([option("ETH-C-1400", "2", "100")], "0", "0"),  # bought
        (
            [option("ETH-C-1400", "-2", "100"), option("ETH-P-1200", "-2", "20")],
            "940",
            "800",
        ),  # 620 + 320, 480 + 320
        (
            [option("ETH-P-3000", "-1", "1600")],
            "1810",
            "1760",
        ),  # 10 % of the mark beats 10 % of spot: 1,600 + 160
        ([option("ETH-P-9000", "-1", "7600")], "8360", "8360"),  # ... and is more than 15 % of spot
        ([option("ETH-C-1405", "-0.5", "0.25")], "102.625", "70.125"),  # (0.15 - 5 / 1,400) x 700 + 0.125
    ],
)
def test_options_by_themselves(tmp_path, positions, initial, maintenance):
    expected = {"im": initial, "mm": maintenance}
    assert (
        judged(tmp_path, kind="standard_short_put", positions=positions, expected=expected).status == "passed"
    )


def test_a_short_perpetual_with_other_collateral(tmp_path):
    """2 ETH sold at 1,500, now 1,400; 1 ETH at 1,400 counts 1,260. Liquidated where 1,460 + 3,000 - 2 p is 6 % of p."""
    result = judged(
        tmp_path,
        kind="standard_perp",
        rule={"imf": "0.05", "mmf": "0.03"},
        collateral=[{"asset": "ETH", "amount": "1", "price": "1400"}],
        positions=[{"market": "ETH-PERP", "size": "-2", "entry": "1500", "mark": "1400"}],
        expected={
            "equity": "1460",
            "im": "140",
            "mm": "84",
            "liq_price": "426000/206",
            "liquidatable": False,
        },
    )
    assert result.status == "passed", result.mismatches


def test_conversion_with_haircut_and_fee(tmp_path):
    """500 / (1,000 x 0.999) of ETH; equity counts 90 % of what is left, and the option."""
    result = judged(
        tmp_path,
        kind="collateral_convert",
        collateral=[{"asset": "ETH", "amount": "1", "price": "1000"}],
        action={"buy_options_premium": "500"},
        expected={"equity_before": "900", "eth_after": "499/999", "equity_after": "949549549/999999"},
        tol_rel=1e-4,
    )
    assert result.status == "passed", result.mismatches


def test_what_cannot_be_carried_is_refused(tmp_path):
    result = judged(
        tmp_path,
        kind="collateral_convert",
        collateral=[{"asset": "ETH", "amount": "1", "price": "1000"}],
        action={"buy_options_premium": "0"},
        expected={"error": "PRICE_NOT_POSITIVE"},
    )
    assert result.status == "passed", result.reason


@pytest.mark.parametrize(
    ("kind", "case", "sentence"),
    [
        (
            "standard_short_call",
            {"positions": [option("ETHCALL", "-1", "1")]},
            "expected a name such as ETH-C-1400",
        ),
        ("standard_short_call", {"positions": [option("ETH-C-x", "-1", "1")]}, "expected a decimal number"),
        (
            "standard_short_call",
            {"positions": [option("ETH-C-1", "-0.0000000000001", "1")]},
            "expected at most 12 decimal places",
        ),
        (
            "collateral_convert",
            {
                "collateral": [{"asset": "DOGE", "amount": "1", "price": "1"}],
                "action": {"buy_options_premium": "1"},
            },
            "expected collateral of the rulebook with a price, got DOGE",
        ),
    ],
)
def test_a_case_that_cannot_be_read(tmp_path, kind, case, sentence):
    with pytest.raises(InputError) as caught:
        judged(tmp_path, kind=kind, expected={"im": "0"}, **case)
    assert str(caught.value).startswith("aevo.json: aevo/made_up: ")
    assert sentence in str(caught.value)
