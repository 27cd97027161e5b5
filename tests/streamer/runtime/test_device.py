import torch

from streamer.runtime.device import pick_device


def test_a_device_is_taken_by_name_and_auto_takes_what_there_is() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
