"""Nothing but an answer goes to standard output, however long a query takes."""

import re
from pathlib import Path

import ringfence
from ringfence.database import connect

SOURCES = Path(ringfence.__file__).parent


def test_a_database_draws_no_bar():
    with connect() as database:
        assert database.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (False,)


def test_there_is_no_other_way_to_open_one():
    opened = re.compile(r"duckdb\.(connect|sql|execute|query)\(")
    found = {path.name for path in SOURCES.rglob("*.py") if opened.search(path.read_text(encoding="utf-8"))}
    assert found == {"database.py"}
