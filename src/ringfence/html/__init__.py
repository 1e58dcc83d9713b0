"""Pages of one file that open offline: elements that escape by construction, one style sheet, nothing loaded.

Whatever is not `Html` already is escaped when it enters an element, so that a name from a user's file stays a name.
"""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

_VOID = frozenset({"input", "meta", "link"})

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"
"""Content security policy of a page without a script: the browser fetches nothing."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def markup(child: str) -> Html:
    """A child of an element: `Html` as it is, all other text escaped."""
    return child if isinstance(child, Html) else Html(escape(child))


def join(children: Iterable[str]) -> Html:
    """Children one after the other."""
    return Html("".join(map(markup, children)))


def tag(name: str, /, *children: str, **attributes: str) -> Html:
    """An element. `class_` stands for `class`, `data_x` for `data-x`; an empty value leaves the attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"' for key, text in attributes.items() if text
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def coded(text: str) -> list[str]:
    """Text in which what stands between backticks is code."""
    return [tag("code", part) if at % 2 else part for at, part in enumerate(text.split("`"))]


def section(anchor: str, title: str, *children: str) -> Html:
    """A section that the list of contents can point to."""
    return tag(
        "section",
        tag("h2", title, id=f"{anchor}-title"),
        *children,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
    )


def details(summary: str, *children: str) -> Html:
    """A part that opens on demand."""
    return tag("details", tag("summary", summary), *children)


def table(
    caption: str, head: Sequence[Html], body: Iterable[Html], foot: Sequence[Html] = (), class_: str = ""
) -> Html:
    """A table that scrolls inside its own frame where it is wider than the page."""
    parts = [tag("caption", caption), tag("thead", *head), tag("tbody", *body)]
    if foot:
        parts.append(tag("tfoot", *foot))
    return tag(
        "div",
        tag("table", *parts, class_=class_),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def row(*cells: Html) -> Html:
    """A row of a table."""
    return tag("tr", *cells)


def column(*text: str, span: int = 1, class_: str = "") -> Html:
    """Head of a column, or of several."""
    return tag(
        "th",
        *text,
        scope="colgroup" if span > 1 else "col",
        colspan=str(span) if span > 1 else "",
        class_=class_,
    )


def label(*text: str) -> Html:
    """Head of a row."""
    return tag("th", *text, scope="row")


def cell(*text: str, class_: str = "") -> Html:
    """A figure in a table."""
    return tag("td", *text, class_=class_)


def style() -> str:
    """The style sheet that all pages share."""
    return (files(__package__) / "page.css").read_text(encoding="utf-8")


def document(title: str, body: Iterable[str]) -> str:
    """A whole page without a script."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="generator", content="Ringfence"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        Html(f"<style>\n{style()}</style>"),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en')}\n"
