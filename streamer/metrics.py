"""Every metric, declared once: name with unit, kind, one sentence, and what an operator does when it moves."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily

#: Steps of the life of a play, in order; the label of `refrain_step_seconds`.
STEPS: Final = ("decode", "gather", "plan", "step", "merge", "commit")

#: What a trainer does, in order; the label of `refrain_trainer_stage`. It archives the plays it missed and waits for a
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
    """The metrics of a worker; one instance a process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._declare_plays(self.registry)
        self._declare_batches(self.registry)
        self._declare_partitions(self.registry)
        self._declare_releases(self.registry)

    def _declare_plays(self, registry: CollectorRegistry) -> None:
        # Falls to zero while `refrain_lag_plays` rises: the worker stands still; read its log, then restart it.
        self.plays = Counter("refrain_plays", "Plays applied to a listener's state.", registry=registry)
        # Well below `refrain_plays` is normal: `latest` answers once per listener and batch. Zero: no release yet.
        self.recommendations = Counter(
            "refrain_recommendations", "Lists written, by horizon.", ["horizon"], registry=registry
        )
        # A jump is a producer gone wrong: `refrain_dead_letters_total` by cause says how; the topic says who.
        self.dead_letters = Counter("refrain_dead_letters", "Plays refused, by cause.", ["cause"], registry=registry)
        # Moves after restarts and rebalances, by what was in flight; a steady rise is a partition that starts over.
        self.duplicates = Counter(
            "refrain_duplicates_dropped", "Records dropped because the progress mark covers them.", registry=registry
        )
        # Moves when listeners ask to be forgotten; a burst nobody ordered is a producer that sends null values.
        self.forgotten = Counter("refrain_listeners_forgotten", "Tombstones applied.", registry=registry)
        # A steady rise is a producer that sends out of order, or clocks that disagree; the model sees a gap of zero.
        self.negative_gaps = Counter(
            "refrain_negative_gaps", "Plays that say they precede the play that arrived before them.", registry=registry
        )
        # Moves after a release, as each listener next plays; without one, releases flap: look at the alias.
        self.rebuilds = Counter(
            "refrain_states_rebuilt", "States rebuilt from remembered plays under another release.", registry=registry
        )

    def _declare_batches(self, registry: CollectorRegistry) -> None:
        # Near max_batch_plays all the time: the worker is behind, add workers. Near one: raise max_wait_s to save CPU.
        self.batch_plays = Histogram("refrain_batch_plays", "Plays in a batch.", buckets=_PLAYS, registry=registry)
        # Says where the time goes: step is the model, commit is Kafka and the disk.
        self.step_seconds = Histogram(
            "refrain_step_seconds", "Seconds per batch in each step of the life of a play.", ["step"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        # Moves with dead letters `uncomputable`: the release cannot compute some plays; the log says why. Without them:
        # batches are too large for the device's memory; lower REFRAIN_MAX_BATCH_PLAYS.
        self.step_failures = Counter(
            "refrain_step_failures", "Steps that failed and were tried again in halves.", registry=registry
        )
        # The promise to users: from the play's Kafka timestamp to its committed answer. High with low lag: batches are
        # too large or Kafka is slow; high with high lag: too few workers.
        self.latency_seconds = Latencies(
            "refrain_event_to_recommendation_seconds",
            "From a play's Kafka timestamp to its committed answer.",
            registry,
        )

    def _declare_partitions(self, registry: CollectorRegistry) -> None:
        # Rises on one partition: a hot key or a stuck worker; rises on all: add workers.
        self.lag_plays = Gauge(
            "refrain_lag_plays", "Records of a partition not yet applied.", ["partition"], registry=registry
        )
        # An upper bound that falls back at each compaction: for planning disks, not for counting heads.
        self.listeners = Gauge(
            "refrain_listeners", "Listeners with a state; each version not yet compacted counts.", ["partition"],
            registry=registry,
        )  # fmt: skip
        # Stays above zero: recovery hangs or the changelog is long; a standby or a kept disk shortens it.
        self.recovery_remaining = Gauge(
            "refrain_recovery_remaining_records", "Changelog records still to be read before this worker answers.",
            registry=registry,
        )  # fmt: skip
        # Stays high: the standby's worker cannot keep up with the changelog, and would replay so much at a takeover.
        self.standby_lag = Gauge(
            "refrain_standby_lag_records", "Changelog records that a standby on this worker has not read.",
            ["partition"], registry=registry,
        )  # fmt: skip
        # 0 for longer than a rebalance takes: the worker owns nothing; it is spare, or was refused.
        self.partitions_owned = Gauge("refrain_partitions_owned", "Partitions this worker answers.", registry=registry)

    def _declare_releases(self, registry: CollectorRegistry) -> None:
        # Older than the trainer's rhythm: look at the trainer. 0: no release was ever taken up.
        self.release_created = Gauge(
            "refrain_release_created_timestamp_seconds", "When the running release was made.", registry=registry
        )
        # Above zero: a release was announced and could not be taken up; the log says why, the old one runs on.
        self.release_failures = Counter(
            "refrain_release_failures", "Releases announced that could not be taken up.", registry=registry
        )
        # Moves once per release; a worker that stays behind the others could not load it.
        self.releases = Counter("refrain_releases_taken_up", "Releases taken up.", registry=registry)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Count the seconds of one step of a batch."""
        begun_s = time.perf_counter()
        yield
        self.step_seconds.labels(step).observe(time.perf_counter() - begun_s)

    def count_release(self, created_at_ms: int) -> None:
        """Count a release taken up."""
        self.releases.inc()
        self.release_created.set(created_at_ms / 1000)

    def show_partitions(
        self, lags: Mapping[int, int], listeners: Mapping[int, int], standby_lags: Mapping[int, int]
    ) -> None:
        """Show lag and listeners of the partitions owned, the lag of those stood by for, and nothing of others."""
        shown = ((self.lag_plays, lags), (self.listeners, listeners), (self.standby_lag, standby_lags))
        for gauge, values in shown:
            gauge.clear()
            for partition, value in values.items():
                gauge.labels(partition).set(value)


class TrainerMetrics:
    """The metrics of a trainer; one instance a process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._declare_archive(self.registry)
        self._declare_fits(self.registry)
        self._declare_releases(self.registry)

    def _declare_archive(self, registry: CollectorRegistry) -> None:
        # Stands still while plays arrive: the trainer is stuck or cannot reach Kafka; read its log, then restart it.
        self.plays_archived = Counter("refrain_plays_archived", "Plays written to the archive.", registry=registry)
        # Moves with the worker's `refrain_dead_letters`, which say why.
        self.plays_refused = Counter("refrain_plays_not_archived", "Bad plays passed over.", registry=registry)
        # Above zero: the trainer was away for longer than `plays` is kept; lengthen the topic's retention.
        self.records_lost = Counter(
            "refrain_records_lost_to_retention", "Records deleted before they were archived.", registry=registry
        )
        # Follows the worker's `refrain_listeners_forgotten`; where it does not, the archive still holds their plays.
        self.forgotten = Counter(
            "refrain_archive_listeners_forgotten", "Listeners dropped from the archive.", registry=registry
        )
        # Rises without end: the archive falls behind; the disk is slow or full.
        self.plays_new = Gauge("refrain_plays_since_fit", "Plays archived since the latest fit.", registry=registry)

    def _declare_fits(self, registry: CollectorRegistry) -> None:
        # One stage is 1, the others 0. `wait` while `refrain_plays_since_fit` is far above train_min_plays: fits fail,
        # see `refrain_trainer_failures`. Any other for much longer than `refrain_fit_seconds`: the process is stuck.
        self.stage = Gauge("refrain_trainer_stage", "What the trainer is doing.", ["stage"], registry=registry)
        for stage in TRAINER_STAGES:
            self.stage.labels(stage).set(0)
        # Says how far the network or the second stage is; 0 in every other stage.
        self.fit_epoch = Gauge("refrain_fit_epoch", "Epoch being fitted, from 1.", registry=registry)
        # Changes with train_epochs; a fit that starts from the champion takes a third.
        self.fit_epochs = Gauge("refrain_fit_epochs", "Epochs the stage being fitted takes.", registry=registry)
        # Nears the time that `train_min_plays` take to come: fit on a smaller window, or on a GPU.
        self.fit_seconds = Histogram(
            "refrain_fit_seconds", "Seconds from a window of plays to its evaluated weights.",
            buckets=_FIT_SECONDS, registry=registry,
        )  # fmt: skip
        # Says what the trainer lives by. Mostly `drift`: releases grow old before enough plays come, lower
        # train_min_plays; `resumed` again and again: the process dies during fits, see its memory.
        self.fits = Counter("refrain_fits", "Fits begun, by what called for them.", ["trigger"], registry=registry)
        # Rises: the trainer cannot do its work and tries again, later and later; the log says what to do.
        self.failures = Counter(
            "refrain_trainer_failures", "Attempts to archive, fit or publish that failed.", registry=registry
        )

    def _declare_releases(self, registry: CollectorRegistry) -> None:
        # Moves once per release; workers should take each up within seconds.
        self.releases_published = Counter(
            "refrain_releases_published", "Releases saved and made champion.", registry=registry
        )
        # Above zero: the gate refused; `refrain releases list` says why. Look at the plays, then at the settings.
        self.releases_refused = Counter(
            "refrain_releases_refused", "Fits whose weights did not pass the gate.", registry=registry
        )
        # Falls: listeners have moved on, and a fit follows by itself. Stays low after a release: look at the plays.
        self.live_hit_rate = Gauge(
            "refrain_live_hit_rate", "Share of the newest plays that stood in the champion's list before.",
            registry=registry,
        )  # fmt: skip
        # Older than the trainer's rhythm while `refrain_releases_refused` rises: nothing passes the gate.
        self.champion_created = Gauge(
            "refrain_champion_created_timestamp_seconds", "When the champion was made.", registry=registry
        )

    def show_stage(self, stage: str, epoch: int = 0, num_epochs: int = 0) -> None:
        """Show what the trainer is doing, one of `TRAINER_STAGES`, and how far the fit is."""
        for each in TRAINER_STAGES:
            self.stage.labels(each).set(0)
        self.fit_epoch.set(epoch)
        self.fit_epochs.set(num_epochs)
        self.stage.labels(stage).set(1)  # last: a scrape never sees two stages, nor a stage with the epoch of another


class Latencies:
    """A histogram that takes a whole batch at once: one call per play would cost more than decoding it."""

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
        """Yield the histogram, as prometheus-client asks for it."""
        edges = [*(f"{edge:g}" for edge in _LATENCY_SECONDS), "+Inf"]
        buckets = list(zip(edges, np.cumsum(self._counts).tolist(), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum_s)
