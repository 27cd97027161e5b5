"""The documentation site: pages as they are in the repository, built with warnings as errors.

`python -m tests.docs.site` (or `make site`) writes it to site/html. Pages are copied to site/pages first, each to the
place it has in the repository, so that links between them stay. Links to what the site lacks become text.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = ROOT / "zensical.toml"

#: Everything on the site, beside the folder docs.
_OUTSIDE_DOCS: Final = ("*.md", "k8s/README.md")

_LINK: Final = re.compile(r"(?<!!)\[(?P<text>[^\]\n]*)\]\((?P<target>[^)\s#]+)(#[^)\s]*)?\)")
_SCHEME: Final = re.compile(r"[a-z]+:")


class SiteError(Exception):
    """Raised when the site has warnings."""


def build(into: Path = ROOT / "site") -> Path:
    """Build the site in a folder; return the folder of its pages in HTML.

    Raises:
        SiteError: a link or an anchor leads nowhere; the message shows each.
    """
    shutil.rmtree(into, ignore_errors=True)
    copy_pages(into / "pages")
    config = into / CONFIG.name
    config.write_text(CONFIG.read_text().replace('"site/', '"'))
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", str(config)]
    built = subprocess.run(command, cwd=into, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise SiteError(built.stdout + built.stderr)
    return into / "html"


def copy_pages(into: Path) -> None:
    """Copy pages, and what they show, to the places that they have in the repository."""
    sources = {path.relative_to(ROOT): path for path in _sources()}
    for place, source in sources.items():
        copy = into / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            copy.write_text(_without_links_to_the_rest(source.read_text(), source.parent, set(sources.values())))
        else:
            shutil.copyfile(source, copy)


def pages_of(nav: Any) -> Iterator[str]:
    """Yield the pages that a navigation names."""
    if isinstance(nav, str):
        yield nav
        return
    for below in nav.values() if isinstance(nav, dict) else nav:
        yield from pages_of(below)


def configuration() -> dict[str, Any]:
    """Read the configuration of the site."""
    project: dict[str, Any] = tomllib.loads(CONFIG.read_text())["project"]
    return project


def _sources() -> Iterator[Path]:
    for pattern in _OUTSIDE_DOCS:
        yield from ROOT.glob(pattern)
    yield from (path for path in (ROOT / "docs").rglob("*") if path.is_file())


def _without_links_to_the_rest(page: str, folder: Path, on_site: set[Path]) -> str:
    def keep_or_unlink(link: re.Match[str]) -> str:
        target = folder / link["target"]
        is_ours = not _SCHEME.match(link["target"]) and target.exists()  # what does not exist fails the build
        return link["text"] if is_ours and target.resolve() not in on_site else link[0]

    return _LINK.sub(keep_or_unlink, page)


def main() -> None:
    """Build the site."""
    try:
        built = build()
    except SiteError as exc:
        sys.exit(str(exc))
    sys.stdout.write(f"open {built / 'index.html'}\n")


if __name__ == "__main__":
    main()
