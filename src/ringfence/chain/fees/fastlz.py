"""Length of data compressed by FastLZ level 1: how rollups of the OP stack measure a transaction since Fjord.

Only the length is computed. Written from the format (a run of up to 32 literals takes a byte more than it is long; a
match takes two bytes, or three from a length of nine on, and longer ones are cut every 262 bytes) and from the choices
of the reference encoder: a table of 8,192 recent positions, greedy matches, none in the last bytes.
Source: OP stack specification, Fjord, "FastLZ implementation"; github.com/ariya/FastLZ (the format).
"""

RUN_MAX = 32
"""Literals in one run."""
MATCH_MAX = 262
"""Bytes after which a match is cut."""
MATCH_SHORT = 6
"""From here on (beyond the first three) a match needs a byte for its length."""
DISTANCE_MAX = 8_191
TABLE_BITS = 13
TABLE_SHIFT = 32 - TABLE_BITS
MULTIPLIER = 2_654_435_769
MASK = (1 << 32) - 1
TAIL = 13
"""Bytes before the end from which on no match begins."""
MATCH_END = 9
"""Bytes past that limit that a match may still cover."""
FIRST = 2
"""Position at which the search begins."""
PREFIX = 3
"""Bytes that are compared through the table."""


def compressed_length(data: bytes) -> int:
    """Bytes that FastLZ level 1 makes of `data`."""
    limit = len(data) - TAIL
    table: dict[int, int] = {}
    length, anchor, at = 0, 0, FIRST
    while at < limit:
        found = _find(data, at, limit, table)
        if found is None:
            break
        at, earlier = found
        length += _literals(at - anchor)
        matched = _common(data, earlier + PREFIX, at + PREFIX, limit + MATCH_END)
        length += _match(matched)
        at += matched
        for position in (at, at + 1):
            table[_hash(_prefix(data, position))] = position
        at = anchor = at + 2
    return length + _literals(len(data) - anchor)


def _find(data: bytes, at: int, limit: int, table: dict[int, int]) -> tuple[int, int] | None:
    """The next position whose first bytes stood at a recent one too, with that one; registers what it passes."""
    while True:
        prefix = _prefix(data, at)
        key = _hash(prefix)
        earlier = table.get(key, 0)
        table[key] = at
        if at + 1 >= limit:
            return None
        if at - earlier <= DISTANCE_MAX and prefix == _prefix(data, earlier):
            return at, earlier
        at += 1


def _prefix(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + PREFIX], "little")


def _hash(prefix: int) -> int:
    return (MULTIPLIER * prefix & MASK) >> TABLE_SHIFT


def _common(data: bytes, earlier: int, later: int, end: int) -> int:
    """Bytes compared from two positions on: those that agree and the one that differs, if any."""
    for length in range(end - later):
        if data[earlier + length] != data[later + length]:
            return length + 1
    return max(end - later, 0)


def _literals(count: int) -> int:
    runs, rest = divmod(count, RUN_MAX)
    return runs * (RUN_MAX + 1) + (rest + 1 if rest else 0)


def _match(compared: int) -> int:
    """Bytes that a match takes of which `compared` bytes were compared beyond the first three."""
    full, rest = divmod(compared - 1, MATCH_MAX)
    return 3 * full + (3 if rest >= MATCH_SHORT else 2)
