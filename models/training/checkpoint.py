"""A checkpoint: a run of training as it stood after some batch, as bytes.

One safetensors file. Its tensors are the weights, the optimizer's moments and torch's generator; its header's metadata
holds, as JSON, the position in the run, numpy's generators and the fingerprint of what is trained on and how. Nothing
in it is pickled.
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

FORMAT_VERSION: Final = 1

_METADATA: Final = "refrain"

Fingerprint: TypeAlias = Mapping[str, Any]
"""What tells one run from another, as JSON holds it; the figures of the configs one by one, what is long as sha256."""


class InvalidCheckpoint(Exception):  # noqa: N818 - the name says what was found; it is the only error here
    """Raised when bytes are no checkpoint, or one of another format."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run between two batches.

    Attributes:
        fingerprint: of its plays and configs.
        position: what `Run` needs beside tensors, as JSON holds it.
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
            InvalidCheckpoint: it did not write this.
        """
        try:
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            facts = json.loads(header["__metadata__"][_METADATA])
            version = facts["format_version"]
            tensors = load_tensors(content)
        except (ValueError, KeyError, TypeError, SafetensorError) as exc:
            raise InvalidCheckpoint(f"is no checkpoint ({exc!r})") from exc
        if version != FORMAT_VERSION:
            raise InvalidCheckpoint(f"has format version {version!r}, this program reads {FORMAT_VERSION}")
        return cls(facts["fingerprint"], facts["position"], tensors)


class Checkpoint(Protocol):
    """Where a fit keeps its snapshots, and how often; `models` knows neither disk nor clock."""

    @property
    def earlier(self) -> Checkpoint:
        """The checkpoint of the network of earlier plays, which a fit of two stages begins with."""

    def read(self, fingerprint: Fingerprint) -> Snapshot | None:
        """Give the latest snapshot, or none; one with another fingerprint must be refused."""

    def is_due(self, *, epoch_ended: bool) -> bool:
        """Say, after a batch, whether a snapshot should be kept now."""

    def write(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in the place of the one before."""


def fingerprint_of(
    survey: ShardStatistics,
    catalogue: Catalogue,
    configs: tuple[ArchitectureConfig, TrainingConfig],
    *,
    start: Recommender | None = None,
    company: Shards = (),
) -> Fingerprint:
    """Tell what a run is of."""
    network, training = configs
    fingerprint: Fingerprint = json.loads(  # as it will be read back: tuples are lists
        json.dumps(
            {
                "plays": survey.num_plays,
                "plays_sha256": survey.plays_sha256,
                "shards": len(survey.num_batches),
                "company_sha256": sha256_of(company),
                "tracks": len(catalogue),
                "tracks_sha256": _sha256(catalogue.keys),
                "start_sha256": None if start is None else _sha256_of(start),
                "network": network.to_dict(),
                "training": asdict(training),
            }
        )
    )
    return fingerprint


def differences(found: Fingerprint, wanted: Fingerprint) -> list[str]:
    """Name every figure in which two fingerprints differ, as `training.epochs 6, not 3`."""
    return list(_differences(found, wanted, ""))


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in sorted(found.keys() | wanted.keys()):
        one, other = found.get(name), wanted.get(name)
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
