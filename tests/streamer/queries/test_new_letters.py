"""Letters that are named again and again are new once."""

from streamer.queries.new_letters import MOST_TOLD, NewLetters
from streamer.wire.views_letters import LetterSource, LetterSummary


def letter(offset: int, at: int = 0, partition: int = 0) -> LetterSummary:
    source = LetterSource("plays", partition, offset)
    return LetterSummary(
        partition, offset, "not-json", "why", at, source, 1, sent_again=False, times_sent=0, key=None, value=None
    )


def test_a_letter_is_new_once_however_often_and_by_whomever_it_is_named() -> None:
    new = NewLetters()

    assert new.pick([letter(2, at=5), letter(1), letter(1)]) == [letter(1), letter(2, at=5)]
    assert new.pick([letter(2, at=5), letter(1, partition=1)]) == [letter(1, partition=1)]
    assert new.pick([]) == []
    assert new.pick([letter(1), letter(2)]) == []


def test_of_too_many_new_letters_the_newest_are_told_and_the_others_never() -> None:
    new, many = NewLetters(), [letter(number, at=number) for number in range(3 * MOST_TOLD)]

    assert new.pick(reversed(many)) == many[-MOST_TOLD:]
    assert new.pick(many) == []


def test_what_nobody_names_any_more_is_forgotten_in_the_end() -> None:
    new = NewLetters()
    for number in range(1000):
        new.pick([letter(number)])

    assert len(new._looks_ago) < 20
