"""The claims registry: complete, computed, and able to change its mind."""

import json
from importlib.resources import files

import pytest

from compare.sample import document, run, two_modes
from ringfence.compare import claims, examples, findings_capital, findings_risk, findings_venues
from ringfence.compare.finding import MEASUREMENTS, STATUSES, on_this_path
from ringfence.compare.reading import Pair, order, pairs, varied_pairs

IDS = [
    *(f"M{n}" for n in range(1, 8)),
    *(f"R{n}" for n in range(1, 11)),
    *(f"C{n}" for n in range(1, 11)),
    *(f"O{n}" for n in range(1, 9)),
    *(f"V{n}" for n in range(1, 11)),
    *(f"D{n}" for n in range(1, 4)),
]
SETTLED_WITHOUT_RUNS = {
    **dict.fromkeys(("M3", "C2", "C3", "C5", "C9", "O1", "O8", "V7", "V8"), "confirmed"),
    **dict.fromkeys(("M4", "M6", "M7", "V1", "V2", "V3", "V4", "V5", "V9", "V10", "D3"), "refuted"),
    **dict.fromkeys(("M1", "R1", "R4", "R5", "R7", "R9", "C6", "O3", "O5", "O6", "V6"), "depends"),
}


def found(result=None):
    return {claim.id: claim for claim in claims.evaluate(result)}


def measured(claim, result):
    """One claim's finding from a comparison."""
    return MEASUREMENTS[claims.registry()["claims"][claim]["measurement"]].measure(result)


@pytest.fixture(scope="module")
def alone():
    return found()


def rulebook(tmp_path, monkeypatch, *changes):
    """Let the examples run under the generic rulebook with some text of its file changed."""
    text = (files("ringfence.venues") / "generic" / "2026-11.toml").read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "changed.toml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(examples, "RULEBOOK", str(path))
    return path


# -- the registry -----------------------------------------------------------------------------------------------------


def test_every_claim_is_there_once_and_in_order(alone):
    assert list(alone) == IDS


def test_every_status_is_one_of_six(alone):
    assert {claim.status for claim in alone.values()} <= set(STATUSES)


def test_what_is_settled_without_a_comparison(alone):
    assert {
        name: claim.status for name, claim in alone.items() if claim.status != "open"
    } == SETTLED_WITHOUT_RUNS


def test_a_computed_status_is_typed_nowhere():
    for name, entry in claims.registry()["claims"].items():
        assert ("measurement" in entry) != ("status" in entry), name
        typed = entry.get("status", "open")
        assert typed == "open" or entry.get("evidence"), (
            f"{name}: a typed {typed} needs evidence of a rulebook"
        )


def test_every_measurement_is_used_and_known():
    named = {entry["measurement"] for entry in claims.registry()["claims"].values() if "measurement" in entry}
    assert named == set(MEASUREMENTS)


def test_what_is_open_says_what_will_settle_it(alone):
    for claim in alone.values():
        if claim.status == "open":
            assert "Settled" in claim.verdict or "aits for" in claim.verdict, claim.id


def test_what_is_settled_shows_figures_and_a_source(alone):
    for claim in alone.values():
        if claim.status != "open":
            assert claim.figures, claim.id
            assert claim.source, claim.id
            assert claim.status != "depends" or claim.depends_on, claim.id


def test_a_rulebook_is_quoted_with_its_source(alone):
    assert alone["V1"].figures["dydx-v4: facts.chain"].startswith("own chain")
    assert "dydxprotocol/v4-chain" in alone["V1"].source


def test_rows_are_text_and_the_same_every_time():
    first, second = document(), document()
    claims.add_claims(first)
    claims.add_claims(second)
    assert first["claims"] == second["claims"] == json.loads(json.dumps(first["claims"]))
    assert [row["id"] for row in first["claims"]] == IDS
    assert "a-day, 2 traders, seed 1" in next(row["source"] for row in first["claims"] if row["id"] == "M2")


# -- what the engine's numbers decide ---------------------------------------------------------------------------------


