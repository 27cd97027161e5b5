import torch

from streamer.runtime.device import pick_device


def test_a_device_is_picked_by_name_and_auto_picks_a_gpu_if_there_is_one() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
