"""Assets: the files of the page, read once and served from memory."""

import gzip
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from aiohttp import web

_INDEX: Final = "index.html"

#: Names of assets contain a hash of what they hold, so a browser never asks again; of the page itself, each time.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_EACH_TIME: Final = "no-cache"

#: Encodings, best first, by the ending of the file that has it.
_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}

#: What a browser accepts, without what it gives no weight.
_NAMES: Final = re.compile(r"([\w-]+)(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))(?=\s*(?:[;,]|$))")

_NOT_BUILT: Final = (
    "This is a worker of Refrain. Its page is not built: `make page` builds it.\n"
    "Questions can be asked all the same: GET /api/v1/openapi.json lists them.\n"
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page.

    Attributes:
        media: its content type.
        encoded: its bytes by encoding, best first; the last one is `identity`.
        etag: changes with what it holds.
    """

    media: str
    encoded: Mapping[str, bytes]
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """Serves the files of the page, which hold no data: anybody may see them."""

    by_name: Mapping[str, Asset]

    @classmethod
    def read(cls, directory: Path) -> "Assets":
        """Read the page, `index.html`, and the files below `assets`; none if nothing is built."""
        files = {_INDEX: directory / _INDEX, **{path.name: path for path in (directory / "assets").glob("*")}}
        endings = tuple(_ENCODINGS.values())
        return cls({name: _read(path) for name, path in files.items() if path.is_file() and path.suffix not in endings})

    async def index(self, request: web.Request) -> web.Response:
        """Serve the page."""
        if asset := self.by_name.get(_INDEX):
            return _serve(request, asset, _EACH_TIME)
        return web.Response(text=_NOT_BUILT, headers={"Cache-Control": _EACH_TIME})

    async def asset(self, request: web.Request) -> web.Response:
        """Serve a file."""
        if asset := self.by_name.get(request.match_info["name"]):
            return _serve(request, asset, _FOR_EVER)
        return web.Response(status=404, text="no such file; reload the page\n")


def _read(path: Path) -> Asset:
    plain = path.read_bytes()
    beside = {name: path.with_name(path.name + ending) for name, ending in _ENCODINGS.items()}
    encoded = {name: file.read_bytes() for name, file in beside.items() if file.is_file()}
    encoded.setdefault("gzip", gzip.compress(plain, mtime=0))
    media = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(media, {**encoded, "identity": plain}, f'"{blake2b(plain, digest_size=12).hexdigest()}"')


def _serve(request: web.Request, asset: Asset, cached: str) -> web.Response:
    headers = {"Cache-Control": cached, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if request.headers.get("If-None-Match") == asset.etag:
        return web.Response(status=304, headers=headers)
    accepted = set(_NAMES.findall(request.headers.get("Accept-Encoding", "")))
    encoding = next(name for name in asset.encoded if name in {*accepted, "identity"})
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    charset = "utf-8" if asset.media.startswith("text/") else None
    return web.Response(body=asset.encoded[encoding], headers=headers, content_type=asset.media, charset=charset)
