"""Who is let in, asked over real connections."""

from collections.abc import Mapping
from typing import Final

import pytest

from streamer.queries.access import access_routes
from streamer.queries.door import Door
from streamer.queries.routes import Asked, Right, Route
from streamer.wire.views_access import Nothing
from tests.asking import Asker, asking

READ_TOKEN: Final = "r" * 32
ACT_TOKEN: Final = "a" * 32
GUARDED: Final = Door(READ_TOKEN, ACT_TOKEN)


async def answer(_: Asked[Nothing]) -> Nothing:
    return Nothing()


LOOK: Final = Route("POST", "/api/v1/look", Right.READ, "Look.", answer, answers=Nothing)
ACT: Final = Route("POST", "/api/v1/act", Right.ACT, "Act.", answer, answers=Nothing)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def post(asker: Asker, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    answer = await asker.ask("POST", path, {"Content-Type": "application/json", **headers}, data=b"{}")
    return answer.status, "" if answer.status == 200 else answer.code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:6066"}, 200),
        ({"Host": "[::1]:6066"}, 200),
        ({"Host": "127.8.9.1"}, 200),
        ({"Host": "rebound.example:6066"}, 403),
        ({"Host": "localhost.example"}, 403),
        ({"Host": "10.0.0.1:6066"}, 403),
        ({"Host": "[::1"}, 403),
        ({"X-Forwarded-For": "203.0.113.9"}, 403),
        ({"Forwarded": "for=203.0.113.9"}, 403),
    ],
)
async def test_without_tokens_only_requests_from_this_machine_that_name_it_are_answered(
    headers: Mapping[str, str], status: int
) -> None:
    async with asking([LOOK, ACT]) as asker:
        assert (await post(asker, "/api/v1/look", headers))[0] == status
        assert (await post(asker, "/api/v1/act", headers))[0] == status


@pytest.mark.parametrize(
    ("headers", "look", "act"),
    [
        ({}, (401, "unauthorized"), (401, "unauthorized")),
        (bearer("r" * 31), (401, "unauthorized"), (401, "unauthorized")),
        ({"Authorization": f"Basic {READ_TOKEN}"}, (401, "unauthorized"), (401, "unauthorized")),
        (bearer("é"), (401, "unauthorized"), (401, "unauthorized")),
        (bearer(READ_TOKEN), (200, ""), (403, "forbidden")),
        (bearer(ACT_TOKEN), (200, ""), (200, "")),
        ({"Authorization": f"bearer  {ACT_TOKEN}", "Host": "workers.example"}, (200, ""), (200, "")),
    ],
)
async def test_with_tokens_everybody_needs_one_and_acting_needs_its_own(
    headers: Mapping[str, str], look: tuple[int, str], act: tuple[int, str]
) -> None:
    async with asking([LOOK, ACT], door=GUARDED) as asker:
        assert await post(asker, "/api/v1/look", headers) == look
        assert await post(asker, "/api/v1/act", headers) == act


async def test_a_token_that_is_not_set_lets_nobody_in() -> None:
    async with asking([LOOK, ACT], door=Door(read_token=READ_TOKEN)) as asker:
        for headers in ({}, bearer(""), bearer("x")):
            assert await post(asker, "/api/v1/act", headers) == (401, "unauthorized")
        assert await post(asker, "/api/v1/act", bearer(READ_TOKEN)) == (403, "forbidden")
    async with asking([LOOK, ACT], door=Door(act_token=ACT_TOKEN)) as asker:
        assert await post(asker, "/api/v1/look", {}) == (401, "unauthorized")
        assert await post(asker, "/api/v1/look", bearer(ACT_TOKEN)) == (200, "")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://tls.example"}, 200),  # a proxy has changed the host
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://other.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:6066", "Host": "localhost:6066"}, 200),
        ({"Origin": "http://localhost:3000", "Host": "localhost:6066"}, 403),
    ],
)
async def test_a_page_of_another_site_is_refused_whatever_it_holds(headers: Mapping[str, str], status: int) -> None:
    async with asking([LOOK, ACT]) as open_here:
        assert (await post(open_here, "/api/v1/act", headers))[0] == status
    async with asking([LOOK, ACT], door=GUARDED) as guarded:
        assert (await post(guarded, "/api/v1/act", {**headers, **bearer(ACT_TOKEN)}))[0] == status


async def test_access_says_which_rights_a_request_has_and_what_is_missing() -> None:
    async def access(door: Door, headers: Mapping[str, str]) -> tuple[bool, list[str], bool]:
        async with asking(access_routes(door), door=door) as asker:
            found = (await asker.ask("GET", "/api/v1/access", headers)).json
            return found["needs_token"], found["rights"], found["message"] is None

    assert await access(Door(), {}) == (False, ["read", "act"], True)
    assert await access(Door(), {"Host": "rebound.example"}) == (False, [], False)
    assert await access(GUARDED, {}) == (True, [], False)
    assert await access(GUARDED, bearer("wrong")) == (True, [], False)
    assert await access(GUARDED, bearer(READ_TOKEN)) == (True, ["read"], True)
    assert await access(GUARDED, bearer(ACT_TOKEN)) == (True, ["read", "act"], True)
