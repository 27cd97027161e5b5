"""What is asked of a listener, over real connections, of somebody who says what a test says."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import pytest

from streamer.errors import BusyError, ElsewhereError, RefrainError
from streamer.queries.events import Streams
from streamer.queries.listeners import listener_routes
from streamer.wire.plays import check_id
from streamer.wire.views import ImaginedPlay, ListenerView, WhatIf
from tests.asking import Asker, asking, next_event

FOLLOW: Final = "/api/v1/listener/follow"
MOVING: Final = ElsewhereError(3)
BUSY: Final = BusyError("8 questions wait")


def view(release: str) -> ListenerView:
    return ListenerView("u", release, None, is_rebuilt=False, plays=(), counts=(), lists=())


@dataclass
class Scripted:
    """Says of a listener what it is given, look by look; then nothing changes any more."""

    looks: list[ListenerView | RefrainError | None] = field(default_factory=list)
    here: str | None = None
    is_settled: bool = True
    asked: list[Any] = field(default_factory=list)

    async def look(self, user: str, looked_in: Collection[int], *, reasons: bool) -> ListenerView:
        self.asked.append((user, looked_in, reasons))
        return view("r1")

    async def what_if(
        self, user: str, added: Sequence[ImaginedPlay], removed: Collection[int], looked_in: Collection[int]
    ) -> WhatIf:
        self.asked.append((user, added, removed, looked_in))
        return WhatIf(user, "r1", is_rebuilt=False, num_covered=1, before=(), after=())

    def anybody(self) -> str | None:
        return self.here

    def follow(self, user: str, looked_in: Collection[int], *, reasons: bool) -> "Scripted":
        self.asked.append((user, looked_in, reasons))
        return self

    async def changed(self) -> ListenerView | None:
        look = self.looks.pop(0) if self.looks else None
        if isinstance(look, RefrainError):
            raise look
        return look


@asynccontextmanager
async def asking_about(scripted: Scripted) -> AsyncIterator[Asker]:
    streams = Streams()
    routes = listener_routes(scripted, streams, lambda: scripted.is_settled, look_every_s=0.001)
    async with asking(routes, streams=streams, is_settled=lambda: scripted.is_settled) as asker:
        yield asker


@asynccontextmanager
async def following(scripted: Scripted) -> AsyncIterator[aiohttp.StreamReader]:
    question = {"user_id": "u", "reasons": False}
    async with asking_about(scripted) as asker, asker.session.post(asker.url + FOLLOW, json=question) as response:
        yield response.content


async def read_events(content: aiohttp.StreamReader, num: int) -> list[tuple[str, Any]]:
    return [await next_event(content) for _ in range(num)]


async def test_a_listener_and_what_if_are_asked_by_bodies_that_name_them() -> None:
    scripted = Scripted()
    async with asking_about(scripted) as asker:
        looked = await asker.ask("POST", "/api/v1/listener", json={"user_id": "ü"})
        await asker.ask("POST", "/api/v1/listener", json={"user_id": "ü", "reasons": False})
        added = [{"track_id": "t", "skipped": True}]
        what_if = await asker.ask(
            "POST", "/api/v1/listener/what-if", {"Refrain-Looked-In": "3,1"},
            json={"user_id": "u", "added": added, "removed": [7]},
        )  # fmt: skip

    assert (looked.json["release"], what_if.json["num_covered"]) == ("r1", 1)
    assert scripted.asked[:2] == [("ü", set(), True), ("ü", set(), False)]
    assert scripted.asked[2:] == [("u", (ImaginedPlay("t", skipped=True),), (7,), {1, 3})]


@pytest.mark.parametrize("user_id", ["", "u" * 257, "é" * 129])
@pytest.mark.parametrize("question", ["", "/follow", "/what-if"])
async def test_a_user_id_that_no_play_can_have_is_refused_as_it_is_there(question: str, user_id: str) -> None:
    async with asking_about(Scripted()) as asker:
        answer = await asker.ask("POST", f"/api/v1/listener{question}", json={"user_id": user_id})

        assert (answer.status, answer.code) == (400, "bad_request")
        assert str(check_id(user_id.encode(), "user_id")) in answer.json["error"]["message"]


async def test_a_user_id_may_be_as_long_as_a_play_may_name() -> None:
    scripted = Scripted()
    async with asking_about(scripted) as asker:
        assert (await asker.ask("POST", "/api/v1/listener", json={"user_id": "é" * 128})).status == 200

    assert scripted.asked == [("é" * 128, set(), True)]


async def test_anybody_is_somebody_who_played_or_not_found() -> None:
    scripted = Scripted()
    async with asking_about(scripted) as asker:
        nobody = await asker.ask("POST", "/api/v1/listener/anybody", json={})
        scripted.here = "u9"
        somebody = await asker.ask("POST", "/api/v1/listener/anybody", json={})

    assert (nobody.status, nobody.code, somebody.json) == (404, "not_found", {"user_id": "u9"})


async def test_a_listener_is_shown_at_once_and_after_each_change() -> None:
    scripted = Scripted([view("r1"), None, BUSY, view("r2")])
    async with following(scripted) as content:
        events = await read_events(content, 2)

    assert scripted.asked == [("u", set(), False)]
    assert [(name, data["release"]) for name, data in events] == [("listener", "r1"), ("listener", "r2")]


async def test_a_follower_hears_once_that_the_listener_moves_and_sees_them_when_they_are_back() -> None:
    scripted = Scripted([view("r1"), MOVING, MOVING, view("r2"), MOVING], is_settled=False)
    async with following(scripted) as content:
        events = await read_events(content, 4)

    assert [name for name, _ in events] == ["listener", "moving", "listener", "moving"]
    assert events[1][1] == {"code": "moving", "message": str(MOVING)}


async def test_a_follower_is_sent_elsewhere_once_the_listener_lives_on_another_worker() -> None:
    scripted = Scripted([view("r1"), MOVING])
    async with following(scripted) as content:
        events = await read_events(content, 2)
        assert await content.read() == b""

    assert [(name, data.get("code")) for name, data in events] == [("listener", None), ("error", "elsewhere")]


@pytest.mark.parametrize(
    ("look", "is_settled", "status", "code"),
    [(MOVING, False, 503, "moving"), (MOVING, True, 503, "elsewhere"), (BUSY, True, 429, "busy")],
)
async def test_who_cannot_be_followed_at_all_is_refused_with_a_status(
    look: RefrainError, is_settled: Any, status: int, code: str
) -> None:
    async with asking_about(Scripted([look], is_settled=is_settled)) as asker:
        answer = await asker.ask("POST", FOLLOW, json={"user_id": "u"})

        assert (answer.status, answer.code) == (status, code)
