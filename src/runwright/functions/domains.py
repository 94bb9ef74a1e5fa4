"""Proxy rules: which host name leads to what.

A name is unique over the whole installation. Names below the functions domain are ours and
verified at once; others once DNS shows that their owner wants them here. A rule without a
branch follows the function's active deployment.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from runwright.cache import Cache
from runwright.clock import Clock
from runwright.functions.errors import (
    RuleAlreadyExists,
    RuleNotFound,
    RuleResourceNotFound,
    RuleVerificationFailed,
)
from runwright.functions.hostnames import Zones, label_for, random_label
from runwright.functions.verification import DomainVerification, Verdict
from runwright.model.event import Event
from runwright.model.function import Function, Rule, RuleStatus, RuleType
from runwright.model.identity import CONSOLE
from runwright.model.query import ListQuery, Page
from runwright.ports.signals import Signals
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.values import dataclass

FUNCTION: Final = "function"  # the only resource type that exists here

_CACHED_RULES: Final = 65_536
_CACHED_ABSENCES: Final = 4096  # apart from the rules, so that a scan cannot push them out


@dataclass(frozen=True, slots=True)
class _Absent:
    """Nothing answers on a host name."""


class Domains:
    def __init__(
        self,
        storage: Storage,
        signals: Signals,
        clock: Clock,
        *,
        zones: Zones,
        verification: DomainVerification,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._zones = zones
        self._verification = verification
        self._rules: Cache[str, Rule] = Cache(_CACHED_RULES)
        self._absent: Cache[str, _Absent] = Cache(_CACHED_ABSENCES)
        signals.on("rule", self._forget)

    def _forget(self, project_id: str, rule_id: str) -> None:
        self._rules.forget_if(
            lambda _, rule: rule.project_id == project_id and rule_id in ("", rule.id)
        )
        self._absent.forget_if(lambda _, __: True)  # which name came to be is not said

    async def by_host(self, host: str) -> Rule | None:
        """The rule of a lower-case host name without port, verified or not; from memory when
        it was asked for before."""
        known = self._rules.peek(host)
        if known is not None or self._absent.peek(host) is not None:
            return known
        found: list[Rule] = []

        async def load() -> Rule | None:
            found[:] = await self._storage.read(lambda uow: uow.rules.find(domain=host))
            return found[0] if found else None

        async def look() -> _Absent | None:
            return _Absent() if await self._rules.get(host, load) is None else None

        await self._absent.get(host, look)
        return found[0] if found else self._rules.peek(host)

    async def may_issue(self, domain: str) -> bool:
        """Whether a proxy in front may get a certificate for this name on demand."""
        host = domain.lower().rstrip(".")
        if host in self._zones.api_hosts:
            return True
        rule = await self.by_host(host)
        return rule is not None and rule.is_serving

    async def create_for_api(self, project_id: str, domain: str) -> Rule:
        """Raises InvalidParam, RuleAlreadyExists, as all creations do."""
        return await self._create(project_id, domain, lambda uow, rule: rule)

    async def create_for_function(
        self, project_id: str, domain: str, function_id: str, branch: str = ""
    ) -> Rule:
        """Raises RuleResourceNotFound when there is no such function."""

        def fill(uow: UnitOfWork, rule: Rule) -> Rule:
            return replace(
                rule,
                type=RuleType.DEPLOYMENT,
                resource_type=FUNCTION,
                resource_id=function_id,
                branch=branch,
                deployment_id=_function(uow, project_id, function_id).deployment_id,
            )

        return await self._create(project_id, domain, fill)

    async def create_redirect(
        self,
        project_id: str,
        domain: str,
        *,
        url: str,
        status_code: int,
        resource_type: str,
        resource_id: str,
    ) -> Rule:
        """Raises RuleResourceNotFound when the resource that owns the rule does not exist."""

        def fill(uow: UnitOfWork, rule: Rule) -> Rule:
            if resource_type != FUNCTION:
                raise RuleResourceNotFound(resource_id)
            _function(uow, project_id, resource_id)
            return replace(
                rule,
                type=RuleType.REDIRECT,
                redirect_url=url,
                redirect_status_code=status_code,
                resource_type=resource_type,
                resource_id=resource_id,
            )

        return await self._create(project_id, domain, fill)

    async def _create(
        self, project_id: str, text: str, fill: Callable[[UnitOfWork, Rule], Rule]
    ) -> Rule:
        domain = self._zones.checked(text)
        plain = _new_rule(project_id, domain, RuleType.API, self._clock.now())

        def check(uow: UnitOfWork) -> None:
            fill(uow, plain)
            if _taken(uow, domain) is not None:
                raise RuleAlreadyExists(domain)

        await self._storage.read(check)  # before the slow question to the DNS
        verdict = await self._verification.judge(domain)

        def add(uow: UnitOfWork) -> Rule:
            rule = _with(fill(uow, plain), verdict)
            _evict_orphan(uow, domain)
            uow.rules.add(rule)
            uow.touch("rule", project_id, rule.id)
            _announce(uow, rule, "create")
            return rule

        try:
            return await self._storage.write(add)
        except AlreadyStored as exc:
            raise RuleAlreadyExists(domain) from exc

    async def get(self, project_id: str, rule_id: str) -> Rule:
        """Raises RuleNotFound."""
        return await self._storage.read(lambda uow: _rule(uow, project_id, rule_id))

    async def list(self, project_id: str, query: ListQuery) -> Page[Rule]:
        """Raises CursorMissing, CursorOrderNull."""
        return await self._storage.read(lambda uow: uow.rules.page(project_id, query))

    async def delete(self, project_id: str, rule_id: str) -> None:
        """Raises RuleNotFound."""

        def remove(uow: UnitOfWork) -> None:
            rule = _rule(uow, project_id, rule_id)
            uow.rules.remove(project_id, rule_id)
            uow.touch("rule", project_id, rule_id)
            _announce(uow, rule, "delete")

        await self._storage.write(remove)

    async def verify(self, project_id: str, rule_id: str) -> Rule:
        """Look again. Raises RuleNotFound, and RuleVerificationFailed when DNS is not right."""
        rule = await self.get(project_id, rule_id)
        verdict = await self._judge_again(rule)
        if verdict is None:
            return rule
        changed = await self._store(rule, verdict)
        if verdict.status is RuleStatus.CREATED:
            raise RuleVerificationFailed(rule.domain, verdict.reason)
        return changed

    async def verify_waiting(self, *, younger_than: datetime, most: int) -> int:
        """Look again at rules that wait for their DNS or certificate, longest unseen first.

        Rules that wait for DNS are left alone once they are older than `younger_than`.
        Returns how many changed their status.
        """

        def waiting(uow: UnitOfWork) -> list[Rule]:
            return uow.rules.find(status=(RuleStatus.CREATED, RuleStatus.VERIFYING))

        rules = [
            rule
            for rule in await self._storage.read(waiting)
            if rule.status is RuleStatus.VERIFYING or rule.created_at > younger_than
        ]
        changed = 0
        for rule in sorted(rules, key=lambda item: item.updated_at)[:most]:
            verdict = await self._judge_again(rule)
            if verdict is not None:
                stored = await self._store(rule, verdict)
                changed += stored.status is not rule.status
        return changed

    async def _judge_again(self, rule: Rule) -> Verdict | None:
        """None when there is nothing to change."""
        if rule.status is RuleStatus.VERIFIED:
            return None
        if rule.status is RuleStatus.VERIFYING:
            verdict = self._verification.judge_certificate(rule.domain)
            return None if verdict.status is RuleStatus.VERIFYING else verdict
        return await self._verification.judge(rule.domain)

    async def _store(self, seen: Rule, verdict: Verdict) -> Rule:
        now = self._clock.now()

        def put(uow: UnitOfWork) -> Rule:
            stored = uow.rules.get(seen.project_id, seen.id)
            if stored is None or stored.status is not seen.status:
                return stored or seen  # deleted, or judged by someone else, meanwhile
            changed = replace(_with(stored, verdict), updated_at=now)
            uow.rules.put(changed)
            uow.touch("rule", changed.project_id, changed.id)
            if changed.status is not stored.status:  # looking again is no news by itself
                _announce(uow, changed, "update")
            return changed

        return await self._storage.write(put)


def add_generated(uow: UnitOfWork, zones: Zones, function: Function, now: datetime) -> Rule:
    """The name that a function gets with its creation: its id where that is a free label."""
    label = label_for(function.id) or random_label()
    if _taken(uow, zones.generated(label)) is not None:
        label = random_label()
    domain = zones.generated(label)
    _evict_orphan(uow, domain)
    rule = replace(
        _new_rule(function.project_id, domain, RuleType.DEPLOYMENT, now),
        resource_type=FUNCTION,
        resource_id=function.id,
        status=RuleStatus.VERIFIED,
        is_generated=True,
    )
    uow.rules.add(rule)
    uow.touch("rule", rule.project_id, rule.id)
    return rule


def _new_rule(project_id: str, domain: str, kind: RuleType, now: datetime) -> Rule:
    return Rule(
        # Clients may rely on it: the API has always promised the MD5 of the name.
        id=hashlib.md5(domain.encode(), usedforsecurity=False).hexdigest(),
        project_id=project_id,
        created_at=now,
        updated_at=now,
        domain=domain,
        type=kind,
    )


def _with(rule: Rule, verdict: Verdict) -> Rule:
    return replace(rule, status=verdict.status, logs=verdict.reason)


def _announce(uow: UnitOfWork, rule: Rule, action: str) -> None:
    uow.emit(rule.project_id, Event.of(action, "rules", rule.id), rule)


def _function(uow: UnitOfWork, project_id: str, function_id: str) -> Function:
    function = uow.functions.get(project_id, function_id)
    if function is None:
        raise RuleResourceNotFound(function_id)
    return function


def _rule(uow: UnitOfWork, project_id: str, rule_id: str) -> Rule:
    rule = uow.rules.get(project_id, rule_id)
    if rule is None:
        raise RuleNotFound(rule_id)
    return rule


def _taken(uow: UnitOfWork, domain: str) -> Rule | None:
    """The rule that holds the name, unless its project is gone."""
    for rule in uow.rules.find(domain=domain):
        if uow.projects.get(CONSOLE, rule.project_id) is not None:
            return rule
    return None


def _evict_orphan(uow: UnitOfWork, domain: str) -> None:
    for rule in uow.rules.find(domain=domain):
        if uow.projects.get(CONSOLE, rule.project_id) is None:
            uow.rules.remove(rule.project_id, rule.id)
            uow.touch("rule", rule.project_id, rule.id)
