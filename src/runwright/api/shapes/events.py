"""What subscribers of an event are told: the JSON of its subject.

It is what the API answers to the call that caused the event, with two exceptions: nothing that
could be used to get in (password hashes, secrets of second factors) is ever told, and secrets
that a call hands out go along only when a key or an admin made the call.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from runwright.api.shapes import deployments, executions, factors, functions, identity, oauth
from runwright.functions.catalog import ShownFunction
from runwright.functions.variables import ShownVariable
from runwright.identity.memberships import Member
from runwright.identity.oauth.grants import NOTHING
from runwright.identity.people import Person
from runwright.identity.proofs import NewToken
from runwright.identity.sessions import Opened
from runwright.model.actor import Actor
from runwright.model.execution import Execution
from runwright.model.factors import MfaChallenge, Passkey
from runwright.model.function import Deployment, Rule
from runwright.model.identity import Identity, Session, Target, Team
from runwright.triggers.outbox import Custom

Json = dict[str, Any]

REDACTED: Final = ("password", "hash", "hashOptions")


def _person(item: Person, actor: Actor) -> Json:
    """Clients act on their own account, which has no such fields at all."""
    if not actor.is_trusted:
        return identity.account(item)
    return identity.user(item) | dict.fromkeys(REDACTED)


def _opened(item: Opened, actor: Actor) -> Json:
    return identity.session(item.session, secret=item.value if actor.is_trusted else "")


def _token(item: NewToken, actor: Actor) -> Json:
    """Functions that send the mail themselves need what the mail would say."""
    return identity.token(item, shows_secret=actor.is_trusted or item.is_told)


_SHAPES: Final[dict[type, Callable[[Any, Actor], Any]]] = {
    Person: _person,
    Session: lambda item, actor: identity.session(item),
    Opened: _opened,
    NewToken: _token,
    Passkey: lambda item, actor: factors.passkey(item),
    MfaChallenge: lambda item, actor: factors.challenge(item),
    Identity: lambda item, actor: oauth.identity(item, NOTHING),  # tokens go to nobody else
    Target: lambda item, actor: identity.target(item),
    Team: lambda item, actor: identity.team(item),
    Member: lambda item, actor: identity.membership(item, identity.EVERYTHING),
    ShownFunction: lambda item, actor: functions.function(item),
    ShownVariable: lambda item, actor: functions.variable(item),
    Deployment: lambda item, actor: deployments.deployment(item),
    Rule: lambda item, actor: functions.rule(item),
    Execution: lambda item, actor: executions.execution(item, shows_logs=actor.is_trusted),
    Custom: lambda item, actor: item.payload,
    dict: lambda item, actor: item,  # preferences
}


def payload(subject: object, actor: Actor, *, tells_secrets: bool = True) -> Mapping[str, Any]:
    """`tells_secrets`: those of letters, though a client has asked for them.

    Raises KeyError for a subject that has no shape: an event without one is a mistake.
    """
    if isinstance(subject, NewToken) and not tells_secrets:
        subject = replace(subject, is_told=False)
    shaped: Mapping[str, Any] = _SHAPES[type(subject)](subject, actor)
    return shaped
