"""Policies of a project: what holds for its users' passwords, sessions and memberships."""

from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from typing import Annotated, Any, Final

from runwright.api.lists import Listing, listed_all
from runwright.api.params import Bool, Checked, ListOf, Named, Object, OneOf, Range, Text
from runwright.api.queries import Attributes
from runwright.api.routes.mock_phones import number_and_code
from runwright.api.routing import Answer, Call, Route
from runwright.api.shapes import factors
from runwright.api.shapes import projects as shapes
from runwright.identity.mock_phones import MOST, MockPhones
from runwright.identity.passkeys import Passkeys
from runwright.identity.policies import MAX_SESSION_S, MAX_SESSIONS, MAX_USERS, Policies
from runwright.identity.projects import Projects
from runwright.identity.relying_party import check_rp_id
from runwright.values import dataclass

POLICY_IDS: Final = (
    "password-dictionary",
    "password-history",
    "password-strength",
    "password-personal-data",
    "session-alert",
    "session-duration",
    "session-invalidation",
    "session-limit",
    "user-limit",
    "membership-privacy",
    "mfa-factors",
    "passkey",
    "password-pwned",
    "password-rotation",
    "deny-aliased-email",
    "deny-disposable-email",
    "deny-free-email",
    "deny-corporate-email",
)
MAX_HISTORY: Final = 20

_FILTERS: Final = Attributes("")
_Choice = Annotated[bool | None, Bool()]


@dataclass(frozen=True, kw_only=True)
class OnePolicy:
    policy_id: Annotated[str, OneOf(POLICY_IDS)]


@dataclass(frozen=True, kw_only=True)
class SetDuration:
    duration: Annotated[int, Range(60, MAX_SESSION_S)]


@dataclass(frozen=True, kw_only=True)
class SetSessionLimit:
    total: Annotated[int, Range(1, MAX_SESSIONS)]


@dataclass(frozen=True, kw_only=True)
class SetUserLimit:
    total: Annotated[int, Range(0, MAX_USERS)] = 0  # null lifts the limit


@dataclass(frozen=True, kw_only=True)
class SetHistory:
    total: Annotated[int, Range(0, MAX_HISTORY)] = 0  # null lifts the limit


@dataclass(frozen=True, kw_only=True)
class SetSwitch:
    enabled: Annotated[bool, Bool()]


@dataclass(frozen=True, kw_only=True)
class SetMockNumbers:
    numbers: Annotated[
        tuple[tuple[str, str], ...], ListOf(Checked(Object(), number_and_code), MOST)
    ]


@dataclass(frozen=True, kw_only=True)
class SetStrength:
    least: Annotated[int | None, Range(8, 256), Named("min")] = None
    uppercase: _Choice = None
    lowercase: _Choice = None
    number: _Choice = None
    symbols: _Choice = None


@dataclass(frozen=True, kw_only=True)
class SetPrivacy:
    user_id: _Choice = None
    user_email: _Choice = None
    user_phone: _Choice = None
    user_name: _Choice = None
    user_mfa: Annotated[bool | None, Bool(), Named("userMFA")] = None
    user_accessed_at: _Choice = None


@dataclass(frozen=True, kw_only=True)
class SetMfaFactors:
    totp: _Choice = None
    email: _Choice = None
    phone: _Choice = None
    custom: _Choice = None


@dataclass(frozen=True, kw_only=True)
class SetPasskey:
    rp_id: Annotated[str, Checked(Text(253, least=0), check_rp_id)]


