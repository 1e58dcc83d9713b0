"""Files that are not what they should be: empty, huge, broken, of another kind."""

import gzip
import json
import os
import threading

import pytest

from ringfence.books import read_accounts
from ringfence.books.files import FILE_BYTES_MAX
from ringfence.errors import InputError

ACCOUNT = {"account": "a", "collateral": {"USDC": "1"}, "positions": []}


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_accounts(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_file_that_is_not_there(tmp_path):
    assert (
        refusal(tmp_path / "none.json")
        == f"{tmp_path / 'none.json'}: cannot be read (No such file or directory)"
    )


def test_a_folder(tmp_path):
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["book.json", "book.csv", "book.parquet", "book"])
def test_an_empty_file(tmp_path, name):
    (tmp_path / name).touch()
    assert "0 bytes, expected 1 to" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["huge.json", "huge.csv", "huge.parquet"])
def test_a_huge_file_is_refused_before_it_is_read(tmp_path, name):
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(100 << 20)
    assert refusal(path) == f"{path}: {100 << 20} bytes, expected 1 to {FILE_BYTES_MAX}"


@pytest.mark.parametrize("name", ["zeros.json", "zeros.csv", "zeros.parquet"])
def test_a_large_file_of_nothing(tmp_path, name):
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(20 << 20)
    assert "not" in refusal(path)


def test_text_that_is_not_utf_8(tmp_path):
    path = tmp_path / "book.json"
    path.write_bytes(b'{"account": "\xff"}')
    assert refusal(path) == f"{path}: not UTF-8 text (byte 13)"


def test_a_byte_order_mark_is_no_error(tmp_path):
    path = tmp_path / "book.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(ACCOUNT).encode())
    assert [account.name for account in read_accounts(path)] == ["a"]


def test_something_else(tmp_path):
    path = tmp_path / "package.json"
    path.write_text('{"name": "left-pad", "files": ["a.js"], "positions": 5}')
    assert "holds no accounts of ours, no list of ccxt positions, no Hyperliquid state" in refusal(path)


def test_a_pipe_is_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(json.dumps(ACCOUNT),))
    writer.start()
    assert [account.name for account in read_accounts(path)] == ["a"]
    writer.join()


def test_a_nul_in_the_path():
    assert "cannot be read" in refusal("a\0b.json")


@pytest.mark.parametrize("name", ["book.csv", "book.json", "book.csv.gz", "book.arrow"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"symbol,side\n", mtime=0), "is packed by gzip; unpack it first"),
        (b"PK\x03\x04 a spreadsheet", "is packed"),
        (b"ARROW1\0\0 a feather", r"is an Arrow \(Feather\) file; write it as Parquet or CSV"),
    ],
)
def test_files_that_people_have_and_nobody_reads(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_accounts(path)
