import hashlib
import io
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest

from ringfence.errors import InputError
from ringfence.sim import download as module
from ringfence.sim.download import default_cache_dir, download
from ringfence.sim.readers import read_prices
from serving import running

DAY = date(2025, 10, 10)
DAILY = "/data/futures/um/daily/klines/BTCUSDT/1m/BTCUSDT-1m-{}.zip"
MONTHLY = "/data/futures/um/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-{}.zip"


def archive(first_ms=1_760_054_400_000, name="BTCUSDT-1m-2025-10-10.csv"):
    """A kline archive, the same bytes whenever it is made."""
    rows = (
        f"{first_ms + 60_000 * i},100,101,99,100,1,{first_ms + 60_000 * i + 59_999},1,1,1,1,0"
        for i in range(3)
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(zipfile.ZipInfo(name), "\n".join(rows))  # a name alone would be stamped with the time
    return packed.getvalue()


class Server:
    """Files served on the loopback interface; `requests` lists what was asked for."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.failures: dict[str, int] = {}  # path -> how many answers fail before the file is served
        self.failing_status = 503
        self.cut_at: int | None = None

    def add(self, path, content, checksum=None):
        self.files[path] = content
        digest = checksum or hashlib.sha256(content).hexdigest()
        self.files[f"{path}.CHECKSUM"] = f"{digest}  {Path(path).name}\n".encode()

    def answer(self, handler):
        path = handler.path
        self.requests.append(path)
        if self.failures.get(path, 0) > 0:
            self.failures[path] -= 1
            handler.send_error(self.failing_status)
            return
        if path not in self.files:
            handler.send_error(404)
            return
        content = self.files[path]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content if path.endswith("CHECKSUM") else content[: self.cut_at])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    files = Server()
    with running(files) as url:
        monkeypatch.setenv("RINGFENCE_DATA_URL", url)
        yield files


def get(cache, start=DAY, end=DAY, **options):
    return download("BTCUSDT", "1m", start, end, cache_dir=cache, pause_s=0, **options)


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_archives_of_these_tests_do_not_depend_on_the_clock(monkeypatch):
    made = archive()
    monkeypatch.setattr(zipfile.time, "localtime", lambda *_: (2031, 1, 2, 3, 4, 6, 0, 0, 0))
    assert archive() == made


def test_a_day_is_fetched_verified_kept_and_readable(server, tmp_path):
    server.add(DAILY.format(DAY), archive())
    told = []
    (path,) = get(tmp_path, progress=lambda *news: told.append(news))
    assert path.read_bytes() == archive()
    assert told == [(1, 1, "BTCUSDT-1m-2025-10-10.zip")]
    assert left_in(tmp_path) == ["BTCUSDT-1m-2025-10-10.zip", "BTCUSDT-1m-2025-10-10.zip.CHECKSUM"]
    assert read_prices(path).markets == ("BTC",)


def test_what_is_in_the_cache_is_not_asked_for_again(server, tmp_path):
    server.add(DAILY.format(DAY), archive())
    first = get(tmp_path)
    server.requests.clear()
    assert get(tmp_path) == first
    assert server.requests == []


def test_a_cached_file_that_changed_is_fetched_again(server, tmp_path):
    server.add(DAILY.format(DAY), archive())
    (path,) = get(tmp_path)
    path.write_bytes(b"rotten")
    assert get(tmp_path)[0].read_bytes() == archive()


def test_a_wrong_checksum_leaves_nothing_behind(server, tmp_path):
    server.add(DAILY.format(DAY), archive(), checksum="0" * 64)
    with pytest.raises(InputError, match=r"SHA-256 .* says 0{64}; the download was deleted, try again"):
        get(tmp_path)
    assert left_in(tmp_path) == []


def test_a_checksum_file_without_a_checksum_is_refused(server, tmp_path):
    server.add(DAILY.format(DAY), archive(), checksum="<html>")
    with pytest.raises(InputError, match=r"CHECKSUM does not hold a SHA-256"):
        get(tmp_path)


def test_a_missing_day_is_named(server, tmp_path):
    server.add(DAILY.format("2025-10-10"), archive())
    with pytest.raises(
        InputError, match=r"^no 1m um klines of BTCUSDT for 2025-10-11: http.* was not found$"
    ):
        get(tmp_path, end=date(2025, 10, 11))
    assert "BTCUSDT-1m-2025-10-10.zip" in left_in(tmp_path)


def test_a_cut_connection_is_tried_again_and_then_named(server, tmp_path):
    server.add(DAILY.format(DAY), archive())
    server.cut_at = 10
    with pytest.raises(
        InputError, match=r"4 attempts: (the connection was cut after 10 of \d+ bytes|IncompleteRead)"
    ):
        get(tmp_path)
    assert server.requests.count(DAILY.format(DAY)) == 4
    assert left_in(tmp_path) == []


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.add(DAILY.format(DAY), archive())
    server.failures[DAILY.format(DAY)] = 3
    assert get(tmp_path)[0].read_bytes() == archive()


def test_a_server_that_stays_busy_or_refuses_is_named(server, tmp_path):
    path = f"{DAILY.format(DAY)}.CHECKSUM"
    server.failures[path] = 99
    with pytest.raises(InputError, match="could not be fetched in 4 attempts: HTTP 503"):
        get(tmp_path)
    assert len(server.requests) == 4
    server.failing_status = 403
    with pytest.raises(InputError, match="the server answers HTTP 403"):
        get(tmp_path)
    assert len(server.requests) == 5


def test_no_server_at_all_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with running(Server()) as url:
        pass
    with pytest.raises(InputError, match=r"could not be fetched in 4 attempts: .*refused"):
        get(tmp_path, base_url=url)


def test_a_whole_month_is_one_archive(server, tmp_path):
    server.add(MONTHLY.format("2025-09"), archive())
    server.add(DAILY.format("2025-08-31"), archive())
    server.add(DAILY.format("2025-10-01"), archive())
    paths = get(tmp_path, date(2025, 8, 31), date(2025, 10, 1))
    assert [path.name for path in paths] == [
        f"BTCUSDT-1m-{period}.zip" for period in ("2025-08-31", "2025-09", "2025-10-01")
    ]


def test_a_month_without_an_archive_comes_day_by_day(server, tmp_path):
    for day in range(1, 29):
        server.add(DAILY.format(date(2026, 2, day)), archive())
    told = []
    paths = get(tmp_path, date(2026, 2, 1), date(2026, 2, 28), progress=lambda *news: told.append(news[:2]))
    assert [path.name for path in paths] == [f"BTCUSDT-1m-2026-02-{day:02}.zip" for day in range(1, 29)]
    assert told == [(done, 28) for done in range(1, 29)]


def test_spot_archives_lie_in_their_own_folder(server, tmp_path):
    server.add("/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-10-10.zip", archive())
    (path,) = get(tmp_path, kind="spot")
    assert path.relative_to(tmp_path).parts[:2] == ("data", "spot")


def test_an_endless_answer_is_cut_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_ARCHIVE_BYTES", 100)
    server.add(DAILY.format(DAY), bytes(1000))
    with pytest.raises(InputError, match="is larger than 100 bytes"):
        get(tmp_path)
    assert left_in(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        get(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("../etc", "1m", DAY, DAY), "symbol is '../etc', expected one of Binance's such as BTCUSDT"),
        (("btcusdt", "1m", DAY, DAY), "symbol is 'btcusdt'"),
        (("BTCUSDT", "7m", DAY, DAY), "interval is '7m', expected one of 1s, 1m"),
        (("BTCUSDT", "1m", date.min, date.max), "start date is 0001-01-01, expected one from 1970 to 2099"),
        (("BTCUSDT", "1m", DAY, date.max), "end date is 9999-12-31, expected one from 1970 to 2099"),
        (("BTCUSDT", "1m", DAY, date(2025, 1, 1)), "end date 2025-01-01 lies before start date 2025-10-10"),
    ],
)
def test_bad_arguments_are_refused_without_a_request(arguments, message):
    with pytest.raises(InputError, match=message):
        download(*arguments)


def test_only_http_addresses_and_known_kinds_are_asked():
    with pytest.raises(InputError, match="base URL is 'file:///etc', expected one that starts with https://"):
        download("BTCUSDT", "1m", DAY, DAY, base_url="file:///etc")
    with pytest.raises(InputError, match="kind is 'options', expected one of um, spot"):
        download("BTCUSDT", "1m", DAY, DAY, kind="options")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"RINGFENCE_CACHE": "/named"}, Path("/named")),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, Path("/xdg/ringfence")),
        ("linux", {}, Path("/me/.cache/ringfence")),
        ("darwin", {}, Path("/me/Library/Caches/ringfence")),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/ringfence/Cache")),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(monkeypatch, platform, variables, expected):
    for name in ("RINGFENCE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: Path("/me"))
    monkeypatch.setattr(sys, "platform", platform)
    assert default_cache_dir() == expected
