"""The recommender of a release as files: encoded when it is saved, built around the mapped files when it is loaded."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from models.config import RerankerConfig
from models.networks.architectures import build_network
from models.networks.items import ReleasedItems
from models.networks.network import ITEM_NAMES, Network
from models.plays.catalogue import FIRST_TRACK, Catalogue, CatalogueArrays
from models.release_files import CATALOGUE, INDEX, ITEMS, LISTED_CATALOGUE, MAP, RERANKER, WEIGHTS
from models.release_tensors import adopt, encode_tensors, map_tensors, require_finite
from models.serving.recommender import Recommender
from models.serving.reranker import Reranker
from models.serving.sources import sparse_tables
from models.serving.track_index import TrackIndex
from models.serving.track_map import TrackMap

Pieces: TypeAlias = "Sequence[bytes | memoryview]"

_TRAINED_ITEMS: Final = f"{ITEM_NAMES}weight"

_Module = TypeVar("_Module", bound=nn.Module)


def encode_recommender(recommender: Recommender) -> dict[str, Pieces]:
    """Encode the files that hold a recommender, in pieces; tensors on a CPU are not copied."""
    reranker = recommender.reranker
    weights = recommender.network.state_dict()
    items = {name: weights.pop(name) for name in list(weights) if name.startswith(ITEM_NAMES)}
    files: dict[str, Pieces] = {
        WEIGHTS: encode_tensors(weights),
        ITEMS: encode_tensors(_released(items)),
        CATALOGUE: encode_tensors(_tensors_of(recommender.catalogue.arrays)),
    }
    if reranker is not None:
        files[RERANKER] = encode_tensors(reranker.state_dict())
    if recommender.index is not None:
        files[INDEX] = encode_tensors(recommender.index._asdict())
    return files


def encode_map(track_map: TrackMap | None) -> dict[str, Pieces]:
    """Encode the file that holds a map; none if there is no map."""
    if track_map is None:
        return {}
    return {MAP: encode_tensors({name: torch.from_numpy(array) for name, array in track_map._asdict().items()})}


def sizes_of(recommender: Recommender) -> dict[str, Any]:
    """Return the sizes of a recommender, as JSON can hold them."""
    reranker = recommender.reranker
    return {
        "network": recommender.network.config.to_dict(),
        "reranker": None if reranker is None else reranker.config.to_dict(),
    }


def map_recommender(directory: Path, names: Collection[str], sizes: Mapping[str, Any]) -> Recommender:
    """Build the recommender of a release around its files, where they are mapped.

    Args:
        directory: holds the files.
        names: of the files that the release has.
        sizes: from `sizes_of`.

    Raises:
        ValueError: a weight is not finite, or the files do not fit together, which may raise others too.
    """
    catalogue = _catalogue(directory, names)
    network = _network(directory, sizes["network"], len(catalogue))
    reranker = None
    if RERANKER in names:
        reranker = _frozen(_reranker(directory, RerankerConfig.from_dict(sizes["reranker"]), len(catalogue)))
    recommender = Recommender(_frozen(network), catalogue, reranker)
    return replace(recommender, index=_index(directory, recommender.items)) if INDEX in names else recommender


def map_track_map(directory: Path, names: Collection[str], num_tracks: int) -> TrackMap | None:
    """Build the map of a release around its file; None if there is none.

    Raises:
        ValueError: the map is of other tracks; a file that is no map may raise others.
    """
    if MAP not in names:
        return None
    tensors = map_tensors(directory / MAP)
    track_map = TrackMap(**{name: tensors[name].numpy() for name in TrackMap._fields})
    track_map.check(num_tracks)
    return track_map


def _catalogue(directory: Path, names: Collection[str]) -> Catalogue:
    """Build the catalogue; versions up to 3 had a list of ids."""
    if LISTED_CATALOGUE in names:
        return Catalogue(json.loads((directory / LISTED_CATALOGUE).read_bytes()))
    arrays = {name: tensor.numpy() for name, tensor in map_tensors(directory / CATALOGUE).items()}
    keys = arrays.pop("sorted_keys").view(np.uint64)  # torch can neither sort nor compare such numbers
    return Catalogue.of(CatalogueArrays(sorted_keys=keys, **arrays))


def _network(directory: Path, sizes: Mapping[str, Any], num_tracks: int) -> Network:
    network = build_network(sizes, 0)
    shape = num_tracks + FIRST_TRACK, network.config.embedding_size
    network.embedding = ReleasedItems(torch.empty(shape, device="meta"), torch.empty(shape[0], device="meta"))
    adopt(network, {**map_tensors(directory / WEIGHTS), **_released(map_tensors(directory / ITEMS))})
    require_finite(network)
    return network


def _reranker(directory: Path, config: RerankerConfig, num_tracks: int) -> Reranker:
    tensors = map_tensors(directory / RERANKER)
    if "follower_tracks" in tensors:
        tensors = sparse_tables(tensors)
    reranker = Reranker.from_tensors(config, tensors)
    reranker.sources.check(num_tracks)
    require_finite(reranker)
    return reranker


def _index(directory: Path, items: Tensor) -> TrackIndex:
    tensors = map_tensors(directory / INDEX)
    index = TrackIndex(**{name: tensors[name] for name in TrackIndex._fields})
    index.check(items)
    return index


def _released(items: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Split item vectors that are as they were trained, as up to version 3, into those of a release."""
    if _TRAINED_ITEMS not in items:
        return items
    released = ReleasedItems.of(items[_TRAINED_ITEMS])
    return {f"{ITEM_NAMES}{name}": tensor for name, tensor in released.named_buffers()}


def _tensors_of(arrays: CatalogueArrays) -> dict[str, Tensor]:
    as_signed = arrays._replace(sorted_keys=arrays.sorted_keys.view(np.int64))
    return {name: torch.from_numpy(array) for name, array in as_signed._asdict().items()}


def _frozen(module: _Module) -> _Module:
    return module.requires_grad_(requires_grad=False).eval()
