"""Write the generated readings of the margin rules, or check that the committed ones are current.

    python tools/gen_rules.py [--check]

Each rule in `src/ringfence/rules/` is one scalar function over a closed vocabulary (`rules/words.py`); the modules here
read its syntax tree and write it down for other number systems. `gen_kernel` writes `kernel/_rules.py` and `gen_vyper`
what the contracts import. With `--check` nothing is written: every stale file is named and the exit status is 1.

`library()` is the shared walk. It parses every rule module, checks that no rule says anything outside the vocabulary,
and says of each function which words it needs, so that a reading can take the ones that it has words for:

    found = library()
    rule = found.function("value.notional_q")           # its `node` is an `ast.FunctionDef`
    rule.is_core                                        # core words and plain statements only, callees included
    found.closure(["close.liquidation_fee_q"])          # with all that they call, callees first
    found.constants(["close.liquidation_fee_q"])        # constants of rule modules that these read, in order
"""

import ast
import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, cast

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "src/ringfence/rules"

TYPES = {"UInt", "Int", "bool"}
CORE_WORDS = {
    *("mul_div_down", "mul_div_up", "mul_div", "abs_", "min_", "max_"),
    *("PPM", "WAD", "FLOOR", "CEIL", "TRUNC"),
}
"""What every reading of a rule has."""
EXTENDED_WORDS = {"isqrt", "power_of_ten"}
"""What only some readings have."""
PLAIN_NODES = (
    *(
        ast.FunctionDef,
        ast.arguments,
        ast.arg,
        ast.Return,
        ast.If,
        ast.Assign,
        ast.Expr,
        ast.BinOp,
        ast.UnaryOp,
    ),
    *(ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.Load, ast.Store),
    *(ast.Add, ast.Sub, ast.Mult, ast.USub, ast.Not, ast.And, ast.Or),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)
"""Statements and expressions that have the same meaning everywhere: no loops, no tuples, no shifts."""

GENERATORS = ("gen_kernel", "gen_vyper")


class Function(NamedTuple):
    """One rule: its syntax tree, and what it needs by itself and through the functions that it calls."""

    name: str
    """`module.function`."""
    node: ast.FunctionDef
    words: frozenset[str]
    """Words, core and extended, callees' included."""
    calls: tuple[str, ...]
    """Rules of the same module that it calls itself, as `module.function`, in order of appearance."""
    constants: tuple[str, ...]
    """Constants of its module that it reads itself, as `module.NAME`."""
    is_plain: bool
    """It and its callees are made of `PLAIN_NODES`, take and return `UInt`, `Int` or `bool`, nothing else."""

    @property
    def is_core(self) -> bool:
        """Whether every reading can take it: plain, and of core words alone."""
        return self.is_plain and self.words <= CORE_WORDS


class Module(NamedTuple):
    """A parsed rule module."""

    name: str
    tree: ast.Module
    constants: dict[str, ast.expr]
    """Module constants by name (without the module's), in order."""
    functions: dict[str, ast.FunctionDef]


