"""Numbers for trying out sign-in by phone."""

import pytest

from runwright.identity.mock_phones import MOST
from tests.fakes.identity import PASSWORD, PROJECT_ID, World, query

pytestmark = pytest.mark.anyio

NUMBER, CODE = "+14155550100", "424242"
MOCK = {"number": NUMBER, "otp": CODE}
PATH = "/project/mock-phones"


async def test_a_mock_phone_is_made_read_changed_and_removed(world: World) -> None:
    made = await world.server.post(PATH, MOCK)
    assert made.status == 201
    start = "2026-08-21T13:42:57.000+00:00"
    assert made.body == MOCK | {"$createdAt": start, "$updatedAt": start}
    assert (await world.server.get(f"{PATH}/{NUMBER}")).body == made.body
    world.clock.move(60)
    changed = await world.server.put(f"{PATH}/{NUMBER}", {"otp": "111111"})
    assert (changed.status, changed.body["otp"]) == (200, "111111")
    assert (changed.body["$createdAt"], changed.body["$updatedAt"]) == (
        start,
        "2026-08-21T13:43:57.000+00:00",
    )
    assert (await world.server.delete(f"{PATH}/{NUMBER}")).status == 204
    for gone in (
        await world.server.get(f"{PATH}/{NUMBER}"),
        await world.server.put(f"{PATH}/{NUMBER}", {"otp": CODE}),
        await world.server.delete(f"{PATH}/{NUMBER}"),
    ):
        assert (gone.status, gone.type) == (404, "mock_number_not_found")


async def test_mock_phones_are_listed_by_the_page(world: World) -> None:
    numbers = [f"+1415555010{digit}" for digit in range(3)]
    for number in numbers:
        await world.server.post(PATH, {"number": number, "otp": CODE})
    listed = (await world.server.get(PATH)).body
    assert (listed["total"], [item["number"] for item in listed["mockNumbers"]]) == (3, numbers)
    page = {"queries": [query("limit", "", 1), query("offset", "", 1)], "total": False}
    found = (await world.server.get(PATH, page)).body
    assert (found["total"], [item["number"] for item in found["mockNumbers"]]) == (0, numbers[1:2])


async def test_a_number_is_taken_once_and_there_is_room_for_ten(world: World) -> None:
    await world.server.post(PATH, MOCK)
    again = await world.server.post(PATH, MOCK)
    assert (again.status, again.type) == (409, "mock_number_already_exists")
    for number in range(1, MOST):
        made = await world.server.post(PATH, {"number": f"+1415555020{number}", "otp": CODE})
        assert made.status == 201
    full = await world.server.post(PATH, {"number": "+14155550300", "otp": CODE})
    assert (full.status, full.type) == (400, "general_bad_request")


@pytest.mark.parametrize(
    "params",
    [
        {"number": "4155550100", "otp": CODE},
        {"number": NUMBER, "otp": "12345"},
        {"number": NUMBER, "otp": "1234567"},
        {"number": NUMBER, "otp": "12345a"},
        {"number": NUMBER, "otp": "\u0661\u0662\u0663\u0664\u0665\u0666"},
        {"number": NUMBER},
    ],
)
async def test_numbers_and_codes_have_a_form(world: World, params: dict[str, object]) -> None:
    refused = await world.server.post(PATH, params)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_scopes_are_needed(world: World) -> None:
    reader = await world.key("mocks.read")
    assert (await reader.get(PATH)).status == 200
    for refused in (await reader.post(PATH, MOCK), await world.guest.get(PATH)):
        assert (refused.status, refused.type) == (401, "general_unauthorized_scope")


async def test_a_mock_phone_signs_in_with_its_code_and_nothing_is_sent(world: World) -> None:
    await world.server.post(PATH, MOCK)
    world.bench.letters.off.add("sms")  # nor does it need somebody who would send it
    asked = {"userId": "ann", "phone": NUMBER}
    for _ in range(2):
        assert (await world.guest.post("/account/tokens/phone", asked)).status == 201
        trade = {"userId": "ann", "secret": CODE}
        opened = await world.guest.post("/account/sessions/token", trade)
        assert (opened.status, opened.body["provider"]) == (201, "phone")
    assert world.bench.letters.letters == []
    real = await world.guest.post("/account/tokens/phone", asked | {"phone": "+14155550199"})
    assert (real.status, real.type) == (503, "general_phone_disabled")


async def test_a_mock_phone_is_verified_with_its_code(world: World) -> None:
    await world.server.post(PATH, MOCK)
    world.bench.letters.off.add("sms")
    ann = await world.user("ann")
    await ann.patch("/account/phone", {"phone": NUMBER, "password": PASSWORD})
    assert (await ann.post("/account/verifications/phone")).status == 201
    done = await world.guest.put("/account/verifications/phone", {"userId": "ann", "secret": CODE})
    assert (done.status, world.bench.letters.letters) == (200, [])


async def test_older_command_lines_set_all_of_them_at_once(world: World) -> None:
    await world.server.post(PATH, MOCK)
    world.clock.move(60)
    older = f"/projects/{PROJECT_ID}/auth/mock-numbers"
    numbers = [{"phone": NUMBER, "otp": CODE}, {"phone": "+14155550101", "otp": "111111"}]
    changed = await world.server.patch(
        older, {"numbers": numbers}, x_appwrite_response_format="1.8.0"
    )
    assert (changed.status, changed.body["authMockNumbers"]) == (200, numbers)
    listed = (await world.server.get(PATH)).body["mockNumbers"]
    assert [item["otp"] for item in listed] == [CODE, "111111"]
    assert listed[0]["$createdAt"] < listed[1]["$createdAt"]
    bad = await world.server.patch(older, {"numbers": [{"phone": "1", "otp": CODE}]})
    assert (bad.status, bad.type) == (400, "general_argument_invalid")
    cleared = await world.server.patch(older, {"numbers": []})
    assert (cleared.status, (await world.server.get(PATH)).body["total"]) == (200, 0)
