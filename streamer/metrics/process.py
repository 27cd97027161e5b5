"""The metrics that worker and trainer have in common: what runs, how it ended before, its disk, and Kafka."""

from collections.abc import Callable, Mapping

from streamer.metrics.register import Register


class ProcessMetrics:
    """Metrics of a process, in a register of its own.

    Attributes:
        register: all metrics of the process.
        registry: what /metrics serves of them.
    """

    def __init__(self) -> None:
        self.register = Register()
        self.registry = self.register.registry
        self.register.process()
        self._declare_run(self.register)
        self._declare_disk(self.register)
        self._declare_kafka(self.register)

    def _declare_run(self, register: Register) -> None:
        self._build = register.gauge(
            "refrain_build_info", "1", "What runs: process, version, commit, torch and device.",
            "Differs between workers for longer than a roll-out takes: one of them was left behind.",
            process=(), version=(), commit=(), torch=(), device=(),
        )  # fmt: skip
        self._crashes = register.counter(
            "refrain_crashes", "crashes", "Crashes since the directory was created, by cause.",
            "`ProducerFenced`: another worker had taken over. `killed`: no last words; look for the kernel's out of "
            "memory. The log of the last run has the message, and so has the next start.",
            cause=["killed", "ProducerFenced"],
        )  # fmt: skip
        self.last_crash = register.unknown_gauge(
            "refrain_last_crash_timestamp_seconds", "seconds since 1970", "When the process last crashed; NaN: never.",
            "Recent: see `refrain_crashes_total` for why.",
        )  # fmt: skip

    def _declare_disk(self, register: Register) -> None:
        self._directory_bytes = register.gauge(
            "refrain_directory_bytes", "bytes", "Bytes in REFRAIN_STATE_DIR (worker) or REFRAIN_ARCHIVE_DIR (trainer).",
            "Grows with the listeners (worker) and with the plays of REFRAIN_ARCHIVE_DAYS (trainer).",
        )  # fmt: skip
        self._disk_bytes = register.gauge(
            "refrain_disk_bytes", "bytes", "Size of the disk that holds this directory.", "Shows how much there is."
        )
        self._disk_free_bytes = register.gauge(
            "refrain_disk_free_bytes", "bytes", "Bytes still free on it.",
            "Below a tenth of `refrain_disk_bytes`: enlarge it, before a write fails and the process ends.",
        )  # fmt: skip

    def _declare_kafka(self, register: Register) -> None:
        self.kafka_unreachable = register.gauge(
            "refrain_kafka_unreachable_seconds", "seconds",
            "Seconds since Kafka last answered, with a leader for each partition of the plays; 0 while it does.",
            "Rises: look at the brokers and the network. The process waits and goes on by itself; a restart does not "
            "help.",
        )  # fmt: skip
        self.retention = register.unknown_gauge(
            "refrain_plays_retention_seconds", "seconds",
            "How long Kafka keeps plays, asked for every 30 s; +Inf: for ever, NaN: it may not be read.",
            "Shorter than the longest outage you expect: raise retention.ms of the topic.",
        )  # fmt: skip

    def show_build(self, build: Mapping[str, str]) -> None:
        """Show what runs, by the labels of `refrain_build_info`."""
        self._build.labels(**build).set(1)

    def show_crashes(self, num_crashes: Mapping[str, int], last_at_s: float | None) -> None:
        """Show how often the process has crashed before, by cause, and when it did last."""
        for cause, num in num_crashes.items():
            self._crashes.labels(cause).inc(num)
        if last_at_s is not None:
            self.last_crash.set(last_at_s)

    def watch_disk(
        self, taken_bytes: Callable[[], float], total_bytes: Callable[[], float], free_bytes: Callable[[], float]
    ) -> None:
        """Ask at every scrape how full the disk is."""
        self._directory_bytes.set_function(taken_bytes)
        self._disk_bytes.set_function(total_bytes)
        self._disk_free_bytes.set_function(free_bytes)
