"""Spellings of addresses, kinds of domains, and who may come to the console."""

import pytest

from runwright.identity.console_guests import ConsoleGuests
from runwright.identity.emails import canonical_email, email_facts
from runwright.identity.errors import ConsoleIpRefused


@pytest.mark.parametrize(
    ("email", "canonical"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann@Example.COM", "ann@example.com"),
        ("ann+news@example.com", "ann@example.com"),
        ("ann+a+b@example.com", "ann@example.com"),
        ("a.nn@example.com", "a.nn@example.com"),
        ("a.n.n+news@gmail.com", "ann@gmail.com"),
        ("a.nn@googlemail.com", "ann@gmail.com"),
        ("a-n_n@protonmail.com", "ann@proton.me"),
        ("ann@pm.me", "ann@proton.me"),
        ("ann@me.com", "ann@icloud.com"),
        ("ann-shop@yahoo.com", "ann@yahoo.com"),
        ("ann-shop@yahoo.co.uk", "ann@yahoo.co.uk"),
        ("ann-shop@example.com", "ann-shop@example.com"),
        ("+ann@example.com", "+ann@example.com"),
        ("...@gmail.com", "...@gmail.com"),
        ("no address", "no address"),
        ("@example.com", "@example.com"),
        ("", ""),
    ],
)
def test_the_canonical_form_is_what_reaches_the_same_mailbox(email: str, canonical: str) -> None:
    assert canonical_email(email) == canonical
    assert canonical_email(canonical) == canonical, "it does not change again"


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("gmail.com", "free"),
        ("gmx.de", "free"),
        ("mailinator.com", "disposable"),
        ("any.mailinator.com", "disposable"),
        ("example.com", "corporate"),
        ("notgmail.com", "corporate"),
        ("gmail.com.example.com", "corporate"),
        ("com", "corporate"),
    ],
)
def test_domains_are_of_one_kind(domain: str, kind: str) -> None:
    facts = email_facts(f"ann@{domain}")
    assert facts.is_corporate is (kind == "corporate")
    assert facts.is_disposable is (kind == "disposable")
    assert facts.is_free or kind != "free"


@pytest.mark.parametrize("ip", ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::1"])
def test_places_of_the_list_may_come(ip: str) -> None:
    ConsoleGuests.of([], ["192.0.2.0/24", "2001:db8::1"]).check("ann@example.com", ip)


@pytest.mark.parametrize("ip", ["192.0.3.9", "2001:db8::2", "", "no address"])
def test_other_places_may_not(ip: str) -> None:
    with pytest.raises(ConsoleIpRefused):
        ConsoleGuests.of([], ["192.0.2.0/24", "2001:db8::1"]).check("ann@example.com", ip)


def test_a_list_that_cannot_be_read_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="not-a-network"):
        ConsoleGuests.of([], ["not-a-network"])