def test_without_socialized_loss_the_rest_is_untouched(tmp_path, monkeypatch, alone):
    assert alone["R1"].status == "depends"
    rulebook(
        tmp_path,
        monkeypatch,
        ('waterfall = ["insurance", "deleverage", "socialize"]', 'waterfall = ["insurance"]'),
    )
    assert findings_risk.untouched_rest(None).status == "confirmed"


def test_a_leak_between_subaccounts_refutes_containment(monkeypatch):
    honest = examples.gap

    def leaking(mode, percent, **options):
        outcome = honest(mode, percent, **options)
        return type(outcome)(**{**vars(outcome), "others_change_q": -1, "owner_loss_q": outcome.posted_q + 1})

    monkeypatch.setattr(examples, "gap", leaking)
    assert findings_risk.untouched_rest(None).status == "refuted"
    assert findings_risk.largest_risk(None).status == "refuted"
    assert findings_risk.bounded_risk(None).status == "refuted"


def test_without_a_gap_the_loss_is_bounded_for_all(monkeypatch):
    monkeypatch.setattr(findings_risk, "GAPS", (5, 6))
    assert findings_risk.largest_risk(None).status == "confirmed"
    assert findings_risk.bounded_risk(None).status == "confirmed"


def test_the_procedure_decides_whether_the_account_goes_whole(monkeypatch):
    rules = examples.procedures()
    monkeypatch.setattr(examples, "procedures", lambda: {"hyperliquid": rules["hyperliquid"]})
    monkeypatch.setattr(examples, "FALLS", (22, 24))
    assert findings_risk.full_account(None).status == "confirmed"
    monkeypatch.setattr(examples, "FALLS", (18,))
    assert findings_risk.full_account(None).status == "refuted"


@pytest.mark.parametrize(
    ("shares", "gains", "status"), [((90,), (5,), "confirmed"), ((10,), (40,), "refuted")]
)
def test_the_map_decides_whether_gains_are_wiped_out(monkeypatch, shares, gains, status):
    monkeypatch.setattr(findings_risk, "ARB_SHARES", shares)
    monkeypatch.setattr(findings_risk, "GAINS", gains)
    assert findings_risk.wiped_out_gains(None).status == status


def test_margin_rates_decide_what_is_locked(tmp_path, monkeypatch, alone):
    assert alone["C2"].figures["cross, locked, no leverage chosen"] == "8,500 USD"
    rulebook(tmp_path, monkeypatch, ('initial = "1/50"', 'initial = "1/20"'))
    # ETH now asks 5 %: 2,500 + 2,500 + 5,000
    assert (
        findings_capital.three_times_margin(None).figures["cross, locked, no leverage chosen"] == "10,000 USD"
    )


def test_a_rulebook_of_high_margins_refuses_the_deposit(tmp_path, monkeypatch):
    rulebook(
        tmp_path,
        monkeypatch,
        ('lower = "0", initial = "1/10", maintenance', 'lower = "0", initial = "1/2", maintenance'),
    )
    refused = findings_capital.single_deposit(None)
    assert refused.status == "refuted"
    assert "engine refuses" in refused.verdict


def test_without_a_liquidation_there_is_no_silo_to_pity(tmp_path, monkeypatch):
    first = 'lower = "0", initial = "1/20", maintenance = '
    rulebook(tmp_path, monkeypatch, (f'{first}"1/40"', f'{first}"1/400"'))
    assert findings_capital.idle_silos(None).status == "refuted"
    assert findings_capital.offset_losses(None).status == "refuted"


def test_another_partition_decides_whether_there_is_a_third_way(monkeypatch):
    monkeypatch.setattr(examples, "PAIR_AND_LONE", examples.Partition("hybrid", (), "together"))
    assert findings_capital.third_way(None).status == "confirmed"


def test_leverage_by_mode_is_read_from_the_rulebooks(tmp_path, monkeypatch):
    isolated = ("BTC = { base_decimals = 8", 'BTC = { modes = ["isolated"], base_decimals = 8')
    crossed = ('margin = "major", pool', 'modes = ["cross"], margin = "other", pool')
    eth = (
        'ETH = { base_decimals = 8, price_decimals = 8, margin = "large"',
        'ETH = { base_decimals = 8, price_decimals = 8, margin = "other"',
    )
    unit = ('pool = "name"\nbase', 'pool = "name"\nmodes = "list"\nbase')
    path = rulebook(tmp_path, monkeypatch, isolated, crossed, eth, unit)
    monkeypatch.setattr(findings_venues, "VENUES", (str(path),))
    assert findings_venues.leverage_by_mode(None).status == "confirmed"


