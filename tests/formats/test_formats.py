"""Bytes of every format ever released still load.

The files beside this one were written by the version they are named after and are never rewritten; a new version of
a format adds its own.
"""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.config import NUM_COUNTED, RING_SIZE, RecurrentConfig
from models.networks.items import ReleasedItems
from models.networks.network import TasteNetwork
from models.networks.recurrent import RecurrentNetwork
from models.plays.histories import gather_histories
from models.release import load_release
from models.release_files import InvalidRelease
from models.release_files import read_manifest as read_release_manifest
from models.release_folder import Folder
from models.serving.step import step
from models.serving.step_input import StepInput
from streamer.archive.archive import Archive
from streamer.archive.manifest import read_manifest
from streamer.archive.plays import SCHEMA
from streamer.wire.changelog import Mark, decode_count
from streamer.wire.state import BIT_REPEATS, BIT_SKIPPED, decode
from tests.cases.observations import Observe
from tests.counting import counted, counts_by_key

HERE = Path(__file__).parent
RELEASE_V1 = HERE / "release-v1" / "20231114T221320.123Z-662bb81a"
RELEASE_V2 = HERE / "release-v2" / "20231114T221320.123Z-b92ef530"
RELEASE_V3 = HERE / "release-v3" / "20231114T221320.123Z-8ba84aab"
RERANKED_RELEASE_V3 = HERE / "reranked-release-v3" / "20231114T221320.123Z-662bb81a"
RELEASE_V4 = HERE / "release-v4" / "20231114T221320.123Z-662bb81a"
RELEASE_V5 = HERE / "release-v5" / "20231114T221320.123Z-662bb81a"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_state_with_a_full_ring_loads(version: int) -> None:
    state = decode([(HERE / f"state-v{version}-full.bin").read_bytes()], 4)

    places = np.arange(RING_SIZE)
    assert state.release_key.tolist() == [0xFEDC_BA98_7654_3210]
    assert state.promoted_at_ms.tolist() == [1_700_000_000_001]
    assert state.plays_folded.tolist() == [68]
    assert state.plays_seen.tolist() == [70]
    assert state.repeats_seen.tolist() == [33]
    assert state.source_offset.tolist() == [2**40 + 5]
    assert state.played_at_ms.tolist() == [1_700_000_063_000]
    assert state.ring_track_keys[0].tolist() == [2**63 + 3 * int(place) for place in places]
    assert state.ring_played_at_ms[0].tolist() == (1_700_000_000_000 + 1000 * places).tolist()
    assert state.ring_contexts[0].tolist() == (places % 9).tolist()
    assert state.ring_bits[0].tolist() == [(BIT_SKIPPED, BIT_REPEATS, 3, 0)[place % 4] for place in places]
    assert state.hidden[0].tolist() == [0.5, -0.25, 0.0, 1.0]


def test_a_state_of_version_1_counts_the_plays_of_its_ring() -> None:
    state = decode([(HERE / "state-v1-full.bin").read_bytes()], 4)

    ring = [2**63 + 3 * place for place in range(RING_SIZE)]
    assert counts_by_key(state.counted_track_keys[0], state.counts[0]) == counted(ring)


@pytest.mark.parametrize("version", [2, 3])
def test_a_state_since_version_2_has_counts(version: int) -> None:
    state = decode([(HERE / f"state-v{version}-full.bin").read_bytes()], 4)

    places = range(NUM_COUNTED)
    assert state.counted_track_keys[0].tolist() == [2**64 - 1 - 5 * place for place in places]
    assert state.counts[0].tolist() == [0.25 * (NUM_COUNTED - place) for place in places]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_state_from_before_the_first_release_loads(version: int) -> None:
    state = decode([(HERE / f"state-v{version}-remembered.bin").read_bytes()], 4)

    assert (state.release_key.tolist(), state.plays_folded.tolist(), state.plays_seen.tolist()) == ([0], [0], [2])
    assert state.ring_lengths.tolist() == [2]
    assert state.ring_track_keys[0, :3].tolist() == [11, 12, 0]
    assert state.counted_track_keys[0, :3].tolist() == [11, 12, 0]
    assert state.hidden.tolist() == [[0.0] * 4]


def test_a_state_of_version_3_knows_the_last_lists() -> None:
    state = decode([(HERE / "state-v3-full.bin").read_bytes()], 4, 5)

    assert state.said.tolist() == [[1, 2**32 - 1, 7, 0, 9]]


def test_a_mark_of_version_1_loads() -> None:
    assert Mark.decode((HERE / "mark-v1.bin").read_bytes()) == Mark(90_125, 1_700_000_000_123)


def test_a_count_of_version_1_loads() -> None:
    assert decode_count((HERE / "count-v1.bin").read_bytes()) == 90_125


