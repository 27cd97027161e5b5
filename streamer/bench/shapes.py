"""What `refrain bench --json` prints; docs/public.md lists the keys."""

import msgspec


class MeasuredTransaction(msgspec.Struct, frozen=True):
    """A transaction with a batch: CPU of the worker for a play, and its time from the first request to the commit."""

    cpu_us: float
    p50_ms: float
    p99_ms: float
    rounds: int


class MeasuredBatch(msgspec.Struct, frozen=True):
    """Batches of one size.

    Attributes:
        plays: in a batch, each of another listener.
        cpu_us: CPU of a play, in the fastest round, without Kafka.
        plays_per_s: one second of CPU over that.
        p50_ms: of a batch, wall time.
        p99_ms: of a batch, wall time.
        rounds: that were measured.
        steps_us: CPU of a play by step in its life, in the fastest round of each; `commit` is the disk alone.
        transaction: None unless asked for.
    """

    plays: int
    cpu_us: float
    plays_per_s: float
    p50_ms: float
    p99_ms: float
    rounds: int
    steps_us: dict[str, float]
    transaction: MeasuredTransaction | None = None


class MeasuredStore(msgspec.Struct, frozen=True):
    """CPU to read and to write a state that was not touched lately, and the bytes it takes on the disk."""

    read_us: float
    write_us: float
    bytes_per_listener: float


class Capacity(msgspec.Struct, frozen=True):
    """What one worker carries.

    Attributes:
        plays_per_s: that it answers at most.
        bound_by: what takes most of its time.
        bound_share: of its time.
        listeners_by_plays: whose plays keep it busy for half of its time at the peak.
        listeners_by_disk: whose states the disk has room for.
        plays_per_day: of a listener: an assumption.
        with_kafka: whether transactions were measured.
    """

    plays_per_s: int
    bound_by: str
    bound_share: float
    listeners_by_plays: int
    listeners_by_disk: int
    plays_per_day: float
    with_kafka: bool


class BenchShown(msgspec.Struct, frozen=True):
    """What a worker would do here.

    Attributes:
        version: of Refrain.
        device: that computes.
        threads: of a step.
        cores: of the machine.
        load: of the machine before, over one minute: what it was busy with besides.
        release: that was measured; None for a made-up catalogue.
        tracks: of the catalogue.
        stages: of the ranking.
        listeners: that were made up.
        batches: by size.
        store: of the states.
        capacity: of one worker.
    """

    version: str
    device: str
    threads: int
    cores: int
    load: float
    release: str | None
    tracks: int
    stages: int
    listeners: int
    batches: tuple[MeasuredBatch, ...]
    store: MeasuredStore
    capacity: Capacity
