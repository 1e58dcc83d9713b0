"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

settings.register_profile(
    "default", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

SHARED = Path(os.environ.get("RINGFENCE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


COMPILE_ALIKE = ("kernel/engine/", "kernel/", "questions/test_stress", "sim/", "compare/", "chain/")
"""What the paths of tests begin with that wait for the same compiled code."""


class TogetherOrAlone(LoadScopeScheduling):
    """Gives such tests to one process, so that two do not compile the same at a time, and all others one by one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.removeprefix("tests/")
        return next((begin for begin in COMPILE_ALIKE if path.startswith(begin)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """How xdist deals out tests (its own marks of groups do not reach the names of tests any more)."""
    return TogetherOrAlone(config, log)


def skip_or_fail(reason: str) -> None:
    """Skip, or fail where RINGFENCE_REQUIRE_ALL=1 says that everything must be there."""
    if os.environ.get("RINGFENCE_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test runners set a terminal width for their workers; what commands print must not depend on it."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published venue numbers and market data that lies beside a development checkout."""
    if not SHARED.is_dir():
        skip_or_fail(f"needs the reference data folder at {SHARED} (set RINGFENCE_SHARED)")
    return SHARED
