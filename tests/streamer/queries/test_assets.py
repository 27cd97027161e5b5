"""The page, as a browser asks for it."""

import gzip
from pathlib import Path

import pytest

from streamer.queries.door import Door
from tests.asking import asking

SCRIPT = b"console.log('a page')\n" * 50


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>ü</title>")
    (tmp_path / "assets" / "app-1a2b.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "app-1a2b.js.br").write_bytes(b"as brotli has it")
    (tmp_path / "assets" / "text-3c4d.woff2").write_bytes(b"wOF2")
    (tmp_path / "secret.txt").write_text("beside the page")
    return tmp_path


async def test_the_page_is_asked_for_each_time_and_its_files_are_kept_for_ever(page: Path) -> None:
    async with asking(page=page, door=Door("r" * 16)) as asker:  # they hold no data, so no token is needed
        index, script = await asker.ask("GET", "/"), await asker.ask("GET", "/assets/app-1a2b.js")
        again = await asker.ask("GET", "/", {"If-None-Match": index.headers["ETag"]})

    assert (index.body.decode(), index.headers["Content-Type"]) == (
        "<!doctype html><title>ü</title>",
        "text/html; charset=utf-8",
    )
    assert (index.headers["Cache-Control"], again.status, again.body) == ("no-cache", 304, b"")
    assert "frame-ancestors 'none'" in index.headers["Content-Security-Policy"]
    assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("gzip;q=0, br;q=0", None), ("identity", None)],
)
async def test_a_file_is_served_in_the_best_encoding_that_is_accepted(
    page: Path, accepted: str, encoding: str | None
) -> None:
    async with asking(page=page) as asker:
        url = f"{asker.url}/assets/app-1a2b.js"
        async with asker.session.get(url, headers={"Accept-Encoding": accepted}, auto_decompress=False) as response:
            body = await response.read()

    assert response.headers.get("Content-Encoding") == encoding
    assert body == {"br": b"as brotli has it", "gzip": gzip.compress(SCRIPT, mtime=0), None: SCRIPT}[encoding]


async def test_nothing_beside_the_page_is_served(page: Path) -> None:
    async with asking(page=page) as asker:
        for name in ("secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "app-1a2b.js.br", "none.js"):
            assert (await asker.ask("GET", f"/assets/{name}")).status == 404, name


async def test_where_nothing_is_built_the_answer_says_what_to_do() -> None:
    async with asking() as asker:
        answer = await asker.ask("GET", "/")

    assert (answer.status, b"make page" in answer.body, b"openapi.json" in answer.body) == (200, True, True)
