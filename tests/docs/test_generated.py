"""The generated pages: exactly what commands and codec say."""

from tests.docs import commands_page, messages_page


def test_the_page_of_commands_is_what_help_says() -> None:
    assert commands_page.PAGE.read_text() == commands_page.render_page(), "run `make public`"


def test_the_page_of_messages_is_what_the_codec_declares() -> None:
    assert messages_page.PAGE.read_text() == messages_page.render_page(), "run `make public`"
