"""What a worker says of a listener, from a real store."""

import asyncio
import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from faust.types import TP

from models.release import Release
from streamer.errors import BusyError, ElsewhereError, NoReleaseError
from streamer.faust.app import create_chunk_app, listener_table
from streamer.faust.table import ListenerTable
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.wire.messages import Recommendation, ReleaseNotice
from streamer.wire.views import ImaginedPlay, ListenerView, WhatIf
from streamer.worker.beside import create_listening
from streamer.worker.listening import Listening
from streamer.worker.narrowing import NOTHING
from streamer.worker.sideline import Sideline
from tests.builders import NOON_MS, play, play_value, save_tiny_release
from tests.offline import CHAMPION, SIZES, Worker
from tests.onkafka import produce, read_committed
from tests.working import running, until_marked


@pytest.fixture
def table(tmp_path: Path) -> ListenerTable:
    app = create_chunk_app(Settings(state_dir=tmp_path))
    app.finalize()
    table = listener_table(app, 2)
    for partition in (0, 1):
        table.persisted_offset(TP(table.changelog_topic_name, partition))
    worker = Worker().serve_all({0: [play(at, "u", f"t{at % 5}", NOON_MS + at) for at in range(70)], 1: []})
    table.store.write_batch(0, worker.store[0].items(), 1)
    return table


def listening_of(table: ListenerTable, release: Release | None = CHAMPION, here: Collection[int] = (0, 1)) -> Listening:
    return Listening(
        table, lambda: release, lambda: NOTHING, SIZES, (0, 0),
        homes=lambda key: (0,) if key < b"v" else (1, 0), answered=lambda: here, clock=lambda: NOON_MS / 1000,
    )  # fmt: skip


async def test_a_view_shows_state_lists_and_reasons_and_goes_through_json(table: ListenerTable) -> None:
    listening = listening_of(table)
    view = await listening.look("u")
    listening.close()

    assert msgspec.json.decode(msgspec.json.encode(view), type=ListenerView) == view
    assert view.lineage is not None
    assert (view.lineage.plays_seen, view.lineage.source_offset, view.lineage.release) == (70, 69, CHAMPION.release_id)
    assert [(each.number, each.track_id) for each in view.plays[:2]] == [(70, "t4"), (69, "t3")]
    assert (len(view.plays), view.plays[-1].number, len(view.counts)) == (64, 7, 5)
    for shown, size in zip(view.lists, SIZES, strict=True):
        assert len(shown.tracks) == size
        for track in shown.tracks:
            assert track.why is not None
            assert track.why.words
            assert (track.why.ring is not None) == (track.track_id in {"t0", "t1", "t2", "t3", "t4"})


async def test_plays_are_imagined_and_the_store_stays_as_it_is(table: ListenerTable) -> None:
    listening, stored = listening_of(table), table.store.multi_get(0, [b"\x01u"])
    whatif = await listening.what_if("u", [ImaginedPlay("t9"), ImaginedPlay("unheard of")], [70, 69])
    same = await listening.what_if("u", [], [])
    view = await listening.look("u")
    listening.close()

    assert msgspec.json.decode(msgspec.json.encode(whatif), type=WhatIf) == whatif
    assert (whatif.is_rebuilt, whatif.num_covered, same.is_rebuilt) == (True, 64, False)
    assert whatif.before != whatif.after
    for shown, before, after in zip(view.lists, same.before, same.after, strict=True):
        assert before == after
        assert [(track.track_id, track.score) for track in shown.tracks] == [
            (track.track_id, track.score) for track in before.tracks
        ]
    assert table.store.multi_get(0, [b"\x01u"]) == stored


async def test_a_new_listener_has_no_lists_until_plays_are_imagined(table: ListenerTable) -> None:
    listening = listening_of(table)
    view, whatif = await listening.look("a"), await listening.what_if("a", [ImaginedPlay("t9")], [])
    listening.close()

    assert (view.lineage, view.plays, view.lists) == (None, (), ())
    assert whatif.before == ()
    assert [len(shown.tracks) for shown in whatif.after] == list(SIZES)


async def test_before_the_first_release_the_plays_are_shown_and_nothing_is_imagined(table: ListenerTable) -> None:
    listening = listening_of(table, release=None)
    view = await listening.look("u")

    assert (view.release, view.lists, len(view.plays)) == (None, (), 64)
    with pytest.raises(NoReleaseError, match="before the first release"):
        await listening.what_if("u", [], [])
    listening.close()


async def test_a_listener_whose_partition_is_elsewhere_or_moves_is_not_answered(table: ListenerTable) -> None:
    for listening in (listening_of(table, here=(1,)), listening_of(table, here=())):
        with pytest.raises(ElsewhereError, match="partition 0 is not answered here now"):
            await listening.look("u")
        listening.close()
    table.store.revoke_partitions(table, {TP(table.changelog_topic_name, 1)})
    listening = listening_of(table)  # still counts partition 1 as its own
    with pytest.raises(ElsewhereError, match="partition 1 is not answered here now"):
        await listening.look("v")
    listening.close()


