"""The settings: one frozen class, read once from `REFRAIN_*`, each with its unit, default and reason."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.addresses import parse_servers
from streamer.errors import SettingsError

PREFIX = "REFRAIN_"


def _setting(default: Any, reason: str, read: Callable[[str], Any] = str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"reason": reason, "read": read, "secret": secret})


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return read


def _at_least(least: float, kind: type[int] | type[float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = kind(text)
        if not least <= value < math.inf:
            raise ValueError(f"must be at least {least}, and finite")
        return value

    return read


_count, _num = _at_least(0, int), _at_least(1, int)
_seconds = _at_least(0, float)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can set; `max_wait_s` is read from `REFRAIN_MAX_WAIT_S`, and so on."""

    kafka_bootstrap_servers: str = _setting(
        "127.0.0.1:9092", "host:port of Kafka brokers, separated by commas", lambda text: ",".join(parse_servers(text))
    )
    app_id: str = _setting("refrain", "names the consumer group, the changelog and the fences of one deployment")
    instance_id: str = _setting("", "static membership: one name per worker, so that a restart moves no partitions")
    state_dir: Path = _setting(Path("state"), "directory of the states; one per worker, on a persistent disk", Path)
    releases_url: str = _setting("releases", "fsspec URL of the directory that holds the releases")
    archive_dir: Path = _setting(Path("archive"), "directory of the trainer's archive of plays", Path)

    plays_topic: str = _setting("plays", "source topic")
    short_term_topic: str = _setting("recommendations.short-term", "what to play next")
    long_term_topic: str = _setting("recommendations.long-term", "what to discover over the coming weeks")
    dead_letter_topic: str = _setting("plays.dead-letter", "rejected plays, with their cause")
    releases_topic: str = _setting("releases", "which release is champion")
    partitions: int = _setting(
        8,
        "partitions of `plays` if Refrain creates it; it keeps them for ever, and no more workers can share it. 8 are "
        "enough for a trial, and start quickly on a laptop",
        _num,
    )
    replication: int = _setting(
        3, "replicas of the topics that Refrain creates, or as many as there are brokers; fewer are reported", _num
    )
    partitioner: str = _setting(
        "",
        "`murmur2` or `crc32`: reject plays whose key does not hash to their partition",
        _one_of("", "murmur2", "crc32"),
    )

    answer: str = _setting(
        "latest",
        "`latest`: one answer per listener and batch; `each`: one per play, without masks",
        _one_of("latest", "each"),
    )
    short_term_size: int = _setting(20, "tracks in a short-term list", _num)
    long_term_size: int = _setting(50, "tracks in a long-term list; 100 to measure recall@100", _num)
    max_batch_plays: int = _setting(2000, "plays; bounds memory and the latency of a full batch", _num)
    max_wait_s: float = _setting(
        0.005, "seconds a play waits for others to share its batch; even the smallest batch costs about 3 ms", _seconds
    )
    max_step_s: float = _setting(20.0, "seconds a step may take before the worker ends itself", _seconds)
    device: str = _setting("auto", "where the network computes: auto, cpu or cuda", _one_of("auto", "cpu", "cuda"))
    compute_threads: int = _setting(1, "CPU threads per step; more than one rarely pays off below 1,000 plays", _num)
    standbys: int = _setting(
        0, "replicas of each state kept warm on other workers; each costs a copy of the changelog", _count
    )

    session_timeout_s: float = _setting(
        10.0, "seconds without a heartbeat until a worker's partitions go to another worker", _seconds
    )
    heartbeat_s: float = _setting(
        1.0,
        "seconds between heartbeats; a lost worker is noticed up to this long after the session timeout",
        _seconds,
    )
    rebalance_timeout_s: float = _setting(
        60.0, "seconds the group waits for a member to rejoin; longer than any step", _seconds
    )
    transaction_timeout_s: float = _setting(30.0, "seconds until Kafka aborts a batch; longer than a step", _seconds)

    web_host: str = _setting("0.0.0.0", "address of /metrics, /healthz and /readyz")  # noqa: S104  scraped from outside
    web_port: int = _setting(6066, "port of the worker's web server; 0 picks a free one", _count)
    trainer_web_port: int = _setting(6067, "port of the trainer's web server; 0 picks a free one", _count)
    log_level: str = _setting("info", "debug, info, warning or error", _one_of("debug", "info", "warning", "error"))

    archive_days: int = _setting(
        365, "days after which archived plays are dropped; last year's taste is not worth keeping", _num
    )
    releases_kept: int = _setting(
        10, "releases kept besides the champion and its predecessor; each takes a few MB", _num
    )

    train_min_plays: int = _setting(20_000, "new plays that trigger a fit", _num)
    train_max_wait_s: float = _setting(
        86_400.0,
        "seconds since the latest fit after which fewer new plays trigger one too: charts change daily",
        _seconds,
    )
    train_drift_plays: int = _setting(
        5_000, "new plays between measurements of the champion's live hit rate; a significant drop triggers a fit", _num
    )
    train_fresh_after_s: float = _setting(
        86_400.0,
        "seconds after which the champion is replaced by weights that are merely no worse: they know newer tracks",
        _seconds,
    )
    train_window_plays: int = _setting(
        2_000_000, "newest plays that a release is fitted on; bounds the trainer's memory", _num
    )
    train_epochs: int = _setting(6, "passes over the window", _num)

    def __post_init__(self) -> None:
        """Check what no single field can: a step fits into a transaction, and a transaction into a rebalance."""
        rises = (("max_step_s", "transaction_timeout_s"), ("transaction_timeout_s", "rebalance_timeout_s"),
                 ("heartbeat_s", "session_timeout_s"))  # fmt: skip
        for low, high in rises:
            if not getattr(self, low) < getattr(self, high):
                raise SettingsError(
                    f"{_variable(low)}={getattr(self, low)} must be below {_variable(high)}={getattr(self, high)}"
                )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: a variable is unknown or its value is impossible.
        """
        fields = {_variable(f.name): f for f in dataclasses.fields(cls)}
        given = {name: text for name, text in environment.items() if name.startswith(PREFIX)}
        if unknown := sorted(given.keys() - fields.keys()):
            raise SettingsError(f"unknown setting {unknown[0]}; known settings: {', '.join(sorted(fields))}")
        values: dict[str, Any] = {fields[name].name: _read(fields[name], name, text) for name, text in given.items()}
        return cls(**values)

    @property
    def changelog_topic(self) -> str:
        """The topic that logs the states, as Faust names it."""
        return f"{self.app_id}-listeners-changelog"

    def describe(self) -> str:
        """List the settings as `NAME=value`, secrets masked, for the first line of the log."""
        return " ".join(
            f"{_variable(f.name)}={'***' if f.metadata['secret'] else getattr(self, f.name)}"
            for f in dataclasses.fields(self)
        )


def _variable(field_name: str) -> str:
    return PREFIX + field_name.upper()


def _read(setting: "dataclasses.Field[Any]", name: str, text: str) -> object:
    try:
        return setting.metadata["read"](text)
    except ValueError as exc:
        raise SettingsError(f"{name}={text!r}: {exc}; {setting.metadata['reason']}") from exc
