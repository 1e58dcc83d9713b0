"""Length of FastLZ: the stream that it is the length of is written out and unpacked again."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringfence.chain.fees import fastlz

COPIES = st.lists(
    st.one_of(st.binary(max_size=60), st.sampled_from([b"\0" * 300, b"ab" * 40, b"\0" * 12 + b"\x05" * 20])),
    max_size=12,
).map(b"".join)


def literals(content):
    runs = [content[at : at + 32] for at in range(0, len(content), 32)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def match(length, distance):
    """A copy of `length` bytes from `distance` back, in the format's own terms: two bytes of it are implied."""
    length, distance, stream = length - 2, distance - 1, b""
    while length > 262:
        stream += bytes([7 << 5 | distance >> 8, 253, distance & 255])
        length -= 262
    if length < 7:
        return stream + bytes([length << 5 | distance >> 8, distance & 255])
    return stream + bytes([7 << 5 | distance >> 8, length - 7, distance & 255])


def packed(data):
    """The stream, from the matches that the length is computed from."""
    limit, table, stream, anchor, at = len(data) - 13, {}, b"", 0, 2
    while at < limit:
        found = fastlz._find(data, at, limit, table)
        if found is None:
            break
        at, earlier = found
        stream += literals(data[anchor:at])
        covered = fastlz._common(data, earlier + 3, at + 3, limit + 9) + 2
        stream += match(covered, at - earlier)
        at += covered - 2
        for position in (at, at + 1):
            table[fastlz._hash(fastlz._prefix(data, position))] = position
        at = anchor = at + 2
    return stream + literals(data[anchor:])


def unpacked(stream):
    found, at = bytearray(), 0
    while at < len(stream):
        kind, low = stream[at] >> 5, stream[at] & 31
        if kind == 0:
            found += stream[at + 1 : at + 2 + low]
            at += 2 + low
            continue
        length, at = (kind + 2, at + 1) if kind < 7 else (9 + stream[at + 1], at + 2)
        distance = (low << 8 | stream[at]) + 1
        for _ in range(length):
            found.append(found[-distance])
        at += 1
    return bytes(found)


@given(COPIES)
@example(b"")
@example(b"\0" * 13)
@example(b"\0" * 14)
@example(b"\0" * 1000)
def test_it_is_the_length_of_a_stream_that_unpacks_to_the_data(data):
    stream = packed(data)
    assert unpacked(stream) == data
    assert fastlz.compressed_length(data) == len(stream)


@given(st.binary(max_size=400))
def test_it_is_never_longer_than_literals_alone(data):
    assert fastlz.compressed_length(data) <= len(literals(data))


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"", 0),
        (bytes(range(12)), 13),  # too short for a match: twelve literals and their count
        (bytes(range(33)), 35),  # two runs
        (b"\1" * 1000, 21),  # as published
    ],
)
def test_examples(data, length):
    assert fastlz.compressed_length(data) == length
