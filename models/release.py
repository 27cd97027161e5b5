"""A release: one set of weights, saved as a directory and loaded from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn

from models.config import RerankerConfig, TrainingConfig
from models.networks.architectures import build_network
from models.networks.items import ReleasedItems
from models.networks.network import ITEM_NAMES, Network
from models.plays.catalogue import FIRST_TRACK, Catalogue, CatalogueArrays, track_key
from models.release_files import (
    CATALOGUE,
    CONFIG,
    FORMAT_VERSION,
    ITEMS,
    LISTED_CATALOGUE,
    MANIFEST,
    MAX_RELEASE_BYTES,
    METRICS,
    RERANKER,
    WEIGHTS,
    DataWindow,
    InvalidRelease,
    Json,
    ReleaseManifest,
    copy_files,
    read_manifest,
    sha256_of,
    to_json,
)
from models.release_folder import Folder
from models.release_tensors import adopt, encode_tensors, map_tensors, require_finite
from models.serving.recommender import Recommender
from models.serving.reranker import Reranker

_TRAINED_ITEMS: Final = f"{ITEM_NAMES}weight"

#: What files with the right checksums raise if they are not what their names say.
_MISFITS: Final = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError, SafetensorError)

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
    releases: Folder,
    recommender: Recommender,
    *,
    training: TrainingConfig,
    metrics: Mapping[str, Json],
    data_window: DataWindow,
    created_at_ms: int,
) -> SavedRelease:
    """Write a release into a new directory among others, its manifest last.

    Args:
        releases: the directory of all releases; created if absent.
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
    release_id = f"{stamp}-{sha256_of(*contents[WEIGHTS])[:8]}"
    manifest = to_json(
        {
            "format_version": FORMAT_VERSION,
            "release_id": release_id,
            "created_at_ms": created_at_ms,
            "data_window": asdict(data_window),
            "files": {
                name: {"sha256": sha256_of(*pieces), "size": sum(map(len, pieces))} for name, pieces in contents.items()
            },
        }
    )
    folder = releases.folder(release_id)
    if folder.holds(MANIFEST):
        raise FileExistsError(
            f"release {folder.location} exists, and releases never change; save it again with a later created_at_ms"
        )
    for name, pieces in contents.items():
        folder.write_pieces(name, pieces, sum(map(len, pieces)))
    folder.write(MANIFEST, manifest)
    return SavedRelease(release_id, folder.location, sha256_of(manifest))


def load_release(location: str, *, manifest_sha256: str | None = None, device: torch.device | str = "cpu") -> Release:
    """Load the release at an fsspec URL or path, verified.

    Its files are copied to a temporary directory, mapped from there, and lose their names at once: nobody can shorten
    what is mapped.

    Args:
        location: of the release.
        manifest_sha256: of its manifest; None: unverified.
        device: where the weights go.

    Raises:
        InvalidRelease: a file is missing, too large, or not what the manifest says.
        OSError: the location cannot be reached, or nothing can be written to the temporary directory.
    """
    folder = Folder(location)
    manifest = read_manifest(folder, manifest_sha256)
    with TemporaryDirectory(prefix="refrain-") as directory:
        copy_files(folder, manifest, Path(directory), MAX_RELEASE_BYTES)
        return load_files(Path(directory), manifest, device=device)


def load_files(directory: Path, manifest: ReleaseManifest, *, device: torch.device | str = "cpu") -> Release:
    """Map the files of a release, which were copied and verified (`copy_files`).

    Args:
        directory: holds the files, which nobody else writes: to shorten one that is mapped kills the process.
        manifest: what is trusted about the release.
        device: where the weights go; on a CPU they stay in the files.

    Raises:
        InvalidRelease: they do not fit together.
    """
    try:
        config = json.loads((directory / CONFIG).read_bytes())
        catalogue = _catalogue(directory, manifest)
        network = _network(directory, config, len(catalogue))
        reranker = _reranker(directory, config, len(catalogue)) if RERANKER in manifest.files else None
        metrics = dict(json.loads((directory / METRICS).read_bytes()))
    except _MISFITS as exc:
        reason = " ".join(str(exc).split())
        raise InvalidRelease(
            f"the files of release {manifest.release_id} do not fit together: {reason}; save a new one"
        ) from exc
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


