"""Hashes and rules of passwords."""

import asyncio
from dataclasses import replace
from typing import Literal

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from runwright.errors import InvalidParam, ServiceUnavailable
from runwright.identity import passwords as module
from runwright.identity.accounts import Accounts
from runwright.identity.alerts import Alerts
from runwright.identity.errors import PasswordReused, PersonalDataInPassword
from runwright.identity.passwords import (
    CLEARED,
    Passwords,
    check_personal_data,
    check_strength,
    check_uncommon,
)
from runwright.identity.policies import PasswordStrength, Policies
from runwright.identity.sessions import Device
from runwright.model.identity import User
from tests.fakes.identity import PASSWORD, START, Bench, cheap_passwords

pytestmark = pytest.mark.anyio

ANN = User(
    id="user-ann",
    project_id="p",
    created_at=START,
    updated_at=START,
    name="Ann Smith",
    email="smithy@example.com",
    phone="+14155552671",
)


async def with_password(passwords: Passwords, password: str) -> User:
    return replace(ANN, **await passwords.chosen(Policies(), ANN, password, START))


async def test_a_password_fits_its_user_and_no_other() -> None:
    passwords = cheap_passwords()
    ann = await with_password(passwords, PASSWORD)
    assert await passwords.fits(PASSWORD, ann)
    assert not await passwords.fits("wrong horse", ann)
    assert not await passwords.fits("", ann)


async def test_nobody_and_users_without_a_password_never_fit() -> None:
    passwords = cheap_passwords()
    assert not await passwords.fits(PASSWORD, None)
    assert not await passwords.fits("", None)
    assert not await passwords.fits("", ANN)
    assert not await passwords.fits("", replace(ANN, **CLEARED))


async def test_an_unknown_user_costs_a_whole_hash() -> None:
    checked: list[str] = []
    failures: list[type[Exception]] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            checked.append(str(hash))
            try:
                return super().verify(hash, password)
            except Exception as exc:
                failures.append(type(exc))
                raise

    passwords = Passwords(Counting(time_cost=1, memory_cost=8, parallelism=1))
    await passwords.fits(PASSWORD, None)
    ann = await with_password(passwords, PASSWORD)
    await passwords.fits("wrong", ann)
    assert len(checked) == 2
    parameters = {item.rpartition("$")[0].rpartition("$")[0] for item in checked}
    assert len(parameters) == 1, "the stand-in costs what a real hash costs"
    assert len({len(item) for item in checked}) == 1, "salts and digests as long"
    assert failures == [VerifyMismatchError] * 2, "it is computed, not refused for its form"


async def test_the_default_hash_is_argon2id_with_64_mib() -> None:
    fields = await Passwords().renewed(PASSWORD)
    assert fields["password_hash"].startswith("$argon2id$v=19$m=65536,")
    assert fields["hash_options"]["memory_cost"] == 65536


async def test_a_hash_of_older_parameters_is_renewed_at_sign_in(bench: Bench) -> None:
    project = await bench.project()
    await bench.identity.accounts.create(
        project, user_id="ann", email="ann@example.com", password=PASSWORD, name=""
    )
    stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    alerts = Alerts(bench.letters)
    accounts = Accounts(bench.storage, stronger, bench.clock, alerts=alerts)
    opened = await accounts.sign_in(
        project, email="ann@example.com", password=PASSWORD, device=Device()
    )
    assert "m=16,t=2" in opened.user.password_hash
    stored = await bench.storage.read(lambda uow: uow.users.get(project.id, "ann"))
    assert stored is not None
    assert stored.password_hash == opened.user.password_hash
    assert stored.hash_options["time_cost"] == 2
    assert stored.password_updated_at == START


async def test_a_flood_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    passwords = cheap_passwords()
    results = await asyncio.gather(
        *(passwords.fits(PASSWORD, None) for _ in range(5)), return_exceptions=True
    )
    refused = [item for item in results if isinstance(item, ServiceUnavailable)]
    assert len(refused) == 3
    assert not await passwords.fits(PASSWORD, None)


async def test_the_last_passwords_do_not_come_back() -> None:
    passwords, policies = cheap_passwords(), Policies(password_history=2)
    user = ANN
    for text in ("first horse", "second horse"):
        user = replace(user, **await passwords.chosen(policies, user, text, START))
    for text in ("first horse", "second horse"):
        with pytest.raises(PasswordReused):
            await passwords.chosen(policies, user, text, START)
    user = replace(user, **await passwords.chosen(policies, user, "third horse", START))
    await passwords.chosen(policies, user, "first horse", START)
    assert len(user.password_history) == 2


async def test_history_starts_with_the_password_in_use_when_it_is_switched_on() -> None:
    passwords = cheap_passwords()
    ann = await with_password(passwords, PASSWORD)
    assert ann.password_history == ()
    with pytest.raises(PasswordReused):
        await passwords.chosen(Policies(password_history=1), ann, PASSWORD, START)


@pytest.mark.parametrize(
    ("strength", "password", "is_enough"),
    [
        (PasswordStrength(), "12345678", True),
        (PasswordStrength(least=9), "12345678", False),
        (PasswordStrength(uppercase=True), "abcdefgh", False),
        (PasswordStrength(uppercase=True), "Abcdefgh", True),
        (PasswordStrength(lowercase=True), "ABCDEFGH", False),
        (PasswordStrength(number=True), "abcdefgh", False),
        (PasswordStrength(number=True), "abcdefg1", True),
        (PasswordStrength(symbols=True), "abcdefg 1", False),
        (PasswordStrength(symbols=True), "abcdefg-1", True),
    ],
)
def test_strength_asks_for_what_the_project_wants(
    strength: PasswordStrength, password: str, is_enough: bool
) -> None:
    if is_enough:
        check_strength(strength, password)
    else:
        with pytest.raises(InvalidParam):
            check_strength(strength, password)


@pytest.mark.parametrize("password", ["password", "PASSWORD", "iloveyou", "12345678"])
def test_common_passwords_are_known_in_any_case(password: str) -> None:
    with pytest.raises(InvalidParam):
        check_uncommon(password)


def test_uncommon_passwords_pass() -> None:
    check_uncommon("correct horse battery")


@pytest.mark.parametrize(
    "password",
    [
        "xUSER-ANNx",
        "ann smith 1",
        "SMITHY@example.com",
        "xxsmithyxx",
        "14155552671",
        "+14155552671",
    ],
)
def test_personal_data_is_found_in_any_case(password: str) -> None:
    with pytest.raises(PersonalDataInPassword):
        check_personal_data(ANN, password)


def test_what_a_user_does_not_have_is_not_personal() -> None:
    bare = User(id="zzz", project_id="p", created_at=START, updated_at=START)
    check_personal_data(bare, PASSWORD)
