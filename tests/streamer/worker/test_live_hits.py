"""The lists that listeners had are judged by what they played next: the same figures as from the answers themselves."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.metrics import WorkerMetrics
from streamer.worker.live_hits import HitWatch
from streamer.worker.saying import Saying
from tests.builders import NOON_MS, play, tombstone
from tests.laws.cases import CHALLENGER, cuts, law
from tests.listening import Fetched, batches, listening
from tests.offline import CHAMPION, EVERYTHING, SIZES, Worker
from tests.oracle import Oracle, Who


def judged(worker: Worker, records: Fetched) -> Counter[tuple[str, bool]]:
    """Count releases and outcomes from the answers as written: every play after an answered one is judged."""
    written: dict[tuple[Who, int], tuple[str, list[str]]] = {
        ((each.source_partition, each.user_id), each.source_offset): (each.release, [t.track_id for t in each.tracks])
        for each in worker.answers(0)
    }
    oracle, found = Oracle(), Counter[tuple[str, bool]]()
    in_force: dict[Who, tuple[str, list[str]]] = {}
    for record in (record for of_partition in records.values() for record in of_partition):
        who = record.partition, (record.key or b"").decode()
        had_plays = who in oracle.lives
        life = oracle.hear(record, None)
        if life is None or not had_plays:
            in_force.pop(who, None)
        if life is None:
            continue
        heard = life.plays[-1]
        if had_plays and who in in_force and (worker.answers_each or (who, life.plays[-2].offset) in written):
            release, tracks = in_force[who]
            found[release, heard.track in tracks] += 1
        in_force |= {who: written[who, heard.offset]} if (who, heard.offset) in written else {}
    return found


def shown(watch: HitWatch) -> Counter[tuple[str, bool]]:
    found = Counter[tuple[str, bool]]()
    for each in watch.shown():
        hits = each.counts.hits
        found += Counter({(each.release, True): hits, (each.release, False): each.counts.plays - hits})
    return found


@law
@given(records=listening(), cuts=cuts, answers_each=st.booleans(), overlap=st.sampled_from([0.0, 0.6]))
def test_hits_are_those_of_the_lists_that_were_written(
    records: Fetched, cuts: Sequence[tuple[int, int]], *, answers_each: bool, overlap: float
) -> None:
    saying = Saying(overlap, SIZES) if answers_each else EVERYTHING
    worker = Worker(answers_each=answers_each, saying=saying, hits=HitWatch(WorkerMetrics(), mask=0))

    worker.serve_all(records, cuts)

    assert worker.hits is not None
    assert shown(worker.hits) == judged(worker, records)


@law
@given(records=listening(), cuts=cuts)
def test_a_list_counts_for_the_release_that_gave_it(records: Fetched, cuts: Sequence[tuple[int, int]]) -> None:
    watch = HitWatch(metrics := WorkerMetrics(), mask=0)
    worker = Worker(hits=watch)

    for number, batch in enumerate(batches(records, cuts)):
        worker.release, worker.promoted_at_ms = (CHAMPION, CHALLENGER)[number % 2], number + 1
        worker.serve(batch)

    expected = judged(worker, records)
    assert shown(watch) == expected
    assert metrics.registry.get_sample_value("refrain_plays_judged_total") == expected.total()
    hits = sum(num for (_, is_hit), num in expected.items() if is_hit)
    assert metrics.registry.get_sample_value("refrain_plays_hit_total") == hits


def test_a_release_that_is_rolled_back_to_is_counted_anew() -> None:
    watch = HitWatch(WorkerMetrics(), mask=0)
    worker = Worker(answers_each=False, hits=watch)

    for offset, (release, promoted_at_ms) in enumerate(
        [(CHAMPION, 1)] * 3 + [(CHALLENGER, 2)] * 2 + [(CHAMPION, 3)] * 4
    ):
        worker.release, worker.promoted_at_ms = release, promoted_at_ms
        worker.serve({0: [play(offset, "u", f"t{offset}", NOON_MS + offset)]})

    reigns = [(each.release, each.promoted_at, each.counts.plays) for each in watch.shown()]
    old, new = CHAMPION.release_id, CHALLENGER.release_id
    assert reigns == [(old, 1, 3), (new, 2, 2), (old, 3, 3)]  # the first play of a reign judges the list before it


def test_a_list_is_dropped_if_the_listener_played_elsewhere_in_between() -> None:
    watch = HitWatch(WorkerMetrics(), mask=0)
    here, elsewhere = Worker(answers_each=False, hits=watch), Worker(answers_each=False)
    at = dict(zip(("here", "elsewhere"), (here, elsewhere), strict=True))

    for offset, where in enumerate(["here", "here", "elsewhere", "here", "here"]):
        at[where].store = elsewhere.store = here.store
        at[where].serve({0: [play(offset, "u", f"t{offset}", NOON_MS + offset)]})

    assert [each.counts.plays for each in watch.shown()] == [2]


def test_a_forgotten_listener_has_no_list() -> None:
    worker = Worker(answers_each=False, hits=HitWatch(WorkerMetrics(), mask=0))

    for record in (play(0, "u", "t1"), tombstone(1, "u"), play(2, "u", "t1"), play(3, "u", "t1")):
        worker.serve({0: [record]})

    assert worker.hits is not None
    assert [each.counts.plays for each in worker.hits.shown()] == [1]


@pytest.mark.parametrize(("most_listeners", "most_of_batch"), [(16, 1000), (1000, 16)])
def test_the_sample_is_halved_until_it_fits_and_follows_whoever_is_in_it(
    most_listeners: int, most_of_batch: int
) -> None:
    watch = HitWatch(WorkerMetrics(), most_listeners, most_of_batch, mask=0)
    worker = Worker(answers_each=False, hits=watch)

    for number in range(5):
        offset = number * 200
        worker.serve({0: [play(offset + user, f"u{user}", "t0", NOON_MS + offset) for user in range(200)]})

    (shown,) = watch.shown()
    found = shown.counts
    assert 4 <= found.listeners <= 40  # a sixteenth of 200 are 12; those of the first batch are dropped
    assert found.plays >= 4 * 4
    assert (shown.knows_popular, found.popular_hits) == (True, found.plays)
