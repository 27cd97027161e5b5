"""Errands of a worker whose user may do on Kafka what a worker needs, and what is granted beside that."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from aiohttp.test_utils import make_mocked_request

from streamer.kafka.connection import connection_of
from streamer.kafka.rights import (
    Right,
    letter_reader_rights,
    letter_remover_rights,
    letter_sender_rights,
    optional_rights,
    promoter_rights,
    worker_rights,
)
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.operations.kafka_checks import check_reach
from streamer.queries.errands import Act, Errands
from streamer.queries.letters import letter_routes
from streamer.queries.releases import release_routes
from streamer.settings import Settings
from streamer.wire.views_hits import LiveHits
from streamer.worker.beside import letter_queries, release_queries
from tests.asking import asking
from tests.builders import save_tiny_release
from tests.onkafka import settings_on
from tests.secured import SecuredKafka
from tests.until import until

pytestmark = pytest.mark.kafka

Rights: TypeAlias = Callable[[Settings], Sequence[Right]]

LETTERS: Final = {"letters": [{"partition": 0, "offset": 0}]}


async def no_hits() -> list[LiveHits]:
    return []


async def test_acts_of_a_kind_come_one_after_the_other_and_wait_for_no_other_kind(kafka: DevKafka) -> None:
    errands, asked = Errands(kafka.connection), make_mocked_request("POST", "/")
    done, is_over = list[str](), threading.Event()

    async def act(kind: str, name: str, until_over: threading.Event | None = None) -> None:
        async def work() -> None:
            done.append(f"{name} begins")
            if until_over is not None:
                await asyncio.to_thread(until_over.wait, 60)
            done.append(f"{name} ends")

        await errands.act(Act(kind, "tries", "nothing", (), 60), asked, work, str)

    first = asyncio.ensure_future(act("letter", "first", is_over))
    await until(lambda: done == ["first begins"], "the first act works")
    second = asyncio.ensure_future(act("letter", "second"))
    for name in ("other", "another"):
        await act("release", name)
    is_over.set()
    await asyncio.gather(first, second)

    others = [f"{name} {what}" for name in ("other", "another") for what in ("begins", "ends")]
    assert done == ["first begins", *others, "first ends", "second begins", "second ends"]


@pytest.mark.long
@pytest.mark.parametrize(
    "question",
    [
        ("GET", "dead-letters", None, letter_reader_rights),
        ("POST", "dead-letters/send-again", LETTERS, letter_sender_rights),
        ("POST", "dead-letters/discard", {**LETTERS, "confirm": True}, letter_remover_rights),
        ("POST", "releases/promote", "RELEASE", promoter_rights),
    ],
)
async def test_what_a_workers_user_may_not_do_is_refused_by_name_until_it_is_granted(
    secured: SecuredKafka, topic_prefix: str, tmp_path: Path, question: tuple[str, str, Any, Rights]
) -> None:
    method, path, body, rights = question
    user = f"{topic_prefix}-worker"
    await ensure_topics(settings_on(secured.plain.bootstrap_servers, topic_prefix, partitions=1))
    await secured.add_user(user)
    places = {"state_dir": tmp_path / "state", "releases_url": str(tmp_path / "releases")}
    login = {name.removeprefix("REFRAIN_").lower(): value for name, value in secured.environment(user=user).items()}
    settings = settings_on(login.pop("kafka_bootstrap_servers"), topic_prefix, **places, **login)
    await secured.grant(worker_rights(settings), user)
    saved = save_tiny_release(tmp_path / "releases")
    body = {"release_id": saved.release_id} if body == "RELEASE" else body
    missing = [right for right in rights(settings) if right in optional_rights(settings)]

    (_, optional) = await check_reach(settings)
    errands = Errands(connection_of(settings))
    routes = letter_routes(letter_queries(settings, errands)) + release_routes(
        release_queries(settings, errands, no_hits)
    )
    async with asking(routes) as asker:
        refused = await asker.ask(method, f"/api/v1/{path}", json=body)
        await secured.grant(missing, user)
        granted = await asker.ask(method, f"/api/v1/{path}", json=body)

    assert optional.outcome == "note"
    assert f"lacks {', '.join(map(str, optional_rights(settings)))}; see" in optional.says
    assert (refused.status, refused.code, granted.status) == (403, "forbidden", 200)
    lacks = f"user '{user}' lacks {', '.join(map(str, missing))}; see docs/access.md"
    assert refused.json["error"]["message"] == f"Kafka does not let this worker do that: {lacks}"
