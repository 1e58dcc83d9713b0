"""Every value of every rulebook has a unit, a date and a source, and no date lies in the future.

    python tools/check_sources.py [FILE...]

Without files it checks the library. Prints one line per offence (`file: path: sentence`) and exits with status 1 if
there is any.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from ringfence.errors import InputError
from ringfence.venues.document import Document, gaps, read_document, wrong_dates

LIBRARY = Path(__file__).resolve().parents[1] / "src" / "ringfence" / "venues"


def offences(document: Document, today: date) -> Iterator[str]:
    """What a rulebook file lacks as of `today`, as sentences that start with a path."""
    yield from wrong_dates(document, today)
    for source in document.sources.values():
        if not source.title:
            yield f"sources.{source.key}: has no title"
    for value in document.values.values():
        yield from (f"{value.path}: {sentence}" for sentence in gaps(value, document.sources))
    named = {value.source for value in document.values.values()}
    yield from (f"sources.{key}: no value names it" for key in document.sources if key not in named)


def check(path: Path, today: date) -> Iterator[str]:
    """Offences of one file, each a line that names it."""
    try:
        document = read_document(path.read_text(encoding="utf-8"), path.name)
    except (InputError, OSError, UnicodeDecodeError) as error:
        yield f"{path}: {error}"
        return
    yield from (f"{path}: {offence}" for offence in offences(document, today))


def main(arguments: list[str]) -> int:
    """Print every offence of the given files (default: the library); return the exit status."""
    paths = [Path(argument) for argument in arguments] or sorted(LIBRARY.glob("*/*.toml"))
    today = datetime.now(tz=UTC).date()
    found = [offence for path in paths for offence in check(path, today)]
    for offence in found:
        print(offence)
    print(
        f"sources: {len(found)} offence(s)"
        if found
        else f"sources: {len(paths)} rulebooks, each value has its source"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
