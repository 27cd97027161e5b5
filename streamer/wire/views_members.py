"""What a worker says of itself to the others of its group: with its name, since others may answer at its address."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Said(msgspec.Struct, frozen=True):
    """An answer that is one worker's own."""

    member_id: Annotated[
        str, Meta(description="Of the worker: its name in the group, drawn by Kafka; empty before it has joined.")
    ]
