"""`ringfence claims`: the registry, one row per statement, or everything about some of them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringfence.errors import InputError

if TYPE_CHECKING:
    from ringfence.compare.claims import Claim


@click.command()
@click.argument("ids", nargs=-1)
@click.option(
    "--comparison",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A result of `ringfence compare --json`: settles what needs a run.",
)
@click.option("--status", help="Only claims of this status: confirmed, refuted, depends, open, ...")
@click.option("--matrix", is_flag=True, help="The feature matrix of the source, its cells measured.")
@click.option("--markdown", is_flag=True, help="The same as a Markdown table.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def claims(
    ids: tuple[str, ...],
    comparison: Path | None,
    *,
    status: str | None,
    matrix: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """The statements about isolated and cross margin: what measures them, and the verdict.

    With IDS such as M6 or V (all that begin with it), those alone, with their figures and sources.
    """
    from ringfence.compare.claims import STATUSES, evaluate
    from ringfence.terminal import print_json

    if status is not None and status not in STATUSES:
        raise InputError(f"--status {status}: expected one of {', '.join(STATUSES)}")
    document = _document(comparison)
    try:
        found = _chosen(evaluate(document), ids)
    except (KeyError, TypeError, IndexError) as error:
        if document is None:
            raise
        raise InputError(f"{comparison}: not a result that this version reads ({error})") from None
    found = [claim for claim in found if status in (None, claim.status)]
    if matrix or markdown:
        found = [claim for claim in found if claim.row]
    if as_json:
        print_json([asdict(claim) for claim in found])
    elif markdown:
        _print_markdown(found)
    elif matrix:
        _print_matrix(found)
    elif ids:
        _print_whole(found)
    else:
        _print_table(found)


def _document(path: Path | None) -> "dict[str, object] | None":
    """The result document in a file; raises `InputError` where it is not one."""
    import json

    if path is None:
        return None
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path}: expected JSON as `ringfence compare --json FILE` writes it") from None
    needed = ("scenario", "setup", "flow", "runs")
    if not isinstance(document, dict) or any(name not in document for name in needed):
        raise InputError(f"{path}: expected a result of `ringfence compare --json FILE`")
    return document


def _chosen(found: "list[Claim]", ids: tuple[str, ...]) -> "list[Claim]":
    wanted = [name.upper() for name in ids]
    sections = dict.fromkeys(claim.id.rstrip("0123456789") for claim in found)
    for name in wanted:
        if name not in sections and all(claim.id != name for claim in found):
            raise InputError(
                f"no claim {name}; there are {found[0].id} to {found[-1].id}, in {', '.join(sections)}"
            )
    if not wanted:
        return found
    return [claim for claim in found if {claim.id, claim.id.rstrip("0123456789")} & {*wanted}]


def _print_table(found: "list[Claim]") -> None:
    from rich.table import Table
    from rich.text import Text

    from ringfence.terminal import console

    out = console()
    section = ""
    for claim in found:
        if claim.section != section:
            section = claim.section
            table = Table(
                title=Text(section), title_justify="left", title_style="bold", box=None, pad_edge=False
            )
            for name, share in (("", None), ("claim", 3), ("measured by", 2), ("verdict", 4)):
                table.add_column(Text(name), ratio=share, overflow="fold", no_wrap=share is None)
            rows = [each for each in found if each.section == section]
            for each in rows:
                verdict = Text.assemble((each.status, "bold"), f": {each.verdict}")
                table.add_row(Text(each.id), Text(each.statement), Text(each.settled_by), verdict)
                table.add_row()
            out.print(table)
    counts = {
        status: sum(each.status == status for each in found)
        for status in dict.fromkeys(c.status for c in found)
    }
    out.print(", ".join(f"{count} {status}" for status, count in counts.items()) or "none")
    out.print(Text("Figures and sources: ringfence claims ID. What needs a run: --comparison FILE."))


MATRIX = ("", "isolated, it says", "cross, it says", "isolated, measured", "cross, measured", "verdict")


def _matrix(found: "list[Claim]") -> list[tuple[str, ...]]:
    """Rows of the feature matrix: what the source says of each mode, and what is measured."""
    modes = ("isolated", "cross")
    return [
        (
            f"{claim.id} {claim.row}",
            *(claim.said[mode] for mode in modes),
            *(claim.cells.get(mode, "-") for mode in modes),
            claim.status,
        )
        for claim in found
    ]


def _print_matrix(found: "list[Claim]") -> None:
    from rich.table import Table
    from rich.text import Text

    from ringfence.terminal import console

    table = Table(
        title=Text("Feature matrix"),
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        show_lines=True,
    )
    for name, share in zip(MATRIX, (3, 2, 2, 4, 4, 2), strict=True):
        table.add_column(Text(name), ratio=share, overflow="fold")
    for row in _matrix(found):
        table.add_row(*map(Text, row))
    console().print(table)


def _print_markdown(found: "list[Claim]") -> None:
    for row in (MATRIX, ("---",) * len(MATRIX), *_matrix(found)):
        click.echo(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")


def _print_whole(found: "list[Claim]") -> None:
    from rich.padding import Padding
    from rich.text import Text

    from ringfence.terminal import console

    out = console()
    for claim in found:
        out.print(Text.assemble((f"{claim.id}  ", "bold"), claim.statement))
        lines = [
            (claim.status, claim.verdict),
            ("depends on", claim.depends_on),
            ("measured by", claim.settled_by),
        ]
        lines += [*claim.figures.items(), ("source", claim.source)]
        for name, text in lines:
            if text:
                out.print(Padding(Text.assemble((f"{name}: ", "bold"), text), (0, 0, 0, 4)))
        out.print()
