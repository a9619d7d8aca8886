"""Nothing in the file says whose host it is from."""

import pytest

from harness.doctor.deep.scrub import Scrubber

ENVIRON = {"HOME": "/srv/homes/mtester", "USER": "mtester", "HF_TOKEN": "hf_abcdefghij", "LANG": "C.UTF-8"}
SCRUBBER = Scrubber.of_this_host(ENVIRON)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("/srv/homes/mtester/x/y.py: line 3", "$HOME/x/y.py: line 3"),
        ("-I/srv/homes/mtester/include", "-I$HOME/include"),
        ("/var/tmp/x and /tmp/x", "/var/tmp/x and $TMPDIR/x"),
        ("/srv/homes/mtester-old", "$HOME-old"),
        ("file:///srv/homes/mtester", "file://$HOME"),
        ("/srv/homes/mtester2/x", "/srv/homes/mtester2/x"),
        ("/home/someone/x", "/home/USER/x"),
        ("File '/Users/some.one/x'", "File '/Users/USER/x'"),
        ("user mtester may not", "user NAME may not"),
        ("mtesters", "mtesters"),
        ("401 for hf_abcdefghij", "401 for SECRET"),
        ("https://me:pass@mirror/simple", "https://mirror/simple"),
        ("GPU-12345678-1234-1234-1234-123456789abc is lost", "GPU-UUID is lost"),
        ("write to some.one@example.org", "write to ADDRESS"),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA out of memory. Tried to allocate 2.00 GiB"),
        ("torch==2.13.0+cu130", "torch==2.13.0+cu130"),
    ],
)
def test_what_identifies_is_replaced_and_all_else_stays(text: str, without: str) -> None:
    assert SCRUBBER.text(text) == without


def test_texts_at_any_depth_are_scrubbed_and_numbers_stay() -> None:
    data = {"cells": [{"reason": "/home/me/x", "seconds": 1.5, "ok": True, "none": None}]}
    assert SCRUBBER.data(data) == {"cells": [{"reason": "/home/USER/x", "seconds": 1.5, "ok": True, "none": None}]}


def test_a_host_or_user_that_is_called_like_a_word_of_the_data_changes_no_data() -> None:
    scrubber = Scrubber.of_this_host({**ENVIRON, "USER": "torch", "LOGNAME": "cuda"})
    assert scrubber.text("torch eager on cuda") == "torch eager on cuda"
