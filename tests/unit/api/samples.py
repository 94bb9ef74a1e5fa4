"""One value of each response model, in the newest shape, made by the shapes themselves."""

from dataclasses import replace
from typing import Any, Final

from runwright.api.shapes import (
    deployments,
    executions,
    factors,
    functions,
    identity,
    oauth,
    organization,
    projects,
    webhooks,
)
from runwright.executions.service import Finished
from runwright.functions.catalog import ShownFunction
from runwright.functions.runtimes import RUNTIMES
from runwright.functions.variables import ShownVariable
from runwright.identity.factors import Available
from runwright.identity.keys import NewKey
from runwright.identity.memberships import Member
from runwright.identity.mfa import NewAuthenticator
from runwright.identity.oauth.grants import Grant
from runwright.identity.passkey_registration import Begun
from runwright.identity.people import Person
from runwright.identity.proofs import NewToken
from runwright.model.execution import Execution, Outcome, Status
from runwright.model.factors import MfaChallenge, Passkey, PasskeyCeremony
from runwright.model.function import (
    SPECIFICATIONS,
    Deployment,
    Function,
    Rule,
    RuleType,
    Variable,
)
from runwright.model.identity import Identity, Target, Team, Token
from runwright.model.webhook import Webhook
from runwright.triggers.webhooks import ShownWebhook
from tests.unit.api.world import (
    PROJECT,
    START,
    a_key,
    a_membership,
    a_project,
    a_session,
    a_user,
)

Json = dict[str, Any]
_ROW: Final[Json] = {"project_id": PROJECT, "created_at": START, "updated_at": START}

FUNCTION = Function(
    id="fn", name="Fn", runtime="node-22", deployment_id="dep", scopes=("users.read",), **_ROW
)
VARIABLE = ShownVariable(
    Variable(id="v", function_id="fn", key="A", sealed_value=b"", is_secret=False, **_ROW), "1"
)
EXECUTION = Execution(
    id="ex", function_id="fn", deployment_id="dep", status=Status.COMPLETED, **_ROW
)
DONE = Finished(
    execution=replace(EXECUTION, request_headers=(("accept", "*/*"),), scheduled_at=START),
    outcome=Outcome(status_code=200, headers=(("x-a", "b"),)),
)
TARGET = Target(id="t", user_id="ann", provider_type="email", identifier="a@b.c", **_ROW)
IDENTITY = Identity(id="i", user_id="ann", provider="github", provider_uid="1", **_ROW)
TEAM = Team(id="team", name="Team", **_ROW)


def _finished() -> Json:
    return {**executions.finished(DONE, shows_logs=True), "responseBody": "hello"}


def newest() -> dict[str, Json]:
    """By response model."""
    rule = Rule(id="r", domain="a.example.com", type=RuleType.DEPLOYMENT, **_ROW)
    return {
        "function": functions.function(ShownFunction(FUNCTION, (VARIABLE,))),
        "deployment": deployments.deployment(Deployment(id="dep", function_id="fn", **_ROW)),
        "execution": _finished(),
        "variable": functions.variable(VARIABLE),
        "proxyRule": functions.rule(replace(rule, resource_type="function", resource_id="fn")),
        "runtime": functions.runtime(RUNTIMES[0]),
        "specification": functions.specification(SPECIFICATIONS[0]),
        "project": projects.project(a_project(PROJECT, description="Our shop")),
        "key": projects.key(a_key("users.read")),
        "ephemeralKey": projects.ephemeral_key(
            NewKey(a_key("users.read", expires_at=START), "ephemeral_x")
        ),
        "user": identity.user(Person(a_user("ann"), (TARGET,))),
        "session": identity.session(a_session("ann")),
        "target": identity.target(TARGET),
        "identity": oauth.identity(IDENTITY, Grant(access_token="a", expires_at=START)),
        "team": identity.team(TEAM),
        "organization": organization.organization(TEAM),
        "membership": identity.membership(
            Member(a_membership("ann", PROJECT, "team"), a_user("ann"), TEAM), identity.EVERYTHING
        ),
        "webhook": _webhook(),
        **_factors(),
    }


def _factors() -> dict[str, Json]:
    challenge = MfaChallenge(
        id="c", user_id="ann", session_id="s", factor="custom", expires_at=START, **_ROW
    )
    return {
        "mfaFactors": factors.available(
            Available(totp=True, email=False, phone=False, recovery_code=True, custom=False)
        ),
        "mfaType": factors.new_authenticator(NewAuthenticator("ABC", "otpauth://totp/x")),
        "mfaChallenge": factors.challenge(challenge),
        "mfaChallengeSecret": factors.challenge_secret(challenge, "123456"),
        "mfaRecoveryCodes": factors.recovery_codes(("a", "b")),
        **_passkeys(),
    }


def _passkeys() -> dict[str, Json]:
    bound: Json = {"rp_id": "example.com", **_ROW}
    passkey = Passkey(
        id="p",
        user_id="ann",
        credential_id="c",
        public_key=b"k",
        sign_count=1,
        accessed_at=START,
        **bound,
    )
    ceremony = PasskeyCeremony(id="c", challenge=b"x", expires_at=START, **bound)
    token = Token(
        id="t",
        user_id="ann",
        purpose="passkey",
        secret_hash="h",
        expires_at=START,
        **_ROW,
    )
    return {
        "passkey": factors.passkey(passkey),
        "passkeyChallenge": factors.passkey_challenge(Begun(ceremony, {"rpId": "example.com"})),
        "tokenSecret": identity.token(NewToken(token, "s"), shows_secret=True),
    }


def _webhook() -> Json:
    webhook = Webhook(
        id="w",
        name="Hook",
        url="https://example.com",
        events=("users.*",),
        is_tls_verified=True,
        auth_username="u",
        **_ROW,
    )
    return webhooks.webhook(ShownWebhook(webhook, "p", "s"), with_password=True)
