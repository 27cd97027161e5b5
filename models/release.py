"""A release: one set of weights, saved as a directory and loaded from it.

Version 1 had no second stage and one architecture, which it did not name. It can still be read, but is not written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar

import fsspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from models.config import RerankerConfig, TrainingConfig
from models.networks.architectures import build_network
from models.networks.network import Network
from models.plays.catalogue import Catalogue, track_key
from models.release_files import (
    CATALOGUE,
    CONFIG,
    FORMAT_VERSION,
    ITEMS,
    MANIFEST,
    METRICS,
    RERANKER,
    WEIGHTS,
    DataWindow,
    InvalidRelease,
    Json,
    read_file,
    read_manifest,
    sha256_of,
    to_json,
)
from models.serving.recommender import Recommender
from models.serving.reranker import Reranker

_ITEM_VECTORS: Final = "embedding.weight"

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Release:
    """A release as workers hold it: verified, on its device, in eval mode.

    Attributes:
        release_id: creation time and 8 hex digits of the weights' sha256, so ids sort by age.
        key: the first 64 bits of the id's BLAKE2b; state records refer to their release by it.
        recommender: in eval mode, without gradients.
        metrics: what the trainer measured.
        data_window: the plays it was trained on.
        created_at_ms: since the epoch.
    """

    release_id: str
    key: int
    recommender: Recommender
    metrics: Mapping[str, Json]
    data_window: DataWindow
    created_at_ms: int

    @property
    def network(self) -> Network:
        """The recommender's network."""
        return self.recommender.network

    @property
    def catalogue(self) -> Catalogue:
        """The recommender's catalogue."""
        return self.recommender.catalogue

    @property
    def seen_until_ms(self) -> int:
        """The time from which on plays are new to it; those dated after it was made have a wrong date."""
        return min(self.data_window.until_ms, self.created_at_ms)


class SavedRelease(NamedTuple):
    """Where a release was saved, and the contents of a notice of it."""

    release_id: str
    location: str
    manifest_sha256: str


def save_release(
    releases_url: str,
    recommender: Recommender,
    *,
    training: TrainingConfig,
    metrics: Mapping[str, Json],
    data_window: DataWindow,
    created_at_ms: int,
) -> SavedRelease:
    """Write a release into a new directory under a URL, its manifest last.

    Args:
        releases_url: an fsspec URL or a path; created if absent.
        recommender: what is released.
        training: kept for the record.
        metrics: kept for the record.
        data_window: the plays it was trained on.
        created_at_ms: since the epoch.

    Raises:
        FileExistsError: the release exists already; releases are immutable.
        OSError: the location cannot be written.
    """
    contents = _contents(recommender, training, metrics)
    created = datetime.fromtimestamp(created_at_ms / 1000, UTC)
    stamp = f"{created:%Y%m%dT%H%M%S}.{created_at_ms % 1000:03d}Z"
    release_id = f"{stamp}-{sha256_of(contents[WEIGHTS])[:8]}"
    manifest = to_json(
        {
            "format_version": FORMAT_VERSION,
            "release_id": release_id,
            "created_at_ms": created_at_ms,
            "data_window": asdict(data_window),
            "files": {name: sha256_of(content) for name, content in contents.items()},
        }
    )
    location = f"{releases_url.rstrip('/')}/{release_id}"
    files, directory = fsspec.core.url_to_fs(location)
    if files.exists(f"{directory}/{MANIFEST}"):
        raise FileExistsError(
            f"release {location} exists, and releases never change; save it again with a later created_at_ms"
        )
    files.makedirs(directory, exist_ok=True)
    for name, content in [*contents.items(), (MANIFEST, manifest)]:
        files.pipe_file(f"{directory}/{name}", content)
    return SavedRelease(release_id, location, sha256_of(manifest))


def load_release(location: str, *, manifest_sha256: str | None = None, device: torch.device | str = "cpu") -> Release:
    """Read a release and verify every byte of it.

    Args:
        location: its directory, an fsspec URL or a path.
        manifest_sha256: from the notice; absent: the manifest in the directory is trusted.
        device: where the weights go.

    Raises:
        InvalidRelease: a file is missing or differs from its checksum, or the format is unknown.
        OSError: the location cannot be reached; another attempt may succeed.
    """
    manifest = read_manifest(location, manifest_sha256)
    contents = {name: read_file(location, name, sha256) for name, sha256 in manifest.files.items()}
    try:
        catalogue = Catalogue(json.loads(contents[CATALOGUE]))
        network, reranker = _network(contents, len(catalogue)), _reranker(contents, len(catalogue))
        metrics = dict(json.loads(contents[METRICS]))
    except (ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as exc:
        reason = " ".join(str(exc).split())
        raise InvalidRelease(f"the files of release {location} do not fit together: {reason}; save a new one") from exc
    return Release(
        release_id=manifest.release_id,
        key=track_key(manifest.release_id),
        recommender=Recommender(
            _frozen(network).to(device), catalogue, None if reranker is None else _frozen(reranker).to(device)
        ),
        metrics=metrics,
        data_window=manifest.data_window,
        created_at_ms=manifest.created_at_ms,
    )


def _network(contents: Mapping[str, bytes], num_tracks: int) -> Network:
    """Build the network the files describe.

    Raises:
        ValueError: a weight is not finite, which would ruin every state it touches, or the architecture is unknown.
    """
    network = build_network(json.loads(contents[CONFIG])["network"], num_tracks)
    network.load_state_dict(load_tensors(contents[WEIGHTS]) | load_tensors(contents[ITEMS]))
    _require_finite(network)
    return network


def _reranker(contents: Mapping[str, bytes], num_tracks: int) -> Reranker | None:
    """Build the second stage that the files describe; None if they describe none.

    Raises:
        ValueError: a weight is not finite.
    """
    if RERANKER not in contents:
        return None
    tensors = load_tensors(contents[RERANKER])
    config = RerankerConfig.from_dict(json.loads(contents[CONFIG])["reranker"])
    reranker = Reranker(config, num_tracks, len(tensors["pair_keys"]))
    reranker.load_state_dict(tensors)
    _require_finite(reranker)
    return reranker


def _require_finite(module: nn.Module) -> None:
    for name, tensor in module.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} is not finite")


def _frozen(module: _Module) -> _Module:
    return module.requires_grad_(requires_grad=False).eval()


def _contents(recommender: Recommender, training: TrainingConfig, metrics: Mapping[str, Json]) -> dict[str, bytes]:
    """Encode every file but the manifest."""
    reranker = recommender.reranker
    second_stage = {} if reranker is None else {RERANKER: save_tensors(_tensors(reranker))}
    weights = _tensors(recommender.network)
    items = {_ITEM_VECTORS: weights.pop(_ITEM_VECTORS)}
    sizes = {
        "network": recommender.network.config.to_dict(),
        "reranker": None if reranker is None else reranker.config.to_dict(),
    }
    return second_stage | {
        WEIGHTS: save_tensors(weights),
        ITEMS: save_tensors(items),
        CATALOGUE: to_json(list(recommender.catalogue.track_ids)),
        CONFIG: to_json(sizes | {"training": asdict(training)}),
        METRICS: to_json(dict(metrics)),
    }


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
