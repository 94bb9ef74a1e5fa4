"""Host names, as properties."""

import ipaddress
import string

from hypothesis import given
from hypothesis import strategies as st

from runwright.functions.hostnames import Zones, is_hostname, is_label, label_for, random_label
from runwright.ids import is_id

LETTERS = string.ascii_lowercase + string.digits
# Not by regular expressions, which cost five times as much to draw from.
labels = st.just("a" * 63) | st.text(LETTERS + "-", min_size=1, max_size=63).map(
    lambda text: text.strip("-") or "a"
)
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
ids = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=36).map(
    lambda text: text.lstrip("._-") or "a"
)


@given(names, labels.filter(lambda label: not label.isdigit()))
def test_labels_joined_by_dots_are_a_host_name(name: str, last: str) -> None:
    assert is_hostname(f"{name}.{last}") == (len(f"{name}.{last}") <= 253)


@given(st.ip_addresses())
def test_an_address_is_no_host_name(address: ipaddress.IPv4Address) -> None:
    assert not is_hostname(str(address))


@given(names, st.sampled_from(["", ".", "-", " ", "_", "/", ":", "*", "@", "\n", "é", "A"]))
def test_one_wrong_character_spoils_a_name(name: str, wrong: str) -> None:
    assert not is_hostname(
        f"{name}.x{wrong or '.'}.com" if wrong in ("", ".") else f"{wrong}{name}"
    )


@given(st.text(max_size=80))
def test_whatever_is_accepted_has_only_legal_characters(text: str) -> None:
    if is_hostname(text):
        assert set(text) <= set(LETTERS + "-.")
        assert all(0 < len(label) <= 63 for label in text.split("."))


@given(ids)
def test_the_label_of_an_id_is_the_id_in_lower_case_or_nothing(function_id: str) -> None:
    assert is_id(function_id)
    label = label_for(function_id)
    assert label is None or (label == function_id.lower() and is_label(label))


def test_random_labels_are_labels_and_differ() -> None:
    made = {random_label() for _ in range(50)}
    assert len(made) == 50
    assert all(map(is_label, made))


@given(names, labels)
def test_only_a_whole_label_before_our_domain_makes_a_name_ours(prefix: str, label: str) -> None:
    zones = Zones(functions_domain="functions.example", api_hosts=())
    assert zones.is_ours(f"{prefix}.functions.example")
    assert not zones.is_ours(f"{label}functions.example")
    assert not zones.is_ours("functions.example")
    assert not zones.is_ours(f"functions.example.{label}")


def test_the_case_of_configured_names_does_not_matter() -> None:
    zones = Zones(functions_domain="Functions.Example", api_hosts=("API.example",))
    assert zones.is_ours("a.functions.example")
    assert zones.api_hosts == ("api.example",)
