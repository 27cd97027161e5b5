"""A real Prometheus that watches commands with the alerts of k8s/alerts, in which time passes faster."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import yaml

from tests.until import DEADLINE_S, until_awaited, wait_until

ALERTS: Final = Path(__file__).parents[3] / "k8s" / "alerts" / "refrain.yaml"

#: Seconds between two questions: as often as Prometheus evaluates its rules.
_PERIOD_S: Final = 0.5

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RANGE: Final = re.compile(r"\[(\d+)([smhd])\]")


class Watching:
    """What Prometheus says.

    Args:
        port: of its web server.
        times_faster: by what the times of its rules are divided.
    """

    def __init__(self, port: int, times_faster: int) -> None:
        self._port = port
        self.times_faster = times_faster

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire.

        Raises:
            OSError: it does not answer.
        """
        with urlopen(f"http://127.0.0.1:{self._port}/api/v1/alerts", timeout=30) as answer:
            alerts = json.load(answer)["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def answers(self) -> bool:
        """Whether it answers."""
        with suppress(OSError):
            self.firing()
            return True
        return False

    async def fires(self, *names: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until alerts fire."""
        await self._until(lambda firing: set(names) <= firing, f"{names} fire", deadline_s)

    async def ends(self, *names: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until none of some alerts fires."""
        await self._until(lambda firing: not set(names) & firing, f"{names} end", deadline_s)

    async def _until(self, condition: Callable[[set[str]], bool], what: str, deadline_s: float) -> None:
        """Ask in a thread: plays, and whatever passes the proxy, go on meanwhile."""

        async def holds() -> bool:
            try:
                return condition(await asyncio.to_thread(self.firing))
            except OSError:  # no answer is no news
                return False

        await until_awaited(holds, what, deadline_s=deadline_s, period_s=_PERIOD_S)


@contextmanager
def watching(
    prometheus: str, ports: Mapping[str, int], port: int, directory: Path, *, times_faster: int
) -> Iterator[Watching]:
    """Run Prometheus.

    Args:
        prometheus: the program.
        ports: of the web servers that it scrapes twice a second, by job.
        port: of its own.
        directory: for its files.
        times_faster: what alerts wait for, and look back at, is so many times shorter; thresholds stay.
    """
    rules = directory / "rules.yaml"
    rules.write_text(yaml.safe_dump(_hurried(yaml.safe_load(ALERTS.read_text()), times_faster)))
    config = directory / "prometheus.yaml"
    scraped = [
        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{of_job}"]}]} for job, of_job in ports.items()
    ]
    intervals = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    config.write_text(yaml.safe_dump({"global": intervals, "rule_files": [str(rules)], "scrape_configs": scraped}))
    arguments = [
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'series'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([prometheus, *arguments], stdout=log, stderr=log)
    try:
        watched = Watching(port, times_faster)
        wait_until(watched.answers, "Prometheus answers")
        yield watched
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def _hurried(rules: dict[str, Any], times: int) -> dict[str, Any]:
    """Shorten what rules wait for, and what they look back at."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = _RANGE.sub(lambda found: f"[{_shorter(found[1], found[2], times)}]", rule["expr"])
            if "for" in rule:
                rule["for"] = _shorter(rule["for"][:-1], rule["for"][-1], times)
    return rules


def _shorter(number: str, unit: str, times: int) -> str:
    return f"{int(number) * _SECONDS[unit] * 1000 // times}ms"
