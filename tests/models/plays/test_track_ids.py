import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plays.track_ids import TrackIds


@given(st.lists(st.text(max_size=5), max_size=30), st.slices(30))
def test_ids_in_arrays_are_those_of_a_list(texts: list[str], part: slice) -> None:
    track_ids = TrackIds.of(texts)

    assert list(track_ids) == texts
    assert [track_ids[place] for place in range(-len(texts), len(texts))] == 2 * texts
    assert track_ids[part] == texts[part]
    with pytest.raises(IndexError):
        track_ids[len(texts)]


def test_an_id_that_begins_within_a_character_is_rejected() -> None:
    utf8 = np.frombuffer("Jóga".encode(), np.uint8)

    assert list(TrackIds(utf8, np.array([0, 3, 5]))) == ["Jó", "ga"]
    with pytest.raises(ValueError, match="begins within a character"):
        TrackIds(utf8, np.array([0, 2, 5]))


@given(st.lists(st.text("abé", max_size=5), max_size=30), st.text("abé", max_size=2))
def test_ids_that_hold_a_text_are_found(texts: list[str], part: str) -> None:
    assert TrackIds.of(texts).hold(part).tolist() == [part in text for text in texts]
