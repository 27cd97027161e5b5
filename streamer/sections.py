"""The settings by what they are about: the order of the reference, and what the help of a command names."""

from collections.abc import Mapping
from typing import Final

KAFKA: Final = (
    "kafka_bootstrap_servers",
    "kafka_security_protocol",
    "kafka_ca_file",
    "kafka_certificate_file",
    "kafka_key_file",
    "kafka_key_password",
    "kafka_check_hostname",
    "kafka_sasl_mechanism",
    "kafka_username",
    "kafka_password",
    "kafka_token_file",
    "kafka_token_provider",
)
TOPICS: Final = (
    "app_id",
    "plays_topic",
    "short_term_topic",
    "long_term_topic",
    "dead_letter_topic",
    "releases_topic",
    "catalogue_topic",
)
NEW_TOPICS: Final = ("partitions", "replication")
STATES: Final = ("instance_id", "state_dir", "standbys")
ANSWERS: Final = (
    "partitioner",
    "answer",
    "short_term_size",
    "long_term_size",
    "repeat_overlap",
    "max_batch_plays",
    "target_latency_ms",
    "max_step_s",
)
COMPUTING: Final = ("device", "compute_threads")
MEMBERSHIP: Final = ("on_stop", "session_timeout_s", "heartbeat_s", "rebalance_timeout_s", "transaction_timeout_s")
PAGE: Final = ("page", "read_token", "act_token")
WEB: Final = ("web_host", "web_port", "advertised_url", "trainer_web_port", *PAGE)
LOG: Final = ("log_level", "log_format")
TRACES: Final = ("traces",)
RELEASES: Final = (
    "releases_url",
    "releases_signing_key",
    "releases_public_keys",
    "releases_max_mb",
    "releases_kept",
)
ARCHIVE: Final = ("archive_dir", "archive_days")
TRAINING: Final = (
    "train_min_plays",
    "train_max_wait_s",
    "train_drift_plays",
    "train_fresh_after_s",
    "train_window_plays",
    "train_epochs",
    "index_above",
)

#: What a worker reads, and `doctor` for it.
WORKER: Final = (
    *KAFKA, *TOPICS, *NEW_TOPICS, *STATES, *ANSWERS, *COMPUTING, *MEMBERSHIP,
    "releases_url", "releases_signing_key", "releases_public_keys", "releases_max_mb", "web_host", "web_port",
    "advertised_url", *PAGE, *TRACES,
)  # fmt: skip

#: Every setting once, by title.
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "How Kafka is reached": KAFKA,
    "Topics": TOPICS,
    "Topics that Refrain creates": NEW_TOPICS,
    "States": STATES,
    "Answers": ANSWERS,
    "Computing": COMPUTING,
    "The group of the workers": MEMBERSHIP,
    "Web server": WEB,
    "Log": LOG,
    "Traces": TRACES,
    "Releases": RELEASES,
    "Archive of plays": ARCHIVE,
    "Training": TRAINING,
}
