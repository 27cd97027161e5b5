"""The replay from beginning to end: train, stream, score, print.

What it shows: serving is training (law 3), for the answers score what the same release scores offline; and no play is
lost or counted twice (law 1), whoever is killed on the way.
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final
from uuid import uuid4

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.config import LONG_TERM_SIZE, SHORT_TERM_SIZE
from models.plays.split import Lists, Split, split_plays
from models.recipes import Recipe
from streamer.errors import RefrainError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.topics import ensure_topics, specs
from streamer.local.cluster import BOOTSTRAP, Cluster
from streamer.recordings.plays import RecordedPlays
from streamer.releases.alias import move_alias
from streamer.releases.loading import notice_release, read_release
from streamer.replay.champion import train_release
from streamer.replay.collector import AnswerReader, Collector
from streamer.replay.ledger import ReplayLedger, balance, read_plays_seen
from streamer.replay.playback import Playback, Watch
from streamer.replay.recording import Recording
from streamer.replay.scoreboard import Scores, draw, score, score_as_served, score_baselines, score_by_protocol
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice

_CONSOLE: Final = Console(stderr=True)


class ReplayError(RefrainError):
    """Raised when plays are too few, or their replay shows that a law does not hold: after its figures are printed."""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is replayed, and how.

    Attributes:
        listening: the plays.
        num_workers: processes that answer them.
        kill_halfway: worker 0 is killed and started again once half of the plays are answered.
        max_under_way: plays sent and not answered yet; bounds the latency.
        release: location of the release that answers; None: one is trained.
        recipe: what is trained.
    """

    listening: RecordedPlays
    num_workers: int
    kill_halfway: bool
    max_under_way: int
    release: str | None
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Streamed:
    """What came of the plays.

    Attributes:
        scores: of the committed answers.
        ledger: what is lost, and what counted twice.
        plays_per_s: from the first play sent to the last one answered.
        latency_ms_p50: from a play's Kafka timestamp to that of its later answer; the median.
        latency_ms_p99: the same, of the slowest play in a hundred.
    """

    scores: Scores
    ledger: ReplayLedger
    plays_per_s: float
    latency_ms_p50: float
    latency_ms_p99: float


def replay(plan: ReplayPlan, environment: Mapping[str, str]) -> None:
    """Train, stream, score, print; the last line is JSON.

    Args:
        plan: what to do.
        environment: of the workers; where it names a Kafka, that one is used, and left as it was.

    Raises:
        ReplayError: the answers score otherwise than offline, or a play was lost or counted twice.
    """
    split = _split(plan.listening)
    with _names_of_its_own(environment) as own, Cluster(own, num_workers=plan.num_workers) as cluster:
        notice = _provide_release(plan, split, cluster.settings)
        release = read_release(notice, cluster.settings.device)
        streamed = asyncio.run(_stream(plan, split, notice, cluster))
    offline, baselines = score_as_served(release, split), score_baselines(split)
    rows = {
        "streamed": streamed.scores,
        "as served": offline,
        "by protocol": score_by_protocol(release, split),
        **baselines,
    }
    Console().print(draw(f"test part, release {release.release_id}", rows))
    sys.stdout.write(msgspec.json.encode(_summary(streamed, baselines)).decode() + "\n")
    sys.stdout.flush()
    refuse_broken_laws(streamed, offline)


def _split(listening: RecordedPlays) -> Split:
    try:
        return split_plays(listening.plays)
    except ValueError as exc:
        raise ReplayError(f"{len(listening.plays.tracks)} plays cannot be split by time ({exc}); take more") from exc


def _provide_release(plan: ReplayPlan, split: Split, settings: Settings) -> ReleaseNotice:
    if plan.release is not None:
        return notice_release(plan.release)
    return train_release(
        split, plan.recipe, releases_url=settings.releases_url, device_name=settings.device, console=_CONSOLE
    )


