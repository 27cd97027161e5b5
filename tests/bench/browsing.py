"""What the page costs whoever looks at it: `python -m tests.bench.browsing`.

Two workers answer 200 plays a second, and a headless Chromium, which draws without a graphics processor, opens the page
of one of them: cold, then Now and a listener for some seconds each, then what if, then the map. Every time is taken
inside the page. All of it shares one machine: the browser goes before the stream, which takes the longer to answer it.
CPU is that of the tab's main thread; a task of less than 16 ms on it costs no frame. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import uuid4

from playwright.sync_api import Browser, Page, expect, sync_playwright

from streamer.local.devkafka import DevKafka
from tests.bench.apart import print_line
from tests.bench.machine import describe_load
from tests.page.looking import CHROMIUM, DEADLINE_MS
from tests.page.stream import PLAYS_PER_S, LiveStream, live_stream

_LATE_MS: Final = 25
#: Workers, Kafka and the listeners against the browser: people look from another machine.
_NICER: Final = 5
_WINDOW: Final = {"width": 1440, "height": 900}
_TASKS: Final = "disabled-by-default-devtools.timeline"
_LISTED: Final = 20

_BYTES: Final = """() => performance.getEntriesByType("resource")
    .filter((one) => /assets/.test(one.name)).map((one) => [one.name, one.encodedBodySize])"""
_PAINT: Final = """() => new Promise((done) => {
    const look = (paints) => paints.forEach((one) => one.name === "first-contentful-paint" && done(one.startTime));
    new PerformanceObserver((list) => look(list.getEntries())).observe({type: "paint", buffered: true});
})"""
#: The milliseconds of each frame, for so many milliseconds.
_FRAMES: Final = """(ms) => new Promise((done) => {
    const times = [];
    const next = (now) => {
        times.push(now);
        if (now - times[0] < ms) requestAnimationFrame(next);
        else done(times.slice(1).map((time, i) => time - times[i]));
    };
    requestAnimationFrame(next);
})"""
#: The same while the map moves, a key a frame, there and back.
_PAN: Final = """(ms) => new Promise((done) => {
    const stage = document.querySelector(".map-stage"), times = [];
    const press = (key) => stage.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    const next = (now) => {
        press(times.length % 8 < 4 ? "ArrowLeft" : "ArrowRight");
        times.push(now);
        if (now - times[0] < ms) requestAnimationFrame(next);
        else done(times.slice(1).map((time, i) => time - times[i]));
    };
    requestAnimationFrame(next);
})"""
#: The milliseconds from a click on the nth play before the latest to both lists, before and after; and of the request.
_WHAT_IF: Final = """([nth, listed, limit]) => new Promise((done, fail) => {
    setTimeout(() => fail(new Error("no lists came")), limit);
    const play = [...document.querySelectorAll(".play:not(.added)")].at(-1 - nth);
    const sides = () => [...document.querySelectorAll(".comparison ol")];
    const isThere = () => sides().length === 4 && sides().every((side) => side.children.length === listed);
    const observer = new MutationObserver(() => {
        if (!isThere()) return;
        observer.disconnect();
        const lists = performance.now() - began;
        const [request] = performance.getEntriesByType("resource").filter((one) => /what-if/.test(one.name)).slice(-1);
        done({lists, request: request.duration});
    });
    observer.observe(document.body, {childList: true, subtree: true});
    const began = performance.now();
    play.click();
})"""


@contextmanager
def beneath_the_browser() -> Iterator[LiveStream]:
    """Start a live stream that yields the cores to whoever looks at it."""

    def start() -> LiveStream:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(DevKafka(directory / "kafka"))
        return stack.enter_context(live_stream(kafka, f"b{uuid4().hex[:12]}", directory))

    with ExitStack() as stack:
        with ThreadPoolExecutor(1, initializer=os.nice, initargs=(_NICER,)) as thread:  # and what it starts, no other
            stream = thread.submit(start).result()
        yield stream


def bytes_of(page: Page) -> dict[str, int]:
    """Return the compressed bytes that the page loads before it asks anything, by kind."""
    kinds = {"js": "script", "css": "style", "woff2": "font"}
    sizes = {kinds[name.rpartition(".")[2]]: size for name, size in page.evaluate(_BYTES)}
    return sizes | {"total": sum(sizes.values())}


def first_paints(browser: Browser, url: str, times: int) -> dict[str, Any]:
    """Open the page with nothing in a cache, again and again."""
    paints = []
    for _ in range(times):
        with opened(browser, url) as page:
            paints.append(page.evaluate(_PAINT))
    return spread(paints)


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """Open a page in a context of its own."""
    context = browser.new_context(viewport=_WINDOW)  # type: ignore[arg-type]  # a dictionary of its two keys
    context.set_default_timeout(DEADLINE_MS)
    try:
        page = context.new_page()
        page.goto(url)
        page.locator("nav").wait_for()
        yield page
    finally:
        context.close()


def watch(page: Page, frames: str, seconds: float) -> dict[str, Any]:
    """Watch a page for some seconds: its frames, and the tasks of its main thread."""
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=[_TASKS])
    frames_ms = page.evaluate(frames, seconds * 1000)
    tasks_ms = main_tasks_ms(json.loads(browser.stop_tracing())["traceEvents"])
    return {
        "frames": len(frames_ms),
        "late": sum(ms > _LATE_MS for ms in frames_ms),
        "frame_ms": spread(frames_ms),
        "of_a_core": round(sum(tasks_ms) / sum(frames_ms), 4),
        "longest_task_cpu_ms": round(max(tasks_ms), 1),
    }


def main_tasks_ms(events: Sequence[dict[str, Any]]) -> list[float]:
    """Return the milliseconds of CPU of each task of the busiest main thread: that of the only page that is open."""
    names = {(one["pid"], one["tid"]): one["args"]["name"] for one in events if one["name"] == "thread_name"}
    tasks: dict[tuple[int, int], list[float]] = {}
    for one in events:
        thread = (one["pid"], one["tid"])
        if one["name"] == "RunTask" and names.get(thread) == "CrRendererMain":
            tasks.setdefault(thread, []).append(one.get("tdur", 0) / 1000)
    return max(tasks.values(), key=sum)


def what_ifs(page: Page, url: str, times: int) -> dict[str, Any]:
    """Take one play away after the other, and put each back."""
    found, before = [], asked(url)
    for number in range(times):
        found.append(page.evaluate(_WHAT_IF, [number % 8, _LISTED, DEADLINE_MS]))
        page.keyboard.press("Escape")
        page.locator(".comparison").first.wait_for(state="detached")
    after = asked(url)
    count = after["count"] - before["count"]
    return {
        "lists_ms": spread([one["lists"] for one in found]),
        "request_ms": spread([one["request"] for one in found]),
        "worker_ms": round((after["sum"] - before["sum"]) / count * 1000, 1),
    }


def asked(url: str) -> Counter[str]:
    """Return how many what-ifs a worker has answered, and the seconds that it took over them."""
    with urllib.request.urlopen(f"{url}/metrics") as response:
        page = response.read().decode()
    found = re.findall(r"^refrain_query_seconds_(count|sum){[^}]*what-if[^}]*} (\S+)$", page, re.MULTILINE)
    return Counter({name: float(value) for name, value in found})


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the least, the median and the most of some values."""
    return {name: round(of(values), 1) for name, of in (("min", min), ("median", median), ("max", max))}


