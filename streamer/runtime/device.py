"""The device to compute on."""

import torch


def pick_device(name: str) -> torch.device:
    """Return the device that REFRAIN_DEVICE names; `auto` is the GPU if there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