def test_the_default_mode_decides_who_is_listed_right(monkeypatch):
    assert findings_venues.venues_by_mode(None).verdict.startswith("Not so by default on hyperliquid;")
    monkeypatch.setattr(findings_venues, "SAID", {**findings_venues.SAID, "hyperliquid": "cross"})
    assert findings_venues.venues_by_mode(None).status == "confirmed"


def test_the_matrix_has_what_is_said_and_what_is_measured(alone):
    rows = [claim for claim in alone.values() if claim.row]
    assert [claim.id for claim in rows] == [f"M{n}" for n in range(1, 8)]
    assert all(claim.said.keys() == {"isolated", "cross"} for claim in rows)
    assert alone["M7"].cells["isolated"].split(", ")[:2] == ["dydx-v4 *", "gmx-v1"]
    assert "gmx" not in alone["M7"].cells["cross"]
    assert alone["M6"].cells["isolated"].endswith("200x (gmx-v2 2026-03)")


def test_a_covered_call_asks_less_than_its_legs(alone):
    figures = [
        float(text.split()[0].replace(",", "")) for name, text in alone["C6"].figures.items() if "USD" in text
    ]
    together, perpetual, calls, free = figures
    assert together < perpetual + calls
    assert free == pytest.approx(100_000 - together)


# -- what a comparison decides ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "measure", "isolated", "cross", "status"),
    [
        ("M2", "survival_capital", 10, 8, "confirmed"),
        ("M2", "survival_capital", 8, 10, "depends"),
        ("M2", "survival_capital", 8, 8, "depends"),
        ("C1", "extra_notional", 5, 9, "depends"),
        ("C1", "extra_notional", 9, 5, "depends"),
        ("O2", "margin_actions", 2, 0, "confirmed"),
        ("O2", "margin_actions", 2, 1, "depends"),
        ("O2", "margin_actions", 0, 0, "depends"),
    ],
)
def test_a_comparison_confirms_only_what_holds_by_construction(claim, measure, isolated, cross, status):
    decided = measured(claim, two_modes(measure, {"c": isolated}, {"c": cross}))
    assert decided.status == status
    assert decided.verdict.startswith("On this path: ")
    assert ("By construction: " in decided.verdict) == (status == "confirmed")
    assert decided.depends_on or status == "confirmed"


@pytest.mark.parametrize("status", ["confirmed", "refuted"])
def test_one_path_settles_nothing_general(status):
    assert on_this_path(status, "it fell.", {}).status == "depends"
    assert on_this_path(status, "it fell.", {}, by_construction="it must.").status == status


def test_where_a_mode_is_only_as_good_is_said():
    decided = measured("C1", two_modes("extra_notional", {"a": 1, "c": 9}, {"c": 9}))
    assert decided.status == "depends"
    assert "isolated lower in arm a; equal in arm c" in decided.verdict


@pytest.mark.parametrize(
    ("claim", "measure", "isolated", "cross", "status"),
    [
        ("M2", "survival_capital", 8, 8, "undetermined"),
        ("C1", "extra_notional", 0, 8, "undetermined"),
        ("O2", "margin_actions", 0, 0, "undetermined"),
        ("O2", "margin_actions", 1, 0, "confirmed"),
        ("R10", "accounts_ruined", 1, 1, "undetermined"),
        ("R10", "accounts_ruined", 1, 0, "depends"),
    ],
)
def test_with_one_position_per_account_there_is_nothing_to_share(claim, measure, isolated, cross, status):
    result = two_modes(measure, {"c": isolated}, {"c": cross})
    result["flow"]["positions"] = result["flow"]["accounts"]
    decided = measured(claim, result)
    assert decided.status == status
    assert status == "confirmed" or "no account has two positions here" in decided.verdict


