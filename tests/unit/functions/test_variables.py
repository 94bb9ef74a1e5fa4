"""Variables: secrecy, uniqueness, what may change."""

from typing import Any

import pytest

from runwright.errors import BadArgument
from runwright.functions.errors import (
    FunctionNotFound,
    VariableAlreadyExists,
    VariableCannotUnsetSecret,
    VariableNotFound,
)
from runwright.functions.variables import PROJECT as OF_PROJECT
from runwright.functions.variables import NewVariable, ShownVariable, VariableChange
from runwright.model.query import Filter, ListQuery
from runwright.sealing import CannotOpen, Sealer
from tests.unit.functions.desk import OTHER_PROJECT, PROJECT, Desk

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["f1", OF_PROJECT], ids=["function", "project"])
async def place(request: pytest.FixtureRequest, desk: Desk) -> str:
    """Where variables are kept: with a function, or with the project."""
    if request.param:
        await desk.create(request.param)
    place: str = request.param
    return place


async def add(desk: Desk, place: str, **fields: Any) -> ShownVariable:
    wanted: dict[str, Any] = {"id": "v1", "key": "TOKEN", "value": "hush", **fields}
    return await desk.variables.create(PROJECT, place, NewVariable(**wanted))


async def change(desk: Desk, place: str, **fields: Any) -> ShownVariable:
    wanted = VariableChange(**fields)
    return await desk.variables.update(PROJECT, place, "v1", wanted)


async def test_a_secret_value_is_never_shown_but_always_kept(desk: Desk, place: str) -> None:
    created = await add(desk, place)
    assert (created.value, created.variable.is_secret) == ("", True)
    assert (await desk.variables.get(PROJECT, place, "v1")).value == ""
    page = await desk.variables.list(PROJECT, place, ListQuery())
    assert [item.value for item in page.items] == [""]
    assert (await change(desk, place, value="hush2")).value == ""
    await desk.create("reader")
    live = await desk.catalog.live(PROJECT, place or "reader")
    assert live is not None
    assert live.variables["TOKEN"] == "hush2"


async def test_a_plain_value_is_shown(desk: Desk, place: str) -> None:
    assert (await add(desk, place, is_secret=False)).value == "hush"
    assert (await change(desk, place, value="grüße ✓")).value == "grüße ✓"


async def test_no_value_is_stored_in_clear(desk: Desk, place: str) -> None:
    await add(desk, place, is_secret=False, value="a-rare-marker")
    stored = await desk.database.read(lambda uow: uow.variables.get(PROJECT, "v1"))
    assert stored is not None
    assert b"a-rare-marker" not in stored.sealed_value


async def test_a_sealed_value_opens_only_as_its_own_variable(desk: Desk, place: str) -> None:
    created = await add(desk, place)
    sealer = Sealer(b"k" * 32)
    sealed = created.variable.sealed_value
    assert sealer.open(sealed, f"{PROJECT}:v1") == b"hush"
    with pytest.raises(CannotOpen):
        sealer.open(sealed, f"{PROJECT}:v2")


async def test_an_id_and_a_key_are_unique(desk: Desk, place: str) -> None:
    await add(desk, place)
    with pytest.raises(VariableAlreadyExists):
        await add(desk, place, key="OTHER")
    with pytest.raises(VariableAlreadyExists):
        await add(desk, place, id="v2")
    await add(desk, place, id="v2", key="OTHER")
    with pytest.raises(VariableAlreadyExists):
        await change(desk, place, key="OTHER")


async def test_two_functions_may_have_the_same_key(desk: Desk) -> None:
    await desk.create("f1")
    await desk.create("f2")
    await add(desk, "f1")
    await add(desk, "f2", id="v2")
    await add(desk, OF_PROJECT, id="v3")


async def test_secret_can_be_set_but_not_unset(desk: Desk, place: str) -> None:
    await add(desk, place, is_secret=False)
    assert (await change(desk, place, is_secret=False)).value == "hush"
    assert (await change(desk, place, is_secret=True)).value == ""
    with pytest.raises(VariableCannotUnsetSecret):
        await change(desk, place, is_secret=False)
    assert (await change(desk, place, is_secret=True, key="NEW")).variable.key == "NEW"


async def test_a_change_leaves_out_what_it_does_not_name(desk: Desk, place: str) -> None:
    await add(desk, place, is_secret=False, description="why")
    shown = await change(desk, place, key="NEW")
    assert (shown.variable.key, shown.value, shown.variable.description) == ("NEW", "hush", "why")
    assert (await change(desk, place, key="")).variable.key == "NEW"
    assert (await change(desk, place, value="")).value == ""
    assert (await change(desk, place, description="")).variable.description == ""


async def test_an_empty_change_is_refused_after_the_variable_was_found(
    desk: Desk, place: str
) -> None:
    with pytest.raises(VariableNotFound):
        await change(desk, place)
    await add(desk, place)
    with pytest.raises(BadArgument, match="key"):
        await change(desk, place)


async def test_the_function_is_missed_before_the_variable(desk: Desk) -> None:
    for call in (
        desk.variables.get(PROJECT, "none", "v1"),
        desk.variables.delete(PROJECT, "none", "v1"),
        desk.variables.list(PROJECT, "none", ListQuery()),
        add(desk, "none"),
        change(desk, "none", key="A"),
    ):
        with pytest.raises(FunctionNotFound):
            await call


async def test_a_variable_is_found_only_where_it_belongs(desk: Desk) -> None:
    await desk.create("f1")
    await desk.create("f2")
    await desk.create("f1", OTHER_PROJECT)
    await add(desk, "f1")
    for project_id, place in ((PROJECT, "f2"), (PROJECT, OF_PROJECT), (OTHER_PROJECT, "f1")):
        with pytest.raises(VariableNotFound):
            await desk.variables.get(project_id, place, "v1")
        with pytest.raises(VariableNotFound):
            await desk.variables.delete(project_id, place, "v1")
    await desk.variables.delete(PROJECT, "f1", "v1")
    with pytest.raises(VariableNotFound):
        await desk.variables.get(PROJECT, "f1", "v1")


async def test_a_list_is_in_creation_order_and_can_be_filtered(desk: Desk, place: str) -> None:
    for number, is_secret in enumerate((True, False, True)):
        await add(desk, place, id=f"v{number}", key=f"K{number}", is_secret=is_secret)
    page = await desk.variables.list(PROJECT, place, ListQuery())
    assert ([item.variable.key for item in page.items], page.total) == (["K0", "K1", "K2"], 3)
    query = ListQuery(filters=(Filter("equal", "secret", (False,)),))
    page = await desk.variables.list(PROJECT, place, query)
    assert [item.variable.key for item in page.items] == ["K1"]


async def test_variables_of_many_functions_are_read_at_once(desk: Desk) -> None:
    await desk.create("f1")
    await desk.create("f2")
    await add(desk, "f1")
    await add(desk, "f2", id="v2")
    await add(desk, OF_PROJECT, id="v3")
    names = ["f1", *(f"x{number}" for number in range(600))]
    found = await desk.variables.of_functions(PROJECT, names)
    assert list(found) == names
    assert [item.variable.id for item in found["f1"]] == ["v1"]
    assert found["x0"] == ()
