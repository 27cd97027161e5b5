"""A live stream, and a real Chromium that looks at it."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from streamer.local.devkafka import DevKafka
from tests.page.looking import CHROMIUM, DEADLINE_MS, Looker
from tests.page.stream import LiveStream, live_stream


@pytest.fixture(scope="session")
def stream(kafka: DevKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStream]:
    with live_stream(kafka, f"t{uuid4().hex[:12]}", tmp_path_factory.mktemp("page")) as live:
        yield live


@pytest.fixture(scope="module")
def browser(stream: LiveStream) -> Iterator[Browser]:  # noqa: ARG001  Playwright's loop keeps asyncio from this thread
    """Start Chromium for the tests of a module: as long as it runs, nothing else may run a loop in this thread."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(CHROMIUM)} is installed")
    expect.set_options(timeout=DEADLINE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def look(browser: Browser) -> Iterator[Looker]:
    """Open pages, and fail at the end if one of them wrote an error to its console."""
    with ExitStack() as contexts:
        looker = Looker(browser, contexts)
        yield looker
        assert looker.complaints == []
