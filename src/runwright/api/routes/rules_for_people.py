"""Policies about passwords and addresses that came after the first ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

import msgspec

from runwright.api.params import Bool, ListOf, Range, Text
from runwright.api.routes.policies import SetSwitch, set_route
from runwright.api.routing import Answer, Call, Route
from runwright.api.shapes import projects as shapes
from runwright.errors import FeatureUnsupported, InvalidParam
from runwright.identity.policies import Policies, stored
from runwright.identity.projects import Projects
from runwright.values import dataclass

MAX_DENIED: Final = 100
MAX_DENIED_CHARS: Final = 256
MAX_STORED_CHARS: Final = 16_384  # of all policies of a project together, as JSON
MIN_AGE_S: Final = 86_400
MAX_AGE_S: Final = 315_360_000

_Choice = Annotated[bool | None, Bool()]
_Denied = Annotated[tuple[str, ...] | None, ListOf(Text(MAX_DENIED_CHARS), MAX_DENIED)]


@dataclass(frozen=True, kw_only=True)
class SetDenyList(SetSwitch):
    deny_list: _Denied = None  # null leaves it, [] empties it


@dataclass(frozen=True, kw_only=True)
class SetPwned:
    enabled: _Choice = None
    sessions: _Choice = None
    users: _Choice = None


@dataclass(frozen=True, kw_only=True)
class SetRotation:
    enabled: _Choice = None
    max_age: Annotated[int | None, Range(MIN_AGE_S, MAX_AGE_S)] = None


def _or(value: Any, present: Any) -> Any:
    return present if value is None else value


class RuleHandlers:
    """`knows_breaches`: whether the server has a list of breached passwords to ask."""

    def __init__(self, projects: Projects, *, knows_breaches: bool) -> None:
        self._projects = projects
        self._knows_breaches = knows_breaches

    async def set_dictionary(self, call: Call, params: SetDenyList) -> Answer:
        return await self._change(
            call,
            lambda rules: replace(
                rules,
                refuses_common=params.enabled,
                denied_passwords=_or(params.deny_list, rules.denied_passwords),
            ),
        )

    async def set_personal_data(self, call: Call, params: SetDenyList) -> Answer:
        return await self._change(
            call,
            lambda rules: replace(
                rules,
                refuses_personal_data=params.enabled,
                denied_terms=_or(params.deny_list, rules.denied_terms),
            ),
        )

    async def set_pwned(self, call: Call, params: SetPwned) -> Answer:
        """Switching it on without a list would promise what nobody keeps."""
        is_wanted = params.enabled or params.sessions or params.users
        if is_wanted and not self._knows_breaches:
            raise FeatureUnsupported(
                "This server has no list of breached passwords to ask. Its operator can name one "
                "in RUNWRIGHT_PWNED_URL."
            )

        def change(rules: Policies) -> Policies:
            present = rules.breaches
            breaches = replace(
                present,
                is_on=_or(params.enabled, present.is_on),
                refuses_sign_ins=_or(params.sessions, present.refuses_sign_ins),
                refuses_new=_or(params.users, present.refuses_new),
            )
            return replace(rules, breaches=breaches)

        return await self._change(call, change)

    async def set_rotation(self, call: Call, params: SetRotation) -> Answer:
        def change(rules: Policies) -> Policies:
            present = rules.rotation
            rotation = replace(
                present,
                is_on=_or(params.enabled, present.is_on),
                max_age_s=_or(params.max_age, present.max_age_s),
            )
            return replace(rules, rotation=rotation)

        return await self._change(call, change)

    async def deny_aliased(self, call: Call, params: SetSwitch) -> Answer:
        return await self._set_emails(call, denies_aliased=params.enabled)

    async def deny_disposable(self, call: Call, params: SetSwitch) -> Answer:
        return await self._set_emails(call, denies_disposable=params.enabled)

    async def deny_free(self, call: Call, params: SetSwitch) -> Answer:
        return await self._set_emails(call, denies_free=params.enabled)

    async def want_corporate(self, call: Call, params: SetSwitch) -> Answer:
        """Its name says the opposite of what it does."""
        return await self._set_emails(call, wants_corporate=params.enabled)

    async def _set_emails(self, call: Call, **choice: bool) -> Answer:
        return await self._change(
            call, lambda rules: replace(rules, emails=replace(rules.emails, **choice))
        )

    async def _change(self, call: Call, change: Callable[[Policies], Policies]) -> Answer:
        def bounded(rules: Policies) -> Policies:
            changed = change(rules)
            if len(msgspec.json.encode(stored(changed)).decode()) > MAX_STORED_CHARS:
                raise InvalidParam(
                    "denyList",
                    f"All policies together may have {MAX_STORED_CHARS} characters as JSON. "
                    "Shorten the lists.",
                )
            return changed

        changed = await self._projects.set_policies(call.project_id, bounded)
        return Answer(content=shapes.project(changed))


def rule_routes(projects: Projects, *, knows_breaches: bool) -> list[Route]:
    of = RuleHandlers(projects, knows_breaches=knows_breaches)
    return [
        set_route(
            "PasswordDictionary",
            "password-dictionary",
            "password-dictionary",
            of.set_dictionary,
            SetDenyList,
        ),
        set_route(
            "PasswordPersonalData",
            "password-personal-data",
            "personal-data",
            of.set_personal_data,
            SetDenyList,
        ),
        set_route("PasswordPwned", "password-pwned", "", of.set_pwned, SetPwned),
        set_route("PasswordRotation", "password-rotation", "", of.set_rotation, SetRotation),
        set_route("DenyAliasedEmail", "deny-aliased-email", "", of.deny_aliased, SetSwitch),
        set_route(
            "DenyDisposableEmail", "deny-disposable-email", "", of.deny_disposable, SetSwitch
        ),
        set_route("DenyFreeEmail", "deny-free-email", "", of.deny_free, SetSwitch),
        set_route("DenyCorporateEmail", "deny-corporate-email", "", of.want_corporate, SetSwitch),
    ]
