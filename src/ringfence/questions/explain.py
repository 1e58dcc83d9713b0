"""How a figure came about: value, formula, inputs, source, all the way down to the file and the rulebook.

Nothing is computed a second way. The question is put again while the margin rules are being watched, and what they were
called with and what they answered *is* the explanation; the formula shown is the rule's own source.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import FrameType, FunctionType
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import asdict

from ..clearing import risk, shapes
from ..errors import InputError
from ..rules import close, requirement, value
from ..venues.model import Rulebook

T = TypeVar("T")

Value = str | bool | None

WATCHED = {module.__name__: module for module in (risk, shapes, requirement, value, close)}
"""Modules whose functions are recorded: the scalar rules, and the reading of them that makes a `Risk`."""


@dataclass(frozen=True)
class Explanation:
    """A value, the formula that gave it, what went in (each explained in turn) and where it comes from."""

    name: str
    value: str
    formula: str = ""
    inputs: tuple["Explanation", ...] = ()
    source: str = ""

    def to_json(self) -> dict[str, object]:
        """The explanation as JSON objects; empty parts are left out."""
        parts: dict[str, object] = {"name": self.name, "value": self.value}
        if self.formula:
            parts["formula"] = self.formula
        if self.inputs:
            parts["inputs"] = [part.to_json() for part in self.inputs]
        if self.source:
            parts["source"] = self.source
        return parts

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The explanation as indented lines of text."""
        formula = f" = {self.formula}" if self.formula else ""
        source = f"  [{self.source}]" if self.source else ""
        yield f"{'  ' * depth}{self.name}: {self.value}{formula}{source}"
        for part in self.inputs:
            yield from part.lines(depth + 1)

    def __str__(self) -> str:
        return "\n".join(self.lines())


class Figure:
    """One computed figure: its value (a decimal text, a truth, or `None` where there is none) and how it came about.

    Both are worked out when asked for.
    """

    def __init__(self, name: str, read: Callable[[], Value], why: Callable[[], Explanation]) -> None:
        self.name, self._read, self._why = name, read, why

    @cached_property
    def value(self) -> Value:
        """The value."""
        return self._read()

    def explain(self) -> Explanation:
        """Value, formula, inputs and source."""
        return self._why()

    def __str__(self) -> str:
        return written(self.value)

    def __repr__(self) -> str:
        return f"<Figure {self.name}: {self}>"


@dataclass
class Call:
    """One call of a watched function: its scalar arguments, its answer and the watched calls inside it."""

    name: str
    module: str
    arguments: dict[str, object]
    result: object = None
    calls: list["Call"] = field(default_factory=list)

    def find(self, name: str) -> Iterator["Call"]:
        """This call and those inside it, outermost first, that went to `name`."""
        if self.name == name:
            yield self
        for inner in self.calls:
            yield from inner.find(name)

    def explained(self, show: Callable[[str, object], str | None]) -> Explanation:
        """The call as an explanation; `show` writes an argument or a result, or leaves it out with `None`."""
        shown = [(name, show(name, argument)) for name, argument in self.arguments.items()]
        given = [Explanation(name, text) for name, text in shown if text is not None]
        summary, expression, source = described(self.module, self.name)
        return Explanation(
            name=self.name,
            value=self._answer(show),
            formula=expression or summary,
            inputs=(*given, *(inner.explained(show) for inner in self.calls)),
            source=source,
        )

    def _answer(self, show: Callable[[str, object], str | None]) -> str:
        """The answer as text; a row of a table by its fields, each in its own unit."""
        if not isinstance(self.result, Struct):
            return show(self.name, self.result) or str(self.result)
        fields = asdict(self.result).items()
        return ", ".join(f"{name} {show(name, value) or value}" for name, value in fields)


def watch(question: Callable[[], T]) -> tuple[T, Call]:
    """Put a question and record which rules it called, with which arguments and answers."""
    root = Call("", "", {})
    stack = [root]

    def hook(frame: FrameType, event: str, answer: object) -> None:
        if event not in {"call", "return"} or not _is_watched(frame):
            return
        if event == "call":
            code = frame.f_code
            call = Call(code.co_name, frame.f_globals["__name__"], dict(frame.f_locals))
            stack[-1].calls.append(call)
            stack.append(call)
        else:
            stack.pop().result = answer

    before = sys.getprofile()
    sys.setprofile(hook)
    try:
        answer = question()
    finally:
        sys.setprofile(before)
    return answer, root


def _is_watched(frame: FrameType) -> bool:
    module = WATCHED.get(frame.f_globals.get("__name__", ""))
    if frame.f_code.co_name.startswith("_"):
        return False  # a step of a rule that no reader can look up; what it asks of others is recorded as the rule's
    return module is not None and isinstance(getattr(module, frame.f_code.co_qualname, None), FunctionType)


@cache
def described(module: str, name: str) -> tuple[str, str, str]:
    """What a rule says about itself: its first sentence, the formula that it returns (if just one) and its source."""
    function = getattr(WATCHED[module], name)
    text = inspect.cleandoc(function.__doc__ or "")
    (definition,) = ast.parse(inspect.getsource(function)).body
    returns = [node.value for node in ast.walk(definition) if isinstance(node, ast.Return) and node.value]
    is_formula = len(returns) == 1 and not isinstance(returns[0], ast.Name)
    expression = ast.unparse(returns[0]) if is_formula else ""
    _, _, source = text.partition("Source: ")
    return text.partition("\n\n")[0].replace("\n", " "), expression, " ".join(source.split())


def written(value: Value) -> str:
    """A figure's value as text."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else str(value).lower()


def cite(rulebook: Rulebook, path: str) -> str:
    """Rulebook, path and source of a value."""
    try:
        source = rulebook.source(path)
    except InputError:
        return rulebook.name
    return f"{rulebook.name}, {path}: {source.title} ({source.date})"
