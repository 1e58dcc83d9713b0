"""The reference pages say what the code says."""

from pathlib import Path

from ringfence.clearing.verdict import Reason

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rejections.md"


def test_the_page_of_rejections_lists_every_reason_in_order() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and line[2].isdigit()]
    assert rows == [f"| {int(reason)} | `{reason.name}` | {reason.sentence} |" for reason in Reason]
