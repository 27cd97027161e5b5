"""The built site as a browser reads it: what each page fetches, where it links to, and the anchors that it has."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

#: Elements that make a browser fetch something, by the attribute that says what.
_FETCHES: Final = {
    "audio": "src", "embed": "src", "iframe": "src", "img": "src", "input": "src", "link": "href", "object": "data",
    "script": "src", "source": "src", "track": "src", "use": "href", "video": "src",
}  # fmt: skip

#: Links of a head that a browser does not follow.
_NAMED_ONLY: Final = {"canonical", "next", "prev", "alternate"}

#: What the theme loads from elsewhere for such a class of blocks.
_LOADERS: Final = {"mermaid", "glightbox", "pyodide"}

_IN_STYLE: Final = re.compile(r"(?:url\(|@import\s+)[\"']?([^\"')\s]+)")


@dataclass(slots=True)
class Page(HTMLParser):
    """A page: `Page(path)` reads it.

    Attributes:
        path: of its file.
        fetched: what a browser fetches to show it.
        links: where it leads.
        anchors: the ids that a link may name.
        loaders: blocks for which the theme fetches a library from elsewhere.
    """

    path: Path
    fetched: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    loaders: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        text = self.path.read_text()
        self.feed(text)
        self.fetched += _IN_STYLE.findall(" ".join(re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.loaders |= _LOADERS & set(given.get("class", "").split())
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        wanted = _FETCHES.get(tag, "")
        if wanted in given and given.get("rel") not in _NAMED_ONLY:
            self.fetched.append(given[wanted])


def read_pages(folder: Path) -> dict[Path, Page]:
    """Read all pages in a folder, by their paths; a server's 404.html, which may be shown anywhere, is not one."""
    return {path: Page(path) for path in sorted(folder.rglob("*.html")) if path.name != "404.html"}


def foreign(pages: dict[Path, Page], styles: Iterator[Path]) -> set[tuple[str, str]]:
    """Find what would be fetched from another host: file, address."""
    fetched = {(path, address) for path, page in pages.items() for address in page.fetched}
    fetched |= {(path, address) for path in styles for address in _IN_STYLE.findall(path.read_text())}
    outside = {(path.name, address) for path, address in fetched if urlsplit(address).netloc}
    return outside | {(path.name, loader) for path, page in pages.items() for loader in page.loaders}


def dead(pages: dict[Path, Page]) -> set[tuple[str, str]]:
    """Find what leads nowhere within the site: page, address."""
    return {
        (path.name, address)
        for path, page in pages.items()
        for address in {*page.links, *page.fetched}
        if not _leads_somewhere(path, address, pages)
    }


def _leads_somewhere(path: Path, address: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in {"", *pages[target].anchors}
