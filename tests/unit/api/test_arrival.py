"""Where a request comes from, and which project it names."""

import pytest

from runwright.api.auth import arrive, host_name
from runwright.model.identity import CONSOLE
from runwright.proxies import FROM_SANDBOXES, Proxies
from tests.unit.api.world import OTHER_PROJECT, PROJECT, World, a_route, about

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4, 10.0.0.7", "1.2.3.4"),
        ("10.0.0.1", "10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("10.0.0.1", "6.6.6.6, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("::1", "[2001:db8::1]", "2001:db8::1"),
        ("", "1.2.3.4", ""),
        ("not an address", "1.2.3.4", "not an address"),
    ],
)
def test_only_proxies_of_ours_are_believed(peer: str, forwarded: str, client: str) -> None:
    assert Proxies(["10.0.0.0/8", "::1"]).client(peer, forwarded) == client


def test_a_sandbox_is_no_proxy_though_the_whole_machine_is_trusted() -> None:
    proxies = Proxies(["127.0.0.0/8", "::/0"])
    assert proxies.client("127.0.0.1", "1.2.3.4") == "1.2.3.4"
    for peer in (str(FROM_SANDBOXES), f"::ffff:{FROM_SANDBOXES}"):
        assert not proxies.trusts(peer)
        assert proxies.client(peer, "1.2.3.4") == peer


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Example.COM:8080", "example.com"),
        ("localhost", "localhost"),
        ("[::1]:80", "[::1]"),
        ("a.example, b.example", "a.example"),
        ("", ""),
    ],
)
def test_host_names_are_bare(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("peer", "host", "scheme"),
    [("10.0.0.1", "api.example.com", "https"), ("203.0.113.9", "inner", "http")],
)
def test_host_and_scheme_come_from_trusted_proxies_only(peer: str, host: str, scheme: str) -> None:
    headers = [
        (b"Host", b"inner:80"),
        (b"X-Forwarded-Host", b"Api.Example.com:443"),
        (b"X-Forwarded-Proto", b"HTTPS"),
        (b"X-Twice", b"1"),
        (b"x-twice", b"2"),
    ]
    scope = {"method": "GET", "path": "/", "headers": headers, "client": (peer, 1)}
    arrival = arrive(scope, Proxies(["10.0.0.0/8"]))
    assert (arrival.host, arrival.scheme) == (host, scheme)
    assert arrival.headers["x-twice"] == "1, 2"


async def _project(
    world: World,
    *,
    header: str = "",
    query: str = "",
    body: str = "",
    method: str = "POST",
) -> str:
    async with world.client(a_route(world.seen, method=method)) as client:
        response = await client.request(
            method,
            "/v1/things",
            headers=about(header) if header else {},
            params={"project": query} if query else {},
            json={"project": body} if body else {},
        )
    assert response.status_code == 200, response.text
    return world.seen.last.project_id


async def test_a_parameter_names_the_project_before_the_header_does(world: World) -> None:
    assert await _project(world) == CONSOLE
    assert await _project(world, header=PROJECT) == PROJECT
    assert await _project(world, header=PROJECT, body=OTHER_PROJECT) == OTHER_PROJECT
    assert await _project(world, header=PROJECT, query=OTHER_PROJECT) == PROJECT
    assert await _project(world, query=OTHER_PROJECT) == OTHER_PROJECT
    found = await _project(world, method="GET", header=PROJECT, query=OTHER_PROJECT)
    assert found == OTHER_PROJECT


async def test_a_parameter_that_is_no_text_names_nothing(world: World) -> None:
    async with world.client(a_route(world.seen, method="POST")) as client:
        await client.post("/v1/things", json={"project": ["x"]}, headers=about(PROJECT))
    assert world.seen.last.project_id == PROJECT


@pytest.mark.parametrize("project_id", ["../x", "a b", "x" * 37, "%00", "a\x7f"])
async def test_a_project_id_that_cannot_be_is_not_found(world: World, project_id: str) -> None:
    reads = world.storage.reads
    async with world.client() as client:
        response = await client.get("/v1/things", headers=about(project_id))
    assert response.json()["type"] == "project_not_found"
    assert world.storage.reads == reads
