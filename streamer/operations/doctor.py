"""The command `doctor`: whether a worker with these settings could start here and answer, and what to do if not."""

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import click

from streamer.operations.shapes import Diagnosis, to_json
from streamer.runtime.commands import Command, json_option, pass_settings
from streamer.runtime.statuses import Status
from streamer.sections import WORKER

if TYPE_CHECKING:
    from streamer.operations.shapes import Finding
    from streamer.settings import Settings

_OF_TOPICS: Final = ("offsets", "clock", "release")
_BEHIND_ACCESS: Final = ("brokers", "topics", "open files", "limits", "group", *_OF_TOPICS)


@click.command(
    cls=Command,
    examples=["refrain doctor", "refrain doctor --json | jq '.findings[] | select(.outcome == \"failed\")'"],
    reads=(*WORKER, "train_min_plays"),
)
@json_option(Diagnosis)
@pass_settings
def doctor(settings: "Settings", *, as_json: bool) -> None:
    """Check whether a worker could start here and answer, and say what to do.

    Run it where a worker runs, with its settings. It looks with the functions by which a worker decides whether it
    starts, and creates no topic. The status is 3 if anything has failed.
    """
    findings = asyncio.run(diagnose(settings))
    num_failed = sum(each.outcome == "failed" for each in findings)
    if as_json:
        sys.stdout.write(to_json(Diagnosis(tuple(findings), num_failed)))
    else:
        sys.stdout.writelines(f"{each.outcome:7}  {each.check:15}  {each.says}\n" for each in findings)
    if num_failed:
        sys.exit(Status.REFUSED)


async def diagnose(settings: "Settings") -> "list[Finding]":
    """Make all checks, one after the other."""
    from streamer.operations import kafka_checks, machine_checks
    from streamer.operations.findings import make_checks, skip

    here = await make_checks(
        {
            "device": lambda: machine_checks.check_device(settings),
            "state directory": lambda: machine_checks.check_state_directory(settings),
            "web server": lambda: machine_checks.check_web(settings),
        }
    )
    reached = await make_checks({"access": lambda: kafka_checks.check_reach(settings)})
    if any(each.outcome == "failed" for each in reached):
        return [*here, *reached, *skip(_BEHIND_ACCESS, "Kafka does not let us in")]
    return [*here, *reached, *await _diagnose_kafka(settings)]


async def _diagnose_kafka(settings: "Settings") -> "list[Finding]":
    from streamer.kafka.topics import look_at_topics
    from streamer.operations import kafka_checks, machine_checks
    from streamer.operations.findings import make_checks, skip
    from streamer.operations.release_checks import check_release
    from streamer.worker.app import needs_of

    reports = await look_at_topics(settings)
    partitions = {each.name: each.partitions for each in reports}
    num_partitions = partitions[settings.plays_topic]
    findings = await make_checks(
        {
            "brokers": lambda: kafka_checks.check_brokers(settings),
            "topics": lambda: kafka_checks.check_topics(settings, reports),
            "open files": lambda: machine_checks.check_open_files(num_partitions or settings.partitions),
            "limits": lambda: kafka_checks.check_message_limits(settings, needs_of(settings)),
            "group": lambda: kafka_checks.check_group(settings),
        }
    )
    if not all(partitions.values()):
        return findings + skip(_OF_TOPICS, "there are topics missing; see above")
    return findings + await make_checks(
        {
            "offsets": lambda: kafka_checks.check_offsets(settings),
            "clock": lambda: kafka_checks.check_clock(settings, partitions),
            "release": lambda: check_release(settings),
        }
    )
