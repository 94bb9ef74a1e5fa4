"""Answers against the models of the official Python client, which refuses missing fields."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from appwrite.models.account import Account
from appwrite.models.ephemeral_key import EphemeralKey
from appwrite.models.jwt import Jwt
from appwrite.models.key import Key
from appwrite.models.membership import Membership as MembershipModel
from appwrite.models.platform_android import PlatformAndroid
from appwrite.models.platform_apple import PlatformApple
from appwrite.models.platform_linux import PlatformLinux
from appwrite.models.platform_web import PlatformWeb
from appwrite.models.platform_windows import PlatformWindows
from appwrite.models.policy_list import PolicyList
from appwrite.models.project import Project as ProjectModel
from appwrite.models.session import Session as SessionModel
from appwrite.models.target import Target as TargetModel
from appwrite.models.team import Team as TeamModel
from appwrite.models.token import Token as TokenModel
from appwrite.models.user import User as UserModel
from pydantic import BaseModel

from runwright.api.shapes import identity as shapes
from runwright.api.shapes import projects as project_shapes
from runwright.identity.keys import NewKey
from runwright.identity.memberships import Member
from runwright.identity.people import Person
from runwright.identity.policies import MembershipPrivacy
from runwright.identity.projects import new_project
from runwright.identity.proofs import NewToken
from runwright.model.identity import (
    ApiKey,
    Membership,
    Platform,
    Session,
    Target,
    Team,
    Token,
    User,
)
from tests.fakes.identity import START

BASE: Final[dict[str, Any]] = {
    "id": "one",
    "project_id": "p",
    "created_at": START,
    "updated_at": START,
}

TARGET = Target(**BASE, user_id="u", provider_type="email", identifier="ann@example.com")
BARE_USER = User(**BASE)
FULL_USER = User(
    **BASE,
    name="Ann",
    email="ann@example.com",
    phone="+14155552671",
    password_hash="$argon2id$...",
    hash_name="argon2",
    hash_options={"memory_cost": 65536, "time_cost": 3, "threads": 4},
    registration=START,
    password_updated_at=START,
    labels=("vip",),
    is_email_verified=True,
    prefs={"theme": "dark"},
    accessed_at=START,
)
SESSION = Session(
    **BASE,
    user_id="u",
    secret_hash="00",
    expires_at=START + timedelta(days=1),
    provider_uid="ann@example.com",
    ip="192.0.2.1",
    user_agent="Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
)
TOKEN = Token(**BASE, user_id="u", purpose="token", secret_hash="00", expires_at=START)
TEAM = Team(**BASE, name="Crew", total=2, prefs={"a": 1})
MEMBER = Member(
    Membership(
        **BASE,
        team_id="one",
        user_id="one",
        roles=("owner",),
        invited_at=START,
        joined_at=START,
        is_confirmed=True,
    ),
    FULL_USER,
    TEAM,
)
PROJECT = replace(new_project("p", "Project", "t", START), disabled_services=("teams",))
KEY = ApiKey(**BASE, name="Key", scopes=("users.read",), secret_hash="00")


def platform(kind: str) -> Platform:
    return Platform(**BASE, name="App", type=kind, identifier="app.example.com")


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (UserModel, shapes.user(Person(FULL_USER, (TARGET,)))),
        (UserModel, shapes.user(Person(BARE_USER))),
        (Account, shapes.account(Person(FULL_USER, (TARGET,)))),
        (Account, shapes.account(Person(BARE_USER))),
        (SessionModel, shapes.session(SESSION, current_id="one", secret="s")),
        (TokenModel, shapes.token(NewToken(TOKEN, "secret"), shows_secret=True)),
        (Jwt, shapes.jwt("a.b.c")),
        (TargetModel, shapes.target(TARGET)),
        (TeamModel, shapes.team(TEAM)),
        (MembershipModel, shapes.membership(MEMBER, shapes.EVERYTHING)),
        (MembershipModel, shapes.membership(MEMBER, MembershipPrivacy())),
        (ProjectModel, project_shapes.project(PROJECT)),
        (Key, project_shapes.key(KEY)),
        (Key, project_shapes.new_key(NewKey(KEY, "standard_x"))),
        (EphemeralKey, project_shapes.ephemeral_key(NewKey(replace(KEY, expires_at=START), "x"))),
        (PlatformWeb, project_shapes.platform(platform("web"))),
        (PlatformAndroid, project_shapes.platform(platform("android"))),
        (PlatformApple, project_shapes.platform(platform("apple"))),
        (PlatformWindows, project_shapes.platform(platform("windows"))),
        (PlatformLinux, project_shapes.platform(platform("linux"))),
        (
            PolicyList,
            {"total": 10, "policies": project_shapes.policies(PROJECT)},
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_official_client_reads_every_shape(
    model: type[BaseModel], shape: dict[str, object]
) -> None:
    read = model.model_validate(dict(shape))
    demanded = {field.alias for field in model.model_fields.values() if field.is_required()}
    assert demanded <= set(shape), "the client fills gaps in itself; we must leave none"
    assert read is not None


def test_a_user_shows_its_fields_in_the_order_of_the_model() -> None:
    names = list(shapes.user(Person(FULL_USER)))
    assert names[:8] == [
        "$id",
        "$createdAt",
        "$updatedAt",
        "name",
        "password",
        "hash",
        "hashOptions",
        "registration",
    ]


def test_an_account_shows_nothing_of_its_password() -> None:
    shown = shapes.account(Person(FULL_USER))
    assert not {"password", "hash", "hashOptions"} & set(shown)
    assert FULL_USER.password_hash not in str(shown)


def test_moments_have_three_digits_and_a_numeric_offset() -> None:
    shown = shapes.account(Person(FULL_USER))
    assert shown["$createdAt"] == "2026-08-21T13:42:57.000+00:00"
    assert shapes.account(Person(BARE_USER))["registration"] == ""


def test_an_ephemeral_key_ends_at_a_moment_with_six_digits_and_a_z() -> None:
    made = NewKey(replace(KEY, expires_at=START), "ephemeral_x")
    assert project_shapes.ephemeral_key(made)["expire"] == "2026-08-21T13:42:57.000000Z"


def test_a_session_tells_system_and_browser() -> None:
    shown = shapes.session(SESSION)
    assert (shown["osCode"], shown["osName"]) == ("UBT", "Ubuntu")
    assert (shown["clientCode"], shown["clientName"]) == ("FF", "Firefox")
    assert (shown["clientVersion"], shown["clientEngine"]) == ("120.0", "Gecko")
    assert (shown["clientType"], shown["deviceName"]) == ("browser", "desktop")
    assert (shown["countryCode"], shown["countryName"]) == ("--", "Unknown")
    assert (shown["current"], shown["secret"]) == (False, "")


def test_privacy_empties_what_it_hides_and_nothing_else() -> None:
    shown = shapes.membership(MEMBER, MembershipPrivacy(user_name=True))
    assert shown["userName"] == "Ann"
    assert (shown["userId"], shown["userEmail"], shown["userPhone"]) == ("", "", "")
    assert (shown["userAccessedAt"], shown["mfa"]) == ("", False)
    assert (shown["teamName"], shown["roles"]) == ("Crew", ["owner"])


def test_a_project_lists_every_switch() -> None:
    shown = project_shapes.project(PROJECT)
    services = {item["$id"]: item["enabled"] for item in shown["services"]}
    assert services["teams"] is False
    assert services["functions"] is True
    assert all(item["enabled"] for item in shown["authMethods"] + shown["protocols"])
