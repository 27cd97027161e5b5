"""Every metric, declared once: name with unit, kind, one sentence, and what an operator does when it changes.

What has not been measured yet is NaN, not 0; what is counted by a label is 0 from the start, for each of its values.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily

from models.config import HORIZONS

#: Steps in the life of a play, in order; the label of `refrain_step_seconds`.
STEPS: Final = ("decode", "gather", "plan", "step", "merge", "commit")

#: Stages of a trainer, in order; the label of `refrain_trainer_stage`. It archives the plays it missed and waits for a
#: trigger. A fit reads its window, learns item vectors and the network, gathers candidates, fits the second stage on
#: them and judges the result; weights that pass the gate are published.
TRAINER_STAGES: Final = (
    "catch-up", "wait", "read", "items", "network", "candidates", "second-stage", "judge", "publish",
)  # fmt: skip

_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_LATENCY_SECONDS: Final = (*_SECONDS, 60, 300)
_FIT_SECONDS: Final = (1, 10, 60, 300, 900, 1800, 3600, 3 * 3600, 12 * 3600)
_PLAYS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


class WorkerMetrics:
    """The metrics of a worker; one instance per process, in its own registry.

    Args:
        causes: of dead letters, each counted from 0.
    """

    def __init__(self, causes: Sequence[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self._declare_plays(self.registry)
        self._declare_batches(self.registry)
        self._declare_partitions(self.registry)
        self._declare_releases(self.registry)
        for cause in causes:
            self.dead_letters.labels(cause)
        self.kafka_unreachable = _declare_kafka(self.registry)

    def _declare_plays(self, registry: CollectorRegistry) -> None:
        # Falls to zero while `refrain_lag_plays` rises: the worker is stuck; read its log, then restart it.
        self.plays = Counter("refrain_plays", "Plays applied to a listener's state.", registry=registry)
        # Well below `refrain_plays` is normal: `latest` answers once per listener and batch. Zero: no release yet.
        self.recommendations = Counter(
            "refrain_recommendations", "Recommendation lists written, by horizon.", ["horizon"], registry=registry
        )
        # Zero unless repeat_overlap is set. Near all lists: readers seldom learn anything new, so raise it.
        self.lists_unsaid = Counter(
            "refrain_lists_unsaid", "Lists that repeat the last one, and were not published.", ["horizon"],
            registry=registry,
        )  # fmt: skip
        for horizon in HORIZONS:
            self.recommendations.labels(horizon)
            self.lists_unsaid.labels(horizon)
        # A jump means a faulty producer: `refrain_dead_letters_total` by cause says how, the topic says which one.
        self.dead_letters = Counter("refrain_dead_letters", "Plays rejected, by cause.", ["cause"], registry=registry)
        # Rises after restarts and rebalances by what was in flight; a steady rise: a partition keeps starting over.
        self.duplicates = Counter(
            "refrain_duplicates_dropped", "Records dropped because the progress mark covers them.", registry=registry
        )
        # Rises when listeners ask to be forgotten; an unexpected burst means a producer sends null values.
        self.forgotten = Counter("refrain_listeners_forgotten", "Tombstones applied.", registry=registry)
        # A steady rise means a producer sends out of order, or clocks disagree; the model sees a gap of zero.
        self.negative_gaps = Counter(
            "refrain_negative_gaps", "Plays dated before the play that arrived before them.", registry=registry
        )
        # Rises after a release, as each listener next plays; without a new release, the alias is flapping: check it.
        self.rebuilds = Counter(
            "refrain_states_rebuilt", "States rebuilt from remembered plays under another release.", registry=registry
        )

    def _declare_batches(self, registry: CollectorRegistry) -> None:
        # Always near max_batch_plays: the worker is behind, add workers. Near one: raise target_latency_ms to save CPU.
        self.batch_plays = Histogram("refrain_batch_plays", "Plays in a batch.", buckets=_PLAYS, registry=registry)
        # Shows where the time goes: step is the model, commit is Kafka and the disk.
        self.step_seconds = Histogram(
            "refrain_step_seconds", "Seconds per batch in each step in the life of a play.", ["step"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        for step in STEPS:
            self.step_seconds.labels(step)
        # Rises with dead letters `uncomputable`: the release cannot compute some plays; the log says why. Without them:
        # batches are too large for the device's memory; lower REFRAIN_MAX_BATCH_PLAYS.
        self.step_failures = Counter(
            "refrain_step_failures", "Steps that failed and were retried in halves.", registry=registry
        )
        # What users notice: the time from a play's Kafka timestamp to its committed answer. High with low lag: batches
        # are too large or Kafka is slow; high with high lag: too few workers.
        self.latency_seconds = Latencies(
            "refrain_event_to_recommendation_seconds",
            "Seconds from a play's Kafka timestamp to its committed answer.",
            registry,
        )
        # Rises as fast as `refrain_plays`: producers write no CreateTime, or not in milliseconds, or their clocks are
        # wrong; set message.timestamp.type=LogAppendTime on the topic. A backfill also raises it while it runs.
        self.latencies_unknown = Counter(
            "refrain_latency_unknown", "Plays whose Kafka timestamp does not say how long they took.",
            registry=registry,
        )  # fmt: skip

    def _declare_partitions(self, registry: CollectorRegistry) -> None:
        # Rises on one partition: a hot key or a stuck worker. Rises on all: add workers. NaN: unknown, as Kafka does
        # not answer; see `refrain_kafka_unreachable_seconds`.
        self.lag_plays = Gauge(
            "refrain_lag_plays", "Records of a partition not yet applied, those behind open transactions included.",
            ["partition"], registry=registry,
        )  # fmt: skip
        # Stays above zero: see `refrain_blocked_seconds`. Short peaks are transactions of producers under way.
        self.blocked_plays = Gauge(
            "refrain_blocked_plays", "Records of a partition behind an open transaction, which nobody may read yet.",
            ["partition"], registry=registry,
        )  # fmt: skip
        # Longer than the transactions of your producers last: one was left open. The log and `refrain offsets show` say
        # where it begins and how to end it; restarting workers does not help.
        self.blocked_seconds = Gauge(
            "refrain_blocked_seconds", "For how long an open transaction has blocked a partition; 0 if none does.",
            ["partition"], registry=registry,
        )  # fmt: skip
        # Grows with the audience: plan 3.3 kB of disk and changelog for each. Falls only when listeners are forgotten.
        self.listeners = Gauge(
            "refrain_listeners", "Listeners with a state, by partition owned.", ["partition"], registry=registry
        )
        # Stays above zero: recovery hangs or the changelog is long; a standby or a persistent disk shortens it.
        self.recovery_remaining = Gauge(
            "refrain_recovery_remaining_records", "Changelog records left to read before this worker answers.",
            registry=registry,
        )  # fmt: skip
        # Stays high: the standby's worker cannot keep up with the changelog, and a takeover would replay this much.
        self.standby_lag = Gauge(
            "refrain_standby_lag_records", "Changelog records that a standby on this worker has not read.",
            ["partition"], registry=registry,
        )  # fmt: skip
        # 0 for longer than a rebalance takes: the worker is spare, or kept out: see `refrain_group_taken`.
        self.partitions_owned = Gauge("refrain_partitions_owned", "Partitions this worker answers.", registry=registry)
        # 1: somebody uses the consumer group's name for other things; the log says who. Stop them, or rename theirs.
        self.group_taken = Gauge(
            "refrain_group_taken", "Whether others hold the consumer group and keep this worker out.", registry=registry
        )

    def _declare_releases(self, registry: CollectorRegistry) -> None:
        # Older than the trainer's usual interval: check the trainer. NaN: nothing is answered until a release is there.
        self.release_created = Gauge(
            "refrain_release_created_timestamp_seconds", "When the running release was created; NaN without one.",
            registry=registry,
        )  # fmt: skip
        self.release_created.set(math.nan)
        # Above zero: an announced release could not be taken up; the log says why. The old one keeps running.
        self.release_failures = Counter(
            "refrain_release_failures", "Announced releases that could not be taken up.", registry=registry
        )
        # Above zero for long: the store is out of reach or a release is broken; the log says which, `/readyz` too
        # before the first. The worker keeps trying; promote another release, or mend the store.
        self.releases_pending = Gauge(
            "refrain_releases_pending", "Announced releases, newer than the running one, that are not taken up yet.",
            registry=registry,
        )  # fmt: skip
        # Above zero: something else writes to the topic of releases; check its ACLs. Nothing was opened because of it.
        self.notices_refused = Counter(
            "refrain_release_notices_refused", "Notices that name no release below REFRAIN_RELEASES_URL.",
            registry=registry,
        )  # fmt: skip
        # Rises once per release; a worker that stays behind the others could not load it.
        self.releases = Counter("refrain_releases_taken_up", "Releases taken up.", registry=registry)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Record how many seconds one step of a batch takes."""
        start_s = time.perf_counter()
        yield
        self.step_seconds.labels(step).observe(time.perf_counter() - start_s)

    def count_release(self, created_at_ms: int) -> None:
        """Count a release that was taken up."""
        self.releases.inc()
        self.release_created.set(created_at_ms / 1000)

    def show_partitions(
        self, lags: Mapping[int, float], listeners: Mapping[int, int], standby_lags: Mapping[int, int]
    ) -> None:
        """Show lag and listeners of owned partitions and the lag of standbys; drop all other partitions."""
        _show(self.lag_plays, lags)
        _show(self.listeners, listeners)
        _show(self.standby_lag, standby_lags)

    def show_blocks(self, num_plays: Mapping[int, int], seconds: Mapping[int, float]) -> None:
        """Show what open transactions block of owned partitions; drop all other partitions."""
        _show(self.blocked_plays, num_plays)
        _show(self.blocked_seconds, seconds)


