"""Compiling: the cache, what it depends on, and what cannot be compiled."""

import pytest

from ringfence.chain import compile as module
from ringfence.chain.compile import CODE_BYTES_MAX, CONTRACTS, compile_contract, sources
from ringfence.errors import InputError

MAIN = """
# pragma version ==0.4.3
import helper

@external
@view
def answer() -> uint256:
    return helper.number()
"""
HELPER = """
# pragma version ==0.4.3
@internal
@pure
def number() -> uint256:
    return {}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RINGFENCE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "Main.vy").write_text(MAIN)
    (tmp_path / "helper.vy").write_text(HELPER.format(1))
    return tmp_path


def test_what_is_cached_is_not_compiled_again(folder, monkeypatch):
    first = compile_contract("Main", folder=folder)
    monkeypatch.setattr(module, "_compile", lambda *_: pytest.fail("compiled again"))
    assert compile_contract("Main", folder=folder) == first


def test_a_changed_import_is_compiled_anew(folder):
    first = compile_contract("Main", folder=folder)
    (folder / "helper.vy").write_text(HELPER.format(2))
    second = compile_contract("Main", folder=folder)
    assert first.runtime != second.runtime
    assert first.abi == second.abi


def test_sources_are_the_file_and_all_that_it_imports(folder):
    assert [path.name for path in sources(folder / "Main.vy", folder)] == ["Main.vy", "helper.vy"]


def test_imports_of_imports_are_sources_too():
    names = {path.name for path in sources(CONTRACTS / "CrossOnly.vy")}
    assert {"CrossOnly.vy", "baseline.vy", "margin_rules.vy", "owned.vy", "words.vy"} == names


def test_a_contract_that_is_not_there_is_named_with_those_that_are(folder):
    with pytest.raises(InputError, match=r"Absent: there is no Absent.vy \(known: Main, helper\)"):
        compile_contract("Absent", folder=folder)


def test_a_contract_that_does_not_compile_is_bad_input(folder):
    (folder / "Main.vy").write_text("# pragma version ==0.4.3\nx: uint257\n")
    with pytest.raises(InputError, match=r"Main\.vy does not compile"):
        compile_contract("Main", folder=folder)


@pytest.mark.parametrize("name", ["IsolatedOnly", "CrossOnly", "PushOracle", "PullOracle"])
def test_every_contract_is_smaller_than_the_limit(name):
    assert compile_contract(name).code_bytes < CODE_BYTES_MAX
