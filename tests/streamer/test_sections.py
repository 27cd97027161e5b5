from streamer.sections import SECTIONS
from streamer.settings import Settings


def test_every_setting_is_in_one_section() -> None:
    listed = [name for section in SECTIONS.values() for name in section]

    assert sorted(listed) == sorted(Settings.model_fields)
