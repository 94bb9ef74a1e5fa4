"""What of a run's text is kept."""

from hypothesis import example, given
from hypothesis import strategies as st

from runwright.executions.logs import LOG_BYTES, kept_errors, kept_logs, kept_path, storable


def test_short_logs_are_kept_as_they_are() -> None:
    assert kept_logs("") == ""
    assert kept_logs("hello\n") == "hello\n"
    assert kept_logs("x" * LOG_BYTES) == "x" * LOG_BYTES


def test_of_long_logs_the_end_is_kept_under_a_notice() -> None:
    kept = kept_logs("first" + "x" * LOG_BYTES + "last")
    assert len(kept.encode()) <= LOG_BYTES
    notice, _, rest = kept.partition("\n")
    assert notice.startswith("[WARNING] Logs truncated.")
    assert rest.endswith("last")
    assert "first" not in kept
    assert kept_errors("y" * (LOG_BYTES + 1)).startswith("[WARNING] Errors truncated.")


def test_the_limit_counts_bytes_and_no_character_is_cut_in_two() -> None:
    kept = kept_logs("\u20ac" * 400_000)
    assert len(kept.encode()) <= LOG_BYTES
    assert set(kept.partition("\n")[2]) == {"\u20ac"}


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=())))
@example("a\ud800b\udc80\0")
def test_every_kept_text_can_be_stored(text: str) -> None:
    stored = storable(text)
    stored.encode()  # raises on a lone surrogate
    assert "\0" not in stored
    assert len(kept_path(text * 50)) <= 2048


def test_raw_bytes_of_a_path_that_are_utf8_read_as_their_characters() -> None:
    assert kept_path(b"/caf\xc3\xa9\xff".decode("utf-8", "surrogateescape")) == "/caf\u00e9\ufffd"
