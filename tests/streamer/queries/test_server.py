"""From a request to a handler and back, over real connections."""

import asyncio
import logging
from dataclasses import replace
from typing import Any, Final, Literal

import msgspec
import pytest
from aiohttp import web

from streamer.errors import (
    BusyError,
    ElsewhereError,
    ImaginedError,
    KafkaUnavailableError,
    NoReleaseError,
    QueryError,
    RefrainError,
    StoreError,
)
from streamer.queries.routes import EVENTS, Answer, Asked, Right, Route
from streamer.runtime.web import MAX_BODY_BYTES
from tests.asking import asking
from tests.until import until

PATH: Final = "/api/v1/pick"

#: Of a body that is not compressed.
_PRETENDED: Final = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


class Pick(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user_id: str
    limit: int = 20


class Picked(msgspec.Struct, frozen=True):
    user_id: str
    limit: int


async def pick(asked: Asked[Pick]) -> Picked:
    return Picked(asked.question.user_id, asked.question.limit)


def route(answer: Answer = pick, method: str = "POST", path: str = PATH, right: Right = Right.READ) -> Route:
    return Route(method, path, right, "Pick.", answer, question=Pick, answers=Picked)


async def test_a_question_is_decoded_and_its_answer_is_json_that_nobody_keeps() -> None:
    async with asking([route(), route(method="GET", path="/api/v1/picks/{user_id}")]) as asker:
        posted = await asker.ask("POST", PATH, json={"user_id": "ü", "limit": 3})
        got = await asker.ask("GET", "/api/v1/picks/x?limit=4")

        assert posted.json == {"user_id": "ü", "limit": 3}
        assert got.json == {"user_id": "x", "limit": 4}
        assert posted.headers["Cache-Control"] == "no-store"
        assert posted.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'; script-src 'self'" in posted.headers["Content-Security-Policy"]
        assert "unsafe" not in posted.headers["Content-Security-Policy"]
        assert not [name for name in posted.headers if name.startswith("Access-Control")]
        assert asker.counted(PATH, 200) == 1
        assert asker.counted("/api/v1/picks/{user_id}", 200) == 1


@pytest.mark.parametrize(
    ("request_of", "status", "code"),
    [
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, "bad_request"),
        ({"data": b"\xff\xfe", "headers": {"Content-Type": "application/json"}}, 400, "bad_request"),
        ({"data": b'{"user_id":"\\ud800"}', "headers": {"Content-Type": "application/json"}}, 400, "bad_request"),
        ({"data": b'{"user_id":"u"}', "headers": {"Content-Type": "text/plain"}}, 400, "bad_request"),
        ({"data": b"{}", "headers": _PRETENDED}, 400, "bad_request"),
        ({"data": {"user_id": "u"}}, 400, "bad_request"),  # a form, as any page may send it
        ({"json": {}}, 400, "bad_request"),
        ({"json": {"user_id": 5}}, 400, "bad_request"),
        ({"json": {"user_id": "u", "more": 1}}, 400, "bad_request"),
        ({"json": {"user_id": "u" * MAX_BODY_BYTES}}, 413, "too_large"),
    ],
)
async def test_a_question_that_is_none_is_refused(request_of: dict[str, Any], status: int, code: str) -> None:
    async with asking([route()]) as asker:
        answer = await asker.ask("POST", PATH, **request_of)

        assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty; send an object of JSON, `{}` at least"),
        (b" \n", "the body is empty; send an object of JSON, `{}` at least"),
        (rb'{"user_id": "\ud800"}', "the body is not valid Unicode: half of a surrogate pair is without the other"),
        (rb'{"user_id": "\uDC00 and more"}',
         "the body is not valid Unicode: half of a surrogate pair is without the other"),
        (rb'{"user_id": "\ud83d\ude00\ud83d"}',
         "the body is not valid Unicode: half of a surrogate pair is without the other"),
        (b'{"user_id": "\xed\xa0\x80"}', "the body is not valid Unicode; send it as UTF-8"),
        (b"{", "Input data was truncated"),
        (rb'{"user_id": "\ud83d\ude00"', "Input data was truncated"),
        (rb'{"user_id": "\\ud83d"', "Input data was truncated"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_body_is_said_in_words(body: bytes, message: str) -> None:
    async with asking([route()]) as asker:
        answer = await asker.ask("POST", PATH, {"Content-Type": "application/json"}, data=body)

        assert (answer.status, answer.code) == (400, "bad_request")
        assert answer.json["error"]["message"] == f"{message}; see /api/v1/openapi.json"


@pytest.mark.parametrize(
    ("query", "name"), [("limit=3&limit=4", "limit"), ("limit=3&limit=3", "limit"), ("user_id=v", "user_id")]
)
async def test_a_parameter_that_is_given_twice_is_refused(query: str, name: str) -> None:
    async with asking([route(method="GET", path="/api/v1/picks/{user_id}")]) as asker:
        answer = await asker.ask("GET", f"/api/v1/picks/u?{query}")

        assert (answer.status, answer.code) == (400, "bad_request")
        message = f"`{name}` is given more than once; give it once; see /api/v1/openapi.json"
        assert answer.json["error"]["message"] == message


@pytest.mark.parametrize(
    ("error", "is_settled", "status", "code"),
    [
        (BusyError("8 questions wait"), True, 429, "busy"),
        (ElsewhereError(3), True, 503, "elsewhere"),
        (ElsewhereError(3), False, 503, "moving"),
        (ImaginedError("play 9 is not remembered"), True, 400, "bad_request"),
        (NoReleaseError("no release yet"), True, 409, "no_release"),
        (StoreError("the bucket does not answer"), True, 503, "unavailable"),
        (KafkaUnavailableError("no broker answers"), True, 503, "unavailable"),
        (QueryError("no_map", "the release has no map"), True, 404, "no_map"),
    ],
)
async def test_an_error_becomes_its_status_and_code(
    error: RefrainError, is_settled: Literal[True, False], status: int, code: str
) -> None:
    async def fail(_: Asked[Pick]) -> Picked:
        raise error

    async with asking([route(fail)], is_settled=lambda: is_settled) as asker:
        answer = await asker.ask("POST", PATH, json={"user_id": "u"})

        assert (answer.status, answer.code, answer.json["error"]["message"]) == (status, code, str(error))
        assert ("Retry-After" in answer.headers) == (code in {"busy", "moving"})
        assert asker.counted(PATH, status) == 1


async def test_an_unforeseen_error_is_logged_by_its_place_and_names_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(asked: Asked[Pick]) -> Picked:
        raise KeyError(asked.question.user_id)

    with caplog.at_level(logging.DEBUG):
        async with asking([route(fail)]) as asker:
            answer = await asker.ask("POST", PATH, json={"user_id": "somebody"})

    assert (answer.status, answer.code) == (500, "internal")
    assert f"question failed route={PATH} error=KeyError place={__file__}" in caplog.text
    assert "somebody" not in caplog.text + answer.body.decode()


async def test_what_is_not_in_the_table_is_not_found() -> None:
    async with asking([route()]) as asker:
        for method, path in (
            ("POST", "/api/v1/other/u"),
            ("GET", f"{PATH}/u"),
            ("DELETE", "/api/v1/"),
            ("GET", "/api/"),
        ):
            answer = await asker.ask(method, path)

            assert (answer.status, answer.code) == (404, "not_found")
        assert asker.counted("other", 404) == 4


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PATH, "POST"),
        ("HEAD", PATH, "POST"),
        ("DELETE", PATH, "POST"),
        ("POST", "/api/v1/picks/u", "GET, HEAD"),
        ("OPTIONS", "/api/v1/picks/u", "GET, HEAD"),
        ("HEAD", "/api/v1/picking", "GET"),
        ("PUT", "/api/v1/both", "GET, HEAD, POST"),
    ],
)
async def test_a_wrong_method_is_refused_with_those_that_are_right(method: str, path: str, allowed: str) -> None:
    both = [route(method="GET", path="/api/v1/both"), route(path="/api/v1/both")]
    events = replace(route(method="GET", path="/api/v1/picking"), media=EVENTS)
    async with asking(
        [both[0], route(), route(method="GET", path="/api/v1/picks/{user_id}"), events, both[1]]
    ) as asker:
        answer = await asker.ask(method, path)

        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
        assert asker.counted("other", 405) == 1
        if method != "HEAD":
            message = f"this is not asked by {method}; ask it by {allowed.replace(', ', ' or ')}"
            assert (answer.code, answer.json["error"]["message"]) == ("method_not_allowed", message)


