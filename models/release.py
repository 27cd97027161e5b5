"""The release directory: everything a worker needs to serve one set of weights.

    weights.safetensors   the network but for its item vectors
    items.safetensors     the item vectors, float32 (M + 2, E)
    reranker.safetensors  the second stage, counts and weights, where there is one
    catalogue.json        the track ids, in row order
    config.json           the kind and the sizes of the network, the sizes of the second stage, and how the network was
                          trained
    metrics.json          what the trainer measured
    manifest.json         format version, id, creation time, data window, sha256 of every other file; written last

Version 1 had no second stage and one kind of network, which it did not name; it is read, and no longer written. Nothing
in a release is pickled. It lives at an fsspec URL: a folder, S3, anything fsspec has a driver for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

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
from models.plays.histories import Histories
from models.serving.recommender import Recommender
from models.serving.reranker import Reranker

FORMAT_VERSION: Final = 2

_READ_VERSIONS: Final = (1, 2)

_WEIGHTS: Final = "weights.safetensors"
_ITEMS: Final = "items.safetensors"
_CATALOGUE: Final = "catalogue.json"
_CONFIG: Final = "config.json"
_METRICS: Final = "metrics.json"
_MANIFEST: Final = "manifest.json"
_RERANKER: Final = "reranker.safetensors"
_FILES: Final = (_WEIGHTS, _ITEMS, _CATALOGUE, _CONFIG, _METRICS)
_ITEM_VECTORS: Final = "embedding.weight"

_Module = TypeVar("_Module", bound=nn.Module)

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class InvalidRelease(Exception):  # noqa: N818 - the name says what was found; it is the only error here
    """Raised when a release is incomplete, damaged or of another format; a worker keeps the one it has."""


@dataclass(frozen=True, slots=True)
class DataWindow:
    """Say what a release was trained on.

    Attributes:
        from_ms: time of the first play, since the epoch.
        until_ms: time of the last.
        num_plays: how many.
        num_listeners: whose.
    """

    from_ms: int
    until_ms: int
    num_plays: int
    num_listeners: int

    @classmethod
    def of(cls, histories: Histories) -> DataWindow:
        """Say what a network was trained on when it was trained on these."""
        times_ms = histories.played_at_ms
        return cls(int(times_ms.min()), int(times_ms.max()), histories.num_plays, histories.num_listeners)


@dataclass(frozen=True, slots=True)
class Release:
    """A release as workers hold it: verified, on its device, in eval mode.

    Attributes:
        release_id: creation time and 8 hex digits of the weights' sha256, so that ids sort by age.
        key: the first 64 bits of the id's BLAKE2b; state records name their release by it.
        recommender: in eval mode, without gradients.
        metrics: what the trainer measured.
        data_window: what it was trained on.
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


class SavedRelease(NamedTuple):
    """Where a release was saved, and what a notice of it says."""

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
        releases_url: an fsspec URL or a path; made if absent.
        recommender: what is released.
        training: kept for the record.
        metrics: kept for the record.
        data_window: what it was trained on.
        created_at_ms: since the epoch.

    Raises:
        FileExistsError: the release is there already; releases are immutable.
        OSError: the place cannot be written.
    """
    contents = _contents(recommender, training, metrics)
    created = datetime.fromtimestamp(created_at_ms / 1000, UTC)
    stamp = f"{created:%Y%m%dT%H%M%S}.{created_at_ms % 1000:03d}Z"
    release_id = f"{stamp}-{_sha256(contents[_WEIGHTS])[:8]}"
    manifest = _json(
        {
            "format_version": FORMAT_VERSION,
            "release_id": release_id,
            "created_at_ms": created_at_ms,
            "data_window": asdict(data_window),
            "files": {name: _sha256(content) for name, content in contents.items()},
        }
    )
    location = f"{releases_url.rstrip('/')}/{release_id}"
    files, directory = fsspec.core.url_to_fs(location)
    if files.exists(f"{directory}/{_MANIFEST}"):
        raise FileExistsError(f"release {location} exists, and releases never change; save another one")
    files.makedirs(directory, exist_ok=True)
    for name, content in [*contents.items(), (_MANIFEST, manifest)]:
        files.pipe_file(f"{directory}/{name}", content)
    return SavedRelease(release_id, location, _sha256(manifest))


class Description(NamedTuple):
    """What a release says of itself, but for its weights.

    Attributes:
        release_id: its name.
        manifest_sha256: of the manifest found.
        created_at_ms: since the epoch.
        data_window: what it was trained on.
        metrics: what the trainer measured.
        files: sha256 of each file but the manifest.
    """

    release_id: str
    manifest_sha256: str
    created_at_ms: int
    data_window: DataWindow
    metrics: Mapping[str, Json]
    files: Mapping[str, str]


def describe_release(location: str) -> Description:
    """Read the manifest of a release and what was measured, but verify no weights.

    Raises:
        InvalidRelease: one of them is missing or damaged, or the format is unknown.
        OSError: the place cannot be reached.
    """
    manifest = _read_manifest(location, None)
    sha256 = _sha256(_read_file(location, _MANIFEST, None))
    metrics = json.loads(_read_file(location, _METRICS, manifest.files[_METRICS]))
    return Description(
        manifest.release_id, sha256, manifest.created_at_ms, manifest.data_window, metrics, manifest.files
    )


def load_release(location: str, *, manifest_sha256: str | None = None, device: torch.device | str = "cpu") -> Release:
    """Read a release and verify every byte of it.

    Args:
        location: its directory, an fsspec URL or a path.
        manifest_sha256: as the notice said; absent: trust the manifest found there.
        device: where the weights go.

    Raises:
        InvalidRelease: a file is missing or differs from its checksum, or the format is unknown.
        OSError: the place cannot be reached; trying again may help.
    """
    manifest = _read_manifest(location, manifest_sha256)
    contents = {name: _read_file(location, name, sha256) for name, sha256 in manifest.files.items()}
    try:
        catalogue = Catalogue(json.loads(contents[_CATALOGUE]))
        network, reranker = _network(contents, len(catalogue)), _reranker(contents, len(catalogue))
        metrics = dict(json.loads(contents[_METRICS]))
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
        ValueError: a weight is not finite, which would spoil every state it touches; or the kind is unknown.
    """
    network = build_network(json.loads(contents[_CONFIG])["network"], num_tracks)
    network.load_state_dict(load_tensors(contents[_WEIGHTS]) | load_tensors(contents[_ITEMS]))
    _require_finite(network)
    return network


