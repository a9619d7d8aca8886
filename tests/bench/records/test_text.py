"""Whatever a framework prints can be kept and shown, and is bounded."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records import text
from bench.records.codec import from_json, keepable, to_json
from tests import factories

ANY = st.text(st.characters() | st.sampled_from("\udce9\ud800\x1b\x00\x85\u202e\u2028\ufeff[]m;\n\r\t"))


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[1;31merror\x1b[0m: no", "error: no"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x9b2Jgone", "gone"),
        ("caf\udce9.py", r"caf\xe9.py"),
        ("\ud800", r"\ud800"),
        ("a\x00b\x7f", r"a\x00b\x7f"),
        ("invoice\u202egpj.exe", r"invoice\u202egpj.exe"),
        ("one\ntwo\r\nthree\tfour\x85five\u2028six", "one two three four five six"),
        ("naïve 測試 😀", "naïve 測試 😀"),
    ],
)
def test_a_field_is_one_line_that_can_be_printed(printed: str, shown: str) -> None:
    assert text.line(printed) == shown


@given(ANY)
def test_every_text_can_be_encoded_and_printed_and_is_left_alone_the_second_time(printed: str) -> None:
    for once in (text.line(printed, 20), text.indented(printed, 20)):
        assert once.isprintable()
        assert len(once) <= 20
        assert text.line(once, 20) == once.strip() or text.indented(once, 20) == once
    log = text.log(printed)
    log.encode()
    assert log.replace("\n", "").replace("\t", "").isprintable()
    assert text.log(log) == log
    assert text.line(text.encodable(printed)) == text.line(text.encodable(text.encodable(printed)))


@pytest.mark.parametrize("kept", ["", "a\nb\tc\n", "one\r\ntwo\r\n", "104 µs ± 2\u00a0%, 3×", "naïve 測試 😀\u200d"])
def test_a_text_that_steers_nothing_is_printed_as_it_is(kept: str) -> None:
    assert text.harmless(kept) is kept


@given(ANY)
def test_nothing_that_is_printed_steers_a_terminal(printed: str) -> None:
    once = text.harmless(printed)
    assert not text.STEERING.search(once)
    assert text.harmless(once) == once


def test_the_last_line_of_a_program_is_the_last_that_says_something() -> None:
    assert text.last_line("one\n\x1b[31mtwo\x1b[0m\r\n \n\n") == "two"
    assert text.last_line("10 %\r100 %\r") == "100 %"
    assert text.last_line(" \n") == text.last_line("") == ""


def test_thirty_megabytes_become_a_sentence() -> None:
    vast = "\x1b" * (30 << 20)
    record = keepable(factories.record(status="failed", reason=vast, failure=factories.failure(tail=(vast,) * 50)))
    assert len(record.reason) == text.REASON
    assert record.failure
    assert len(record.failure.tail) == text.TAIL_LINES
    assert len(to_json(record)) < 30_000


def test_the_lines_of_a_traceback_keep_their_indentation() -> None:
    tail = ("Traceback:", '  File "a.py", line 1', "    x = 1")
    record = factories.record(status="failed", failure=factories.failure(tail=tail))
    assert from_json(to_json(record)) == record


def test_a_good_record_is_not_touched() -> None:
    record = factories.record()
    assert keepable(record) is record


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_no_result(value: float) -> None:
    record = factories.record(accuracy=factories.accuracy(losses=(1.0, value)))
    kept = from_json(to_json(record))
    assert (kept.status, kept.accuracy) == ("invalid", None)
    assert kept.reason == "accuracy.losses[1] is not a finite number"
    failed = dataclasses.replace(record, status="failed", reason="check: it left the reference")
    assert from_json(to_json(failed)).reason == "check: it left the reference"


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "..", "a b\x00c", "x" * 300, "naïve/測試"])
def test_a_text_in_a_files_name_stays_one_short_name(name: str) -> None:
    made = text.file_name(name)
    assert made.isascii()
    assert 0 < len(made) <= 80
    assert "/" not in made
    assert not made.startswith(".")
