from pathlib import Path

import msgspec
import pytest
import torch

from models.config import TrainingConfig
from models.plays.catalogue import Catalogue
from models.release import save_release
from models.release_folder import Folder
from models.serving.recommender import Recommender
from streamer.errors import ReleaseError, StoreError
from streamer.releases.copies import KeptCopies
from streamer.releases.loading import NoticeError, notice_of
from streamer.releases.store import Store
from streamer.worker.shelf import Shelf
from tests.builders import TRACK_IDS, WINDOW, record, save_tiny_release, tiny_network
from tests.cases.observations import Observe


def shelf(directory: Path) -> Shelf:
    return Shelf(Store(str(directory)), torch.device("cpu"), 1 << 20, KeptCopies(directory / "copies"))


def test_a_release_is_ready_to_use_with_the_time_of_its_notice(tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)

    champion = shelf(tmp_path).load(record(3, b"champion", msgspec.json.encode(notice_of(saved)), timestamp_ms=17))

    assert (champion.release.release_id, champion.promoted_at_ms) == (saved.release_id, 17)


@pytest.mark.kind(9)
def test_a_release_that_cannot_compute_a_play_is_not_taken_up(tmp_path: Path, observe: Observe) -> None:
    network = tiny_network()
    with torch.no_grad():
        network.norm.weight.fill_(3e38)  # finite, but a sum of what it scales is not
    saved = save_release(
        Folder(str(tmp_path)), Recommender(network, Catalogue(TRACK_IDS)), training=TrainingConfig(), metrics={},
        data_window=WINDOW, created_at_ms=1,
    )  # fmt: skip

    with pytest.raises(ReleaseError, match=r"notice at offset 3 of plays: FloatingPointError: a .* is not finite"):
        shelf(tmp_path).load(record(3, b"champion", msgspec.json.encode(notice_of(saved))))
    observe("a release whose first play is not finite is not taken up; it used to end each worker at its first play")


def test_each_sort_of_trouble_is_told_from_the_others_and_names_the_notice(tmp_path: Path) -> None:
    notice = notice_of(save_tiny_release(tmp_path))
    junk, elsewhere = b"{}", msgspec.json.encode(msgspec.structs.replace(notice, location="file:///etc"))
    absent = msgspec.json.encode(notice)

    for value in (junk, elsewhere):
        with pytest.raises(NoticeError, match="notice at offset 3 of plays: "):
            shelf(tmp_path).load(record(3, b"champion", value))
    with pytest.raises(StoreError, match="notice at offset 3 of plays: cannot look for"):
        shelf(tmp_path / "gone").load(record(3, b"champion", absent))