def _reranker(contents: Mapping[str, bytes], num_tracks: int) -> Reranker | None:
    """Build the second stage the files describe, if they do.

    Raises:
        ValueError: a weight is not finite.
    """
    if _RERANKER not in contents:
        return None
    tensors = load_tensors(contents[_RERANKER])
    config = RerankerConfig.from_dict(json.loads(contents[_CONFIG])["reranker"])
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
    second_stage = {} if reranker is None else {_RERANKER: save_tensors(_tensors(reranker))}
    weights = _tensors(recommender.network)
    items = {_ITEM_VECTORS: weights.pop(_ITEM_VECTORS)}
    sizes = {
        "network": recommender.network.config.to_dict(),
        "reranker": None if reranker is None else reranker.config.to_dict(),
    }
    return second_stage | {
        _WEIGHTS: save_tensors(weights),
        _ITEMS: save_tensors(items),
        _CATALOGUE: _json(list(recommender.catalogue.track_ids)),
        _CONFIG: _json(sizes | {"training": asdict(training)}),
        _METRICS: _json(dict(metrics)),
    }


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What the manifest of a release of this format says."""

    release_id: str
    created_at_ms: int
    data_window: DataWindow
    files: Mapping[str, str]


def _read_manifest(location: str, sha256: str | None) -> _Manifest:
    content = _read_file(location, _MANIFEST, sha256)
    try:
        fields = json.loads(content)
        version = fields["format_version"]
    except (ValueError, TypeError, KeyError) as exc:
        raise InvalidRelease(f"{location}/{_MANIFEST} is not a manifest ({exc!r}); copy the release again") from exc
    if version not in _READ_VERSIONS:
        raise InvalidRelease(
            f"release {location} has format version {version!r}, this program reads {FORMAT_VERSION} and older; "
            "upgrade the program, or save the release with the version it has"
        )
    try:
        return _Manifest(
            release_id=str(fields["release_id"]),
            created_at_ms=int(fields["created_at_ms"]),
            data_window=DataWindow(**fields["data_window"]),
            files={name: str(fields["files"][name]) for name in _FILES}
            | {name: str(sha256) for name, sha256 in fields["files"].items() if name == _RERANKER},
        )
    except (ValueError, TypeError, KeyError) as exc:
        raise InvalidRelease(f"{location}/{_MANIFEST} lacks {exc}; save the release again") from exc


def _read_file(location: str, name: str, sha256: str | None) -> bytes:
    """Read one file of a release; sha256 None: unverified."""
    files, directory = fsspec.core.url_to_fs(location)
    try:
        content: bytes = files.cat_file(f"{directory}/{name}")
    except FileNotFoundError as exc:
        raise InvalidRelease(
            f"release {location} has no {name}; copy it again, or check that its trainer finished"
        ) from exc
    if sha256 is not None and (found := _sha256(content)) != sha256:
        raise InvalidRelease(f"{location}/{name} has sha256 {found}, expected {sha256}; copy the release again")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()
