"""Numbers of a project for trying out sign-in by phone."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final

from runwright.api.lists import Listing, listed
from runwright.api.params import Checked, Phone, Text
from runwright.api.queries import Attributes
from runwright.api.routes.project_parts import project_route
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import projects as shapes
from runwright.identity.mock_phones import MockPhones
from runwright.model.query import Page
from runwright.values import dataclass

_NO_FILTERS: Final = Attributes("")


def code(text: str) -> str:
    if not re.fullmatch(r"[0-9]{6}", text):
        raise ValueError("Value must be a code of 6 digits")
    return text


def number_and_code(given: Mapping[str, Any]) -> tuple[str, str]:
    """How older formats name one of them: `phone` and `otp`."""
    return Phone().parse(given.get("phone")), Code.parse(given.get("otp"))


Code: Final = Checked(Text(6), code)


@dataclass(frozen=True, kw_only=True)
class OneMockPhone:
    number: Annotated[str, Phone()]


@dataclass(frozen=True, kw_only=True)
class SetMockPhone(OneMockPhone):
    otp: Annotated[str, Code]


class MockPhoneHandlers:
    def __init__(self, phones: MockPhones) -> None:
        self._phones = phones

    async def create(self, call: Call, params: SetMockPhone) -> Answer:
        made = await self._phones.create(call.project_id, params.number, params.otp)
        return Answer(content=shapes.mock_phone(made))

    async def list(self, call: Call, params: Listing) -> Answer:
        query = params.query(_NO_FILTERS)
        phones = await self._phones.list(call.project_id)
        shown = phones[query.offset : query.offset + query.limit]
        page = Page(shown, len(phones) if params.total else 0)
        return listed("mockNumberList", "mockNumbers", page, shapes.mock_phone)

    async def get(self, call: Call, params: OneMockPhone) -> Answer:
        found = await self._phones.get(call.project_id, params.number)
        return Answer(content=shapes.mock_phone(found))

    async def update(self, call: Call, params: SetMockPhone) -> Answer:
        changed = await self._phones.update(call.project_id, params.number, params.otp)
        return Answer(content=shapes.mock_phone(changed))

    async def delete(self, call: Call, params: OneMockPhone) -> Answer:
        await self._phones.delete(call.project_id, params.number)
        return empty()


_route = partial(project_route, scope="mocks", model="mockNumber")


def mock_phone_routes(phones: MockPhones) -> list[Route]:
    of = MockPhoneHandlers(phones)
    every, one = ("/project/mock-phones",), ("/project/mock-phones/{number}",)
    return [
        _route("createMockPhone", "POST", every, of.create, SetMockPhone),
        _route("listMockPhones", "GET", every, of.list, Listing, model="mockNumberList"),
        _route("getMockPhone", "GET", one, of.get, OneMockPhone),
        _route("updateMockPhone", "PUT", one, of.update, SetMockPhone),
        _route("deleteMockPhone", "DELETE", one, of.delete, OneMockPhone, model=""),
    ]
