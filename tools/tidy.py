"""House rules that no linter knows: layers, sizes, the float ban, and what may not stand in a tracked file.

    python tools/tidy.py [ROOT]

Prints one line per offence (`file:line: sentence`) and exits with status 1 if there is any.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "ringfence"

# Imports point down only: a part may import parts of a lower rank and itself, never one of its own rank.
RANKS = {
    "__init__": 0,
    "__version__": 0,
    "errors": 0,
    "cache": 0,
    "progress": 0,
    "units": 1,
    "rules": 2,
    "clearing": 3,
    "venues": 4,
    "books": 4,
    "pricing": 4,
    "kernel": 4,
    "chain": 4,
    "questions": 5,
    "sim": 5,
    "compare": 6,
    "service": 7,
    "database": 1,
    "terminal": 1,
    "web": 1,
    "html": 1,
    "bench_command": 7,
    "cli": 8,
    "__main__": 9,
}
WORDS = (
    "rules.words"  # all that a rule may import of ours, since every reading of a rule rebinds exactly these
)

LINES_MAX = 500  # a file has fewer
FUNCTION_LINES_MAX = 60
SIZED = ("src/", "tools/", "tests/", "bench/")
GENERATED = re.compile(r"^\W*generated (by|from) ", re.IGNORECASE | re.MULTILINE)

EXACT = (f"src/{PACKAGE}/rules/", f"src/{PACKAGE}/clearing/")
WORDS_FILE = f"src/{PACKAGE}/rules/words.py"
CLEARING = f"src/{PACKAGE}/clearing/"
INEXACT_NAMES = {"float", "complex", "round", "divmod", "Decimal"}
INEXACT_MODULES = {"cmath", "decimal", "math", "numpy", "statistics"}
INEXACT_OPERATORS: dict[type[ast.operator], str] = {ast.Div: "/", ast.FloorDiv: "//", ast.Pow: "**"}
IMPURE_CALLS = {"input", "open", "print"}
IMPURE_MODULES = {
    *("asyncio", "datetime", "io", "logging", "os", "pathlib", "random", "secrets", "shutil", "socket"),
    *("subprocess", "sys", "tempfile", "threading", "time", "uuid"),
}

# Each pattern is written so that it does not match itself.
FORBIDDEN_TEXT = {
    "a path of one machine": re.compile(
        r"(?<![\w.:/-])(/(work|farm|root|tmp|home|Users)/\w|[A-Z]:\\{1,2}Users\b)"
    ),
    "the name or address of a package registry": re.compile(
        r"py[p]i\b|python[h]osted|npm[j]s|crates[.]io|(index|registry)(-url)?[ =]+\w+:/", re.IGNORECASE
    ),
    "a note of unfinished work": re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X)\b"),
}
TEXT_BYTES_MAX = 2_000_000


class Offence(NamedTuple):
    """One line of one file that breaks a house rule."""

    path: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.sentence}"


class Source(NamedTuple):
    """A parsed Python file; `path` is relative to the repository and has forward slashes."""

    path: str
    text: str
    tree: ast.Module


def tracked(root: Path) -> list[str]:
    """Paths of the files that belong to the repository, new ones included; all visible files where there is no git."""
    if (root / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
        return sorted(path for path in listed.split("\0") if path and (root / path).is_file())
    relative = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(
        path.as_posix() for path in relative if not any(part.startswith(".") for part in path.parts)
    )


def layers(source: Source) -> Iterator[Offence]:
    """Imports inside the package that do not point down, lazy ones included."""
    importer = module_name(source.path)
    if importer is None:
        return
    if part(importer) not in RANKS:
        yield Offence(source.path, 1, f"`{part(importer)}` is in no layer; give it a rank in tools/tidy.py")
        return
    for line, imported in imports(source, importer):
        if sentence := crossing(importer, imported):
            yield Offence(source.path, line, sentence)


def crossing(importer: str, imported: str) -> str | None:
    """Say what is wrong with `importer` importing `imported` (dotted names below the package), if anything is."""
    above, below = part(importer), part(imported)
    if above == "rules" and not f"{imported}.".startswith(f"{WORDS}."):
        return f"a rule imports `{imported}`; of ours it may import {WORDS} alone"
    if below not in RANKS:
        return f"`{below}` is in no layer; give it a rank in tools/tidy.py"
    if above == below or RANKS[above] > RANKS[below]:
        return None
    if RANKS[above] == RANKS[below]:
        return f"`{above}` imports `{below}`, which stands beside it; neither may know the other"
    return f"`{above}` imports `{below}`, which stands above it; imports point down"


def module_name(path: str) -> str | None:
    """Dotted name of a file below the package (`clearing.model`), or None for a file outside it."""
    prefix = f"src/{PACKAGE}/"
    if not path.startswith(prefix):
        return None
    name = path.removeprefix(prefix).removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def part(name: str) -> str:
    """Name the layer's part that a dotted name belongs to."""
    return name.split(".", maxsplit=1)[0]


