import struct

import numpy as np

from streamer.wire.picture import encode_picture


def test_a_picture_has_columns_behind_a_header() -> None:
    places = np.array([[0.25, -1], [np.nan, np.nan]], np.float32)

    picture = encode_picture(places, np.array([11, 0], np.uint8), np.array([255, 3], np.uint8))

    assert struct.unpack("<4sIII", picture[:16]) == (b"RMAP", 1, 2, 0)
    assert np.frombuffer(picture[16:32], "<f4").tolist()[::2] == [0.25, -1]
    assert np.isnan(np.frombuffer(picture[16:32], "<f4")[1::2]).all()
    assert list(picture[32:]) == [11, 0, 255, 3]
