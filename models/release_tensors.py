"""The tensor files of a release: written without a copy, mapped instead of read.

    8 bytes    length of the header, little-endian
    header     JSON: dtype, shape and place of each tensor, padded with blanks
    tensors    one after the other, little-endian, those with the largest numbers first, so that all are aligned

The format is that of safetensors, whose own writer holds all tensors twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open
from torch import Tensor, nn

_NAMES: Final = {
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.float16: "F16",
    torch.float32: "F32",
}

_ALIGNMENT: Final = 8
_PIECE_BYTES: Final = 16 << 20  # a driver may copy a piece
_CHECKED_AT_ONCE: Final = 1 << 22


def encode_tensors(tensors: Mapping[str, Tensor]) -> list[memoryview]:
    """Return the bytes of a file of tensors in pieces: views of the tensors that are on the CPU, no copies."""
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    fields, end = dict[str, object](), 0
    for name in order:
        tensor, begin = tensors[name], end
        end += tensor.numel() * tensor.element_size()
        fields[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    header = json.dumps(fields, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    contents = [memoryview(len(header).to_bytes(8, "little") + header), *(_bytes_of(tensors[name]) for name in order)]
    return [
        content[begin : begin + _PIECE_BYTES] for content in contents for begin in range(0, len(content), _PIECE_BYTES)
    ]


def map_tensors(path: Path) -> dict[str, Tensor]:
    """Map the tensors of a file into memory: pages are read when they are used, and shared by all who map the file.

    A mapped file must never be shortened, by anybody: a process that touches a page that is gone is killed (SIGBUS).

    Raises:
        SafetensorError: the file is no such file, or its header does not fit it.
        OSError: the file cannot be read.
    """
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping


def adopt(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a module its weights where they are, instead of copying them into its own.

    Raises:
        RuntimeError: a weight is missing, is not one of the module's, or has another shape.
        TypeError: a weight has another dtype.
    """
    for name, weight in module.state_dict().items():
        if name in tensors and tensors[name].dtype != weight.dtype:
            raise TypeError(f"{name} is {tensors[name].dtype} instead of {weight.dtype}")
    module.load_state_dict(tensors, assign=True)


def require_finite(module: nn.Module) -> None:
    """Check every weight of a module: one that is not finite ruins every state it touches.

    Raises:
        ValueError: a weight is not finite.
    """
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not all(map(_is_finite, tensor.flatten().split(_CHECKED_AT_ONCE))):
            raise ValueError(f"{name} is not finite")


def _bytes_of(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().flatten()
    return flat.as_strided(flat.shape, (1,)).view(torch.uint8).numpy().data  # an empty array of numpy's has stride 0


def _is_finite(numbers: Tensor) -> bool:
    if not len(numbers):
        return True
    least, most = torch.aminmax(numbers)  # 20 times as fast as `isfinite` of each; nan if there is one
    return bool(torch.isfinite(least) & torch.isfinite(most))