def imports(source: Source, importer: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name (below the package) of everything of ours that a module imports."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.Call):
            continue
        for name in imported_names(node, package_of(source, importer)):
            if name == PACKAGE:
                yield node.lineno, "__init__"
            elif name.startswith(f"{PACKAGE}."):
                yield node.lineno, name.removeprefix(f"{PACKAGE}.")


def imported_names(node: ast.Import | ast.ImportFrom | ast.Call, package: list[str]) -> list[str]:
    """Absolute names that one node imports, `importlib.import_module("...")` included."""
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(level=0):
            return [f"{node.module}.{alias.name}" for alias in node.names]
        case ast.ImportFrom():
            base = package[: len(package) - node.level + 1] + ([node.module] if node.module else [])
            return [".".join([*base, alias.name]) for alias in node.names]
        case ast.Call(
            func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return [name]
    return []


def package_of(source: Source, importer: str) -> list[str]:
    """Parts of the package that a module's relative imports start from."""
    parts = [PACKAGE] if importer == "__init__" else [PACKAGE, *importer.split(".")]
    return parts if source.path.endswith("/__init__.py") else parts[:-1]


def sizes(source: Source) -> Iterator[Offence]:
    """Files and functions that are too long to be read at one sitting; generated files may be."""
    if not source.path.startswith(SIZED) or GENERATED.search(source.text[:500]):
        return
    lines = len(source.text.splitlines())
    if lines >= LINES_MAX:
        yield Offence(source.path, LINES_MAX, f"the file has {lines} lines; it must stay under {LINES_MAX}")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                sentence = f"`{node.name}` has {lines} lines; {FUNCTION_LINES_MAX} are allowed"
                yield Offence(source.path, node.lineno, sentence)


def exactness(source: Source) -> Iterator[Offence]:
    """Arithmetic that is inexact, or whose rounding is not named, where money is counted."""
    if not source.path.startswith(EXACT):
        return
    for node in ast.walk(source.tree):
        what = inexact(node, in_words=source.path == WORDS_FILE)
        if what and isinstance(node, ast.stmt | ast.expr):
            yield Offence(
                source.path, node.lineno, f"{what} where money is exact; say it with rules/words.py"
            )


def inexact(node: ast.AST, *, in_words: bool) -> str | None:
    """Name the inexact thing that a node is; the words themselves are defined by `//` and by `math`'s integers."""
    allowed = {"//", "math"} if in_words else set()
    match node:
        case ast.Constant(value=float() | complex() as value):
            return f"the literal {value}"
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in INEXACT_NAMES:
            return f"`{name}`"
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in INEXACT_OPERATORS:
            sign = INEXACT_OPERATORS[type(operator)]
            return None if sign in allowed else f"the operator {sign}"
        case ast.Import() | ast.ImportFrom():
            found = sorted(top_modules(node) & INEXACT_MODULES - allowed)
            return f"an import of {found[0]}" if found else None
    return None


def purity(source: Source) -> Iterator[Offence]:
    """Clocks, files, randomness and the machine, none of which a state machine that replays may see."""
    if not source.path.startswith(CLEARING):
        return
    for node in ast.walk(source.tree):
        what = impure(node)
        if what and isinstance(node, ast.stmt | ast.expr):
            yield Offence(
                source.path, node.lineno, f"{what} in clearing; a command carries all that it depends on"
            )


def impure(node: ast.AST) -> str | None:
    """Name the door to the outside world that a node is."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
            return f"a call of {name}"
        case ast.Import() | ast.ImportFrom():
            found = sorted(top_modules(node) & IMPURE_MODULES)
            return f"an import of {found[0]}" if found else None
    return None


def top_modules(node: ast.Import | ast.ImportFrom) -> set[str]:
    """First parts of the absolute names that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return {part(node.module)} if node.module and not node.level else set()
    return {part(alias.name) for alias in node.names}


def forbidden_text(path: str, text: str) -> Iterator[Offence]:
    """Machine paths, package registries and unfinished work."""
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in FORBIDDEN_TEXT.items():
            if found := pattern.search(line):
                yield Offence(path, number, f"`{found.group()}`: {what} does not belong in the repository")


def offences(root: Path) -> Iterator[Offence]:
    """Every offence in the repository at `root`."""
    for path in tracked(root):
        text = read_text(root / path)
        if text is None:
            continue
        yield from forbidden_text(path, text)
        if path.endswith(".py"):
            yield from python_offences(path, text)


def python_offences(path: str, text: str) -> Iterator[Offence]:
    """Offences of one Python file against the rules that need its syntax tree."""
    try:
        source = Source(path, text, ast.parse(text))
    except SyntaxError as error:
        yield Offence(path, error.lineno or 1, f"does not parse: {error.msg}")
        return
    for rule in (layers, sizes, exactness, purity):
        yield from rule(source)


def read_text(path: Path) -> str | None:
    """Return the text of a file, or None where it is binary or too large to have been written by a person."""
    if path.stat().st_size > TEXT_BYTES_MAX:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def main(arguments: list[str]) -> int:
    """Print every offence below the given root (default: this repository); return the exit status."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1]
    found = list(offences(root))
    for offence in found:
        print(offence)
    print(f"tidy: {len(found)} offence(s)" if found else "tidy: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