def _show(gauge: Gauge, values: Mapping[int, float]) -> None:
    gauge.clear()
    for partition, value in values.items():
        gauge.labels(partition).set(value)


class TrainerMetrics:
    """The metrics of a trainer; one instance per process, in its own registry.

    Args:
        triggers: of fits, each counted from 0.

    Attributes:
        current_stage: the latest of `TRAINER_STAGES`; empty before the first.
    """

    def __init__(self, triggers: Sequence[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self.current_stage = ""
        self._declare_archive(self.registry)
        self._declare_fits(self.registry)
        self._declare_releases(self.registry)
        for trigger in triggers:
            self.fits.labels(trigger)
        self.kafka_unreachable = _declare_kafka(self.registry)

    def _declare_archive(self, registry: CollectorRegistry) -> None:
        # Constant while plays arrive: the trainer is stuck or cannot reach Kafka; read its log, then restart it.
        self.plays_archived = Counter("refrain_plays_archived", "Plays written to the archive.", registry=registry)
        # Rises with the worker's `refrain_dead_letters`, which says why.
        self.plays_refused = Counter("refrain_plays_not_archived", "Bad plays skipped.", registry=registry)
        # Above zero: the trainer was down for longer than `plays` is retained; lengthen the topic's retention.
        self.records_lost = Counter(
            "refrain_records_lost_to_retention", "Records deleted before they were archived.", registry=registry
        )
        # Above zero for long: an open transaction of a producer blocks a partition; the log says how to end it.
        self.blocked_seconds = Gauge(
            "refrain_archive_blocked_seconds", "Longest time that an open transaction has kept plays from the archive.",
            registry=registry,
        )  # fmt: skip
        # Follows the worker's `refrain_listeners_forgotten`; if it does not, the archive still holds their plays.
        self.forgotten = Counter(
            "refrain_archive_listeners_forgotten", "Listeners who asked to be forgotten, dropped from the archive.",
            registry=registry,
        )  # fmt: skip
        # Shows that forgotten listeners had dead letters; nothing to do.
        self.letters_erased = Counter(
            "refrain_dead_letters_erased", "Dead letters of forgotten listeners removed.", registry=registry
        )
        # Stays above zero: the trainer cannot keep up with a flood of dead letters, or fails; read its log.
        self.erasures_waiting = Gauge(
            "refrain_erasures_waiting", "Forgotten listeners whose dead letters are not removed yet.", registry=registry
        )
        # Keeps rising far above train_min_plays: no fit is triggered, or fits fail: see `refrain_trainer_failures`.
        self.plays_new = Gauge("refrain_plays_since_fit", "Plays archived since the latest fit.", registry=registry)

    def _declare_fits(self, registry: CollectorRegistry) -> None:
        # One stage is 1, the others 0. `wait` while `refrain_plays_since_fit` is far above train_min_plays: fits fail,
        # see `refrain_trainer_failures`. Any other stage for much longer than `refrain_fit_seconds`: it is stuck.
        self.stage = Gauge("refrain_trainer_stage", "What the trainer is doing.", ["stage"], registry=registry)
        for stage in TRAINER_STAGES:
            self.stage.labels(stage).set(0)
        # Shows the progress of the network or the second stage; 0 in every other stage.
        self.fit_epoch = Gauge("refrain_fit_epoch", "Epoch being fitted, from 1.", registry=registry)
        # Changes with train_epochs; a fit that starts from the champion takes a third.
        self.fit_epochs = Gauge("refrain_fit_epochs", "Epochs of the stage being fitted.", registry=registry)
        # Approaches the time in which `train_min_plays` arrive: fit on a smaller window, or on a GPU.
        self.fit_seconds = Histogram(
            "refrain_fit_seconds", "Seconds from a window of plays to its evaluated weights.",
            buckets=_FIT_SECONDS, registry=registry,
        )  # fmt: skip
        # Shows what triggers fits. Mostly `drift`: releases age before enough plays arrive; lower train_min_plays.
        # `resumed` again and again: the process dies during fits; check its memory.
        self.fits = Counter("refrain_fits", "Fits started, by trigger.", ["trigger"], registry=registry)
        # Rises: the trainer fails and retries at growing intervals; the log says what to do.
        self.failures = Counter(
            "refrain_trainer_failures", "Attempts to archive, fit or publish that failed.", registry=registry
        )

    def _declare_releases(self, registry: CollectorRegistry) -> None:
        # Rises once per release; workers should take each up within seconds.
        self.releases_published = Counter(
            "refrain_releases_published", "Releases saved and made champion.", registry=registry
        )
        # Above zero: the gate refused; `refrain releases list` says why. Check the plays, then the settings.
        self.releases_refused = Counter(
            "refrain_releases_refused", "Fits whose weights did not pass the gate.", registry=registry
        )
        # Falls: listening has changed, and a fit follows automatically. Stays low after a release: check the plays.
        # NaN: fewer than train_drift_plays have arrived since the trainer started or the champion changed.
        self.live_hit_rate = Gauge(
            "refrain_live_hit_rate",
            "Share of the newest plays that were in the champion's list before them; NaN until measured.",
            registry=registry,
        )
        self.live_hit_rate.set(math.nan)
        # Older than the trainer's usual interval while `refrain_releases_refused` rises: nothing passes the gate.
        self.champion_created = Gauge(
            "refrain_champion_created_timestamp_seconds",
            "When the champion was created; NaN until the trainer has loaded or published one.",
            registry=registry,
        )
        self.champion_created.set(math.nan)

    def show_stage(self, stage: str, epoch: int = 0, num_epochs: int = 0) -> None:
        """Show the trainer's stage, one of `TRAINER_STAGES`, and the progress of the fit."""
        self.current_stage = stage
        for each in TRAINER_STAGES:
            self.stage.labels(each).set(0)
        self.fit_epoch.set(epoch)
        self.fit_epochs.set(num_epochs)
        self.stage.labels(stage).set(1)  # last: a scrape never sees two stages, nor a stage with the epoch of another


def _declare_kafka(registry: CollectorRegistry) -> Gauge:
    # Rises: look at the brokers and the network. The process waits and goes on by itself; a restart does not help.
    return Gauge(
        "refrain_kafka_unreachable_seconds",
        "Seconds since Kafka last answered, with a leader for each partition of the plays; 0 while it does.",
        registry=registry,
    )


class Latencies:
    """A histogram that takes a whole batch at once, since one call per play would cost more than decoding it."""

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._name, self._documentation = name, documentation
        self._counts = np.zeros(len(_LATENCY_SECONDS) + 1, np.int64)
        self._sum_s = 0.0
        registry.register(self)

    def observe(self, latencies_s: NDArray[np.float64]) -> None:
        """Count the latencies of a batch."""
        self._counts += np.bincount(np.searchsorted(_LATENCY_SECONDS, latencies_s), minlength=len(self._counts))
        self._sum_s += float(latencies_s.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histogram, for prometheus-client."""
        edges = [*(f"{edge:g}" for edge in _LATENCY_SECONDS), "+Inf"]
        buckets = list(zip(edges, np.cumsum(self._counts).tolist(), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum_s)
