"""The devices of a signed-in user."""

from dataclasses import replace
from typing import Annotated, Final

from runwright.api.params import Checked, CustomId, Email, Id, OrEmpty, Phone, Text
from runwright.api.routes.account_parts import current_id, own_route, user_of
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import identity as shapes
from runwright.identity.push_targets import PushTargets
from runwright.user_agents import learn_user_agents, parse_user_agent
from runwright.values import dataclass

_NAME_CHARS: Final = 128


def _no_address(text: str) -> str:
    """An identifier is a target once in a project, so who took somebody's address for a device
    would keep its owner from using it."""
    for address in (Email(), Phone()):
        try:
            address.parse(text)
        except ValueError:
            continue
        raise ValueError("Value must be the token of a device, no e-mail address or phone number")
    return text


_Token = Annotated[str, Checked(Text(255), _no_address)]


@dataclass(frozen=True, kw_only=True)
class CreatePushTarget:
    target_id: Annotated[str, CustomId()]
    identifier: _Token
    provider_id: Annotated[str, OrEmpty(Id())] = ""


@dataclass(frozen=True, kw_only=True)
class OneTarget:
    target_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class UpdatePushTarget(OneTarget):
    identifier: _Token


class PushTargetHandlers:
    def __init__(self, targets: PushTargets) -> None:
        self._targets = targets

    async def create(self, call: Call, params: CreatePushTarget) -> Answer:
        made = await self._targets.register(
            user_of(call),
            session_id=current_id(call),
            target_id=params.target_id,
            identifier=params.identifier,
            provider_id=params.provider_id,
            name=await _device_name(call),
        )
        return Answer(content=shapes.target(made))

    async def update(self, call: Call, params: UpdatePushTarget) -> Answer:
        changed = await self._targets.update(
            user_of(call),
            params.target_id,
            identifier=params.identifier,
            name=await _device_name(call),
        )
        return Answer(content=shapes.target(changed))

    async def delete(self, call: Call, params: OneTarget) -> Answer:
        await self._targets.delete(user_of(call), params.target_id)
        return empty()


async def _device_name(call: Call) -> str:
    user_agent = call.headers.get("user-agent", "")
    await learn_user_agents([user_agent])
    seen = parse_user_agent(user_agent)
    return " ".join(filter(None, (seen.device_brand, seen.device_model)))[:_NAME_CHARS]


def push_target_routes(targets: PushTargets) -> list[Route]:
    of = PushTargetHandlers(targets)
    one = ("/targets/{targetId}/push",)
    routes = [
        own_route(
            "createPushTarget",
            "POST",
            ("/targets/push",),
            of.create,
            CreatePushTarget,
            model="target",
            status=201,
        ),
        own_route("updatePushTarget", "PUT", one, of.update, UpdatePushTarget, model="target"),
        own_route("deletePushTarget", "DELETE", one, of.delete, OneTarget, status=204),
    ]
    return [replace(route, scopes=("targets.write",)) for route in routes]
