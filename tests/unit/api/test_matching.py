import pytest

from runwright.api.matching import RouteTable
from tests.unit.api.world import Seen, a_route

SEEN = Seen()


def _table(*paths: tuple[str, ...]) -> RouteTable:
    return RouteTable([a_route(SEEN, name=of[0], paths=of) for of in paths])


def test_fixed_segments_win_over_placeholders_in_any_order() -> None:
    table = _table(("/v1/a/{id}",), ("/v1/a/list",), ("/v1/{x}/list",), ("/v1/a/{id}/b",))
    for path, template, params in (
        ("/v1/a/list", "/v1/a/list", {}),
        ("/v1/a/7", "/v1/a/{id}", {"id": "7"}),
        ("/v1/c/list", "/v1/{x}/list", {"x": "c"}),
        ("/v1/a/list/b", "/v1/a/{id}/b", {"id": "list"}),
        ("/v1//a/7/", "/v1/a/{id}", {"id": "7"}),
    ):
        found = table.match("GET", path)
        assert found is not None
        assert (found.template, found.path_params) == (template, params)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/a", "/v1/a/b/c/d", "/v2/a/list"])
def test_other_paths_match_nothing(path: str) -> None:
    assert _table(("/v1/a/{id}",), ("/v1/a/{id}/b",)).match("GET", path) is None


def test_head_is_served_by_get_and_other_methods_are_not() -> None:
    table = _table(("/v1/a",))
    assert table.match("HEAD", "/v1/a") is not None
    assert table.match("POST", "/v1/a") is None


def test_two_routes_cannot_claim_one_path() -> None:
    with pytest.raises(ValueError, match="is both"):
        _table(("/v1/a/{id}",), ("/v1/a/{other}",))


def test_paths_may_leave_out_the_root() -> None:
    found = _table(("/a/{id}",)).match("GET", "/v1/a/7")
    assert found is not None
    assert found.template == "/v1/a/{id}"


@pytest.mark.parametrize(
    ("path", "project", "is_alias"),
    [
        ("/v1/project/keys", "", False),
        ("/v1/projects/shop/keys", "shop", True),
        ("/v1/projects/shop", "shop", False),
        ("/v1/projects", "", False),
    ],
)
def test_the_project_in_a_path_is_found(path: str, project: str, is_alias: bool) -> None:
    table = _table(
        ("/v1/project/keys", "/v1/projects/{projectId}/keys"),
        ("/v1/projects/{projectId}",),
        ("/v1/projects",),
    )
    found = table.match("GET", path)
    assert found is not None
    assert (found.project_id, found.is_alias) == (project, is_alias)