def measure(browser: Browser, stream: LiveStream, options: argparse.Namespace) -> dict[str, Any]:
    """Look at the page as people do, view by view."""
    url, figures = stream.url(), dict[str, Any]()

    def note(name: str, found: dict[str, Any]) -> None:
        figures[name] = found
        print_line(f"{name}: {json.dumps(found)}, load {describe_load()['one_minute']}")

    note("first_paint_ms", first_paints(browser, url, options.loads))
    with opened(browser, f"{url}/#/now") as page:
        note("bytes", bytes_of(page))
        page.locator(".strip canvas").first.wait_for()
        note("now", watch(page, _FRAMES, options.seconds))
    with opened(browser, f"{url}/#/listener") as page:
        page.get_by_role("button", name="Somebody who plays right now").click()
        page.locator(".ranking").nth(1).wait_for()
        latest = page.locator(".play.latest")
        expect(latest).not_to_have_id(latest.get_attribute("id") or "")  # what the first view cost is past
        note("listener", watch(page, _FRAMES, options.seconds))
        note("what_if", what_ifs(page, url, options.clicks))
    with opened(browser, f"{url}/#/map") as page:
        page.locator(".map-stage").wait_for()
        page.locator(".map-stage").focus()
        note("map", watch(page, _PAN, options.seconds))
    return figures | {
        "plays_per_s": PLAYS_PER_S,
        "tracks": len(stream.world.music.track_ids),
        **{name: getattr(options, name) for name in ("loads", "seconds", "clicks")},
    }


def main() -> None:
    """Measure on a Kafka of its own, and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", type=int, default=9, help="of the page, with nothing in a cache (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="of each view (%(default)s)")
    parser.add_argument("--clicks", type=int, default=20, help="on plays (%(default)s)")
    options = parser.parse_args()
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        parser.error(f"none of {', '.join(CHROMIUM)} is installed")
    expect.set_options(timeout=DEADLINE_MS)
    with beneath_the_browser() as stream, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print_line(json.dumps(measure(browser, stream, options)))
        browser.close()


if __name__ == "__main__":
    main()