def test_a_release_of_version_1_loads() -> None:
    release = load_release(str(RELEASE_V1), manifest_sha256=sha256(RELEASE_V1 / "manifest.json"))

    assert release.release_id == RELEASE_V1.name
    assert release.key == int.from_bytes(hashlib.blake2b(release.release_id.encode()).digest()[:8], "little")
    assert tuple(release.catalogue.track_ids) == tuple(f"t{number}" for number in range(12))
    assert (release.metrics, release.created_at_ms) == ({"seed": 7}, 1_700_000_000_123)
    assert release.data_window.num_plays == 2


def test_a_release_of_version_1_has_refrains_own_network() -> None:
    assert isinstance(load_release(str(RELEASE_V1)).network, TasteNetwork)


def test_a_release_of_version_2_says_the_kind_of_its_network() -> None:
    release = load_release(str(RELEASE_V2), manifest_sha256=sha256(RELEASE_V2 / "manifest.json"))

    assert isinstance(release.network, RecurrentNetwork)
    assert release.network.config == RecurrentConfig(embedding_size=4, units=3, cell="lstm")
    assert release.release_id == RELEASE_V2.name


def test_a_release_of_version_5_has_a_map() -> None:
    track_map = load_release(str(RELEASE_V5)).track_map

    assert track_map is not None
    assert track_map.places[:2].tolist() == [[-0.75, 0.375], [-0.625, 0.3125]]
    assert np.flatnonzero(np.isnan(track_map.places).any(axis=1)).tolist() == [11]
    assert (track_map.groups.tolist(), float(track_map.extent)) == ([*range(12)], 2.5)
    assert track_map.weights.tolist() == [20 * number for number in range(12)]


@pytest.mark.kind(10)
def test_a_release_of_version_3_says_how_large_its_files_are(observe: Observe) -> None:
    manifest = read_release_manifest(Folder(str(RELEASE_V3)), sha256(RELEASE_V3 / "manifest.json"))

    sizes = {name: entry.size for name, entry in manifest.files.items()}
    assert sizes == {name: (RELEASE_V3 / name).stat().st_size for name in sizes}
    assert {entry.size for entry in read_release_manifest(Folder(str(RELEASE_V2)), None).files.values()} == {None}
    observe("a manifest of version 3 states the size of each file; versions 1 and 2 still load")


def test_a_release_of_version_4_maps_its_catalogue_and_unit_vectors() -> None:
    release = load_release(str(RELEASE_V4))

    assert list(release.catalogue.track_ids) == [f"t{number}" for number in range(12)]
    assert isinstance(release.network.embedding, ReleasedItems)
    torch.testing.assert_close(release.network.items().norm(dim=1), torch.ones(12))


@pytest.mark.parametrize(
    "location",
    [RELEASE_V1, RELEASE_V2, RELEASE_V3, RERANKED_RELEASE_V3, RELEASE_V4, RELEASE_V5],
    ids=["v1", "v2", "v3", "v3-reranked", "v4", "v5"],
)
def test_a_release_still_computes_what_it_did(location: Path) -> None:
    release = load_release(str(location))
    histories = gather_histories(
        np.zeros(3, np.int64), release.catalogue.keys[[0, 5, 0]], np.array([0, 60_000, 90_000_000])
    )
    step_input = StepInput.from_nothing(histories, np.array([2]), num_hidden=release.network.config.hidden_size)

    output = step(release.recommender, step_input, sizes=(3, 3))

    expected = np.load(location.parent / "expected.npz")
    np.testing.assert_allclose(output.hidden, expected["hidden"], atol=1e-5)
    np.testing.assert_array_equal(output.ranked[0].rows, expected["short_term_rows"])
    np.testing.assert_array_equal(output.ranked[1].rows, expected["long_term_rows"])


def test_an_archive_of_version_1_goes_on(tmp_path: Path) -> None:
    directory = Path(shutil.copytree(HERE / "archive-v1", tmp_path / "archive"))

    with Archive(directory, clock=lambda: 86_400.0 * 20_000) as archive:
        plays = archive.read_newest(10)

        assert [plays.user_ids[user] for user in plays.users] == ["ann", "ann", "eve", "joe"]
        assert [plays.track_ids[track] for track in plays.tracks] == ["t0", "t2", "t7", "t8"]
        assert plays.offsets.tolist() == [0, 2, 7, 8]
        assert (archive.next_offsets, archive.num_appended, archive.num_new) == ({0: 3, 3: 9}, 5, 3)
        assert [(file.day, file.from_ms, file.until_ms) for file in archive.files] == [
            (20_000, 1_700_000_000_000, 1_700_000_007_000), (20_000, 1_700_000_008_000, 1_700_000_008_000)
        ]  # fmt: skip
        archive.append(SCHEMA.empty_table(), {0: 4}, {"eve"})
    assert read_manifest(directory, 0).format_version == 2


def test_a_release_whose_manifest_is_another_is_refused() -> None:
    with pytest.raises(InvalidRelease, match=r"manifest\.json has sha256"):
        load_release(str(RELEASE_V1), manifest_sha256="0" * 64)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
