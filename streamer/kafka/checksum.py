"""The checksum of a record batch, CRC-32C, by the processor's own instruction where it is an x86 one.

aiokafka looks bytes up in a table: half a microsecond for each KiB, five times as much as this, of the 6 KiB and more
that a play makes.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from aiokafka.record.util import calc_crc32c
from llvmlite import binding, ir

from models.compiled import compiled, intrinsic, types
from streamer.wire.puts import Bytes

_WORD: Final = 8
_ALL_ONES: Final = 0xFFFF_FFFF


def _instruction(name: str, crc_bits: int, piece_bits: int) -> Any:
    """Return the instruction that continues a checksum with a piece, for kernels to call."""
    crc_type, piece_type = getattr(types, f"uint{crc_bits}"), getattr(types, f"uint{piece_bits}")

    @intrinsic
    def continued(_typing: object, _crc: object, _piece: object) -> tuple[Any, Any]:
        def generate(_context: object, builder: Any, _signature: object, args: Any) -> Any:
            crc, piece = ir.IntType(crc_bits), ir.IntType(piece_bits)
            function = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(crc, [crc, piece]))
            return builder.call(function, args)

        return crc_type(crc_type, piece_type), generate

    return continued


_continued_by_word = _instruction("llvm.x86.sse42.crc32.64.64", 64, 64)
_continued_by_byte = _instruction("llvm.x86.sse42.crc32.32.8", 32, 8)


@compiled
def _by_instruction(buffer: Bytes, begin: int) -> int:
    """Continue over single bytes up to a whole word, over words, and over the bytes that are left."""
    size = len(buffer)
    first_word = min(size, -(-begin // _WORD) * _WORD)
    words = buffer[first_word : size - (size - first_word) % _WORD].view(np.uint64)
    crc = np.uint32(_ALL_ONES)
    for place in range(begin, first_word):
        crc = _continued_by_byte(crc, buffer[place])
    wide = np.uint64(crc)
    for word in words:
        wide = _continued_by_word(wide, word)
    crc = np.uint32(wide)
    for place in range(first_word + _WORD * len(words), size):
        crc = _continued_by_byte(crc, buffer[place])
    return int(crc ^ np.uint32(_ALL_ONES))


def _by_table(buffer: Bytes, begin: int) -> int:
    return int(calc_crc32c(buffer[begin:].data))


#: Returns the checksum of the bytes of an array from a place on; the array begins at a whole word, as numpy's own do.
checksum: Final[Callable[[Bytes, int], int]] = (
    _by_instruction if binding.get_host_cpu_features().get("sse4.2") else _by_table
)
