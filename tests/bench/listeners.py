"""What more listeners cost: a play, the disk, and the recovery of a lost disk: `python -m tests.bench.listeners`.

For each number of listeners their states, with full rings and counts, are written to the changelog as a worker writes
them. A worker without a disk reads them back, which is the recovery, then answers plays of random listeners. The
network costs nothing here. The last line is JSON; `--listeners 2000000` needs 20 GB of disk and half an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.config import NUM_COUNTED, RING_SIZE
from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from streamer.wire.changelog import listener_key
from streamer.worker.app import create_worker
from streamer.worker.run import spare_collector
from tests.bench.apart import figures_of, print_line
from tests.bench.peers.refrain_stream import flat_engine
from tests.bench.stage import PARTITIONS, draw_tracks, encode_plays, prepare, producing, send, settings_of, size_of
from tests.builders import full_records
from tests.until import until

LISTENERS: Final = (10_000, 100_000)
_TRACKS: Final = 10_000
_DIFFERENT_STATES: Final = 2_000
