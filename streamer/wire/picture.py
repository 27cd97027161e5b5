"""A map as it goes over the network: a picture of the catalogue, to be drawn by whoever asks.

    magic       4 bytes     RMAP
    version     uint32      1
    tracks      uint32      n
    reserved    uint32      0
    x           float32 n   -1..1; NaN where a track has no place
    y           float32 n   upwards
    group       uint8 n     which colour, 0..11
    weight      uint8 n     logarithm of the plays, 0..255

All little-endian; the first track is row 0 of the catalogue.
"""

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

MEDIA_TYPE: Final = "application/vnd.refrain.map"

_HEADER: Final = struct.Struct("<4sIII")
_MAGIC: Final = b"RMAP"
_VERSION: Final = 1


def encode_picture(places: NDArray[np.float32], groups: NDArray[np.uint8], weights: NDArray[np.uint8]) -> bytes:
    """Encode places, float32 (n, 2), groups and weights, uint8 (n,)."""
    columns = np.ascontiguousarray(places.T, "<f4")
    return _HEADER.pack(_MAGIC, _VERSION, len(groups), 0) + columns.tobytes() + groups.tobytes() + weights.tobytes()
