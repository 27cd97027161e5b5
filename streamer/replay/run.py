"""The replay from beginning to end: train, stream, score, print.

It shows that serving is training (law 3), because the answers score what the same release scores offline, and that no
play is lost or counted twice (law 1), even if a worker is killed.
"""

import asyncio
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from uuid import uuid4

import msgspec
import numpy as np
from rich.console import Console

from models.config import LONG_TERM_SIZE, SHORT_TERM_SIZE
from models.plays.split import Lists, Split, split_plays
from models.recipes import Recipe
from models.release import Release
from models.wording import plural
from streamer.errors import RefrainError
from streamer.kafka.access import check_access
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import connection_of
from streamer.kafka.topics import ensure_topics, specs
from streamer.local.cluster import BOOTSTRAP, Cluster
from streamer.recordings.plays import RecordedPlays
from streamer.releases.alias import move_alias
from streamer.releases.loading import notice_at, read_release
from streamer.replay.champion import train_release
from streamer.replay.collector import AnswerReader, Collector
from streamer.replay.ledger import ReplayLedger, balance, read_plays_seen
from streamer.replay.playback import Playback, Watch
from streamer.replay.recording import Recording
from streamer.replay.scoreboard import (
    BASELINES_SHOWN,
    Scores,
    draw,
    score,
    score_as_served,
    score_baseline,
    score_by_protocol,
)
from streamer.runtime.progress import progress, watch
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice


