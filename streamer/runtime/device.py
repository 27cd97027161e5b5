"""The device to compute on."""

import torch

from streamer.errors import SettingsError


def pick_device(name: str) -> torch.device:
    """Return the device that REFRAIN_DEVICE names; `auto` is the GPU if there is one.

    Raises:
        SettingsError: it is a GPU, and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("REFRAIN_DEVICE=cuda, but torch finds no GPU; install its driver, or set auto or cpu")
    return torch.device(name)