async def test_head_is_answered_as_get_without_the_body() -> None:
    async with asking([route(method="GET", path="/api/v1/picks/{user_id}")]) as asker:
        for path, status in (("/api/v1/picks/u", 200), ("/api/v1/picks/u?limit=x", 400)):
            got, asked = await asker.ask("GET", path), await asker.ask("HEAD", path)

            assert (asked.status, asked.body) == (got.status, b"") == (status, b"")
            for name in ("Content-Type", "Content-Length", "Cache-Control"):
                assert asked.headers[name] == got.headers[name]


async def test_who_leaves_ends_a_look_and_not_an_act() -> None:
    began, goes_on, ends = asyncio.Event(), asyncio.Event(), list[str]()

    async def wait(asked: Asked[Pick]) -> Picked:
        began.set()
        try:
            await goes_on.wait()
        except asyncio.CancelledError:
            ends.append(f"{asked.question.user_id} cancelled")
            raise
        ends.append(f"{asked.question.user_id} done")
        return Picked("", 0)

    routes = [route(wait, path="/api/v1/look"), route(wait, path="/api/v1/act", right=Right.ACT)]
    async with asking(routes) as asker:
        for name in ("look", "act"):
            began.clear()
            asked = asyncio.create_task(asker.ask("POST", f"/api/v1/{name}", json={"user_id": name}))
            await began.wait()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
        await until(lambda: asker.counted("/api/v1/act", 499), "who acted has left")
        goes_on.set()
        await until(lambda: len(ends) == 2, "both have ended")

    assert ends == ["look cancelled", "act done"]


async def test_a_handler_may_answer_with_a_response_of_its_own() -> None:
    async def respond(_: Asked[Pick]) -> web.Response:
        return web.Response(body=b"RMAP", headers={"ETag": '"r1"'})

    async with asking([route(respond)]) as asker:
        answer = await asker.ask("POST", PATH, json={"user_id": "u"})

        assert (answer.body, answer.headers["ETag"]) == (b"RMAP", '"r1"')
        assert "Content-Security-Policy" in answer.headers