async def test_a_follower_computes_a_view_only_when_something_has_changed(table: ListenerTable) -> None:
    listening = listening_of(table)
    following = listening.follow("a")
    views = [await following.changed(), await following.changed()]
    (record,) = table.store.multi_get(0, [b"\x01u"])
    assert record is not None
    table.store.write_batch(0, [(b"\x01a", record)], 2)
    views += [await following.changed(), await following.changed()]
    listening.close()

    decoded = [msgspec.json.decode(view, type=ListenerView) if view else None for view in views]
    assert [len(view.plays) if view else None for view in decoded] == [0, None, 64, None]


async def test_a_view_is_computed_once_for_all_who_follow_the_listener(table: ListenerTable) -> None:
    listening = listening_of(table)
    followers = [listening.follow("u"), listening.follow("u"), listening.follow("u")]
    first, second = await asyncio.gather(*(follower.changed() for follower in followers[:2]))
    third, other = await followers[2].changed(), await listening.follow("a").changed()

    assert first is not None
    assert first is second is third
    assert msgspec.json.decode(first, type=ListenerView) == await listening.look("u")
    assert other is not first
    listening.close()


async def test_a_view_without_reasons_is_the_same_without_them(table: ListenerTable) -> None:
    listening = listening_of(table)
    view, bare = await listening.look("u"), await listening.look("u", reasons=False)
    followers = [listening.follow("u", reasons=reasons) for reasons in (True, False)]
    followed = [msgspec.json.decode(await each.changed() or b"", type=ListenerView) for each in followers]
    listening.close()

    assert followed == [view, bare]
    assert all(track.why is None for shown in bare.lists for track in shown.tracks)
    unexplained = [[msgspec.structs.replace(track, why=None) for track in shown.tracks] for shown in view.lists]
    assert [list(shown.tracks) for shown in bare.lists] == unexplained


async def test_a_follower_who_leaves_takes_the_view_from_nobody_else(table: ListenerTable) -> None:
    listening = listening_of(table)
    leaving, staying = (asyncio.ensure_future(listening.follow("u").changed()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()

    assert await staying is not None
    assert leaving.cancelled()
    listening.close()


async def test_a_view_that_could_not_be_computed_is_computed_again(table: ListenerTable) -> None:
    listening = replace(listening_of(table), sideline=Sideline(1))
    follower, is_over = listening.follow("u"), threading.Event()
    blocking = asyncio.ensure_future(listening.sideline.run(is_over.wait))
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await follower.changed()
    is_over.set()
    await blocking

    assert await follower.changed() is not None
    listening.close()


async def test_somebody_who_played_is_found_unless_forgotten_or_moved(table: ListenerTable) -> None:
    latest = list[bytes]()
    listening = replace(listening_of(table, here=(0,)), latest=lambda: latest)

    assert listening.anybody() is None
    latest += [b"forgotten", b"w lives in partition 1"]
    assert listening.anybody() is None
    latest.append(b"u")
    assert listening.anybody() == "u"
    listening.close()


async def test_a_listener_with_two_homes_is_new_once_somebody_has_looked_in_both(table: ListenerTable) -> None:
    listening = listening_of(table, here=(1,))

    with pytest.raises(ElsewhereError) as elsewhere:
        await listening.look("v")
    assert (elsewhere.value.partition, elsewhere.value.looked_in) == (0, {1})
    assert (await listening.look("v", {0})).lineage is None
    assert [len(shown.tracks) for shown in (await listening.what_if("v", [ImaginedPlay("t9")], [], {0})).after]
    listening.close()


@pytest.mark.kafka
async def test_a_worker_says_what_it_answers_and_what_it_then_does_answer(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    at = kafka.bootstrap_servers
    settings = Settings(
        kafka_bootstrap_servers=at, app_id=topic_prefix, state_dir=tmp_path / "state", partitions=1, device="cpu",
        releases_url=str(tmp_path / "releases"), plays_topic=f"{topic_prefix}.plays",
        short_term_topic=f"{topic_prefix}.short", long_term_topic=f"{topic_prefix}.long",
        dead_letter_topic=f"{topic_prefix}.dead", releases_topic=f"{topic_prefix}.releases",
        catalogue_topic=f"{topic_prefix}.catalogue",
    )  # fmt: skip
    await ensure_topics(settings)
    await move_alias(
        kafka.connection, settings.releases_topic, ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
    )
    await produce(at, settings.plays_topic, *(play_value("u", track) for track in ("t1", "t2", "t5")))

    async with running(settings) as worker:
        listening = create_listening(settings, worker, 1)
        await until_marked(worker.answering, 2)
        view = await listening.look("u")
        whatif = await listening.what_if("u", [ImaginedPlay("t7", NOON_MS)], [])
        await produce(at, settings.plays_topic, play_value("u", "t7"))
        await until_marked(worker.answering, 3)
        listening.close()

    for horizon, topic in enumerate((settings.short_term_topic, settings.long_term_topic)):
        answers = {}
        for each in await read_committed(at, topic):
            answer = msgspec.json.decode(each.value or b"", type=Recommendation)
            answers[answer.source_offset] = [(track.track_id, track.score) for track in answer.tracks]
        for shown, offset in ((view.lists, 2), (whatif.before, 2), (whatif.after, 3)):
            tracks = shown[horizon].tracks
            assert [track.track_id for track in tracks] == [track_id for track_id, _ in answers[offset]]
            assert [track.score for track in tracks] == pytest.approx([score for _, score in answers[offset]], abs=1e-3)
