"""The small rulebook of `small.toml`, bent."""

from pathlib import Path

import pytest

SMALL = (Path(__file__).parent / "small.toml").read_text(encoding="utf-8")


@pytest.fixture
def write(tmp_path):
    """Write the small rulebook with replacements and additions; the path as text."""

    def written(*changes: tuple[str, str], add: str = "") -> str:
        text = SMALL
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path: Path = tmp_path / "rules.toml"
        path.write_text(text + add)
        return str(path)

    return written
