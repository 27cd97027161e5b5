from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plays import catalogue as catalogue_module
from models.plays.catalogue import FIRST_TRACK, UNKNOWN, Catalogue, track_key, track_keys


def test_a_key_is_the_first_eight_bytes_of_blake2b_little_endian() -> None:
    digest = hashlib.blake2b("Björk, Jóga".encode()).digest()

    assert track_key("Björk, Jóga") == int.from_bytes(digest[:8], "little")
    assert track_keys(["a", "Björk, Jóga"]).tolist() == [track_key("a"), track_key("Björk, Jóga")]


def test_keys_never_change() -> None:
    assert track_key("t1") == 0x1C2BCEF7AE761E8D


@given(st.sets(st.text(max_size=8), min_size=1, max_size=300), st.lists(st.text(max_size=8), max_size=20))
def test_every_track_is_found_at_its_row_and_no_other_is(track_ids: set[str], others: list[str]) -> None:
    known = sorted(track_ids)
    catalogue = Catalogue(known)

    assert catalogue.rows(track_keys(known)).tolist() == list(range(FIRST_TRACK, FIRST_TRACK + len(known)))
    rows = catalogue.rows(track_keys(others))
    assert [row == UNKNOWN for row in rows] == [other not in track_ids for other in others]


@given(st.sets(st.text(max_size=8), min_size=1, max_size=300))
def test_a_catalogue_comes_back_from_its_arrays(track_ids: set[str]) -> None:
    catalogue = Catalogue(sorted(track_ids))

    again = Catalogue.of(catalogue.arrays)

    assert list(again.track_ids) == sorted(track_ids)
    assert again.keys.tolist() == track_keys(sorted(track_ids)).tolist()
    assert again.rows(again.keys[::-1]).tolist() == list(range(len(again) + 1, 1, -1))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sorted_keys": np.array([3, 3], np.uint64)}, "keys of the tracks do not rise"),
        ({"sorted_rows": np.array([1, 2], np.int32)}, "rows beyond its tracks"),
        ({"sorted_rows": np.array([2, 4], np.int32)}, "rows beyond its tracks"),
        ({"sorted_rows": np.array([2], np.int32)}, "2 track ids, 2 keys and 1 rows"),
        ({"starts": np.array([0, 3, 2])}, "do not cover their text"),
        ({"starts": np.array([0, 1])}, "do not cover their text"),
        ({"utf8": np.array([0x61, 0xFF], np.uint8)}, "utf-8"),
        ({"starts": np.array([0.0, 1.0, 2.0])}, "have other types"),
        ({"sorted_rows": np.array([[2, 3]], np.int32)}, "have other types"),
    ],
)
def test_arrays_that_are_no_catalogue_are_rejected(changed: dict[str, np.ndarray], message: str) -> None:
    arrays = Catalogue(["a", "b"]).arrays

    with pytest.raises(ValueError, match=message):
        Catalogue.of(arrays._replace(**changed))


def test_keys_of_any_shape_are_looked_up() -> None:
    catalogue = Catalogue(["a", "b", "c"])

    assert catalogue.rows(np.stack([catalogue.keys, catalogue.keys]).T).tolist() == [[2, 2], [3, 3], [4, 4]]


def test_extreme_keys_are_looked_up_within_bounds() -> None:
    catalogue = Catalogue(["only"])

    rows = catalogue.rows(np.array([0, 2**64 - 1], np.uint64))

    assert rows.tolist() == [UNKNOWN, UNKNOWN]


def test_a_track_given_twice_is_rejected() -> None:
    with pytest.raises(ValueError, match="'b' and 'b' share the key"):
        Catalogue(["a", "b", "c", "b"])


def test_two_tracks_with_one_key_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    # a real collision of 64 bits cannot be found, so the hash is narrowed
    narrow = np.array([5, 9, 5], np.uint64)
    monkeypatch.setattr(catalogue_module, "track_keys", lambda _: narrow)

    with pytest.raises(ValueError, match="'a' and 'c' share the key"):
        Catalogue(["a", "b", "c"])


def test_an_empty_catalogue_is_rejected() -> None:
    with pytest.raises(ValueError, match="at least one track"):
        Catalogue([])