class PolicyHandlers:
    def __init__(self, projects: Projects, mock_phones: MockPhones, passkeys: Passkeys) -> None:
        self._projects = projects
        self._mock_phones = mock_phones
        self._passkeys = passkeys

    async def list(self, call: Call, params: Listing) -> Answer:
        query = params.query(_FILTERS)
        shown = await self._shown(call)
        page = shown[query.offset : query.offset + query.limit]
        answer = listed_all("policyList", "policies", page, dict)
        return replace(answer, content=answer.content | {"total": len(shown) * params.total})

    async def get(self, call: Call, params: OnePolicy) -> Answer:
        shown = await self._shown(call)
        return Answer(content=next(item for item in shown if item["$id"] == params.policy_id))

    async def set_duration(self, call: Call, params: SetDuration) -> Answer:
        return await self._set(call, session_duration_s=params.duration)

    async def set_session_limit(self, call: Call, params: SetSessionLimit) -> Answer:
        return await self._set(call, session_limit=params.total)

    async def set_user_limit(self, call: Call, params: SetUserLimit) -> Answer:
        return await self._set(call, user_limit=params.total)

    async def set_invalidation(self, call: Call, params: SetSwitch) -> Answer:
        return await self._set(call, invalidates_sessions=params.enabled)

    async def set_alert(self, call: Call, params: SetSwitch) -> Answer:
        return await self._set(call, alerts_sessions=params.enabled)

    async def set_mock_numbers(self, call: Call, params: SetMockNumbers) -> Answer:
        """Replaces all of them, as formats before mock phones had addresses of their own do."""
        changed = await self._mock_phones.replace_all(call.project_id, dict(params.numbers))
        return Answer(content=shapes.project(changed))

    async def set_history(self, call: Call, params: SetHistory) -> Answer:
        return await self._set(call, password_history=params.total)

    async def set_strength(self, call: Call, params: SetStrength) -> Answer:
        """Alone among these it answers with the policy, not with the project."""
        given = _given(params)
        await self._change(
            call,
            lambda rules: replace(
                rules, password_strength=replace(rules.password_strength, **given)
            ),
        )
        return await self.get(call, OnePolicy(policy_id="password-strength"))

    async def set_privacy(self, call: Call, params: SetPrivacy) -> Answer:
        given = _given(params)
        return await self._change(
            call, lambda rules: replace(rules, privacy=replace(rules.privacy, **given))
        )

    async def set_mfa_factors(self, call: Call, params: SetMfaFactors) -> Answer:
        given = _given(params)
        return await self._change(
            call, lambda rules: replace(rules, mfa=replace(rules.mfa, **given))
        )

    async def set_passkey(self, call: Call, params: SetPasskey) -> Answer:
        changed = await self._passkeys.set_relying_party(call.project_id, params.rp_id)
        return Answer(content=shapes.project(changed))

    async def _set(self, call: Call, **fields_: Any) -> Answer:
        return await self._change(call, lambda rules: replace(rules, **fields_))

    async def _shown(self, call: Call) -> tuple[dict[str, Any], ...]:
        project = await self._projects.get(call.project_id)
        origins = await self._passkeys.origins(project)
        return (*shapes.policies(project), factors.passkey_policy(project, origins))

    async def _change(self, call: Call, change: Callable[[Policies], Policies]) -> Answer:
        changed = await self._projects.set_policies(call.project_id, change)
        return Answer(content=shapes.project(changed))


def _given(params: Any) -> dict[str, Any]:
    values = {item.name: getattr(params, item.name) for item in fields(params)}
    return {name: value for name, value in values.items() if value is not None}


def policy_routes(projects: Projects, mock_phones: MockPhones, passkeys: Passkeys) -> list[Route]:
    of = PolicyHandlers(projects, mock_phones, passkeys)
    return [
        _route("listPolicies", "GET", "", "", of.list, Listing, "policyList"),
        _route("getPolicy", "GET", "/{policyId}", "", of.get, OnePolicy, "policy"),
        set_route("SessionDuration", "session-duration", "duration", of.set_duration, SetDuration),
        set_route(
            "SessionLimit", "session-limit", "max-sessions", of.set_session_limit, SetSessionLimit
        ),
        set_route("UserLimit", "user-limit", "limit", of.set_user_limit, SetUserLimit),
        set_route(
            "SessionInvalidation",
            "session-invalidation",
            "session-invalidation",
            of.set_invalidation,
            SetSwitch,
        ),
        set_route("SessionAlert", "session-alert", "session-alerts", of.set_alert, SetSwitch),
        # Command lines of older formats send their list with all other settings.
        set_route(
            "MockNumbers", "mock-numbers", "mock-numbers", of.set_mock_numbers, SetMockNumbers
        ),
        set_route(
            "PasswordHistory", "password-history", "password-history", of.set_history, SetHistory
        ),
        replace(
            set_route("PasswordStrength", "password-strength", "", of.set_strength, SetStrength),
            model="policy",
        ),
        set_route(
            "MembershipPrivacy",
            "membership-privacy",
            "memberships-privacy",
            of.set_privacy,
            SetPrivacy,
        ),
        set_route("MFAFactors", "mfa-factors", "", of.set_mfa_factors, SetMfaFactors),
        set_route("Passkey", "passkey", "", of.set_passkey, SetPasskey),
    ]


_Handler = Callable[[Call, Any], Awaitable[Answer]]


def set_route(name: str, path: str, older: str, handler: _Handler, params: type[Any]) -> Route:
    """A change of one policy."""
    return _route(f"update{name}Policy", "PATCH", f"/{path}", older, handler, params, "project")


def _route(
    name: str,
    method: str,
    path: str,
    older: str,
    handler: _Handler,
    params: type[Any],
    model: str,
) -> Route:
    """`older` is the last segment of the path that this had before policies, if any."""
    paths = [f"/v1/project/policies{path}"]
    if older:
        paths.append(f"/v1/projects/{{projectId}}/auth/{older}")
    action = "read" if method == "GET" else "write"
    return Route(
        name=f"project.{name}",
        method=method,
        paths=tuple(paths),
        scopes=(f"project.policies.{action}", f"policies.{action}"),
        handler=handler,
        params=params,
        model=model,
        group="project",
        service="project",
    )