@pytest.mark.parametrize(
    ("claim", "measure"), [("M2", "survival_capital"), ("C1", "extra_notional"), ("O2", "margin_actions")]
)
def test_a_sign_that_flips_between_arms_is_undetermined_with_the_map(claim, measure):
    decided = measured(claim, two_modes(measure, {"a": 1, "c": 9}, {"c": 5}))
    assert decided.status == "undetermined"
    assert "isolated lower in arm a; isolated higher in arm c" in decided.verdict


def test_what_traders_post_decides_what_is_locked():
    assert measured("C4", two_modes("capital_locked", {"a": 9, "c": 2}, {"c": 1})).status == "depends"
    assert measured("C4", two_modes("capital_locked", {"c": 2}, {"c": 1})).status == "open"


def safety(ruined, liquidated, wealth, sensitivity=()):
    names = ("accounts_ruined", "accounts_liquidated", "wealth_later")
    values = (ruined, liquidated, wealth)
    runs = [
        run(mode, layer="shared", **{name: pair[at] for name, pair in zip(names, values, strict=True)})
        for at, mode in enumerate(("isolated", "cross"))
    ]
    return measured("R10", document(runs, sensitivity))


def test_safer_is_decided_by_every_measure_of_safety():
    better, worse = safety((0.1, 0.3), (0.2, 0.4), (9, 8)), safety((0.3, 0.1), (0.4, 0.2), (8, 9))
    assert better.status == worse.status == "depends"
    assert better.verdict.count("isolated better everywhere") == 3
    assert worse.verdict.count("isolated worse everywhere") == 3
    assert safety((0.3, 0.3), (0.4, 0.4), (9, 9)).verdict.count("equal everywhere") == 3
    mixed = safety((0.1, 0.3), (0.4, 0.2), (9, 8))
    assert mixed.status == "depends"
    assert "Accounts with a liquidation: isolated worse everywhere." in mixed.verdict


def test_safer_says_in_which_arm():
    result = two_modes("accounts_liquidated", {"a": 0.2, "c": 0.4}, {"c": 0.2})
    verdict = measured("R10", result).verdict
    assert "Accounts with a liquidation: equal in arm a; isolated worse in arm c." in verdict
    assert "always" not in verdict


def test_a_sign_that_flips_with_slippage_is_undetermined():
    rows = [
        run(mode, varied="slippage 3 %", accounts_ruined=x) for mode, x in (("isolated", 0.5), ("cross", 0.3))
    ]
    assert safety((0.1, 0.3), (0.2, 0.4), (9, 8), rows).status == "undetermined"


def test_without_both_modes_nothing_is_claimed_of_them():
    only = document(modes=("cross",))
    assert {measured(name, only).status for name in ("M2", "C1", "C4", "C7", "R10", "O2")} == {"open"}


# -- pairs ------------------------------------------------------------------------------------------------------------


def test_a_mode_without_an_arm_is_represented_by_arm_c():
    result = two_modes("wealth_later", {"a": 1, "c": 2}, {"b": 3, "c": 4})
    rows = [
        (p.choice, p.layer, int(p.first), int(p.second))
        for p in pairs(result, "wealth_later", "isolated", "cross")
    ]
    assert rows[::2] == [("arm a", "shared", 1, 4), ("arm b", "shared", 2, 3), ("arm c", "shared", 2, 4)]


def test_idle_equity_is_not_compared_where_the_stand_in_keeps_it_on_the_venue():
    result = two_modes("extra_notional", {"c": 2}, {"b": 3, "c": 4})
    assert {pair.choice for pair in pairs(result, "extra_notional", "isolated", "cross")} == {"arm c"}


def test_frames_are_never_mixed():
    runs = [run("isolated", wealth_later=1), run("cross", wealth_later=2, frame="venue")]
    assert pairs(document(runs), "wealth_later", "isolated", "cross") == []
    assert varied_pairs(document(runs), "wealth_later", "isolated", "cross") == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(1, 2)], "lower"),
        ([(2, 1), (1, 1)], "higher"),
        ([(1, 1)], "equal"),
        ([(1, 2), (2, 1)], "flips"),
        ([], "equal"),
    ],
)
def test_order_of_pairs(values, expected):
    assert order([Pair("arm c", "shared", *each) for each in values]) == expected
