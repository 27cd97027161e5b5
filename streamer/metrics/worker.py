"""The metrics of a worker."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from prometheus_client import Gauge

from models.config import HORIZONS
from streamer.metrics.latencies import STEP_SECONDS
from streamer.metrics.process import ProcessMetrics
from streamer.metrics.queries import QueryMetrics
from streamer.metrics.register import Register

#: Steps in the life of a play, in order; the label of `refrain_step_seconds`.
STEPS: Final = ("decode", "gather", "plan", "step", "merge", "commit")

_PLAYS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


class WorkerMetrics(ProcessMetrics):
    """The metrics of a worker; one instance per process.

    Args:
        causes: of dead letters, each counted from 0.
        entry_causes: why records of the catalogue are refused, each counted from 0.

    Attributes:
        lag_plays_total: records of all owned partitions that are not yet applied; NaN while that is unknown, as it is
            of partitions that are being handed over or recovered.
        lag_seconds_most: age of the last play applied to the partition that is furthest behind; NaN likewise.
    """

    def __init__(self, causes: Sequence[str] = (), entry_causes: Sequence[str] = ()) -> None:
        super().__init__()
        self.lag_plays_total = self.lag_seconds_most = math.nan
        self._declare_plays(self.register)
        self._declare_oddities(self.register, causes)
        self._declare_batches(self.register)
        self._declare_latencies(self.register)
        self._declare_lag(self.register)
        self._declare_partitions(self.register)
        self._declare_releases(self.register)
        self._declare_catalogue(self.register)
        self._declare_entries(self.register, entry_causes)
        self.queries = QueryMetrics(self.register)

    def _declare_plays(self, register: Register) -> None:
        self.plays = register.counter(
            "refrain_plays", "plays", "Plays applied to a listener's state.",
            "Falls to zero while `refrain_lag_plays` rises: the worker is stuck; read its log, then restart it.",
        )  # fmt: skip
        self.recommendations = register.counter(
            "refrain_recommendations", "lists", "Recommendation lists written, by horizon.",
            "Well below `refrain_plays_total` is normal: `latest` answers once per listener and batch. Zero: no "
            "release yet.", horizon=HORIZONS,
        )  # fmt: skip
        self.plays_unanswered = register.counter(
            "refrain_plays_unanswered", "plays", "Plays remembered, but not answered, because there was no release.",
            "Rises: there is no first release yet; `/readyz`, the log and `refrain doctor` say what to run. Nothing is "
            "lost: these plays count from the first answer on.",
        )  # fmt: skip
        self.lists_unsaid = register.counter(
            "refrain_lists_unsaid", "lists", "Lists that repeat the last one, and were not published.",
            "Zero unless REFRAIN_REPEAT_OVERLAP is set. Near all lists: readers seldom learn anything new, raise it.",
            horizon=HORIZONS,
        )  # fmt: skip
        self.plays_judged = register.counter(
            "refrain_plays_judged", "plays", "Plays of sampled listeners that came after an answer to them.",
            "Shows how much `refrain_plays_hit_total` rests on: a few thousand say a hit rate to a percent or two.",
        )  # fmt: skip
        self.plays_hit = register.counter(
            "refrain_plays_hit", "plays", "Plays of sampled listeners that were in the short-term list before them.",
            "Divided by `refrain_plays_judged_total`: the live hit rate. Falls: listening has changed, or a release is "
            "worse than it seemed; compare `live` of `GET /api/v1/releases`, and roll back.",
        )  # fmt: skip
        self.forgotten = register.counter(
            "refrain_listeners_forgotten", "tombstones", "Tombstones applied.",
            "Rises when listeners ask to be forgotten; an unexpected burst means a producer sends null values.",
        )  # fmt: skip

    def _declare_oddities(self, register: Register, causes: Sequence[str]) -> None:
        self.dead_letters = register.counter(
            "refrain_dead_letters", "plays", "Plays rejected, by cause.",
            "A jump means a faulty producer: the cause says how, the topic says which one.", cause=causes,
        )  # fmt: skip
        self.duplicates = register.counter(
            "refrain_duplicates_dropped", "records", "Records dropped because the progress mark covers them.",
            "Rises after restarts and rebalances by what was in flight; steadily: a partition keeps starting over.",
        )  # fmt: skip
        self.negative_gaps = register.counter(
            "refrain_negative_gaps", "plays", "Plays dated before the play that arrived before them.",
            "A steady rise means a producer sends out of order, or clocks disagree; the model sees a gap of zero.",
        )  # fmt: skip
        self.step_failures = register.counter(
            "refrain_step_failures", "steps", "Steps that failed and were retried in halves.",
            "Rises with dead letters `uncomputable`: the release cannot compute some plays; the log says why. Without "
            "them: batches are too large for the device's memory; lower REFRAIN_MAX_BATCH_PLAYS.",
        )  # fmt: skip

    def _declare_batches(self, register: Register) -> None:
        self.batch_plays = register.histogram(
            "refrain_batch_plays", "plays", "Plays in a batch.",
            "Always near REFRAIN_MAX_BATCH_PLAYS: the worker is behind, add workers. Near one: raise "
            "REFRAIN_TARGET_LATENCY_MS to save CPU.", buckets=_PLAYS,
        )  # fmt: skip
        self.step_seconds = register.histogram(
            "refrain_step_seconds", "seconds", "Seconds per batch in each step in the life of a play.",
            "Shows where the time goes: `step` is the model, `commit` is Kafka and the disk.",
            buckets=STEP_SECONDS, step=STEPS,
        )  # fmt: skip
        self.step_cpu = register.counter(
            "refrain_step_cpu_seconds", "seconds", "CPU seconds of the thread that computes the steps.",
            "Per play, what the model costs. Well below `refrain_step_seconds` of `step`: the thread waits for a core, "
            "or for the GPU; give the worker more CPU.",
        )  # fmt: skip
        self.spans_lost = register.counter(
            "refrain_spans_lost", "spans", "Spans of traces that the collector did not take.",
            "Rises: the collector at OTEL_EXPORTER_OTLP_ENDPOINT is away or refuses; the log says how. Plays are "
            "answered all the same.",
        )  # fmt: skip

    def _declare_latencies(self, register: Register) -> None:
        self.latency_seconds = register.latencies(
            "refrain_event_to_recommendation_seconds", "Seconds from a play's Kafka timestamp to its committed answer.",
            "What users notice. High with low lag: batches are too large or Kafka is slow; high with high lag: too few "
            "workers.",
        )  # fmt: skip
        self.latencies_unknown = register.counter(
            "refrain_latency_unknown", "plays", "Plays whose Kafka timestamp does not say how long they took.",
            "Rises as fast as `refrain_plays_total`: producers write no CreateTime, or not in milliseconds, or their "
            "clocks are wrong; set message.timestamp.type=LogAppendTime on the topic. A backfill also raises it while "
            "it runs.",
        )  # fmt: skip

    def _declare_lag(self, register: Register) -> None:
        self.lag_plays = register.gauge(
            "refrain_lag_plays", "records", "Records of a partition not yet applied, those behind open transactions "
            "included.", "Rises on one partition: a hot key or a stuck worker. Rises on all: add workers. NaN: "
            "Kafka does not answer, see `refrain_kafka_unreachable_seconds`.", partition=(),
        )  # fmt: skip
        self.lag_seconds = register.gauge(
            "refrain_lag_seconds", "seconds", "Age of the last play applied to a partition that has more; 0 if none is "
            "left.", "Approaches `refrain_plays_retention_seconds`: plays will be deleted before they are applied; add "
            "workers, or raise retention.ms.", partition=(),
        )  # fmt: skip
        self.blocked_plays = register.gauge(
            "refrain_blocked_plays", "records", "Records of a partition behind an open transaction, which nobody may "
            "read yet.", "Stays above zero: see `refrain_blocked_seconds`. Short peaks are transactions of producers "
            "under way.", partition=(),
        )  # fmt: skip
        self.blocked_seconds = register.gauge(
            "refrain_blocked_seconds", "seconds", "For how long an open transaction has blocked a partition; 0 if none "
            "does.", "Longer than the transactions of your producers last: one was left open. The log and `refrain "
            "offsets show` say where it begins and how to end it; restarting workers does not help.", partition=(),
        )  # fmt: skip

        self.unreadable = register.gauge(
            "refrain_unreadable", "0 or 1", "Whether a partition waits in front of a record that cannot be read.",
            "1: its batch is damaged, or in an unknown codec; the log and `/readyz` say where. Restarting workers does "
            "not help: see the runbook of RefrainPlaysUnreadable.", partition=(),
        )  # fmt: skip

    def _declare_partitions(self, register: Register) -> None:
        self.num_partitions = register.gauge(
            "refrain_plays_partitions", "partitions", "Partitions of `plays`.",
            "More than the sum of `refrain_partitions_owned`: nobody answers the others.",
        )  # fmt: skip
        self.partitions_owned = register.gauge(
            "refrain_partitions_owned", "partitions", "Partitions this worker answers.",
            "0 for longer than a rebalance takes: the worker is spare, or kept out: see `refrain_group_taken`.",
        )  # fmt: skip
        self.group_taken = register.gauge(
            "refrain_group_taken", "0 or 1", "Whether others hold the consumer group and keep this worker out.",
            "1: somebody uses the group's name for other things; the log says who. Stop them, or rename theirs.",
        )  # fmt: skip
        self.listeners = register.gauge(
            "refrain_listeners", "listeners", "Listeners with a state, by partition owned.",
            "Grows with the audience: plan 3.3 kB of disk and changelog for each. Falls only when listeners are "
            "forgotten.", partition=(),
        )  # fmt: skip
        self.recovery_remaining = register.gauge(
            "refrain_recovery_remaining_records", "records", "Changelog records to read before this worker answers.",
            "Stays above zero: recovery hangs or the changelog is long; a standby or a persistent disk shortens it.",
        )  # fmt: skip
        self.standby_lag = register.gauge(
            "refrain_standby_lag_records", "records", "Changelog records that a standby on this worker has not read.",
            "Stays high: the standby's worker cannot keep up with the changelog, a takeover would replay this much.",
            partition=(),
        )  # fmt: skip

    def _declare_releases(self, register: Register) -> None:
        self.release_created = register.unknown_gauge(
            "refrain_release_created_timestamp_seconds", "seconds since 1970",
            "When the running release was created; NaN without one.", "Older than the trainer's usual interval: check "
            "the trainer. NaN: nothing is answered until there is a release, see `refrain_plays_unanswered_total`.",
        )  # fmt: skip
        self.release_failures = register.counter(
            "refrain_release_failures", "attempts", "Announced releases that could not be taken up.",
            "Above zero: the log says why. The old release keeps running.",
        )  # fmt: skip
        self.releases_pending = register.gauge(
            "refrain_releases_pending", "releases", "Announced releases, newer than the running one, that are not "
            "taken up yet.", "Above zero for long: the store is out of reach or a release is broken; the log says "
            "which, `/readyz` too before the first. The worker keeps trying; promote another release, or mend it.",
        )  # fmt: skip
        self.notices_refused = register.counter(
            "refrain_release_notices_refused", "notices", "Notices that name no release below REFRAIN_RELEASES_URL.",
            "Above zero: something else writes to the topic of releases; check its ACLs. Nothing was opened because of "
            "it.",
        )  # fmt: skip
        self.releases = register.counter(
            "refrain_releases_taken_up", "releases", "Releases taken up.",
            "Rises once per release; a worker that stays behind the others could not load it.",
        )  # fmt: skip

    def _declare_catalogue(self, register: Register) -> None:
        self.catalogue_tracks = register.unknown_gauge(
            "refrain_catalogue_tracks", "tracks", "Tracks that the running release knows; NaN without one.",
            "Falls by much after a release: the trainer's window has become too short, or plays are missing.",
        )  # fmt: skip
        self.plays_unknown = register.counter(
            "refrain_unknown_track_plays", "plays", "Plays of tracks that the running release does not know.",
            "A rising share of `refrain_plays_total`: the champion is old, or a producer names tracks in another way.",
        )  # fmt: skip
        self.rebuilds = register.counter(
            "refrain_states_rebuilt", "states", "States rebuilt from remembered plays under another release.",
            "Rises after a release, as each listener next plays; without a new release, check the alias: it flaps.",
        )  # fmt: skip

    def _declare_entries(self, register: Register, causes: Sequence[str]) -> None:
        self.entries = register.counter(
            "refrain_catalogue_records", "records", "Records of the catalogue that were read, since the start.",
            "Rises at each start by all that the topic holds, and by what is loaded: a start takes as long as reading "
            "them.",
        )  # fmt: skip
        self.entries_refused = register.counter(
            "refrain_catalogue_records_refused", "records", "Records of the catalogue that name no track, by cause.",
            "Above zero: their tracks have no name; the log says where the first of each cause is. Write them again.",
            cause=causes,
        )  # fmt: skip
        self.withdrawn = register.gauge(
            "refrain_tracks_withdrawn", "tracks", "Tracks that the catalogue has withdrawn: they are in no list.",
            "Jumps: somebody writes null values to the catalogue; a record returns a track. Differs between workers "
            "for longer than seconds: one of them reads the catalogue no longer, restart it.",
        )  # fmt: skip

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Record how many seconds one step of a batch takes."""
        start_s = time.perf_counter()
        yield
        self.step_seconds.labels(step).observe(time.perf_counter() - start_s)

    def count_release(self, created_at_ms: int, num_tracks: int) -> None:
        """Count a release that was taken up."""
        self.releases.inc()
        self.release_created.set(created_at_ms / 1000)
        self.catalogue_tracks.set(num_tracks)

    def show_partitions(
        self, lags: Mapping[int, float] | None, listeners: Mapping[int, int], standby_lags: Mapping[int, int]
    ) -> None:
        """Show lag and listeners of owned partitions and the lag of standbys; drop all other partitions.

        Args:
            lags: plays; None while it is not known which partitions are owned.
            listeners: how many.
            standby_lags: records.
        """
        self.lag_plays_total = math.nan if lags is None else sum(lags.values())
        _show(self.lag_plays, lags or {})
        _show(self.listeners, listeners)
        _show(self.standby_lag, standby_lags)

    def show_ages(self, lags_s: Mapping[int, float] | None) -> None:
        """Show how old the last applied play of owned partitions is, None as above; drop all other partitions."""
        ages_s = [math.nan] if lags_s is None else list(lags_s.values())
        self.lag_seconds_most = math.nan if any(map(math.isnan, ages_s)) else max(ages_s, default=0.0)
        _show(self.lag_seconds, lags_s or {})

    def show_unreadable(self, is_unreadable: Mapping[int, bool]) -> None:
        """Show which owned partitions cannot be read on; drop all other partitions."""
        _show(self.unreadable, is_unreadable)

    def show_blocks(self, num_plays: Mapping[int, int], seconds: Mapping[int, float]) -> None:
        """Show what open transactions block of owned partitions; drop all other partitions."""
        _show(self.blocked_plays, num_plays)
        _show(self.blocked_seconds, seconds)


def _show(gauge: Gauge, values: Mapping[int, float]) -> None:
    gauge.clear()
    for partition, value in values.items():
        gauge.labels(partition).set(value)
