"""What each dashboard shows."""

from collections.abc import Sequence
from typing import Final

from tests.k8s.dashboards.panels import Dashboard, Panel, stat

_RATE: Final = "$__rate_interval"


def _rate(metric: str, *labels: str) -> str:
    by = f" by ({', '.join(labels)}) " if labels else ""
    return f"sum{by}(rate({metric}[{_RATE}]))"


def _quantiles(metric: str) -> dict[str, str]:
    return {f"p{q}": f"histogram_quantile(0.{q}, {_rate(f'{metric}_bucket', 'le')})" for q in (50, 95, 99)}


def _total(metric: str, by: str = "instance") -> dict[str, str]:
    return {f"{{{{{by}}}}}": f"sum by ({by}) ({metric})"}


def _rates(metric: str, by: str) -> dict[str, str]:
    return {f"{{{{{by}}}}}": _rate(metric, by)}


def _share(part: str, rest: str) -> str:
    return f"{part} / ({part} + {rest})"


def _age(metric: str) -> str:
    return f"time() - max({metric})"


STREAM: Final = Dashboard("stream", "stream", {
    "Now": [
        stat("Plays a second", _rate("refrain_plays_total")),
        stat("Lag, records", "sum(refrain_lag_plays)"),
        stat("Oldest unanswered", "max(refrain_lag_seconds)"),
        stat("Partitions without an owner", "max(refrain_plays_partitions) - sum(refrain_partitions_owned)"),
        stat("Workers", 'count(refrain_build_info{process="worker"})'),
        stat("Retention of plays", "min(refrain_plays_retention_seconds)"),
    ],
    "Flow": [
        Panel("Plays a second, by worker", _rates("refrain_plays_total", "instance"), is_stacked=True),
        Panel("Lag, by partition", _total("refrain_lag_plays", "partition")),
        Panel("Age of the last applied play while more wait", _total("refrain_lag_seconds", "partition")),
    ],
    "Where the time goes": [
        Panel("Workers busy with a step", _rates("refrain_step_seconds_sum", "step"), unit="short", is_stacked=True),
        Panel("Seconds a batch, by step", {
            "{{step}}": f"{_rate('refrain_step_seconds_sum', 'step')} / {_rate('refrain_step_seconds_count', 'step')}",
        }),
        Panel("Plays in a batch", _quantiles("refrain_batch_plays")),
        Panel("CPU of the step, per play", {
            "mean": f"{_rate('refrain_step_cpu_seconds_total')} / {_rate('refrain_plays_total')}",
        }, unit="s"),
    ],
    "What does not fit": [
        Panel("Dead letters a second, by cause", _rates("refrain_dead_letters_total", "cause")),
        Panel("Blocked by an open transaction", {
            "seconds, {{partition}}": "max by (partition) (refrain_blocked_seconds)",
            "records, {{partition}}": "max by (partition) (refrain_blocked_plays)",
        }, unit="short"),
        Panel("Waits in front of a record that cannot be read", {
            "{{partition}}": "max by (partition) (refrain_unreadable)",
        }),
        Panel("A second", {
            "records dropped as duplicates": _rate("refrain_duplicates_dropped_total"),
            "plays out of order": _rate("refrain_negative_gaps_total"),
            "steps failed": _rate("refrain_step_failures_total"),
            "plays without a usable timestamp": _rate("refrain_latency_unknown_total"),
            "spans that no collector took": _rate("refrain_spans_lost_total"),
        }),
    ],
    "Partitions": [
        Panel("Partitions owned", _total("refrain_partitions_owned"), is_stacked=True),
        Panel("Recovery, records left", _total("refrain_recovery_remaining_records")),
        Panel("Standbys, records behind", _total("refrain_standby_lag_records")),
    ],
})  # fmt: skip

