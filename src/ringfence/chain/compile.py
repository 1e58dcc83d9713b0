"""Vyper sources into artifacts, compiled in this process and kept in the user's cache.

What is kept is named by the hash of everything that decides it: compiler, its options, and the source with all
modules that it imports. A changed file is therefore compiled anew and nothing else is.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import msgspec

from ..cache import default_cache_dir
from ..errors import InputError

CONTRACTS = Path(__file__).parent / "contracts"
"""Where the project's own contracts lie."""

EVM_VERSION = "prague"
CODE_BYTES_MAX = 24_576
"""Largest contract that Ethereum and its Layer 2s accept (EIP-170)."""

FORMATS = ("abi", "bytecode", "bytecode_runtime", "layout", "opcodes_runtime", "method_identifiers")
IMPORT = re.compile(r"^\s*(?:from\s+(?P<package>\.*[\w.]*)\s+)?import\s+(?P<module>\.*[\w.]+)", re.MULTILINE)


class Artifact(msgspec.Struct, frozen=True):
    """A compiled contract."""

    name: str
    compiler: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    """Code of the deployment, without constructor arguments."""
    runtime: bytes
    """Code that lies on chain, without immutables."""
    layout: dict[str, Any]
    opcodes: str
    """The runtime code as mnemonics."""

    @property
    def code_bytes(self) -> int:
        """Size of the code on chain, the immutables behind it included."""
        return len(self.runtime) + _lengths(self.layout.get("code_layout", {}))


def compile_contract(name: str, *, folder: Path = CONTRACTS) -> Artifact:
    """The contract `name` (a file without its ending, in `folder`), from the cache where it is there.

    Raises `InputError` where there is no such file or it does not compile.
    """
    path = folder / f"{name}.vy"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.vy"))) or "none"
        raise InputError(f"contract {name}: there is no {path.name} (known: {known})")
    kept = default_cache_dir() / "contracts" / f"{name}-{_key(path, folder)}.json"
    if kept.is_file():
        return msgspec.json.decode(kept.read_bytes(), type=Artifact)
    artifact = _compile(path, folder)
    _keep(kept, artifact)
    return artifact


@cache
def compiler() -> str:
    """Name and version of the compiler with the options that change its output."""
    from vyper import __version__

    return f"vyper {__version__} (evm {EVM_VERSION})"


def sources(path: Path, folder: Path = CONTRACTS) -> list[Path]:
    """The file and every file of `folder` that it imports, directly or through others, sorted by name."""
    found: dict[str, Path] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file.name not in found:
            found[file.name] = file
            waiting.extend(_imports(file, folder))
    return [found[name] for name in sorted(found)]


def _lengths(layout: dict[str, Any]) -> int:
    """Bytes of all immutables, those of imported modules included."""
    entries = (entry for entry in layout.values() if isinstance(entry, dict))
    return sum(entry["length"] if "length" in entry else _lengths(entry) for entry in entries)


def _imports(file: Path, folder: Path) -> Iterator[Path]:
    for match in IMPORT.finditer(file.read_text(encoding="utf-8")):
        words = f"{match['package'] or ''}.{match['module']}".strip(".").split(".")
        for ending in (".vy", ".vyi"):
            candidate = folder.joinpath(*words).with_suffix(ending)
            if candidate.is_file():
                yield candidate


def _key(path: Path, folder: Path) -> str:
    digest = blake2b(compiler().encode(), digest_size=16)
    for file in sources(path, folder):
        text = file.read_bytes()
        digest.update(f"\0{file.name}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()


def _compile(path: Path, folder: Path) -> Artifact:
    from vyper.compiler import compile_from_file_input
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.settings import Settings
    from vyper.exceptions import VyperException

    bundle = FilesystemInputBundle([folder])
    try:
        made: dict[str, Any] = compile_from_file_input(
            bundle.load_file(path.name),
            input_bundle=bundle,
            settings=Settings(evm_version=EVM_VERSION),
            output_formats=FORMATS,
        )
    except VyperException as error:
        raise InputError(f"{path.name} does not compile: {error}") from error
    return Artifact(
        name=path.stem,
        compiler=compiler(),
        abi=json.loads(json.dumps(made["abi"])),
        bytecode=bytes.fromhex(made["bytecode"].removeprefix("0x")),
        runtime=bytes.fromhex(made["bytecode_runtime"].removeprefix("0x")),
        layout=json.loads(json.dumps(made["layout"])),
        opcodes=made["opcodes_runtime"],
    )


def _keep(path: Path, artifact: Artifact) -> None:
    """Write into the cache under another name first, so that nobody reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(msgspec.json.encode(artifact))
    Path(file.name).replace(path)
