"""Header rules: no spelling of a platform name slips through, nothing splits a line."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.errors import BadArgument
from runwright.executions.headers import MAX_CHARS, checked, is_reserved, is_sendable, kept
from runwright.executions.requests import sendable_target

NAMES = ("x-appwrite-user-id", "x-appwrite-key", "x-open-runtimes-secret", "x-appwrite-event")
SEPARATORS = ("-", "_", " ", "\t", "--", "-_", "_-", ".", "- ", "\u00a0", "~")


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """A platform name with any case and any separator, possibly padded."""
    name = draw(st.sampled_from(NAMES))
    words = []
    for word in name.split("-"):
        flips = draw(st.lists(st.booleans(), min_size=len(word), max_size=len(word)))
        cased = (c.upper() if flip else c for c, flip in zip(word, flips, strict=True))
        words.append("".join(cased))
    separators = draw(
        st.lists(st.sampled_from(SEPARATORS), min_size=len(words) - 1, max_size=len(words) - 1)
    )
    joined = words[0] + "".join(sep + word for sep, word in zip(separators, words[1:], strict=True))
    return draw(st.sampled_from(("", " ", "\t", "_", "-"))) + joined


@given(spellings())
def test_every_spelling_of_a_platform_name_is_reserved(name: str) -> None:
    assert is_reserved(name)
    with pytest.raises(BadArgument):
        checked({name: "forged"})


@pytest.mark.parametrize(
    "name", ["x-app", "x-appwritten", "appwrite", "x-open", "x-openruntimes", "my-x-appwrite-key"]
)
def test_names_that_only_resemble_the_platforms_are_the_callers(name: str) -> None:
    assert not is_reserved(name)
    assert checked({name: "1"}) == ((name, "1"),)


@given(
    st.dictionaries(
        st.text(string.printable + "\u00e4\u017f\u212a\x00", max_size=20),
        st.one_of(st.text(max_size=50), st.integers(), st.booleans(), st.none()),
        max_size=8,
    )
)
def test_what_passes_the_rules_is_one_line_of_a_plain_name_and_a_value(
    given_headers: dict[str, object],
) -> None:
    try:
        pairs = checked(given_headers)
    except BadArgument:
        return
    assert len(pairs) == len(given_headers)
    for name, value in pairs:
        assert set(name) <= set(string.ascii_lowercase + string.digits + "-")
        assert name[0] != "-" != name[-1]
        assert not set(value) & set("\r\n\0")
        assert not name.startswith(("x-appwrite-", "x-open-runtimes-"))


def test_one_header_more_than_allowed_is_refused_and_long_ones_together_too() -> None:
    assert len(checked({f"h{n}": "" for n in range(100)})) == 100
    with pytest.raises(BadArgument, match="100"):
        checked({f"h{n}": "" for n in range(101)})
    assert checked({"a": "x" * (MAX_CHARS - 2)})
    with pytest.raises(BadArgument, match=str(MAX_CHARS)):
        checked({"a": "x" * (MAX_CHARS - 1)})


def test_plain_values_other_than_texts_are_written_as_texts() -> None:
    assert checked({"a": 1, "b": 1.5, "c": True}) == (("a", "1"), ("b", "1.5"), ("c", "true"))


@given(st.text())
def test_a_sendable_value_holds_no_control_character_but_the_tab(value: str) -> None:
    controls = {chr(number) for number in range(32)} - {"\t"} | {"\x7f"}
    assert is_sendable(value) is not bool(set(value) & controls)


@given(st.text(max_size=60))
def test_a_target_never_holds_a_blank_or_a_line_break(path: str) -> None:
    target = sendable_target(path)
    assert not {chr(number) for number in range(33)} & set(target)
    assert "\x7f" not in target
    if not any(ord(c) <= 32 or ord(c) == 127 for c in path):
        assert target == path


def test_a_record_keeps_only_the_few_headers_that_say_nothing_private() -> None:
    sent = (
        ("content-type", "text/plain"),
        ("authorization", "Bearer x"),
        ("cookie", "a=1"),
        ("user-agent", "me"),
        ("agent", "me"),
        ("host", "h"),
        ("content-length", "3"),
        ("x-appwrite-client-ip", "::1"),
        ("x-appwrite-key", "secret"),
    )
    assert [name for name, _ in kept(sent)] == [
        "content-type",
        "agent",
        "host",
        "content-length",
        "x-appwrite-client-ip",
    ]