def _catalogue(directory: Path, manifest: ReleaseManifest) -> Catalogue:
    """Build the catalogue around its arrays where they are mapped; versions up to 3 had a list of ids.

    Raises:
        ValueError: it is no catalogue.
    """
    if LISTED_CATALOGUE in manifest.files:
        return Catalogue(json.loads((directory / LISTED_CATALOGUE).read_bytes()))
    arrays = {name: tensor.numpy() for name, tensor in map_tensors(directory / CATALOGUE).items()}
    keys = arrays.pop("sorted_keys").view(np.uint64)  # torch has no such numbers to sort and compare
    return Catalogue.of(CatalogueArrays(sorted_keys=keys, **arrays))


def _network(directory: Path, config: Mapping[str, Any], num_tracks: int) -> Network:
    """Build the network the files describe, around the weights where they are mapped.

    Raises:
        ValueError: a weight is not finite, or the architecture is unknown.
    """
    network = build_network(config["network"], 0)
    items = map_tensors(directory / ITEMS)
    if _TRAINED_ITEMS in items:  # up to version 3
        items = _released(items[_TRAINED_ITEMS])
    shape = num_tracks + FIRST_TRACK, network.config.embedding_size
    network.embedding = ReleasedItems(torch.empty(shape, device="meta"), torch.empty(shape[0], device="meta"))
    adopt(network, map_tensors(directory / WEIGHTS) | items)
    require_finite(network)
    return network


def _reranker(directory: Path, config: Mapping[str, Any], num_tracks: int) -> Reranker:
    """Build the second stage that the files describe, around the counts where they are mapped.

    Raises:
        ValueError: a weight is not finite.
    """
    tensors = map_tensors(directory / RERANKER)
    with torch.device("meta"):
        reranker = Reranker(RerankerConfig.from_dict(config["reranker"]), num_tracks, len(tensors["pair_keys"]))
    adopt(reranker, tensors)
    require_finite(reranker)
    return reranker


def _frozen(module: _Module) -> _Module:
    return module.requires_grad_(requires_grad=False).eval()


def _contents(
    recommender: Recommender, training: TrainingConfig, metrics: Mapping[str, Json]
) -> dict[str, Sequence[bytes | memoryview]]:
    """Encode every file but the manifest, in pieces; tensors are not copied."""
    reranker = recommender.reranker
    second_stage = {} if reranker is None else {RERANKER: encode_tensors(reranker.state_dict())}
    weights = recommender.network.state_dict()
    items = {name: weights.pop(name) for name in list(weights) if name.startswith(ITEM_NAMES)}
    if _TRAINED_ITEMS in items:
        items = _released(items[_TRAINED_ITEMS])
    sizes = {
        "network": recommender.network.config.to_dict(),
        "reranker": None if reranker is None else reranker.config.to_dict(),
    }
    return second_stage | {
        WEIGHTS: encode_tensors(weights),
        ITEMS: encode_tensors(items),
        CATALOGUE: encode_tensors(_tensors(recommender.catalogue.arrays)),
        CONFIG: [to_json(sizes | {"training": asdict(training)})],
        METRICS: [to_json(dict(metrics))],
    }


def _released(vectors: torch.Tensor) -> dict[str, torch.Tensor]:
    """Split trained item vectors, float32 (M + 2, E), into those of a release."""
    return {f"{ITEM_NAMES}{name}": tensor for name, tensor in ReleasedItems.of(vectors).named_buffers()}


def _tensors(arrays: CatalogueArrays) -> dict[str, torch.Tensor]:
    as_signed = arrays._replace(sorted_keys=arrays.sorted_keys.view(np.int64))
    return {name: torch.from_numpy(array) for name, array in as_signed._asdict().items()}
