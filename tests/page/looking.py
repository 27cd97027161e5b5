"""Looking at the page as people do: of some width, light or dark, and with what the console says."""

import contextlib
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page

ROOT: Final = Path(__file__).parents[2]
PICTURES: Final = ROOT / "docs" / "page"
CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
DEADLINE_MS: Final = 120_000
_AXE: Final = ROOT / "streamer" / "page" / "source" / "node_modules" / "axe-core" / "axe.min.js"
_MOST_BYTES: Final = 200_000

Scheme: TypeAlias = Literal["light", "dark"]
Motion: TypeAlias = Literal["reduce", "no-preference"]


@dataclass(frozen=True)
class Looker:
    """Opens pages.

    Attributes:
        browser: where.
        contexts: closed at the end of a test.
        complaints: what the consoles of the pages said that is an error.
    """

    browser: Browser
    contexts: contextlib.ExitStack
    complaints: list[str] = field(default_factory=list)

    def at(
        self,
        url: str,
        *,
        width: int = 1440,
        height: int = 900,
        scheme: Scheme = "light",
        motion: Motion = "reduce",
        expects_failures: bool = False,
    ) -> Page:
        """Open a page.

        Args:
            url: with the hash of a view.
            width: of the window.
            height: of the window.
            scheme: what the system prefers.
            motion: likewise.
            expects_failures: of requests, which Chromium writes to the console.
        """
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion=motion
        )
        self.contexts.callback(context.close)
        context.set_default_timeout(DEADLINE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if not expects_failures:
            page.on("console", lambda message: _note(message, self.complaints))
        page.goto(url)
        return page


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    if message.type == "error":
        complaints.append(message.text)


def violations(page: Page) -> list[str]:
    """List what axe-core finds serious or critical."""
    page.evaluate(_AXE.read_text())  # as the debugger does, which no content security policy keeps out
    found: list[dict[str, Any]] = page.evaluate("axe.run({resultTypes: ['violations']}).then((run) => run.violations)")
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html']}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def overflow(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def picture(page: Page, name: str) -> None:
    """Keep what the page shows for the documentation."""
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    with Image.open(BytesIO(page.screenshot())) as shot:
        shot.convert("RGB").quantize(128).save(path, optimize=True)  # a third of the bytes, and no eye sees it
    assert path.stat().st_size < _MOST_BYTES, f"{name}.png has {path.stat().st_size} bytes"
