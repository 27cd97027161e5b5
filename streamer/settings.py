"""The settings: one frozen class, read once from `REFRAIN_*`, each with its unit, default and reason."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from streamer.addresses import mask
from streamer.credentials import find_misfit
from streamer.values import (
    ANY_CASE,
    UPPER_CASE,
    AppId,
    Brokers,
    Count,
    KafkaName,
    KafkaSeconds,
    Milliseconds,
    Num,
    Port,
    ReadableFile,
    Seconds,
    Share,
    Token,
    WebUrl,
)
from streamer.variables import read_variables, secrets, variable

#: A step fits into a transaction, a transaction into a rebalance, and some heartbeats into a session.
_RISES: Final = (
    ("max_step_s", "transaction_timeout_s"),
    ("transaction_timeout_s", "rebalance_timeout_s"),
    ("heartbeat_s", "session_timeout_s"),
)
_TOPICS: Final = (
    "plays_topic",
    "short_term_topic",
    "long_term_topic",
    "dead_letter_topic",
    "releases_topic",
    "catalogue_topic",
)


class Settings(BaseModel):
    """Everything an operator can set; `max_step_s` is read from `REFRAIN_MAX_STEP_S`, and so on.

    A field of type `SecretStr` is never printed, and may also be read from the file that `REFRAIN_X_FILE` names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    #: Variables of earlier builds, by what to do instead.
    RETIRED: ClassVar[Mapping[str, str]] = {
        "REFRAIN_MAX_WAIT_S": "set REFRAIN_TARGET_LATENCY_MS: how long a play waits follows from it"
    }

    kafka_bootstrap_servers: Brokers = Field(
        default="127.0.0.1:9092", description="host:port of Kafka brokers, separated by commas"
    )
    kafka_security_protocol: Annotated[Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], UPPER_CASE] = Field(
        default="PLAINTEXT",
        description="SSL encrypts, SASL says who we are: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    )
    kafka_ca_file: ReadableFile = Field(
        default="", description="PEM file of the authorities that signed the brokers' certificates; empty: the system's"
    )
    kafka_certificate_file: ReadableFile = Field(
        default="", description="PEM file of our certificate, where brokers ask for one; it may hold the key too"
    )
    kafka_key_file: ReadableFile = Field(default="", description="PEM file of the certificate's key")
    kafka_key_password: SecretStr = Field(default=SecretStr(""), description="password of that key")
    kafka_check_hostname: bool = Field(
        default=True, description="whether a broker's certificate must name the host that we connect to"
    )
    kafka_sasl_mechanism: Annotated[
        Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"], UPPER_CASE
    ] = Field(default="", description="how SASL says who we are: by user and password, or OAUTHBEARER by a token")
    kafka_username: str = Field(default="", description="the user that we log in as")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="that user's password")
    kafka_token_file: ReadableFile = Field(
        default="", description="file of the token, read again for every connection to a broker"
    )
    kafka_token_provider: str = Field(
        default="",
        description="name of an entry point in the group refrain.kafka_tokens, a function that returns a token",
    )
    app_id: AppId = Field(
        default="refrain", description="names the consumer group, the changelog and the fences of one deployment"
    )
    instance_id: KafkaName = Field(
        default="", description="static membership: one name per worker, so that a crash moves no partitions"
    )
    state_dir: Path = Field(
        default=Path("state"), description="directory of the states; one per worker, on a persistent disk"
    )
    releases_url: str = Field(default="releases", description="fsspec URL of the directory that holds the releases")
    archive_dir: Path = Field(default=Path("archive"), description="directory of the trainer's archive of plays")

    plays_topic: KafkaName = Field(default="plays", description="source topic")
    short_term_topic: KafkaName = Field(default="recommendations.short-term", description="what to play next")
    long_term_topic: KafkaName = Field(
        default="recommendations.long-term", description="what to discover over the coming weeks"
    )
    dead_letter_topic: KafkaName = Field(default="plays.dead-letter", description="rejected plays, with their cause")
    releases_topic: KafkaName = Field(default="releases", description="which release is champion")
    catalogue_topic: KafkaName = Field(
        default="catalogue", description="what tracks are called, and which are withdrawn from all lists"
    )
    partitions: Num = Field(
        default=8,
        le=10_000,
        description="partitions of `plays` if Refrain creates it; it keeps them for ever, and no more workers can "
        "share it. 8 are enough for a trial, and start quickly on a laptop",
    )
    replication: Num = Field(
        default=3,
        le=100,
        description="replicas of the topics that Refrain creates, or as many as there are brokers; fewer are reported",
    )
    partitioner: Annotated[Literal["", "murmur2", "crc32"], ANY_CASE] = Field(
        default="", description="`murmur2` or `crc32`: reject plays whose key does not hash to their partition"
    )

    answer: Annotated[Literal["latest", "each"], ANY_CASE] = Field(
        default="latest", description="`latest`: one answer per listener and batch; `each`: one per play, without masks"
    )
    short_term_size: Num = Field(default=20, le=10_000, description="tracks in a short-term list")
    long_term_size: Num = Field(
        default=50, le=10_000, description="tracks in a long-term list; 100 to measure recall@100"
    )
    repeat_overlap: Share = Field(
        default=0.0,
        description="share of its tracks in the listener's last published list from which a list is not published: 0.9 "
        "leaves out what changes by 2 tracks of 20; 0: every list is published",
    )
    max_batch_plays: Num = Field(
        default=2000, le=1_000_000, description="plays; bounds memory and the latency of a full batch"
    )
    target_latency_ms: Milliseconds = Field(
        default=30.0,
        description="milliseconds within which a play should be answered: plays wait for others to share their batch "
        "as long as it allows, which saves CPU; 0: none waits",
    )
    max_step_s: KafkaSeconds = Field(default=20.0, description="seconds a step may take before the worker ends itself")
    device: Annotated[Literal["auto", "cpu", "cuda"], ANY_CASE] = Field(
        default="auto", description="where the network computes: auto, cpu or cuda"
    )
    compute_threads: Num = Field(
        default=1, le=1024, description="CPU threads per step; more than one rarely pays off below 1,000 plays"
    )
    standbys: Count = Field(
        default=0,
        le=100,
        description="replicas of each state kept warm on other workers; each costs a copy of the changelog",
    )

    on_stop: Annotated[Literal["leave", "remain"], ANY_CASE] = Field(
        default="leave",
        description="what SIGTERM does to the partitions of a worker with a REFRAIN_INSTANCE_ID: `leave` hands them "
        "over at once, `remain` keeps them for its return within the session timeout",
    )
    session_timeout_s: KafkaSeconds = Field(
        default=10.0, description="seconds without a heartbeat until a worker's partitions go to another worker"
    )
    heartbeat_s: KafkaSeconds = Field(
        default=1.0,
        description="seconds between heartbeats; a lost worker is noticed up to this long after the session timeout",
    )
    rebalance_timeout_s: KafkaSeconds = Field(
        default=60.0, description="seconds the group waits for a member to rejoin; longer than any step"
    )
    transaction_timeout_s: KafkaSeconds = Field(
        default=30.0, description="seconds until Kafka aborts a batch; longer than a step"
    )

    web_host: str = Field(default="0.0.0.0", description="address of /metrics, /healthz and /readyz")  # noqa: S104  scraped from outside
    web_port: Port = Field(default=6066, description="port of the worker's web server; 0 picks a free one")
    advertised_url: WebUrl = Field(
        default="",
        description="URL of the worker's web server as the other workers reach it; empty: its host, or where it serves "
        "on all, the address from which it reaches Kafka",
    )
    page: Annotated[Literal["on", "off"], ANY_CASE] = Field(
        default="on", description="`on`: a worker serves its page and answers questions over HTTP; see docs/http.md"
    )
    read_token: Token = Field(
        default=SecretStr(""),
        description="lets those who send it look at listeners and figures, from anywhere; without tokens, only "
        "requests from the worker's own machine are answered",
    )
    act_token: Token = Field(
        default=SecretStr(""),
        description="lets those who send it also promote releases and send dead letters again; empty beside a "
        "REFRAIN_READ_TOKEN: nobody may",
    )
    trainer_web_port: Port = Field(default=6067, description="port of the trainer's web server; 0 picks a free one")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], ANY_CASE] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Annotated[Literal["text", "json"], ANY_CASE] = Field(
        default="text", description="`json`: a line is an object, whose `event` is one of docs/events.md"
    )

    traces: Annotated[Literal["off", "on"], ANY_CASE] = Field(
        default="off",
        description="`on`: tell what became of sampled plays to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names; "
        "see docs/traces.md",
    )

    archive_days: Num = Field(
        default=365,
        le=36_500,
        description="days after which archived plays are dropped; last year's taste is not worth keeping",
    )
    releases_signing_key: SecretStr = Field(
        default=SecretStr(""),
        description="PEM private key of ed25519, for the trainer, `releases promote`, and workers that are asked to "
        "promote over HTTP: signs what they promote",
    )
    releases_public_keys: ReadableFile = Field(
        default="",
        description="file of PEM public keys of ed25519: workers take up only what one of them has signed; several, "
        "while a key is replaced",
    )
    releases_max_mb: Num = Field(
        default=8192,
        le=1 << 20,
        description="MiB that a release may have, so that none exhausts a worker's disk or memory: the disk holds two",
    )
    releases_kept: Num = Field(
        default=10, description="releases kept besides the champion and its predecessor; each takes a few MB"
    )

    train_min_plays: Num = Field(default=20_000, description="new plays that trigger a fit")
    train_max_wait_s: Seconds = Field(
        default=86_400.0,
        description="seconds since the latest fit after which fewer new plays trigger one too: charts change daily",
    )
    train_drift_plays: Num = Field(
        default=5_000,
        description="new plays between measurements of the champion's live hit rate; a significant drop triggers a fit",
    )
    train_fresh_after_s: Seconds = Field(
        default=86_400.0,
        description="seconds after which the champion is replaced by weights that are merely no worse: they know newer "
        "tracks",
    )
    train_window_plays: Num = Field(
        default=2_000_000,
        description="newest plays that a network is fitted on; bounds the trainer's memory. The second stage counts "
        "all that are archived; during a fit, a copy of them takes 25 bytes each in REFRAIN_ARCHIVE_DIR",
    )
    train_epochs: Num = Field(default=6, le=10_000, description="passes over the window")
    index_above: Num = Field(
        default=75_000,
        description="tracks above which a release has an index; a worker without a GPU then scores the likely tracks "
        "instead of all, in half the time at this size",
    )

    @field_validator("*")
    @classmethod
    def _fits_the_others(cls, value: Any, info: ValidationInfo) -> Any:
        """Compare a value with the valid ones above it: a contradiction is reported together with all else."""
        for low, high in _RISES:
            if info.field_name == high and low in info.data and value <= info.data[low]:
                raise ValueError(f"must be above {variable(low)}={info.data[low]}")
            if info.field_name == low and high in info.data and value >= info.data[high]:
                raise ValueError(f"must be below {variable(high)}={info.data[high]}")
        if info.field_name and (misfit := find_misfit(info.field_name, is_given=_is_given(value), earlier=info.data)):
            raise ValueError(misfit)
        if info.field_name in _TOPICS:
            names = {variable(other): info.data[other] for other in _TOPICS if other in info.data}
            if "app_id" in info.data:
                names["the changelog of the states"] = _changelog(info.data["app_id"])
            for other, name in names.items():
                if _metric_name(name) == _metric_name(value):
                    raise ValueError(f"must differ from {other}={name}, also where one has dots and one underscores")
        return value

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings.

        Raises:
            SettingsError: variables are unknown, or their values impossible; its message has a line for each.
        """
        return read_variables(cls, environment)

    @property
    def changelog_topic(self) -> str:
        """The topic that logs the states, as Faust names it."""
        return _changelog(self.app_id)

    def describe(self) -> str:
        """List the settings as `NAME=value`, secrets masked, for the first line of the log."""
        hidden = {name: "***" if getattr(self, name).get_secret_value() else "" for name in secrets(type(self))}
        return " ".join(mask(f"{variable(name)}={hidden.get(name, value)}") for name, value in self)


def _is_given(value: object) -> bool:
    """Whether a setting of security has a value: all are empty by default, but that hostnames are checked."""
    return value is False if isinstance(value, bool) else bool(value)


def _changelog(app_id: str) -> str:
    return f"{app_id}-listeners-changelog"


def _metric_name(topic: str) -> str:
    """Return what Kafka calls a topic in its metrics; it refuses to create two topics that share it."""
    return topic.replace(".", "_")
