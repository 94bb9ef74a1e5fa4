"""`GET /v1/openapi.json`: for everybody, kept, and not sent twice to those who have it."""

import pytest

from runwright.api.routes.description import description_routes
from runwright.api.routes.locale import locale_routes
from tests.unit.api.world import KEY, World, a_key, a_session, a_user, about, cookie

pytestmark = pytest.mark.anyio

PATH = "/v1/openapi.json"


async def test_everybody_may_read_it(world: World) -> None:
    await world.put(a_key(), a_user("ann"), a_session("ann"))
    async with world.client(*description_routes(locale_routes())) as client:
        for headers in ({}, about(), about(x_appwrite_key=KEY), about() | cookie("ann")):
            answer = await client.get(PATH, headers=headers)
            assert answer.status_code == 200, (headers, answer.text)
            assert answer.json()["openapi"] == "3.1.0"
            assert "/v1/locale/countries" in answer.json()["paths"]


async def test_a_page_of_any_origin_may_read_it(world: World) -> None:
    async with world.client(*description_routes(locale_routes())) as client:
        answer = await client.get(PATH, headers={"origin": "https://elsewhere.example.com"})
        assert answer.status_code == 200


async def test_who_has_it_is_not_sent_it_again(world: World) -> None:
    async with world.client(*description_routes(locale_routes())) as client:
        first = await client.get(PATH)
        tag = first.headers["etag"]
        for sent in (tag, f"W/{tag}", f'"other", {tag}'):
            again = await client.get(PATH, headers={"if-none-match": sent})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        other = await client.get(PATH, headers={"if-none-match": '"other"'})
        assert other.content == first.content
