"""Every call that changes something fires the events that the reference says, and no other."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pyotp
import pytest

from runwright.functions import chores
from runwright.identity.oauth.providers import PROVIDERS
from runwright.model.execution import Status
from runwright.model.identity import Identity
from runwright.model.job import JobKind
from runwright.model.outbox import Announcement
from runwright.ports.storage import UnitOfWork
from tests.acceptance.routes import every_route
from tests.contract.queue.conftest import a_job
from tests.fakes.archives import source
from tests.fakes.issuer import Issuer
from tests.fakes.passkey_device import Device
from tests.unit.api.samples import newest
from tests.unit.api.whole import Whole, open_whole
from tests.unit.executions.bench import NOW, PROJECT
from tests.unit.functions.yard import in_a_thread

pytestmark = pytest.mark.anyio

PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "events.md"
PASSWORD: Final = "correct horse"
ID_OF: Final = {
    "users": "userId",
    "sessions": "sessionId",
    "identities": "identityId",
    "targets": "targetId",
    "tokens": "tokenId",
    "recovery": "tokenId",
    "verification": "tokenId",
    "challenges": "challengeId",
    "passkeys": "passkeyId",
    "teams": "teamId",
    "memberships": "membershipId",
    "functions": "functionId",
    "deployments": "deploymentId",
    "executions": "executionId",
    "rules": "ruleId",
    "variables": "variableId",
}


@pytest.fixture
async def whole(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with open_whole(tmp_path) as opened:
        yield opened


def section(name: str) -> list[list[str]]:
    """The rows of a table of the page, as cells."""
    text = PAGE.read_text().split(f"<!-- {name}: begin -->")[1].split(f"<!-- {name}: end -->")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def calls(cell: str) -> list[str]:
    return [word for word in words(cell) if "." in word]


def documented() -> set[tuple[str, str]]:
    """(event, call that fires it)"""
    return {
        (words(event)[0], call)
        for event, fired_by, _ in section("events")
        for call in calls(fired_by)
    }


def template(announcement: Announcement) -> str:
    parts = list(announcement.event.path)
    parts[1::2] = [f"[{ID_OF[resource]}]" for resource in parts[::2]]
    event = announcement.event
    return ".".join([*parts, *(word for word in (event.action, event.attribute) if word)])


def model_fields(model: str) -> set[str]:
    shapes = newest()
    if model == "account":
        return set(shapes["user"]) - {"password", "hash", "hashOptions"}
    if model == "token":
        return {"$id", "$createdAt", "userId", "secret", "expire", "phrase"}
    return set(shapes[model])


@dataclass(frozen=True)
class Step:
    """One call. `{name}` in a parameter is an id that an earlier answer was kept under."""

    route: str
    params: Mapping[str, Any] = field(default_factory=dict)
    caller: str = "key"
    fires: tuple[str, ...] = ()  # models of the payloads of the events it fires
    keeps: str = ""
    before: Callable[[Whole], Awaitable[None] | None] | None = None
    files: Mapping[str, Any] | None = None


ADA: Final = {"userId": "ada", "email": "ada@example.com", "password": PASSWORD}
SIGN_IN: Final = {"email": "ada@example.com", "password": PASSWORD}
URL: Final = "http://localhost/"
BY_LETTER: Final = {"userId": "ada", "secret": "{letter.secret}"}
NEW_PASSWORD: Final = {"password": "third horse"}
MAIL_OF_ADA: Final = {"email": "ada@example.org"}
NEW: Final = {"userId": "unique()"}
DEVICE: Final = {"targetId": "phone", "identifier": "x"}
DEVICE_AGAIN: Final = {"targetId": "phone", "identifier": "y"}
BEN: Final = {"userId": "ben"}
ADAS: Final = {"userId": "ada"}
TOTP: Final = {"type": "totp"}
LAPTOP: Final = {"passkeyId": "laptop"}
KEYRING: Final = Device()
MEMBER: Final = {"teamId": "crew", "membershipId": "{member}"}
HELLO: Final = {"functionId": "hello"}
MAIL: Final = {"functionId": "mail"}


def upload() -> Mapping[str, Any]:
    return {"code": ("code.tar.gz", source())}


async def leave_dead_letters(whole: Whole) -> None:
    """As if every execution that has ended had failed for good."""

    def work(uow: UnitOfWork) -> None:
        for run in uow.executions.find(PROJECT, status=[Status.COMPLETED, Status.FAILED]):
            uow.jobs.remove(PROJECT, run.id)
            dead = a_job(run.id, project=PROJECT, kind=JobKind.DEAD, epoch="")
            uow.jobs.add(replace(dead, function_id=run.function_id, sealed=b""))

    await whole.bench.storage.write(work)


async def leave_identities(whole: Whole) -> None:
    """As if Ada had signed in with two providers."""

    def work(uow: UnitOfWork) -> None:
        for name in ("i1", "i2"):
            uow.identities.add(
                Identity(
                    id=name,
                    project_id=PROJECT,
                    created_at=NOW,
                    updated_at=NOW,
                    user_id="ada",
                    provider=name,
                    provider_uid="1",
                )
            )

    await whole.bench.storage.write(work)


async def know_google(whole: Whole) -> None:
    whole.providers.answers[f"GET {PROVIDERS['google'].keys}"] = GOOGLE.keys()
    await whole.done(
        "project.updateOAuth2Google", {"nativeEnabled": True, "nativeClientIds": ["app"]}
    )


def point_at_us(whole: Whole) -> None:
    whole.resolver.table["later.example.com", "CNAME"] = ["in.example.com"]


def moving_in() -> Iterator[tuple[str, dict[str, Any]]]:
    salt = {"passwordSalt": "c2FsdA=="}
    costs = {"passwordCpu": 2, "passwordMemory": 1, "passwordParallel": 1, "passwordLength": 16}
    firebase = {"passwordSaltSeparator": "Bw==", "passwordSignerKey": "a2V5"}
    more: dict[str, dict[str, Any]] = {
        "Argon2": {},
        "Bcrypt": {},
        "MD5": {},
        "PHPass": {},
        "SHA": {"passwordVersion": "sha1"},
        "Scrypt": salt | costs,
        "ScryptModified": salt | firebase,
    }
    for kind, given in more.items():
        who = {"userId": f"moved-{kind}", "email": f"{kind}@example.com", "password": "0" * 40}
        yield f"users.create{kind}User", who | given


def shown_code(kept: Mapping[str, Any]) -> str:
    return pyotp.TOTP(kept["app"]["secret"]).now()


def made_by_device(kept: Mapping[str, Any]) -> Any:
    return KEYRING.create(kept["begun"]["publicKey"], "http://localhost")


def signed_by_device(kept: Mapping[str, Any]) -> Any:
    return KEYRING.get(kept["asked"]["publicKey"], "http://localhost")


def first_recovery_code(kept: Mapping[str, Any]) -> Any:
    return kept["codes"]["recoveryCodes"][0]


GOOGLE: Final = Issuer(
    PROVIDERS["google"].issuer,
    NOW,
    claims={"aud": "app", "email": "eve@example.com", "exp": 4_000_000_000},
)
AREAS: Final[dict[str, list[Step]]] = {
    "account": [
        Step("account.create", ADA, "guest", ("account",)),
        Step("account.createEmailPasswordSession", SIGN_IN, "ada", ("session",)),
        Step("account.createJWT", {}, "ada"),
        Step("account.updateName", {"name": "Ada"}, "ada", ("account",)),
        Step("account.updatePrefs", {"prefs": {}}, "ada", ("account",)),
        Step(
            "account.updateEmail",
            {"email": "ada@example.org", "password": PASSWORD},
            "ada",
            ("account",),
        ),
        Step(
            "account.updatePhone",
            {"phone": "+4930123456", "password": PASSWORD},
            "ada",
            ("account",),
        ),
        Step(
            "account.updatePassword",
            {"password": "another horse", "oldPassword": PASSWORD},
            "ada",
            ("account",),
        ),
        Step("account.createEmailVerification", {"url": URL}, "ada", ("token",)),
        Step("account.updateEmailVerification", BY_LETTER, "guest", ("token",)),
        Step("account.createPhoneVerification", {}, "ada", ("token",)),
        Step("account.updatePhoneVerification", BY_LETTER, "guest", ("token",)),
        Step("account.createRecovery", MAIL_OF_ADA | {"url": URL}, "guest", ("token",)),
        Step("account.updateRecovery", BY_LETTER | NEW_PASSWORD, "guest", ("token",)),
        Step("account.createRecoveryOTP", MAIL_OF_ADA, "guest", ("token",)),
        Step("account.updateRecoveryOTP", BY_LETTER | NEW_PASSWORD, "guest", ("token",)),
        Step("account.createEmailPasswordSession", MAIL_OF_ADA | NEW_PASSWORD, "ada", ("session",)),
        Step(
            "account.createMagicURLToken",
            NEW | {"email": "dan@example.com", "url": URL},
            "guest",
            ("account",),
        ),
        Step(
            "account.createEmailToken",
            NEW | {"email": "dora@example.com"},
            "guest",
            ("account",),
        ),
        Step("account.createPhoneToken", NEW | {"phone": "+4930123458"}, "guest", ("account",)),
        Step("account.createPhoneToken", NEW | {"phone": "+4930123458"}, "guest"),
        Step(
            "account.updateEmail",
            {"email": "ada@example.net", "password": "third horse"},
            "ada",
            ("account",),
        ),
        Step("account.createEmailVerificationOTP", {}, "ada", ("token",)),
        Step("account.updateEmailVerificationOTP", BY_LETTER, "guest", ("token",)),
        Step("account.createPushTarget", DEVICE, "ada", ("target",)),
        Step("account.createPushTarget", DEVICE | {"targetId": "new"}, "ada", ("target",)),
        Step("account.updatePushTarget", DEVICE_AGAIN, "ada", ("target",)),
        Step("account.deletePushTarget", {"targetId": "phone"}, "ada", ("target",)),
        Step("account.updateSession", {"sessionId": "current"}, "ada", ("session",)),
        Step("account.deleteSession", {"sessionId": "current"}, "ada", ("session",)),
        Step("account.createAnonymousSession", {}, "nobody", ("account", "session")),
        Step("account.deleteSessions", {}, "nobody", ("session",)),
        Step("account.createAnonymousSession", {}, "nobody", ("account", "session")),
        Step("account.updateStatus", {}, "nobody", ("account",)),
        Step("account.createAnonymousSession", {}, "another", ("account", "session")),
        Step("account.delete", {}, "another", ("account",)),
    ],
    "identities": [
        Step("account.create", ADA, "guest", ("account",)),
        Step("account.createEmailPasswordSession", SIGN_IN, "ada", ("session",)),
        Step(
            "account.deleteIdentity",
            {"identityId": "i1"},
            "ada",
            ("identity",),
            before=leave_identities,
        ),
        Step("users.deleteIdentity", {"identityId": "i2"}, fires=("identity",)),
        Step(
            "account.createIdTokenSession",
            {"provider": "google", "idToken": GOOGLE.token()},
            "eve",
            ("account", "session"),
            before=know_google,
        ),
    ],
    "users": [
        Step("users.create", BEN, fires=("user",)),
        Step("users.updateName", BEN | {"name": "Ben"}, fires=("user",)),
        Step("users.updateEmail", BEN | {"email": "ben@example.com"}, fires=("user",)),
        Step("users.updatePhone", BEN | {"number": "+4930123457"}, fires=("user",)),
        Step("users.updatePassword", BEN | {"password": PASSWORD}, fires=("user",)),
        Step("users.updateStatus", BEN | {"status": True}, fires=("user",)),
        Step("users.updateLabels", BEN | {"labels": ["vip"]}, fires=("user",)),
        Step("users.updatePrefs", BEN | {"prefs": {"a": 1}}, fires=("user",)),
        Step("users.updateEmailVerification", BEN | {"emailVerification": True}, fires=("user",)),
        Step("users.updatePhoneVerification", BEN | {"phoneVerification": True}, fires=("user",)),
        Step("users.updateImpersonator", BEN | {"impersonator": True}, fires=("user",)),
        *(Step(route, params, fires=("user",)) for route, params in moving_in()),
        Step("users.createJWT", BEN),
        Step("users.createToken", BEN, fires=("token",), keeps="token"),
        Step(
            "account.createSession",
            BEN | {"secret": "{token.secret}"},
            "ben",
            ("session",),
        ),
        Step("users.createToken", BEN, fires=("token",), keeps="token"),
        Step(
            "account.updateMagicURLSession",
            BEN | {"secret": "{token.secret}"},
            "ben again",
            ("session",),
        ),
        Step("users.createToken", BEN, fires=("token",), keeps="token"),
        Step(
            "account.updatePhoneSession",
            BEN | {"secret": "{token.secret}"},
            "ben once more",
            ("session",),
        ),
        Step("users.createSession", BEN, fires=("session",), keeps="session"),
        Step("users.deleteSession", BEN | {"sessionId": "{session}"}, fires=("session",)),
        Step("users.deleteSessions", BEN, fires=("user",)),
        Step(
            "users.createTarget",
            BEN | {"targetId": "t", "providerType": "push", "identifier": "x"},
            fires=("target",),
        ),
        Step("users.updateTarget", BEN | {"targetId": "t", "name": "Phone"}, fires=("target",)),
        Step("users.deleteTarget", BEN | {"targetId": "t"}, fires=("target",)),
        Step("users.delete", BEN, fires=("user",)),
    ],
    "passkeys": [
        Step("account.create", ADA, "guest", ("account",)),
        Step("account.createEmailPasswordSession", SIGN_IN, "ada", ("session",)),
        Step("account.createPasskey", LAPTOP, "ada", keeps="begun"),
        Step(
            "account.updatePasskeyVerification",
            LAPTOP | {"credential": made_by_device},
            "ada",
            ("passkey",),
        ),
        Step("account.createPasskeyToken", {}, "guest", keeps="asked"),
        Step(
            "account.updatePasskeyToken",
            {"challengeId": "{asked}", "credential": signed_by_device},
            "guest",
        ),
        Step("account.updatePasskey", LAPTOP | {"name": "Old"}, "ada", ("passkey",)),
        Step("users.updatePasskey", ADAS | LAPTOP | {"name": "Older"}, fires=("passkey",)),
        Step("users.deletePasskey", ADAS | LAPTOP, fires=("passkey",)),
        Step("account.createPasskey", LAPTOP, "ada", keeps="begun"),
        Step(
            "account.updatePasskeyVerification",
            LAPTOP | {"credential": made_by_device},
            "ada",
            ("passkey",),
        ),
        Step("account.deletePasskey", LAPTOP, "ada", ("passkey",)),
    ],
    "second factors": [
        Step("users.create", BEN, fires=("user",)),
        Step("users.updateMFA", BEN | {"mfa": True}, fires=("user",)),
        Step("users.createMFARecoveryCodes", BEN, fires=("user",)),
        Step("users.updateMFARecoveryCodes", BEN, fires=("user",)),
        Step("account.create", ADA, "guest", ("account",)),
        Step("account.createEmailPasswordSession", SIGN_IN, "ada", ("session",)),
        Step("account.createMFAAuthenticator", TOTP, "ada", ("account",), keeps="app"),
        Step("account.updateMFAAuthenticator", TOTP | {"otp": shown_code}, "ada", ("account",)),
        Step("account.updateMFA", {"mfa": True}, "ada", ("account",)),
        Step("account.createMFARecoveryCodes", {}, "ada", ("account",), keeps="codes"),
        Step(
            "account.createMFAChallenge",
            {"factor": "recoverycode"},
            "ada",
            ("mfaChallenge",),
            keeps="asked",
        ),
        Step(
            "account.updateMFAChallenge",
            {"challengeId": "{asked}", "otp": first_recovery_code},
            "ada",
            ("session",),
        ),
        Step("account.updateMFARecoveryCodes", {}, "ada", ("account",)),
        Step("account.deleteMFAAuthenticator", TOTP, "ada", ("account",)),
        Step("account.createMFAAuthenticator", TOTP, "ada", ("account",)),
        Step("users.deleteMFAAuthenticator", ADAS | TOTP, fires=("user",)),
    ],
    "teams": [
        Step("teams.create", {"teamId": "crew", "name": "Crew"}, fires=("team",)),
        Step("teams.updateName", {"teamId": "crew", "name": "Band"}, fires=("team",)),
        Step("teams.updatePrefs", {"teamId": "crew", "prefs": {}}, fires=("preferences",)),
        Step(
            "teams.createMembership",
            {"teamId": "crew", "email": "eve@example.com", "roles": ["singer"]},
            fires=("user", "membership"),
            keeps="member",
        ),
        Step("teams.updateMembership", MEMBER | {"roles": []}, fires=("membership",)),
        Step("teams.deleteMembership", MEMBER, fires=("membership",)),
        Step("teams.delete", {"teamId": "crew"}, fires=("team",)),
        Step("account.create", ADA, "guest", ("account",)),
        Step("account.createEmailPasswordSession", SIGN_IN, "ada", ("session",)),
        Step("teams.create", {"teamId": "duo", "name": "Duo"}, "ada", ("team",)),
        Step(
            "teams.createMembership",
            {"teamId": "duo", "email": "fay@example.com", "roles": ["singer"], "url": URL},
            "ada",
            ("account", "membership"),
            keeps="invited",
        ),
        Step(
            "teams.updateMembershipStatus",
            {
                "teamId": "duo",
                "membershipId": "{invited}",
                "userId": "{invited.userId}",
                "secret": "{letter.secret}",
            },
            "fay",
            ("session", "membership"),
        ),
    ],
    "functions": [
        Step(
            "functions.create",
            MAIL | {"name": "Mail", "runtime": "node-22", "entrypoint": "main.js"},
            fires=("function",),
        ),
        Step("functions.update", MAIL | {"name": "Post"}, fires=("function",)),
        Step(
            "functions.createVariable",
            MAIL | {"variableId": "v", "key": "A", "value": "1"},
            fires=("variable",),
        ),
        Step(
            "functions.updateVariable",
            MAIL | {"variableId": "v", "value": "2"},
            fires=("variable",),
        ),
        Step("functions.deleteVariable", MAIL | {"variableId": "v"}, fires=("variable",)),
        Step(
            "functions.createDeployment",
            MAIL | {"activate": "true"},
            fires=("deployment",),
            files=upload(),
            keeps="first",
        ),
        Step(
            "functions.createDuplicateDeployment",
            MAIL | {"deploymentId": "{first}"},
            fires=("deployment",),
        ),
        Step(
            "functions.createTemplateDeployment",
            MAIL
            | {
                "repository": "templates",
                "owner": "runwright",
                "rootDirectory": "starter/node",
                "type": "branch",
                "reference": "main",
            },
            fires=("deployment",),
        ),
        Step(
            "functions.updateDeploymentStatus",
            MAIL | {"deploymentId": "{first}"},
            fires=("deployment",),
        ),
        Step(
            "functions.deleteDeployment", MAIL | {"deploymentId": "{first}"}, fires=("deployment",)
        ),
        Step("functions.delete", MAIL, fires=("function",)),
    ],
    "activation": [
        Step(
            "functions.updateFunctionDeployment",
            HELLO | {"deploymentId": "d1"},
            fires=("function",),
        ),
    ],
    "project variables": [
        Step(
            "project.createVariable",
            {"variableId": "v", "key": "A", "value": "1"},
            fires=("variable",),
        ),
        Step("project.updateVariable", {"variableId": "v", "value": "2"}, fires=("variable",)),
        Step("project.deleteVariable", {"variableId": "v"}, fires=("variable",)),
    ],
    "executions": [
        Step("functions.createExecution", HELLO, fires=("execution",), keeps="ended"),
        Step(
            "functions.createExecution",
            HELLO | {"async": True},
            fires=("execution",),
            keeps="waiting",
        ),
        Step(
            "functions.cancelExecution", HELLO | {"executionId": "{waiting}"}, fires=("execution",)
        ),
        Step(
            "functions.redriveDeadLetter",
            {"executionId": "{ended}"},
            fires=("execution",),
            before=leave_dead_letters,
        ),
        Step("functions.redriveDeadLetters", fires=("execution",)),
        Step("functions.deleteDeadLetter", {"executionId": "{ended}"}, before=leave_dead_letters),
        Step(
            "functions.replayExecution",
            HELLO | {"executionId": "{waiting}"},
            fires=("execution",),
        ),
        Step("functions.deleteExecution", HELLO | {"executionId": "{ended}"}, fires=("execution",)),
    ],
    "rules": [
        Step("proxy.createApiRule", {"domain": "a.example.com"}, fires=("proxyRule",), keeps="a"),
        Step(
            "proxy.createFunctionRule",
            HELLO | {"domain": "later.example.com"},
            fires=("proxyRule",),
            keeps="later",
        ),
        Step(
            "proxy.createRedirectRule",
            {
                "domain": "r.example.com",
                "url": "https://example.com",
                "statusCode": "301",
                "resourceId": "hello",
                "resourceType": "function",
            },
            fires=("proxyRule",),
        ),
        Step(
            "proxy.updateRuleStatus",
            {"ruleId": "{later}"},
            fires=("proxyRule",),
            before=point_at_us,
        ),
        Step("proxy.deleteRule", {"ruleId": "{a}"}, fires=("proxyRule",)),
    ],
}


def filled(value: Any, kept: Mapping[str, Any]) -> Any:
    if callable(value):
        return value(kept)
    found = re.fullmatch(r"\{(\w+)(?:\.(\w+))?\}", value) if isinstance(value, str) else None
    return kept[found[1]][found[2] or "$id"] if found else value


async def fired_in(whole: Whole, area: str) -> set[tuple[str, str]]:
    """Go through an area; (event, call that fired it). Checks each payload on the way."""
    fired, kept = set(), dict[str, Any]()
    for step in AREAS[area]:
        if whole.letters.letters:
            facts = whole.letters.facts()
            kept["letter"] = (
                {"secret": facts.get("otp")} if "otp" in facts else whole.letters.link()
            )
        if step.before is not None:
            ready = step.before(whole)
            if ready is not None:
                await ready
        params = {name: filled(value, kept) for name, value in step.params.items()}
        body = await whole.done(step.route, params, caller=step.caller, files=step.files)
        if step.keeps:
            kept[step.keeps] = body
        heard = await whole.heard()
        assert len(heard) == len(step.fires), (step.route, [item.event for item in heard])
        for announcement, model in zip(heard, step.fires, strict=True):
            fired.add((template(announcement), step.route))
            if model == "preferences":
                assert announcement.payload == body
                continue
            assert set(announcement.payload) == model_fields(model), step.route
            subject = announcement.event.path[1] if model in ("user", "function") else ""
            assert announcement.payload["$id"] == (subject or announcement.event.resource_id)
    return fired


@pytest.mark.parametrize("area", list(AREAS))
async def test_calls_fire_the_events_that_the_reference_lists(whole: Whole, area: str) -> None:
    with patch.object(chores, "_run", in_a_thread):
        fired = await fired_in(whole, area)
    routes = {step.route for step in AREAS[area]}
    # Calls that several areas make fire more in one of them than in another.
    assert fired <= documented()
    told = {pair for pair in documented() if pair[1] in routes}
    elsewhere = {step.route for name, steps in AREAS.items() if name != area for step in steps}
    assert {pair for pair in told if pair[1] not in elsewhere} <= fired


def test_every_call_that_changes_something_is_in_the_reference() -> None:
    changing = {route.name for route in every_route() if route.method not in ("GET", "HEAD")}
    firing = {call for _, call in documented()}
    silent = [call for row in section("silent") for call in calls(row[0])]
    assert len(set(silent)) == len(silent)
    assert not firing & set(silent)
    assert firing | set(silent) == changing


def test_every_event_of_the_reference_is_made_to_happen_here() -> None:
    made = {step.route for steps in AREAS.values() for step in steps if step.fires}
    assert {call for _, call in documented()} == made