LISTENERS: Final = Dashboard("listeners", "what listeners notice", {
    "Now": [
        stat("Answer, median", _quantiles("refrain_event_to_recommendation_seconds")["p50"]),
        stat("Answer, 95 of 100", _quantiles("refrain_event_to_recommendation_seconds")["p95"]),
        stat("Listeners", "sum(refrain_listeners)"),
        stat("Lists a second", _rate("refrain_recommendations_total")),
        stat("Age of the release", _age("refrain_release_created_timestamp_seconds"), "s"),
        stat("Hit rate", "max(refrain_live_hit_rate)"),
    ],
    "How quickly": [
        Panel("Seconds from a play to its answer", _quantiles("refrain_event_to_recommendation_seconds"), width=12),
        Panel("Seconds from a play to its answer", {
            "{{le}}": _rate("refrain_event_to_recommendation_seconds_bucket", "le"),
        }, "heatmap", width=12),
    ],
    "What they get": [
        Panel("Lists a second, by horizon", {
            **_rates("refrain_recommendations_total", "horizon"),
            "plays without a release": _rate("refrain_plays_unanswered_total"),
        }),
        Panel("Share of lists that repeat the last one", {
            "{{horizon}}": _share(_rate("refrain_lists_unsaid_total", "horizon"),
                                  _rate("refrain_recommendations_total", "horizon")),
        }, unit="percentunit"),
        Panel("Share of the newest plays that were in the list before", {
            "now, by the trainer": "max(refrain_live_hit_rate)",
            "at release": "max(refrain_live_hit_rate_at_release)",
            "now, by the workers": f"{_rate('refrain_plays_hit_total')} / {_rate('refrain_plays_judged_total')}",
        }),
    ],
    "Whom and what we know": [
        Panel("Listeners", {"with a state": "sum(refrain_listeners)"}),
        Panel("Share of plays of unknown tracks", {
            "of all plays": f"{_rate('refrain_unknown_track_plays_total')} / {_rate('refrain_plays_total')}",
        }, unit="percentunit"),
        Panel("An hour", {
            "listeners forgotten": "sum(increase(refrain_listeners_forgotten_total[1h]))",
            "states rebuilt under a new release": "sum(increase(refrain_states_rebuilt_total[1h]))",
        }),
    ],
})  # fmt: skip

TRAINER: Final = Dashboard("trainer", "trainer and quality", {
    "Now": [
        stat("Age of the champion", _age("refrain_champion_created_timestamp_seconds"), "s"),
        stat("Since the latest fit", _age("refrain_last_fit_timestamp_seconds"), "s"),
        stat("Latest fit took", "max(refrain_last_fit_seconds)"),
        stat("Latest fit passed the gate", "max(refrain_last_fit_passed)", "bool_yes_no"),
        stat("Archive is behind", "time() - min(refrain_archived_until_timestamp_seconds)", "s"),
        stat("Tracks", "max(refrain_catalogue_tracks)"),
    ],
    "Fits": [
        Panel("Stage", {"{{stage}}": "max by (stage) (refrain_trainer_stage)"}, "state-timeline", width=12),
        Panel("Epoch", {"epoch": "max(refrain_fit_epoch)", "of": "max(refrain_fit_epochs)"}, width=6),
        Panel("Plays since the latest fit", {
            "plays": "max(refrain_plays_since_fit)", "of": "max(refrain_plays_for_fit)",
        }, width=6),
        Panel("Fits a day, by trigger", {"{{trigger}}": "sum by (trigger) (increase(refrain_fits_total[1d]))"}),
        Panel("Seconds a fit", {
            "mean": "sum(increase(refrain_fit_seconds_sum[1d])) / sum(increase(refrain_fit_seconds_count[1d]))",
        }),
        Panel("A day", {
            "released": "sum(increase(refrain_releases_published_total[1d]))",
            "refused by the gate": "sum(increase(refrain_releases_refused_total[1d]))",
            "failures": "sum(increase(refrain_trainer_failures_total[1d]))",
        }),
        Panel("Failures in a row", {"{{task}}": "max by (task) (refrain_trainer_failures_in_a_row)"}),
    ],
    "Quality": [
        Panel("Live hit rate", {
            "now": "max(refrain_live_hit_rate)", "at release": "max(refrain_live_hit_rate_at_release)",
        }, width=12),
        Panel("Tracks that releases know", _total("refrain_catalogue_tracks"), width=12),
    ],
    "Archive": [
        Panel("Plays, by the time since they arrived", _total("refrain_archive_plays", "age"), is_stacked=True),
        Panel("Records not archived", {"records": "max(refrain_archive_lag_records)"}),
        Panel("A second", {
            "plays archived": _rate("refrain_plays_archived_total"),
            "bad plays skipped": _rate("refrain_plays_not_archived_total"),
        }),
        Panel("Lost to retention", {"records": "max(refrain_records_lost_to_retention_total)"}),
        Panel("Blocked by an open transaction", {"seconds": "max(refrain_archive_blocked_seconds)"}),
        Panel("Forgotten listeners", {
            "dropped from the archive, an hour": "sum(increase(refrain_archive_listeners_forgotten_total[1h]))",
            "dead letters removed, an hour": "sum(increase(refrain_dead_letters_erased_total[1h]))",
            "waiting": "max(refrain_erasures_waiting)",
        }),
    ],
})  # fmt: skip

