"""Kafka's own command-line tools, as an operator has them."""

import subprocess
from collections.abc import Sequence
from typing import Final

from streamer.local.devkafka import KAFKA_JARS, java_command

#: The jars of the broker, and those of its tools in the same version.
_JARS: Final = f"{KAFKA_JARS}+{KAFKA_JARS.partition('+')[0].replace('kafka_2.13', 'kafka-tools')}"

_CLASSES: Final = {
    "kafka-configs.sh": "org.apache.kafka.tools.ConfigCommand",
    "kafka-delete-records.sh": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-transactions.sh": "org.apache.kafka.tools.TransactionsCommand",
}


def run_tool(words: Sequence[str]) -> str:
    """Run one of the tools; return what it printed.

    Args:
        words: of the command; the first is the name of the script.
    """
    script, *arguments = words
    done = subprocess.run(
        [*java_command(_JARS), _CLASSES[script], *arguments], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout
