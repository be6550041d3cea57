"""MT940: any bytes at all give a file, or the one error."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.importers import mt940
from app.importers.base import FIELD_CHARS_MAX, ROWS_MAX, StatementError
from tests.importers.mt940_messages import ROW, message, parse


@pytest.mark.parametrize(
    "data", [b"", b" \r\n", b"\x00", b"hello", b":86:text\n", b":28C:1\n", b"-}"]
)
def test_what_is_no_statement_is_refused_in_words(data):
    with pytest.raises(StatementError) as error:
        mt940.parse(data)
    assert "again" in str(error.value)


def test_long_texts_are_cut_and_nothing_breaks():
    rows = f":61:2601050105C1,00NTRFNONREF\n:86:{'word ' * 5000}\n"
    (row,) = parse(message(rows)).transactions
    assert FIELD_CHARS_MAX - 10 < len(row.description) <= FIELD_CHARS_MAX


@pytest.mark.slow
def test_more_rows_than_the_limit_are_refused_whole():
    with pytest.raises(StatementError, match="more than"):
        parse(message(ROW * (ROWS_MAX + 1)))


def test_more_statements_than_the_limit_are_refused_whole():
    with pytest.raises(StatementError, match="more than"):
        parse(":20:\n" * (mt940.MESSAGES_MAX + 1))


@pytest.mark.parametrize(
    "piece",
    ["?20", ">", "/NAME/", "NAAM: a ", "SVWZ+", "@@", "{4:", "-\n", "\n", ":86:\n", "999", "\0",
     ":61:2601050105C1,", ":25:1\n", ":62M:C260105EUR1,\n:60M:C260105EUR1,\n"],
)  # fmt: skip
def test_hostile_repetition_is_read_to_its_end(piece):
    # What is quadratic in the size of the file never gets there.
    for before in ("", message(ROW).removesuffix("-\n"), f"{message(ROW)[:60]}:61:"):
        with suppress(StatementError):
            mt940.parse((before + piece * (150_000 // len(piece))).encode())


@given(st.binary(max_size=300))
@example(b":61:")
def test_any_bytes_give_a_file_or_the_one_error(data):
    for raw in (data, b":20:A\n:61:" + data, message().encode() + data):
        with suppress(StatementError):
            mt940.parse(raw)


PIECES = [
    *":20:A\n|:25:DE1\n|:25:1/2EUR\n|:60F:C260104EUR1,\n|:60M:D260105EUR1,\n|:62F:C260105EUR1,\n".split("|"),
    *":62M:C260105EUR1,\n|:64:C\n|:34F:EUR1,\n|:90D:1EUR1,\n|-\n|-}{5:}\n|{4:|:86:?20x?32y\n".split("|"),
    *":61:2601050105C1,NTRFNONREF\n|:61:260106D1,NTRF//12345678\n|:61:x\n|:NS:01x\n|\n|text|:".split("|"),
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_mixture_of_fields_loses_no_row_and_gives_each_its_own_id(pieces):
    text = "\n".join(pieces)
    try:
        file = parse(text)
    except StatementError:
        return
    rejected = [row for row in file.rejected if row.where.endswith(", 61")]
    begun = [line for line in text.replace("{4:", "").split("\n") if line.startswith(":61:")]
    assert len(file.transactions) + len(rejected) == len(begun)
    assert len({row.key for row in file.transactions}) == len(file.transactions)


@pytest.mark.parametrize("end", range(0, len(message(ROW * 2)), 3))
def test_a_file_cut_anywhere_keeps_no_amount_that_the_whole_has_not(end):
    whole = message(ROW * 2, closing=":62F:C260105EUR80,00").encode()
    try:
        file = mt940.parse(whole[:end])
    except StatementError:
        return
    assert all(row.money.amount == -10 for row in file.transactions)
    closings = [each.closing.amount for each in file.statements if each.closing]
    assert closings in ([], [80])
