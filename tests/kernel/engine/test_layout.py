"""The yardstick in C reads the engine's arrays by offsets of its own, which must be those of the layout."""

import re
from pathlib import Path

from ringfence.kernel.engine import layout

SOURCE = Path(__file__).resolve().parents[3] / "bench" / "kernel_engine.c"
NAMED_OTHERWISE = {
    "SIZE": "SIZE_B",
    "COST": "COST_Q",
    "LEG": "LEG_WORDS",
    "FUNDING": "FUNDING_INDEX",
    "OPEN": "OPEN_B",
    "NUM": "SCALE_NUM",
    "DEN": "SCALE_DEN",
    "MARKET": "MARKET_WORDS",
    "DEDUCTION": "TIER_DEDUCTION",
    "ROW": "MARGIN_WORDS",
}


def test_offsets_in_c_are_those_of_the_layout():
    """A record that grew made the measurement end with a division by zero."""
    stated = re.findall(
        r"\b([A-Z_]+) = (\d+)", "".join(re.findall(r"^enum \{.*\};$", SOURCE.read_text(), re.MULTILINE))
    )
    ours = {name: int(number) for name, number in stated if not name.startswith("REASON_")}
    assert len(ours) > 20
    assert ours == {name: getattr(layout, NAMED_OTHERWISE.get(name, name)) for name in ours}
