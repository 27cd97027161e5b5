"""The metrics of a trainer."""

from collections.abc import Mapping, Sequence
from typing import Final

from streamer.metrics.process import ProcessMetrics
from streamer.metrics.register import Register

#: Stages of a trainer, in order; the label of `refrain_trainer_stage`. It archives the plays it missed and waits for a
#: trigger. A fit reads its window, learns item vectors and the network, gathers candidates, fits the second stage on
#: them and judges the result; weights that pass the gate get a map of their tracks and are published.
TRAINER_STAGES: Final = (
    "catch-up", "wait", "read", "items", "network", "candidates", "second-stage", "judge", "map", "publish",
)  # fmt: skip

#: What a trainer does all the time, each at its own pace; the label of `refrain_trainer_failures_in_a_row`.
TRAINER_TASKS: Final = ("archive", "release", "erase")

#: Ages of archived plays, the youngest first: the label of `refrain_archive_plays`, and the days below which it counts.
PLAY_AGES: Final[Mapping[str, float]] = {"day": 1, "week": 7, "month": 30, "quarter": 91, "older": float("inf")}

_FIT_SECONDS: Final = (1, 10, 60, 300, 900, 1800, 3600, 3 * 3600, 12 * 3600)


class TrainerMetrics(ProcessMetrics):
    """The metrics of a trainer; one instance per process.

    Args:
        triggers: of fits, each counted from 0.

    Attributes:
        current_stage: the latest of `TRAINER_STAGES`; empty before the first.
        num_reports: how often fits have reported progress.
        archived_offsets: behind the last archived record of each partition; empty until they are known.
        problems: why the latest attempt to archive, to release or to erase failed; empty if it did not.
        awaited: what the first release waits for, in words; empty once there is one.
    """

    def __init__(self, triggers: Sequence[str] = ()) -> None:
        super().__init__()
        self.current_stage = ""
        self.num_reports = 0
        self.archived_offsets: Mapping[int, int] = {}
        self.problems: dict[str, str] = {}
        self.awaited = ""
        self._declare_archive(self.register)
        self._declare_losses(self.register)
        self._declare_stages(self.register)
        self._declare_fits(self.register, triggers)
        self._declare_releases(self.register)
        self._declare_quality(self.register)

    def _declare_archive(self, register: Register) -> None:
        self.plays_archived = register.counter(
            "refrain_plays_archived", "plays", "Plays written to the archive.",
            "Constant while plays arrive: the trainer is stuck or cannot reach Kafka; read its log, then restart it.",
        )  # fmt: skip
        self.plays_refused = register.counter(
            "refrain_plays_not_archived", "plays", "Bad plays skipped.",
            "Rises with the worker's `refrain_dead_letters_total`, which says why.",
        )  # fmt: skip
        self.plays_new = register.gauge(
            "refrain_plays_since_fit", "plays", "Plays archived since the latest fit.",
            "Keeps rising far above REFRAIN_TRAIN_MIN_PLAYS: no fit is triggered, or fits fail: see "
            "`refrain_trainer_failures_total`.",
        )  # fmt: skip
        self.plays_for_fit = register.unknown_gauge(
            "refrain_plays_for_fit", "plays", "New plays that trigger a fit: REFRAIN_TRAIN_MIN_PLAYS.",
            "Shows how far `refrain_plays_since_fit` is from the next fit. Before the first release, the log also says "
            "how many listeners there are, and need be.",
        )  # fmt: skip
        self.archive_plays = register.gauge(
            "refrain_archive_plays", "plays", "Plays in the archive, by the time since they arrived: up to a day, a "
            "week, 30 days, 91 days, or older.", "Shows what there is to learn from. `older` ends at "
            "REFRAIN_ARCHIVE_DAYS.", age=list(PLAY_AGES),
        )  # fmt: skip
        self.archive_lag = register.gauge(
            "refrain_archive_lag_records", "records", "Records on the topic that are not archived.",
            "Keeps rising: the trainer's disk or CPU is too slow, or the disk is full: see "
            "`refrain_trainer_failures_total`.",
        )  # fmt: skip
        self.archived_until = register.unknown_gauge(
            "refrain_archived_until_timestamp_seconds", "seconds since 1970",
            "The time up to which the archive has every play; NaN until known.", "Falls behind now by nearly "
            "`refrain_plays_retention_seconds`: plays will be lost; see the log, and raise retention.ms meanwhile.",
        )  # fmt: skip

    def _declare_losses(self, register: Register) -> None:
        self.records_lost = register.counter(
            "refrain_records_lost_to_retention", "records", "Records deleted before they were archived.",
            "Above zero: the trainer was down for longer than `plays` is retained; lengthen the topic's retention.",
        )  # fmt: skip
        self.blocked_seconds = register.gauge(
            "refrain_archive_blocked_seconds", "seconds",
            "Longest time that an open transaction has kept plays from the archive.", "Above zero for long: an open "
            "transaction of a producer blocks a partition; the log says how to end it.",
        )  # fmt: skip
        self.forgotten = register.counter(
            "refrain_archive_listeners_forgotten", "listeners",
            "Listeners who asked to be forgotten, dropped from the archive.", "Follows the worker's "
            "`refrain_listeners_forgotten_total`; if it does not, the archive still holds their plays.",
        )  # fmt: skip
        self.letters_erased = register.counter(
            "refrain_dead_letters_erased", "letters", "Dead letters of forgotten listeners removed.",
            "Shows that forgotten listeners had dead letters; nothing to do.",
        )  # fmt: skip
        self.erasures_waiting = register.gauge(
            "refrain_erasures_waiting", "listeners", "Forgotten listeners whose dead letters are not removed yet.",
            "Stays above zero: the trainer cannot keep up with a flood of dead letters, or fails; read its log.",
        )  # fmt: skip

    def _declare_stages(self, register: Register) -> None:
        self.stage = register.gauge(
            "refrain_trainer_stage", "0 or 1", "What the trainer is doing: one stage is 1, the others 0.",
            "`wait` while `refrain_plays_since_fit` is far above REFRAIN_TRAIN_MIN_PLAYS: fits fail, see "
            "`refrain_trainer_failures_total`. Any other stage for much longer than `refrain_fit_seconds`: stuck.",
            stage=TRAINER_STAGES,
        )  # fmt: skip
        self.fit_epoch = register.gauge(
            "refrain_fit_epoch", "epochs", "Epoch being fitted, from 1.",
            "Shows the progress of the network or the second stage; 0 in every other stage.",
        )  # fmt: skip
        self.fit_epochs = register.gauge(
            "refrain_fit_epochs", "epochs", "Epochs of the stage being fitted.",
            "Changes with REFRAIN_TRAIN_EPOCHS; a fit that starts from the champion takes a third.",
        )  # fmt: skip
        self.failures = register.counter(
            "refrain_trainer_failures", "attempts", "Attempts to archive, fit or publish that failed.",
            "Rises: the trainer fails and retries at growing intervals; the log says what to do.",
        )  # fmt: skip
        self.failures_in_a_row = register.gauge(
            "refrain_trainer_failures_in_a_row", "attempts", "Attempts that failed since one last succeeded, by task.",
            "Above 3: what the log names does not mend itself. Attempts become as rare as one an hour, so the counter "
            "hardly rises then.", task=TRAINER_TASKS,
        )  # fmt: skip

    def _declare_fits(self, register: Register, triggers: Sequence[str]) -> None:
        self.fits = register.counter(
            "refrain_fits", "fits", "Fits started, by trigger.", "Shows what triggers fits. Mostly `drift`: releases "
            "age before enough plays arrive; lower REFRAIN_TRAIN_MIN_PLAYS. `resumed` again and again: the process "
            "dies during fits; check its memory.", trigger=triggers,
        )  # fmt: skip
        self.fit_seconds = register.histogram(
            "refrain_fit_seconds", "seconds", "Seconds from a window of plays to its evaluated weights.",
            "Approaches the time in which REFRAIN_TRAIN_MIN_PLAYS arrive: fit on a smaller window, or on a GPU.",
            buckets=_FIT_SECONDS,
        )  # fmt: skip
        self.last_fit = register.unknown_gauge(
            "refrain_last_fit_timestamp_seconds", "seconds since 1970",
            "When the latest fit ended, with a release or without; NaN: none has.",
            "Older than REFRAIN_TRAIN_MAX_WAIT_S and a fit's duration: fits fail, or no plays arrive.",
        )  # fmt: skip
        self.last_fit_seconds = register.unknown_gauge(
            "refrain_last_fit_seconds", "seconds", "Duration of the latest fit; NaN: this process has finished none.",
            "Compare it with `refrain_fit_seconds` of weeks ago, after a change of window, epochs or machine.",
        )  # fmt: skip

    def _declare_releases(self, register: Register) -> None:
        self.releases_published = register.counter(
            "refrain_releases_published", "releases", "Releases saved and made champion.",
            "Rises once per release; workers should take each up within seconds.",
        )  # fmt: skip
        self.releases_refused = register.counter(
            "refrain_releases_refused", "fits", "Fits whose weights did not pass the gate.",
            "Above zero: the gate refused; `refrain releases list` says why. Check the plays, then the settings.",
        )  # fmt: skip
        self.last_verdict = register.unknown_gauge(
            "refrain_last_fit_passed", "0 or 1", "Whether the gate passed the latest fit; NaN: it has judged none.",
            "0: the champion stays; `refrain releases list` says why.",
        )  # fmt: skip

    def _declare_quality(self, register: Register) -> None:
        self.champion_created = register.unknown_gauge(
            "refrain_champion_created_timestamp_seconds", "seconds since 1970",
            "When the champion was created; NaN until the trainer has loaded or published one.", "Older than the "
            "trainer's usual interval while `refrain_releases_refused_total` rises: nothing passes the gate.",
        )  # fmt: skip
        self.live_hit_rate = register.unknown_gauge(
            "refrain_live_hit_rate", "ratio",
            "Share of the newest plays that were in the champion's list before them; NaN until measured.",
            "Falls: listening has changed, and a fit follows automatically. Stays low after a release: check the "
            "plays. NaN: fewer than REFRAIN_TRAIN_DRIFT_PLAYS have arrived since the trainer started or the champion "
            "changed.",
        )  # fmt: skip
        self.hit_rate_at_release = register.unknown_gauge(
            "refrain_live_hit_rate_at_release", "ratio",
            "The same share when the champion was released; NaN until `refrain_live_hit_rate` is measured.",
            "What `refrain_live_hit_rate` is compared with.",
        )  # fmt: skip

    def show_stage(self, stage: str, epoch: int = 0, num_epochs: int = 0) -> None:
        """Show the trainer's stage, one of `TRAINER_STAGES`, and the progress of the fit."""
        self.current_stage = stage
        for each in TRAINER_STAGES:
            self.stage.labels(each).set(0)
        self.fit_epoch.set(epoch)
        self.fit_epochs.set(num_epochs)
        self.stage.labels(stage).set(1)  # last: a scrape never sees two stages, nor a stage with the epoch of another

    def note_attempt(self, what: str, problem: str) -> None:
        """Note how an attempt ended, and count it if it failed."""
        self.problems[what] = problem
        if problem:
            self.failures.inc()
            self.failures_in_a_row.labels(what).inc()
        else:
            self.failures_in_a_row.labels(what).set(0)

    def show_archive(self, num_plays: Mapping[float, int], num_new: int) -> None:
        """Show how many plays the archive has of each age in days, and how many since the latest fit."""
        youngest_days = 0.0
        for age, limit_days in PLAY_AGES.items():
            num = sum(num for days, num in num_plays.items() if youngest_days <= days < limit_days)
            self.archive_plays.labels(age).set(num)
            youngest_days = limit_days
        self.plays_new.set(num_new)
