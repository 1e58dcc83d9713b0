"""Compiled reading of cells says what `units.parse_decimal` and Python's dictionaries say."""

import re
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.books.arrow import Integers, Texts
from ringfence.questions import stress_cells as cells
from ringfence.units import parse_decimal

pieces = st.text("0123456789.+-e ", max_size=24)
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**9), max_value=10**9)


def column(texts):
    """Texts as Arrow has them; nothing where a row states nothing."""
    data = b"".join((text or "").encode() for text in texts)
    lengths = [len((text or "").encode()) for text in texts]
    bits = np.packbits([text is not None for text in texts], bitorder="little")
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
    return Texts(bits, offsets, np.frombuffer(data, np.uint8).copy())


def read(texts):
    atoms, places = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int8)
    cells.read_texts(column(texts), atoms, places)
    return list(zip(atoms.tolist(), places.tolist(), strict=True))


@given(st.lists(pieces | numbers.map(str) | st.none(), min_size=1, max_size=20))
def test_a_number_is_the_number_or_left_to_the_reader(texts):
    for text, (atoms, places) in zip(texts, read(texts), strict=True):
        if not text:
            assert places == cells.UNSTATED
        else:
            assert (places != cells.UNREAD) == is_plain(text)
            if places != cells.UNREAD:
                assert Decimal(atoms).scaleb(-places) == parse_decimal(text, text)
                assert places == 0 or atoms % 10


def is_plain(text):
    """Whether a text is a number without an exponent and of few digits."""
    if not re.fullmatch(r" *[+-]?(\d+\.?\d*|\.\d+) *", text, re.ASCII):
        return False
    places = max(0, -Decimal(text.strip()).normalize().as_tuple().exponent)
    return places <= 18 and abs(Decimal(text.strip()).scaleb(places)) < 10**18


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (0, 0)),
        ("-0.000", (0, 0)),
        (" +12.50 ", (125, 1)),
        (".5", (5, 1)),
        ("5.", (5, 0)),
        ("100", (100, 0)),
        ("999999999999999999", (999999999999999999, 0)),
        ("1000000000000000000", (0, cells.UNREAD)),
        ("0.000000000000000001", (1, 18)),
        ("0.0000000000000000001", (0, cells.UNREAD)),
        ("1.0000000000000000000000000000000", (1, 0)),
        ("1e3", (0, cells.UNREAD)),
        ("--1", (0, cells.UNREAD)),
        ("1.2.3", (0, cells.UNREAD)),
        (".", (0, cells.UNREAD)),
        ("+", (0, cells.UNREAD)),
        (" ", (0, cells.UNREAD)),
        ("", (0, cells.UNSTATED)),
        (None, (0, cells.UNSTATED)),
        ("٣", (0, cells.UNREAD)),
        ("0" * 61, (0, cells.UNREAD)),
    ],
)
def test_numbers_one_by_one(text, expected):
    assert read([text]) == [expected]


def test_integers_lose_the_zeros_at_their_ends():
    values = np.array([12500, 0, -7, 10**18, -(2**63), 5], np.int64)
    atoms, places = np.zeros(6, np.int64), np.zeros(6, np.int8)
    cells.read_integers(Integers(np.array([0b011111], np.uint8), values), 4, atoms, places)
    assert list(zip(atoms.tolist(), places.tolist(), strict=True)) == [
        *((125, 2), (0, 0), (-7, 4)),
        *((0, cells.UNREAD), (0, cells.UNREAD), (0, cells.UNSTATED)),
    ]


@given(st.lists(st.tuples(st.integers(0, 2), st.text("ab", max_size=2)), min_size=1, max_size=60))
def test_rows_are_numbered_in_order_of_appearance(rows):
    before = np.array([number for number, _ in rows], np.int32)
    slots = np.full(1 << (2 * len(rows)).bit_length(), -1, np.int32)
    codes, firsts = np.zeros(len(rows), np.int32), np.zeros(len(rows), np.int32)
    count = cells.number_texts(column([text for _, text in rows]), before, slots, codes, firsts)
    numbered = {}
    assert codes.tolist() == [numbered.setdefault(row, len(numbered)) for row in rows]
    assert [rows[first] for first in firsts[:count]] == list(numbered)
