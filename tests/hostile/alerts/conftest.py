"""A Prometheus that watches the processes of a test, and the drills of its alerts."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from tests.cases.drills import noting
from tests.hostile.alerts.drill import Drill
from tests.hostile.alerts.watching import Watching, watching

#: Half an hour becomes 15 s, and a day 12 minutes.
_TIMES_FASTER: Final = 120

Watched = Callable[[int], AbstractContextManager[Watching]]
StartDrill = Callable[[str, str], Drill]


@pytest.fixture
def ports(unused_tcp_port_factory: Callable[[], int]) -> dict[str, int]:
    """The ports of the web servers that Prometheus scrapes, by the name of the process."""
    return {name: unused_tcp_port_factory() for name in ("worker", "second-worker", "trainer")}


@pytest.fixture
def watched(program: Callable[[str], str], ports: dict[str, int], unused_tcp_port: int, tmp_path: Path) -> Watched:
    """Return what runs a Prometheus for which time passes so many times faster."""
    path, directory = program("prometheus"), tmp_path / "watching"
    directory.mkdir()
    return lambda times_faster: watching(path, ports, unused_tcp_port, directory, times_faster=times_faster)


@pytest.fixture
def prometheus(request: pytest.FixtureRequest, watched: Watched) -> Iterator[Watching]:
    """Run a Prometheus; `@pytest.mark.parametrize("prometheus", [20], indirect=True)` sets another pace."""
    with watched(getattr(request, "param", _TIMES_FASTER)) as alerts:
        yield alerts


@pytest.fixture
def drill(request: pytest.FixtureRequest, prometheus: Watching) -> StartDrill:
    """Return what starts the drill of an alert, given how it is provoked; it does not fire before that."""
    note = noting(request.node)

    def start(alert: str, provocation: str) -> Drill:
        assert alert not in prometheus.firing(), f"{alert} fires already"
        return Drill(alert, provocation, prometheus, note)

    return start
