"""Releases that are missing, cannot be taken up or computed, are old, or answer worse than they did."""

import asyncio
import json
import time
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest

from streamer.releases.alias import CHAMPION
from streamer.wire.messages import ReleaseNotice
from tests.hostile.alerts.conftest import StartDrill
from tests.hostile.alerts.system import MakePlay, play_of, playing, promote, save_good, start
from tests.hostile.commands import Commands
from tests.onkafka import produce
from tests.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(900)]

#: Two hundred days ago: time for all plays, 200 s apart.
_FIRST_MS: Final = time.time_ns() // 1_000_000 - 200 * 86_400_000

MISSING: Final = "20261129T070410.123Z-0a1b2c3d"

#: With the second release of the drill, of 12 tracks, a step fails at one of them.
_BUG: Final = """
from models.plays.catalogue import track_key
from streamer.worker.engine import Engine
compute = Engine._compute
def fail(self, release, step_input):
    if len(release.catalogue) == 12 and track_key("t11") in step_input.histories.track_keys.tolist():
        raise ZeroDivisionError("a kernel went wrong")
    return compute(self, release, step_input)
Engine._compute = fail
"""

#: A day becomes six minutes, in which the gate refuses three fits.
_FASTER: Final = 240

#: A clock that is four days back.
_FOUR_DAYS_AGO: Final = "import time\nnow = time.time\ntime.time = lambda: now() - 4 * 86400\n"

_NUM_USERS, _NUM_TRACKS = 40, 100


async def test_releases_that_are_missing_or_bad_are_reported_until_there_is_another(
    commands: Commands, ports: dict[str, int], drill: StartDrill, tmp_path: Path
) -> None:
    kafka, topic = commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["RELEASES_TOPIC"]
    none = drill("RefrainNoRelease", "a deployment in which none was made yet")
    worker = start(commands, "worker", ports, sabotage=_BUG)
    await worker.ready()
    await none.fires()
    await none.run(commands, "refrain releases list")
    (recorded := tmp_path / "plays.csv").write_text("".join(recorded_plays(1500)))
    await none.run(commands, "refrain train", {"DATA": str(recorded)})
    (release,) = saved_releases(commands)
    await none.run(commands, "refrain releases promote", {"ID": release})
    await none.ends()

    failing = drill("RefrainReleaseNotTakenUp", "the notice of a release that is not in the store")
    notice = msgspec.json.encode(ReleaseNotice(MISSING, MISSING, "0" * 64))
    await produce(kafka, topic, notice, key=CHAMPION)
    await failing.fires()
    await failing.run(commands, "refrain releases promote", {"ID": release})
    await failing.ends()

    step_fails = drill(
        "RefrainStepFails", "a fault put into the worker: with one release, a step fails at the plays of one track"
    )
    await promote(commands, save_good)
    await until(lambda: worker.metric("refrain_releases_taken_up_total") == "3.0", "the release is taken up")
    await produce(kafka, commands.environment["PLAYS_TOPIC"], play_of("t11"))
    await step_fails.fires()
    await step_fails.run(commands, "refrain releases rollback")
    await until(lambda: worker.metric("refrain_releases_taken_up_total") == "4.0", "the release before is back")
    await step_fails.run(commands, "refrain dead-letters send-again")
    await step_fails.ends()
    assert worker.metric("refrain_plays_total") == "1.0"


@pytest.mark.parametrize("prometheus", [_FASTER], indirect=True)
async def test_listening_that_turns_to_noise_is_reported_until_it_is_listening_again(
    commands: Commands, ports: dict[str, int], drill: StartDrill
) -> None:
    settings = {"TRAIN_MIN_PLAYS": "2000", "TRAIN_WINDOW_PLAYS": "2000", "TRAIN_EPOCHS": "4"}
    settings |= {"TRAIN_DRIFT_PLAYS": "500", "TRAIN_MAX_WAIT_S": "1e9"}  # by the clock, the first fit is long ago
    worker = start(commands, "worker", ports)
    await worker.ready()
    async with playing(commands, albums(0), per_s=0, at_once=2000):
        await until(lambda: worker.metric("refrain_plays_total") == "2000.0", "the plays are applied")
    trainer = start(commands, "trainer", ports, sabotage=_FOUR_DAYS_AGO, **settings)
    await trainer.logged("release published")
    await trainer.stopped()

    how = "a producer that sends random tracks for days, after a release of four days ago"
    old, refuses, falls = (drill(f"Refrain{name}", how) for name in ("ChampionOld", "GateRefuses", "QualityFalls"))
    trainer = start(commands, "trainer", ports, **settings)
    await trainer.ready()
    async with playing(commands, noise(2000), per_s=60):
        await asyncio.gather(old.fires(), refuses.fires(), falls.fires())
    await refuses.run(commands, "refrain releases list")
    refuses.follow("Bots, or plays of a faulty producer: mend the source")
    old.follow("[RefrainGateRefuses](#refraingaterefuses)")
    falls.follow("Wait for the fit that drift triggers")
    async with playing(commands, albums(20_000), per_s=60):
        await asyncio.gather(old.ends(), refuses.ends(), falls.ends())


def saved_releases(commands: Commands) -> list[str]:
    """Return the ids of the releases in the store."""
    return [path.name for path in Path(commands.environment["RELEASES_URL"]).iterdir()]


def recorded_plays(num: int) -> list[str]:
    """Return the lines of a file of plays."""
    plays = (json.loads(albums(0)(number)) for number in range(num))
    return ["user_id,track_id,played_at\n", *(f"{p['user_id']},{p['track_id']},{p['played_at']}\n" for p in plays)]


def albums(first: int) -> MakePlay:
    """Listeners who play albums from the beginning to the end, each at another place."""
    return lambda number: heard(first + number, (number % _NUM_USERS * 37 + number // _NUM_USERS) % _NUM_TRACKS)


def noise(first: int) -> MakePlay:
    """Return plays of the same listeners, with any track after any other."""
    rng = np.random.default_rng(3)
    return lambda number: heard(first + number, int(rng.integers(_NUM_TRACKS)))


def heard(number: int, track: int) -> bytes:
    """Make a play of one of the listeners, 200 s after the one before."""
    return play_of(f"t{track}", user=f"u{number % _NUM_USERS}", played_at=_FIRST_MS + 200_000 * number)
