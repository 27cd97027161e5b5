from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.config import NetworkConfig, TrainingConfig
from models.networks.network import Network, TasteNetwork
from models.plays.catalogue import Catalogue, track_key
from models.release import SavedRelease, load_release, save_release
from models.release_files import DataWindow, InvalidRelease, describe_release
from models.release_folder import Folder
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from models.training.track_lists import with_index

MAP = TrackMap(
    np.linspace(-1, 1, 60, dtype=np.float32).reshape(30, 2),
    (np.arange(30) % 12).astype(np.uint8),
    np.arange(30, dtype=np.uint8),
    np.array(7, np.float32),
)
CREATED_AT_MS = 1_795_475_700_123
WINDOW = DataWindow(from_ms=1, until_ms=2, num_plays=3, num_listeners=4)
FILES = (
    "weights.safetensors", "items.safetensors", "catalogue.safetensors", "config.json", "metrics.json", "manifest.json"
)  # fmt: skip


@pytest.fixture
def saved(tmp_path: Path, network: TasteNetwork, catalogue: Catalogue) -> SavedRelease:
    return save(str(tmp_path), network, catalogue)


def save(url: str, network: Network, catalogue: Catalogue) -> SavedRelease:
    return save_release(
        Folder(url),
        Recommender(network, catalogue),
        training=TrainingConfig(),
        metrics={"short-term/all": {"HR@20": 0.46}},
        data_window=WINDOW,
        created_at_ms=CREATED_AT_MS,
    )


def test_a_release_comes_back_as_it_was_saved(saved: SavedRelease, network: TasteNetwork, catalogue: Catalogue) -> None:
    release = load_release(saved.location, manifest_sha256=saved.manifest_sha256)

    assert release.release_id == saved.release_id
    assert release.key == track_key(saved.release_id)
    assert list(release.catalogue.track_ids) == list(catalogue.track_ids)
    assert release.network.config == network.config
    assert release.metrics == {"short-term/all": {"HR@20": 0.46}}
    assert (release.data_window, release.created_at_ms) == (WINDOW, CREATED_AT_MS)
    assert not release.network.training


def test_a_loaded_release_can_be_saved_again(saved: SavedRelease, tmp_path: Path) -> None:
    release = load_release(saved.location)

    again = load_release(save(str(tmp_path / "again"), release.network, release.catalogue).location)

    for name, tensor in again.network.state_dict().items():
        assert torch.equal(tensor, release.network.state_dict()[name])


def test_a_network_of_any_architecture_comes_back_as_it_was_saved(
    tmp_path: Path, any_network: Network, catalogue: Catalogue
) -> None:
    network = load_release(save(str(tmp_path), any_network, catalogue).location).network

    assert type(network) is type(any_network)
    assert network.config == any_network.config
    expected = any_network.state_dict()
    for name, tensor in (network.state_dict() | {"embedding.weight": network.embedding.weight}).items():
        if name in expected:
            torch.testing.assert_close(tensor, expected.pop(name))
    assert not expected
    assert torch.equal(network.items(), any_network.items())


def test_an_id_contains_the_time_and_the_hash_of_the_weights(saved: SavedRelease) -> None:
    weights = Path(saved.location, "weights.safetensors").read_bytes()

    stamp = "20261123T231500.123Z"
    assert saved.release_id == f"{stamp}-{hashlib.sha256(weights).hexdigest()[:8]}"
    assert saved.location.endswith(f"/{saved.release_id}")


def test_a_release_lives_at_any_fsspec_url(network: TasteNetwork, catalogue: Catalogue) -> None:
    saved = save("memory://releases", network, catalogue)

    assert load_release(saved.location, manifest_sha256=saved.manifest_sha256).release_id == saved.release_id


