"""A release: one set of weights, saved as a directory and loaded from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar

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
    MAX_RELEASE_BYTES,
    METRICS,
    RERANKER,
    WEIGHTS,
    DataWindow,
    InvalidRelease,
    Json,
    ReleaseManifest,
    read_file,
    read_manifest,
    sha256_of,
    to_json,
)
from models.release_folder import Folder
from models.serving.recommender import Recommender
from models.serving.reranker import Reranker

_ITEM_VECTORS: Final = "embedding.weight"

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
    release_id = f"{stamp}-{sha256_of(contents[WEIGHTS])[:8]}"
    manifest = to_json(
        {
            "format_version": FORMAT_VERSION,
            "release_id": release_id,
            "created_at_ms": created_at_ms,
            "data_window": asdict(data_window),
            "files": {name: {"sha256": sha256_of(content), "size": len(content)} for name, content in contents.items()},
        }
    )
    folder = releases.folder(release_id)
    if folder.holds(MANIFEST):
        raise FileExistsError(
            f"release {folder.location} exists, and releases never change; save it again with a later created_at_ms"
        )
    for name, content in [*contents.items(), (MANIFEST, manifest)]:
        folder.write(name, content)
    return SavedRelease(release_id, folder.location, sha256_of(manifest))


def load_release(location: str, *, manifest_sha256: str | None = None, device: torch.device | str = "cpu") -> Release:
    """Load the release at an fsspec URL or path; arguments and errors are those of `read_manifest` and `load_files`."""
    folder = Folder(location)
    return load_files(folder, read_manifest(folder, manifest_sha256), device=device)


def load_files(
    folder: Folder,
    manifest: ReleaseManifest,
    *,
    device: torch.device | str = "cpu",
    max_bytes: int = MAX_RELEASE_BYTES,
) -> Release:
    """Read the files of a release and verify every byte of them.

    Args:
        folder: of the release.
        manifest: what is trusted about it.
        device: where the weights go.
        max_bytes: the most that all files together may have.

    Raises:
        InvalidRelease: a file is missing, too large or differs from its checksum.
        OSError: the location cannot be reached; another attempt may succeed.
    """
    contents: dict[str, bytes] = {}
    for name, entry in manifest.files.items():
        contents[name] = read_file(folder, name, entry, max_bytes - sum(map(len, contents.values())))
    try:
        catalogue = Catalogue(json.loads(contents[CATALOGUE]))
        network, reranker = _network(contents, len(catalogue)), _reranker(contents, len(catalogue))
        metrics = dict(json.loads(contents[METRICS]))
    except _MISFITS as exc:
        reason = " ".join(str(exc).split())
        raise InvalidRelease(
            f"the files of release {folder.location} do not fit together: {reason}; save a new one"
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