class ReplayError(RefrainError):
    """Raised when there are too few plays, or when a replay breaks a law, after its figures are printed."""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is replayed, and how.

    Attributes:
        recorded: the plays.
        num_workers: processes that answer them.
        kill_halfway: kill worker 0 and start it again once half of the plays are answered.
        max_under_way: the most plays sent but not yet answered; bounds the latency.
        release: location of the release that answers; None: train one.
        recipe: what is trained.
    """

    recorded: RecordedPlays
    num_workers: int
    kill_halfway: bool
    max_under_way: int
    release: str | None
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Streamed:
    """The result of a replay.

    Attributes:
        scores: of the committed answers.
        ledger: the plays lost, and counted twice.
        plays_per_s: from the first play sent to the last one answered.
        latency_ms_p50: from a play's Kafka timestamp to that of its later answer; the median.
        latency_ms_p99: the same, the 99th percentile.
    """

    scores: Scores
    ledger: ReplayLedger
    plays_per_s: float
    latency_ms_p50: float
    latency_ms_p99: float


def check_kafka(environment: Mapping[str, str]) -> None:
    """See whether the Kafka that the environment names lets us in, if it names one.

    Raises:
        AccessError: it does not.
        KafkaConnectionError: it does not answer.
    """
    if environment.get(BOOTSTRAP):
        asyncio.run(check_access(connection_of(Settings.from_environment(environment))))


def replay(plan: ReplayPlan, environment: Mapping[str, str]) -> None:
    """Train, stream, score, print; the last line is JSON.

    Args:
        plan: what to do.
        environment: of the workers; if it names a Kafka, that one is used and left as it was.

    Raises:
        ReplayError: the answers do not score what they score offline, or a play was lost or counted twice.
    """
    split = _split(plan.recorded)
    names = _names_of_its_own(environment, None if plan.release is None else notice_at(plan.release)[0])
    with names as own, Cluster(own, num_workers=plan.num_workers) as cluster:
        notice = _provide_release(plan, split, cluster.settings)
        settings = cluster.settings
        release = read_release(f"{settings.releases_url}/{notice.release_id}", settings.device)
        streamed = asyncio.run(_stream(plan, split, notice, cluster))
    scores = _score_offline(release, split)
    offline, baselines = scores["as served"], {name: scores[name] for name in BASELINES_SHOWN}
    rows = {"streamed": streamed.scores, **scores}
    Console().print(draw(f"test part, release {release.release_id}", rows))
    sys.stdout.write(msgspec.json.encode(_summary(streamed, baselines)).decode() + "\n")
    sys.stdout.flush()
    reject_broken_laws(streamed, offline)


def _score_offline(release: Release, split: Split) -> dict[str, Scores]:
    """Score the same release, and the baselines that it must beat, without Kafka."""
    ways: dict[str, Callable[[], Scores]] = {
        "as served": lambda: score_as_served(release, split),
        "by protocol": lambda: score_by_protocol(release, split),
        **{name: functools.partial(score_baseline, name, split) for name in BASELINES_SHOWN},
    }
    return {name: ways[name]() for name in watch(ways)}


def _split(recorded: RecordedPlays) -> Split:
    try:
        return split_plays(recorded.plays)
    except ValueError as exc:
        raise ReplayError(
            f"{plural(len(recorded.plays.tracks), 'play')} cannot be split by time ({exc}); use more plays"
        ) from exc


def _provide_release(plan: ReplayPlan, split: Split, settings: Settings) -> ReleaseNotice:
    if plan.release is not None:
        return notice_at(plan.release)[1]
    return train_release(split, plan.recipe, releases_url=settings.releases_url, device_name=settings.device)


@contextmanager
def _names_of_its_own(environment: Mapping[str, str], releases_url: str | None) -> Iterator[dict[str, str]]:
    """Yield an environment with names of this replay; afterwards delete the topics if the broker stays.

    Args:
        environment: of the caller.
        releases_url: where the release is; None: one will be trained.
    """
    name = f"replay-{uuid4().hex[:8]}"
    own = {variable: value for variable, value in environment.items() if variable != "REFRAIN_RELEASES_URL"} | {
        "REFRAIN_APP_ID": name,
        "REFRAIN_PLAYS_TOPIC": f"{name}.plays",
        "REFRAIN_SHORT_TERM_TOPIC": f"{name}.short-term",
        "REFRAIN_LONG_TERM_TOPIC": f"{name}.long-term",
        "REFRAIN_DEAD_LETTER_TOPIC": f"{name}.dead-letter",
        "REFRAIN_RELEASES_TOPIC": f"{name}.releases",
        "REFRAIN_CATALOGUE_TOPIC": f"{name}.catalogue",
        "REFRAIN_ANSWER": "each",
        "REFRAIN_SHORT_TERM_SIZE": str(SHORT_TERM_SIZE),
        "REFRAIN_LONG_TERM_SIZE": str(LONG_TERM_SIZE),
    }
    own |= {} if releases_url is None else {"REFRAIN_RELEASES_URL": releases_url}
    try:
        yield own
    finally:
        if environment.get(BOOTSTRAP):
            asyncio.run(_delete_topics(Settings.from_environment(own)))


async def _delete_topics(settings: Settings) -> None:
    async with KafkaAdmin(connection_of(settings)) as admin:
        await admin.delete_topics([settings.plays_topic, *(spec.name for spec in specs(settings, 1))])


async def _stream(plan: ReplayPlan, split: Split, notice: ReleaseNotice, cluster: Cluster) -> Streamed:
    """Send the plays to workers that answer with the release; return the result."""
    settings = cluster.settings
    servers = connection_of(settings)
    num_partitions = await ensure_topics(settings)
    await move_alias(servers, settings.releases_topic, notice)
    cluster.start_workers()
    recording = Recording.of(plan.recorded, split, num_partitions)
    scored = split.served_anchors("test")
    answer_topics = (settings.short_term_topic, settings.long_term_topic)
    collector = Collector(recording, scored, split.catalogue, (SHORT_TERM_SIZE, LONG_TERM_SIZE))
    playback = Playback(
        recording,
        collector,
        AnswerReader(servers, answer_topics, settings.dead_letter_topic, num_partitions, collector),
        servers,
        topic=settings.plays_topic,
        max_under_way=plan.max_under_way,
    )
    await asyncio.to_thread(cluster.wait_ready)
    with _watching(cluster, len(recording), kill_halfway=plan.kill_halfway) as look:
        await playback.run(look)
    plays_seen = await read_plays_seen(servers, settings.changelog_topic, num_partitions, recording.users)
    return _result_of(
        score(split, Lists(*collector.lists_at(scored))), balance(recording, collector, plays_seen), playback
    )


def _result_of(scores: Scores, ledger: ReplayLedger, playback: Playback) -> Streamed:
    sent_at_ms, answered_at_ms = playback.times_ms()
    latency_ms_p50, latency_ms_p99 = np.percentile(answered_at_ms - sent_at_ms, [50, 99])
    return Streamed(
        scores=scores,
        ledger=ledger,
        plays_per_s=len(sent_at_ms) * 1000 / float(answered_at_ms.max() - sent_at_ms.min()),
        latency_ms_p50=float(latency_ms_p50),
        latency_ms_p99=float(latency_ms_p99),
    )


@contextmanager
def _watching(cluster: Cluster, num_plays: int, *, kill_halfway: bool) -> Iterator[Watch]:
    """Show the progress of a playback, end it if a worker ends, and kill one if requested."""
    kill_at = num_plays // 2 if kill_halfway else num_plays
    with progress("replay", num_plays, "plays answered") as show:

        def look(_num_sent: int, num_answered: int) -> None:
            nonlocal kill_at
            show(num_answered)
            cluster.check()
            if kill_at <= num_answered < num_plays:
                kill_at = num_plays
                cluster.kill_worker(0)
                cluster.start_worker(0)
                sys.stderr.write(f"worker 0 was killed after {plural(num_answered, 'answer')} and restarted\n")

        yield look


def _summary(streamed: Streamed, baselines: Mapping[str, Scores]) -> dict[str, object]:
    """Return the fields of the last line."""
    return {
        **asdict(streamed.ledger),
        "plays_per_s": round(streamed.plays_per_s, 1),
        "latency_ms_p50": round(streamed.latency_ms_p50, 1),
        "latency_ms_p99": round(streamed.latency_ms_p99, 1),
        **_rounded(streamed.scores),
        "baselines": {name: _rounded(scores) for name, scores in baselines.items()},
    }


def _rounded(scores: Scores) -> dict[str, float]:
    return {name: round(mean, 5) for name, mean in scores.means().items()}


def reject_broken_laws(streamed: Streamed, offline: Scores) -> None:
    """Check the result of a replay against the laws.

    Args:
        streamed: the result.
        offline: the score of the same release on the same plays, without Kafka.

    Raises:
        ReplayError: a play was lost or counted twice, or the scores differ in the first three decimals.
    """
    ledger = streamed.ledger
    if ledger.lost or ledger.twice:
        lost = plural(ledger.lost, "play was", "plays were")
        raise ReplayError(f"{lost} lost and {ledger.twice} counted twice: law 1 does not hold")
    if not streamed.scores.agrees_with(offline):
        raise ReplayError(
            f"the answers score {_rounded(streamed.scores)}, the same release offline {_rounded(offline)}: law 3 does "
            f"not hold, unless {plural(ledger.dead_letters, 'rejected play explains', 'rejected plays explain')} it"
        )