OPERATIONS: Final = Dashboard("operations", "operations", {
    "Now": [
        stat("Alerts", 'count(ALERTS{alertname=~"Refrain.*", alertstate="firing"}) or vector(0)'),
        stat("Worker and trainer processes", "count(refrain_build_info)"),
        stat("Versions", "count(count by (version, commit) (refrain_build_info))"),
        stat("Without Kafka for", "max(refrain_kafka_unreachable_seconds)"),
        stat("Fullest disk, free", "min(refrain_disk_free_bytes / refrain_disk_bytes)", "percentunit"),
        stat("Since the last crash", _age("refrain_last_crash_timestamp_seconds"), "s"),
    ],
    "Alerts and ends": [
        Panel("Alerts", {
            "{{alertname}}": 'count by (alertname) (ALERTS{alertname=~"Refrain.*", alertstate="firing"})',
        }, "state-timeline", width=12),
        Panel("Crashes an hour, by cause", {
            "{{instance}} {{cause}}": "sum by (instance, cause) (increase(refrain_crashes_total[1h]))",
        }, width=6),
        Panel("Runs since", {
            "{{instance}}": "time() - (process_start_time_seconds and on (instance, job) refrain_build_info)",
        }, unit="s", width=6),
    ],
    "Machines": [
        Panel("CPUs used", {
            "{{instance}}": f"rate(process_cpu_seconds_total[{_RATE}]) and on (instance, job) refrain_build_info",
        }, unit="short"),
        Panel("Memory", {"{{instance}}": "process_resident_memory_bytes and on (instance, job) refrain_build_info"}),
        Panel("Open files, share of what is allowed", {
            "{{instance}}": "process_open_fds / process_max_fds and on (instance, job) refrain_build_info",
        }, unit="percentunit"),
        Panel("Directory of states or archive", _total("refrain_directory_bytes")),
        Panel("Free on its disk", _total("refrain_disk_free_bytes")),
        Panel("Kafka unreachable", _total("refrain_kafka_unreachable_seconds")),
    ],
    "Releases and the group": [
        Panel("Age of the release, by worker", {
            "{{instance}}": "time() - max by (instance) (refrain_release_created_timestamp_seconds)",
        }, unit="s"),
        Panel("Releases", {
            "taken up, {{instance}}": "sum by (instance) (increase(refrain_releases_taken_up_total[1h]))",
            "failed, {{instance}}": "sum by (instance) (increase(refrain_release_failures_total[1h]))",
            "refused notices, {{instance}}": "sum by (instance) (increase(refrain_release_notices_refused_total[1h]))",
            "pending, {{instance}}": "sum by (instance) (refrain_releases_pending)",
        }),
        Panel("Kept out of the consumer group", _total("refrain_group_taken")),
        Panel("Records of the catalogue in an hour", {
            "read, {{instance}}": "sum by (instance) (increase(refrain_catalogue_records_total[1h]))",
            "refused, {{cause}}": "sum by (cause) (increase(refrain_catalogue_records_refused_total[1h]))",
        }),
        Panel("Withdrawn tracks", {"{{instance}}": "sum by (instance) (refrain_tracks_withdrawn)"}),
    ],
    "Questions over HTTP": [
        Panel("Questions a second, by status", _rates("refrain_queries_total", "status"), width=12),
        Panel("Seconds from a question to its answer", _quantiles("refrain_query_seconds"), width=12),
    ],
})  # fmt: skip

DASHBOARDS: Final[Sequence[Dashboard]] = (STREAM, LISTENERS, TRAINER, OPERATIONS)