@contextmanager
def _names_of_its_own(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield what the workers are started with; delete the topics afterwards where the broker lives on."""
    name = f"replay-{uuid4().hex[:8]}"
    own = {variable: value for variable, value in environment.items() if variable != "REFRAIN_RELEASES_URL"} | {
        "REFRAIN_APP_ID": name,
        "REFRAIN_PLAYS_TOPIC": f"{name}.plays",
        "REFRAIN_SHORT_TERM_TOPIC": f"{name}.short-term",
        "REFRAIN_LONG_TERM_TOPIC": f"{name}.long-term",
        "REFRAIN_DEAD_LETTER_TOPIC": f"{name}.dead-letter",
        "REFRAIN_RELEASES_TOPIC": f"{name}.releases",
        "REFRAIN_ANSWER": "each",
        "REFRAIN_SHORT_TERM_SIZE": str(SHORT_TERM_SIZE),
        "REFRAIN_LONG_TERM_SIZE": str(LONG_TERM_SIZE),
    }
    try:
        yield own
    finally:
        if environment.get(BOOTSTRAP):
            asyncio.run(_delete_topics(Settings.from_environment(own)))


async def _delete_topics(settings: Settings) -> None:
    async with KafkaAdmin(settings.kafka_bootstrap_servers) as admin:
        await admin.delete_topics([settings.plays_topic, *(spec.name for spec in specs(settings, 1))])


async def _stream(plan: ReplayPlan, split: Split, notice: ReleaseNotice, cluster: Cluster) -> Streamed:
    """Send the plays to workers that answer with the release, and take stock."""
    settings = cluster.settings
    servers = settings.kafka_bootstrap_servers
    num_partitions = await ensure_topics(settings)
    await move_alias(servers, settings.releases_topic, notice)
    cluster.start_workers()
    recording = Recording.of(plan.listening, split, num_partitions)
    asked = split.served_anchors("test")
    answer_topics = (settings.short_term_topic, settings.long_term_topic)
    collector = Collector(recording, asked, split.catalogue, (SHORT_TERM_SIZE, LONG_TERM_SIZE))
    playback = Playback(
        recording,
        collector,
        AnswerReader(servers, answer_topics, settings.dead_letter_topic, num_partitions, collector),
        servers,
        topic=settings.plays_topic,
        max_under_way=plan.max_under_way,
    )
    await asyncio.to_thread(cluster.wait_ready)
    with _watching(cluster, len(recording), kill_halfway=plan.kill_halfway) as watch:
        await playback.run(watch)
    plays_seen = await read_plays_seen(servers, settings.changelog_topic, num_partitions, recording.users)
    return _take_stock(
        score(split, Lists(*collector.lists_at(asked))), balance(recording, collector, plays_seen), playback
    )


def _take_stock(scores: Scores, ledger: ReplayLedger, playback: Playback) -> Streamed:
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
    """Show how far a playback is, end it when a worker ends, and kill one if asked to."""
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    kill_at = num_plays // 2 if kill_halfway else num_plays
    with Progress(*columns, console=_CONSOLE) as progress:
        sent, answered = (progress.add_task(name, total=num_plays) for name in ("sent", "answered"))

        def watch(num_sent: int, num_answered: int) -> None:
            nonlocal kill_at
            progress.update(sent, completed=num_sent)
            progress.update(answered, completed=num_answered)
            cluster.check()
            if kill_at <= num_answered < num_plays:
                kill_at = num_plays
                cluster.kill_worker(0)
                cluster.start_worker(0)
                progress.log(f"worker 0 was killed after {num_answered} answers, and starts again")

        yield watch


def _summary(streamed: Streamed, baselines: Mapping[str, Scores]) -> dict[str, object]:
    """Lay out the last line."""
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


def refuse_broken_laws(streamed: Streamed, offline: Scores) -> None:
    """Hold what came of a replay against the laws.

    Args:
        streamed: what came.
        offline: what the same release scores over the same plays, without Kafka.

    Raises:
        ReplayError: a play was lost or counted twice, or the scores differ in three decimals.
    """
    ledger = streamed.ledger
    if ledger.lost or ledger.twice:
        raise ReplayError(f"{ledger.lost} plays were lost and {ledger.twice} counted twice: law 1 does not hold")
    if not streamed.scores.agrees_with(offline):
        raise ReplayError(
            f"the answers score {_rounded(streamed.scores)}, the same release offline {_rounded(offline)}: law 3 does "
            f"not hold, unless it is for the {ledger.dead_letters} plays that were refused"
        )