def test_a_release_is_never_overwritten(saved: SavedRelease, network: TasteNetwork, catalogue: Catalogue) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in Path(saved.location).iterdir()}

    with pytest.raises(FileExistsError, match="releases never change"):
        save(saved.location.rpartition("/")[0], network, catalogue)

    assert {path.name: path.stat().st_mtime_ns for path in Path(saved.location).iterdir()} == before


def test_a_release_is_described_without_reading_its_weights(saved: SavedRelease) -> None:
    Path(saved.location, "weights.safetensors").unlink()

    description = describe_release(saved.location)

    assert (description.release_id, description.manifest_sha256) == (saved.release_id, saved.manifest_sha256)
    assert (description.data_window, description.created_at_ms) == (WINDOW, CREATED_AT_MS)
    assert description.metrics == {"short-term/all": {"HR@20": 0.46}}
    assert set(description.files) == set(FILES) - {"manifest.json"}


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_rejected(saved: SavedRelease, name: str) -> None:
    path = Path(saved.location, name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(InvalidRelease, match=rf"{name} has sha256 \w+, expected \w+; copy the release again"):
        load_release(saved.location, manifest_sha256=saved.manifest_sha256)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_rejected(saved: SavedRelease, name: str) -> None:
    Path(saved.location, name).unlink()

    with pytest.raises(InvalidRelease, match=f"has no {name}; copy it again"):
        load_release(saved.location)


def test_another_format_version_is_rejected(saved: SavedRelease) -> None:
    edit_manifest(saved, format_version=99)

    with pytest.raises(InvalidRelease, match="format version 99, this program reads 5 and older; upgrade the program"):
        load_release(saved.location)


def test_a_manifest_that_lacks_a_file_is_rejected(saved: SavedRelease) -> None:
    edit_manifest(saved, files={})

    with pytest.raises(InvalidRelease, match=r"manifest.json lacks 'weights.safetensors'; save the release again"):
        load_release(saved.location)


def test_a_manifest_that_is_not_json_is_rejected(saved: SavedRelease) -> None:
    Path(saved.location, "manifest.json").write_text("half a mani")

    with pytest.raises(InvalidRelease, match="is not a manifest"):
        load_release(saved.location)


def test_files_that_do_not_fit_together_are_rejected(saved: SavedRelease, network: TasteNetwork) -> None:
    other = save(f"{saved.location}-other", network, Catalogue(["t0", "t1"]))
    shorter = Path(other.location, "catalogue.safetensors").read_bytes()
    Path(saved.location, "catalogue.safetensors").write_bytes(shorter)
    files = json.loads(Path(saved.location, "manifest.json").read_text())["files"]
    edit_manifest(saved, files=files | {"catalogue.safetensors": hashlib.sha256(shorter).hexdigest()})

    with pytest.raises(InvalidRelease, match=r"do not fit together: .*embedding.lengths.*; save a new one"):
        load_release(saved.location)


def test_weights_that_are_not_finite_are_rejected(tmp_path: Path, catalogue: Catalogue, network: TasteNetwork) -> None:
    assert isinstance(network.config, NetworkConfig)
    broken = TasteNetwork(network.config, len(catalogue))
    with torch.no_grad():
        broken.temperature.fill_(np.nan)
    saved = save(str(tmp_path), broken, catalogue)

    with pytest.raises(InvalidRelease, match="temperature is not finite; save a new one"):
        load_release(saved.location)


def edit_manifest(saved: SavedRelease, **fields: object) -> None:
    path = Path(saved.location, "manifest.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_second_stage_is_part_of_the_release(reranked: Recommender, tmp_path: Path) -> None:
    saved = save_release(
        Folder(str(tmp_path)), reranked, training=TrainingConfig(), metrics={}, data_window=WINDOW, created_at_ms=1
    )  # fmt: skip

    reranker = load_release(saved.location).recommender.reranker

    assert reranker is not None
    assert reranked.reranker is not None
    assert reranker.config == reranked.reranker.config
    for name, tensor in reranked.reranker.state_dict().items():
        assert torch.equal(reranker.state_dict()[name], tensor)
    assert not reranker.training


def test_a_second_stage_with_changed_bytes_is_rejected(reranked: Recommender, tmp_path: Path) -> None:
    saved = save_release(
        Folder(str(tmp_path)), reranked, training=TrainingConfig(), metrics={}, data_window=WINDOW, created_at_ms=1
    )  # fmt: skip
    path = Path(saved.location) / "reranker.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    with pytest.raises(InvalidRelease, match=r"reranker.safetensors has sha256"):
        load_release(saved.location)


@pytest.fixture
def indexed(reranked: Recommender, tmp_path: Path) -> SavedRelease:
    return save_release(
        Folder(str(tmp_path)), with_index(reranked),
        training=TrainingConfig(), metrics={}, data_window=WINDOW, created_at_ms=1,
    )  # fmt: skip


def test_an_index_is_part_of_the_release(reranked: Recommender, indexed: SavedRelease) -> None:
    recommender = load_release(indexed.location).recommender

    assert recommender.index is not None
    for tensor, expected in zip(recommender.index, with_index(reranked).index or (), strict=True):
        assert torch.equal(tensor, expected)
    assert recommender.uses_index


def test_an_index_of_other_vectors_is_rejected(reranked: Recommender, indexed: SavedRelease, tmp_path: Path) -> None:
    other = TasteNetwork(NetworkConfig(embedding_size=8, hidden_size=16), len(reranked.catalogue)).eval()
    saved = save_release(
        Folder(str(tmp_path)), with_index(Recommender(other, reranked.catalogue)),
        training=TrainingConfig(), metrics={}, data_window=WINDOW, created_at_ms=2,
    )  # fmt: skip
    foreign = Path(saved.location, "index.safetensors").read_bytes()
    Path(indexed.location, "index.safetensors").write_bytes(foreign)
    files = json.loads(Path(indexed.location, "manifest.json").read_text())["files"]
    edit_manifest(indexed, files=files | {"index.safetensors": hashlib.sha256(foreign).hexdigest()})

    with pytest.raises(InvalidRelease, match="do not fit together: the index was built from other item vectors; save"):
        load_release(indexed.location)


def test_an_index_with_changed_bytes_is_rejected(indexed: SavedRelease) -> None:
    path = Path(indexed.location) / "index.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    with pytest.raises(InvalidRelease, match=r"index.safetensors has sha256"):
        load_release(indexed.location)


@pytest.fixture
def mapped(reranked: Recommender, tmp_path: Path) -> SavedRelease:
    return save_release(
        Folder(str(tmp_path)), reranked,
        training=TrainingConfig(), metrics={}, data_window=WINDOW, created_at_ms=1, track_map=MAP,
    )  # fmt: skip


def test_a_map_is_part_of_the_release_and_stays_on_the_cpu(mapped: SavedRelease) -> None:
    track_map = load_release(mapped.location, device="meta").track_map

    assert track_map is not None
    for array, expected in zip(track_map, MAP, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_release_needs_no_map(saved: SavedRelease) -> None:
    assert load_release(saved.location).track_map is None


def test_a_map_with_changed_bytes_is_rejected(mapped: SavedRelease) -> None:
    path = Path(mapped.location) / "map.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    with pytest.raises(InvalidRelease, match=r"map.safetensors has sha256"):
        load_release(mapped.location)


def test_a_map_of_other_tracks_is_rejected(reranked: Recommender, tmp_path: Path) -> None:
    shorter = TrackMap(MAP.places[1:], MAP.groups[1:], MAP.weights[1:], MAP.extent)
    saved = save_release(
        Folder(str(tmp_path)), reranked,
        training=TrainingConfig(), metrics={}, data_window=WINDOW, created_at_ms=1, track_map=shorter,
    )  # fmt: skip

    with pytest.raises(InvalidRelease, match=r"do not fit together: places of the map is float32 \(29, 2\), not"):
        load_release(saved.location)
