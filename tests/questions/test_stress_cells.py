"""Compiled reading of cells says what `units.parse_decimal` and Python's dictionaries say."""

import re
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.books.arrow import Floats, Integers, Texts
from ringfence.books.record import EXACT
from ringfence.kernel.wide import split
from ringfence.questions.stress import cells
from ringfence.questions.stress.names import Numbering
from ringfence.units import parse_decimal

pieces = st.text("0123456789.+-e ", max_size=24)
texts_of_any_length = st.none() | st.text("ab", max_size=2) | st.text("ab", min_size=7, max_size=17)
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
    """Whether a text is a number of few digits."""
    if not re.fullmatch(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})? *", text, re.ASCII):
        return False
    places = max(0, -Decimal(text.strip()).normalize().as_tuple().exponent)
    return places <= 21 and abs(Decimal(text.strip()).scaleb(places)) < 10**18


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
        ("0.000000000000000000001", (1, 21)),
        ("0.0000000000000000000001", (0, cells.UNREAD)),
        ("1.0000000000000000000000000000000", (1, 0)),
        ("1e3", (1000, 0)),
        ("1.5e3", (1500, 0)),
        ("9.87e-05", (987, 7)),
        ("-1.50E+1", (-15, 0)),
        ("100e-2", (1, 0)),
        ("0e5", (0, 0)),
        ("-0.0e-99", (0, 0)),
        ("1e17", (10**17, 0)),
        ("1e18", (0, cells.UNREAD)),
        ("1e-21", (1, 21)),
        ("1e-22", (0, cells.UNREAD)),
        ("10e-22", (1, 21)),
        ("1e", (0, cells.UNREAD)),
        ("e1", (0, cells.UNREAD)),
        ("1e+", (0, cells.UNREAD)),
        ("1e005", (0, cells.UNREAD)),
        ("1e1e1", (0, cells.UNREAD)),
        ("1 e1", (0, cells.UNREAD)),
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


def integers(rows, scale):
    """Decimals as Arrow has them, in words of 64 bits, and what is read of them."""
    stated = np.packbits([bool(row) for row in rows], bitorder="little")
    column = Integers(stated, np.array([row or (0,) * len(rows[0]) for row in rows], np.int64))
    atoms, places = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int8)
    cells.read_integers(column, scale, atoms, places)
    return list(zip(atoms.tolist(), places.tolist(), strict=True))


def test_integers_lose_the_zeros_at_their_ends():
    assert integers([(12500,), (0,), (-7,), (10**18,), (-(2**63),), None], 4) == [
        *((125, 2), (0, 0), (-7, 4)),
        *((10**14, 0), (0, cells.UNREAD), (0, cells.UNSTATED)),
    ]


@given(
    st.lists(st.integers(-(10**38), 10**38) | st.integers(-(10**6), 10**6), min_size=1), st.integers(0, 38)
)
def test_wide_decimals_are_read_as_their_texts_are(values, scale):
    words = [split(value)[::-1] for value in values]
    assert integers(words, scale) == read([f"{Decimal(value).scaleb(-scale, EXACT):f}" for value in values])


def floats(values):
    atoms, places = np.zeros(len(values), np.int64), np.zeros(len(values), np.int8)
    stated = np.packbits([value is not None for value in values], bitorder="little")
    column = Floats(stated, np.array([value or 0.0 for value in values]))
    cells.read_floats(column, atoms, places)
    return list(zip(atoms.tolist(), places.tolist(), strict=True))


@given(st.lists(st.floats() | st.floats(-(10**7), 10**7) | numbers.map(float) | st.none(), min_size=1))
def test_floats_are_read_as_their_shortest_texts(values):
    texts = [None if value is None else f"{Decimal(repr(value)):f}" for value in values]
    for value, found, expected in zip(values, floats(values), read(texts), strict=True):
        is_large = value is not None and not abs(value) < 2**53
        assert found == ((0, cells.UNREAD) if is_large else expected)


@given(st.integers(10**14, 10**17), st.integers(2, 21))
def test_floats_of_many_digits(atoms, places):
    value = atoms / 10**places
    found = floats([value, -value])
    assert found == read([f"{Decimal(repr(each)):f}" for each in (value, -value)])


@given(
    st.lists(st.tuples(texts_of_any_length, texts_of_any_length), min_size=1, max_size=60), st.integers(1, 60)
)
def test_rows_are_numbered_in_order_of_appearance(rows, batch):
    numbering, found = Numbering(2), []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        codes = np.empty(len(some), np.int32)
        numbering.number([column([row[place] for row in some]) for place in range(2)], codes)
        found += codes.tolist()
    numbered = {}
    assert found == [numbered.setdefault((one or "", other or ""), len(numbered)) for one, other in rows]
    assert list(numbering.texts()) == [text for row in numbered for text in row]


def test_an_index_grows_with_what_is_in_it():
    names = [f"{'x' * (at % 40)}{at}" for at in range(5000)]
    numbering, codes = Numbering(1), np.empty(len(names), np.int32)
    numbering.number([column(names)], codes)
    assert codes.tolist() == [*range(len(names))]
    numbering.number([column(names[::-1])], codes)
    assert codes.tolist() == [*range(len(names))][::-1]
    assert list(numbering.texts()) == names
    assert numbering.texts()[-2:] == names[-2:]
    with pytest.raises(IndexError):
        numbering.texts()[len(names)]


@pytest.mark.parametrize("name", ["a", "0x12", "#7", "~!" * 60])
def test_plain_names(name):
    assert plain(name)


@pytest.mark.parametrize("name", ["", " a", "a b", "a/b", "é", "a\x7f", "a" * 121])
def test_names_that_need_a_closer_look(name):
    assert not plain(name)


def plain(name):
    numbering = Numbering(1)
    numbering.number([column([name])], np.empty(1, np.int32))
    return numbering.plain().tolist() == [True]