class Library:
    """Every rule there is."""

    def __init__(self, modules: Iterable[Module]) -> None:
        """Resolve words and calls of all functions of `modules`."""
        self.modules = {module.name: module for module in modules}
        self._functions: dict[str, Function] = {}
        for module in self.modules.values():
            for name in module.functions:
                self.function(f"{module.name}.{name}")

    def function(self, name: str) -> Function:
        """The rule called `module.function`; `KeyError` where there is none."""
        if name not in self._functions:
            self._functions[name] = self._resolved(name)
        return self._functions[name]

    def _resolved(self, name: str) -> Function:
        home = self.modules[name.partition(".")[0]]
        node = home.functions[name.partition(".")[2]]
        named = [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
        calls = tuple(dict.fromkeys(f"{home.name}.{each}" for each in named if each in home.functions))
        constants = tuple(dict.fromkeys(f"{home.name}.{each}" for each in named if each in home.constants))
        needed = {each for each in named if each in CORE_WORDS | EXTENDED_WORDS}
        for constant in constants:
            needed |= names_in(self.constant(constant)) & (CORE_WORDS | EXTENDED_WORDS)
        callees = [self.function(callee) for callee in calls]
        return Function(
            name,
            node,
            frozenset(needed).union(*(callee.words for callee in callees)),
            calls,
            constants,
            is_plain(node) and all(callee.is_plain for callee in callees),
        )

    def functions(self, module: str) -> list[Function]:
        """All rules of a module, in the order of the file."""
        return [self.function(f"{module}.{name}") for name in self.modules[module].functions]

    def constant(self, name: str) -> ast.expr:
        """What the constant called `module.NAME` is set to."""
        module, _, constant = name.partition(".")
        return self.modules[module].constants[constant]

    def closure(self, names: Iterable[str]) -> list[Function]:
        """The named rules and all that they call, each once, callees before their callers."""
        found: dict[str, Function] = {}

        def visit(name: str) -> None:
            rule = self.function(name)
            for callee in rule.calls:
                visit(callee)
            found.setdefault(name, rule)

        for name in names:
            visit(name)
        return list(found.values())

    def constants(self, names: Iterable[str]) -> dict[str, ast.expr]:
        """Constants by `module.NAME` that the closure of the named rules reads, each after those that it is made of."""
        found: dict[str, ast.expr] = {}

        def visit(name: str) -> None:
            value, module = self.constant(name), name.partition(".")[0]
            for inner in names_in(value) & self.modules[module].constants.keys():
                visit(f"{module}.{inner}")
            found.setdefault(name, value)

        for rule in self.closure(names):
            for constant in rule.constants:
                visit(constant)
        return found


def names_in(node: ast.AST) -> set[str]:
    """Every name that an expression mentions."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def is_plain(node: ast.FunctionDef) -> bool:
    """Whether a function by itself is made of `PLAIN_NODES` and of scalar parameters and result."""
    arguments = node.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
        return False
    annotations = [*(argument.annotation for argument in arguments.args), node.returns]
    scalar = all(isinstance(each, ast.Name) and each.id in TYPES for each in annotations)
    return scalar and all(isinstance(each, PLAIN_NODES) for each in ast.walk(node))


def library(rules: Path = RULES) -> Library:
    """Parse and check every rule module below `rules`; `SystemExit` names the first that leaves the vocabulary."""
    modules = [parsed(path) for path in sorted(rules.glob("*.py")) if path.stem not in {"__init__", "words"}]
    for module in modules:
        for name, line in strangers(module):
            raise SystemExit(
                f"{rules / module.name}.py:{line}: `{name}` is no word of a rule (rules/words.py)"
            )
    return Library(modules)


def parsed(path: Path) -> Module:
    """A rule module's syntax tree, its constants and its functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    constants, functions = dict[str, ast.expr](), dict[str, ast.FunctionDef]()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = node.value
    return Module(path.stem, tree, constants, functions)


def strangers(module: Module) -> Iterator[tuple[str, int]]:
    """Names that functions of a module mention and that are neither words, types, its own, nor bound inside."""
    known = CORE_WORDS | EXTENDED_WORDS | TYPES | module.constants.keys() | module.functions.keys()
    structural = {"tuple", "list", "int", "len", "range", "zip", "enumerate", "sum", "sorted", "reversed"}
    for function in module.functions.values():
        bound = {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)}
        stored = (each for each in ast.walk(function) if isinstance(each, ast.Name))
        bound |= {each.id for each in stored if isinstance(each.ctx, ast.Store)}
        for each in ast.walk(function):
            if isinstance(each, ast.Name) and each.id not in known | structural | bound:
                yield each.id, each.lineno


class Generator(Protocol):
    """A module that writes one reading."""

    def files(self, found: Library) -> dict[Path, str]:
        """Text of every file that it generates, by path."""


def generated() -> dict[Path, str]:
    """Text of every generated file of every reading that this checkout has a generator for."""
    found, files = library(), dict[Path, str]()
    for name in GENERATORS:
        if (Path(__file__).parent / f"{name}.py").exists():
            files |= cast("Generator", importlib.import_module(name)).files(found)
    return files


def stale(files: dict[Path, str]) -> list[Path]:
    """Paths whose committed text is not what would be generated now."""
    return [path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text]


def main(arguments: list[str]) -> int:
    """Write every generated file, or with `--check` name the stale ones; return the exit status."""
    sys.path.insert(0, str(Path(__file__).parent))
    files = generated()
    old = stale(files)
    if "--check" in arguments:
        for path in old:
            print(f"{path.relative_to(ROOT)}: stale; run `python tools/gen_rules.py`")
        return 1 if old else 0
    for path in old:
        path.write_text(files[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
