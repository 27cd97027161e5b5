"""A checkpoint: the state of a training run after some batch, as bytes.

One safetensors file. Its tensors are the weights, the optimizer's moments and torch's generator; its header's metadata
holds, as JSON, the position in the run, numpy's generators and the fingerprint of the plays and configs. Nothing in it
is pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from models.config import ArchitectureConfig, TrainingConfig
from models.plays.catalogue import Catalogue
from models.serving.recommender import Recommender
from models.training.shards import Shards, ShardStatistics, sha256_of

FORMAT_VERSION: Final = 2

_METADATA: Final = "refrain"

Fingerprint: TypeAlias = Mapping[str, Any]
"""What distinguishes one run from another, as JSON: the configs' figures one by one, long columns as sha256."""


class InvalidCheckpoint(Exception):  # noqa: N818 - the name describes the bytes; it is the only error here
    """Raised when bytes are not a checkpoint, or have another format version."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run between two batches.

    Attributes:
        fingerprint: of its plays and configs.
        position: what `TrainingRun` needs besides tensors, as JSON.
        tensors: by name, on the CPU.
    """

    fingerprint: Fingerprint
    position: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def to_bytes(self) -> bytes:
        """Encode."""
        facts = {"format_version": FORMAT_VERSION, "fingerprint": self.fingerprint, "position": self.position}
        encoded: bytes = save_tensors(dict(self.tensors), {_METADATA: json.dumps(facts)})
        return encoded

    @classmethod
    def from_bytes(cls, content: bytes) -> Snapshot:
        """Read what `to_bytes` wrote.

        Raises:
            InvalidCheckpoint: `to_bytes` did not write the bytes.
        """
        try:
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            facts = json.loads(header["__metadata__"][_METADATA])
            version = facts["format_version"]
            tensors = load_tensors(content)
        except (ValueError, KeyError, TypeError, SafetensorError) as exc:
            raise InvalidCheckpoint(f"is not a checkpoint ({exc!r})") from exc
        if version != FORMAT_VERSION:
            raise InvalidCheckpoint(f"has format version {version!r}, but this program reads {FORMAT_VERSION}")
        return cls(facts["fingerprint"], facts["position"], tensors)


class Checkpoint(Protocol):
    """Where a fit keeps its snapshots, and how often; `models` uses neither disk nor clock."""

    @property
    def earlier(self) -> Checkpoint:
        """The checkpoint of the network of earlier plays, which a fit of two stages starts with."""

    def read(self, fingerprint: Fingerprint) -> Snapshot | None:
        """Read the latest snapshot, if any; one with another fingerprint must be refused."""

    def is_due(self, *, epoch_ended: bool) -> bool:
        """Check, after a batch, whether a snapshot is due."""

    def write(self, snapshot: Snapshot) -> None:
        """Replace the latest snapshot."""


def fingerprint_of(
    survey: ShardStatistics,
    catalogue: Catalogue,
    configs: tuple[ArchitectureConfig, TrainingConfig],
    *,
    start: Recommender | None = None,
    extra: Shards = (),
) -> Fingerprint:
    """Compute the fingerprint of a run."""
    network, training = configs
    fingerprint: Fingerprint = json.loads(  # as it will be read back: tuples are lists
        json.dumps(
            {
                "plays": survey.num_plays,
                "plays_sha256": survey.plays_sha256,
                "shards": len(survey.num_batches),
                "company_sha256": sha256_of(extra),
                "tracks": len(catalogue),
                "tracks_sha256": _sha256(catalogue.keys),
                "start_sha256": None if start is None else _sha256_of(start),
                "network": network.to_dict(),
                "training": asdict(training),
            }
        )
    )
    return fingerprint


def differences(actual: Fingerprint, expected: Fingerprint) -> list[str]:
    """Name every figure in which two fingerprints differ, for example `training.epochs 6, not 3`."""
    return list(_differences(actual, expected, ""))


def _differences(actual: Mapping[str, Any], expected: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in sorted(actual.keys() | expected.keys()):
        one, other = actual.get(name), expected.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _differences(one, other, f"{prefix}{name}.")
        elif one != other:
            yield f"{prefix}{name} {_short(one)}, not {_short(other)}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:8]}..."


def _sha256_of(start: Recommender) -> str:
    weights = [tensor.detach().cpu().numpy() for tensor in start.network.state_dict().values()]
    return _sha256(start.catalogue.keys, *weights)


def _sha256(*columns: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
