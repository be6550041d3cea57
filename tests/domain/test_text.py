"""F7: what cannot be stored is replaced, what hides is written out, all else is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import text

ANY = st.text(st.characters() | st.sampled_from("\0\x1b\x85\u2028\u202e\u2066\ud800\udfff"))
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\x85", "\u2028", *TURNING])
def test_F7_what_hides_is_written_out(character: str) -> None:
    assert text.shown(f"PAY{character}ME") == f"PAY[U+{ord(character):04X}]ME"
    assert text.is_odd(f"PAY{character}ME")


@pytest.mark.parametrize(
    "plain",
    [
        "",
        "CAFFE NERO",
        "Müller & Söhne",
        "日本語",
        "مقهى",
        "שלום",
        "👩‍👩‍👧",
        "line\r\nbreak\ttab",
        "a\xa0b",
    ],
)
def test_F7_what_people_write_stays_as_it_is(plain: str) -> None:
    assert text.shown(plain) == text.storable(plain) == text.typed(plain) == plain
    assert not text.is_odd(plain)


def test_F7_what_was_replaced_is_told() -> None:
    assert text.storable("a\0b\ud83dc") == "a\ufffdb\ufffdc"
    assert text.is_odd("a\ufffdb")


@given(ANY)
def test_F7_any_text_can_be_stored_and_shown(given_text: str) -> None:
    stored = text.storable(given_text)

    assert "\0" not in stored
    assert stored.encode().decode() == stored
    assert len(stored) == len(given_text)
    assert text.shown(text.shown(given_text)) == text.shown(given_text)
    assert not text.is_odd(text.typed(given_text).replace("\ufffd", ""))
