"""The command `bench`."""

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from streamer.bench.shapes import BenchShown
from streamer.runtime.commands import NUM, Command, json_option, pass_settings
from streamer.runtime.questions import is_confirmed, refuse_unless_asked
from streamer.sections import ANSWERS, COMPUTING, KAFKA

if TYPE_CHECKING:
    from streamer.settings import Settings

_SIZES: Final = (1, 16, 128, 500)
_LIMIT_S: Final = 6.0
_TRACKS: Final = 10_000
_PLAYS_PER_DAY: Final = 30.0

_POSITIVE: Final = click.FloatRange(0, min_open=True)


@click.command(
    cls=Command,
    examples=[
        "refrain bench --tracks 50000",
        "refrain bench --release releases/20260101T000000.000Z-0123abcd --kafka",
        "refrain bench --json | jq .capacity",
    ],
    reads=(*KAFKA, *ANSWERS, *COMPUTING, "state_dir", "replication", "transaction_timeout_s", "index_above"),
)
@click.option("--release", metavar="LOCATION", help="location of the release that answers  [default: make one up]")
@click.option("--tracks", type=NUM, default=_TRACKS, show_default=True, help="of the release that is made up; above "
              "REFRAIN_INDEX_ABOVE, its index takes minutes")  # fmt: skip
@click.option("--batch", "sizes", type=click.IntRange(1, 10_000), multiple=True, default=_SIZES, show_default=True,
              metavar="PLAYS", help="size of a batch; may be repeated")  # fmt: skip
@click.option("--seconds", "limit_s", type=_POSITIVE, metavar="SECONDS", default=_LIMIT_S, show_default=True,
              help="for each size")  # fmt: skip
@click.option("--plays-per-day", type=_POSITIVE, metavar="PLAYS", default=_PLAYS_PER_DAY, show_default=True,
              help="of a listener in the mean; at the peak, three times as often")  # fmt: skip
@click.option("--kafka", "with_kafka", is_flag=True, help="also write transactions to the broker of the settings, on "
              "three topics of their own, which are deleted at the end")  # fmt: skip
@click.option("--yes", is_flag=True, help="do not ask before topics are created")
@json_option(BenchShown)
@pass_settings
def bench(
    settings: "Settings",
    *,
    release: str | None,
    tracks: int,
    sizes: Sequence[int],
    limit_s: float,
    plays_per_day: float,
    with_kafka: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Measure what a worker would do on this machine.

    In about half a minute, made-up plays of made-up listeners are answered by a worker's own code, from the bytes of a
    play to the states in RocksDB, on the disk of REFRAIN_STATE_DIR. Each figure is CPU time, of the fastest of several
    rounds. The last line says how many plays/s and listeners one worker carries here, and what bounds it. Other
    processes slow it down: run it on an idle machine of the kind that workers will have.
    """
    import msgspec

    from streamer.bench.capacity import Habit
    from streamer.bench.listing import to_text
    from streamer.bench.measuring import MeasuringPlan, measure_until_stopped

    if with_kafka and not yes:
        refuse_unless_asked("--yes")
        where = settings.kafka_bootstrap_servers
        if not is_confirmed(f"Create three topics on {where}, write to them for some seconds, and delete them?"):
            sys.stdout.write("nothing was measured\n")
            return
    plan = MeasuringPlan(release, tracks, sorted(set(sizes)), limit_s, Habit(plays_per_day), with_kafka)
    shown = asyncio.run(measure_until_stopped(plan, settings))
    sys.stdout.write(msgspec.json.encode(shown).decode() + "\n" if as_json else to_text(shown))
