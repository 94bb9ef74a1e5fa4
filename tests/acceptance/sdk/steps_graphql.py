"""The same operations by GraphQL."""

from tests.acceptance.sdk.world import World


def people_by_graphql(world: World) -> None:
    created = world.key(
        "graphql.mutation",
        query={
            "query": """
                mutation create($userId: String!, $prefs: Assoc!) {
                    usersCreate(userId: $userId, email: "ann@example.com", name: "Ann") {
                        _id
                        name
                        targets { identifier }
                    }
                    usersUpdatePrefs(userId: $userId, prefs: $prefs) { data }
                }
            """,
            "variables": {"userId": "ann", "prefs": {"colour": "blue"}},
        },
    )
    assert created == {
        "data": {
            "usersCreate": {
                "_id": "ann",
                "name": "Ann",
                "targets": [{"identifier": "ann@example.com"}],
            },
            "usersUpdatePrefs": {"data": '{"colour":"blue"}'},
        }
    }
    listed = world.key(
        "graphql.query", query={"query": "{ usersList { total users { _id prefs { data } } } }"}
    )
    assert listed["data"]["usersList"] == {
        "total": 1,
        "users": [{"_id": "ann", "prefs": {"data": '{"colour":"blue"}'}}],
    }
    deleted = world.key(
        "graphql.mutation", query={"query": 'mutation { usersDelete(userId: "ann") { status } }'}
    )
    assert deleted == {"data": {"usersDelete": {"status": "OK"}}}


def own_account_by_graphql(world: World) -> None:
    ann = world.signed_in("ann", name="Ann")
    assert ann("graphql.query", query={"query": "{ accountGet { _id name } }"}) == {
        "data": {"accountGet": {"_id": "ann", "name": "Ann"}}
    }
    refused = world.guest("graphql.query", query={"query": "{ accountGet { _id } }"})
    [error] = refused["errors"]
    assert refused["data"] == {"accountGet": None}
    assert error["extensions"]["type"] == "general_unauthorized_scope"
    assert error["extensions"]["code"] == 401
    world.guest.refused("graphql.query", 400, "graphql_no_query", query={})


def several_queries_at_once(world: World) -> None:
    several = [{"query": "{ localeGet { ip } }"}, {"query": "{ localeListCodes { total } }"}]
    first, second = world.guest("graphql.query", query=several)
    assert first["data"]["localeGet"]["ip"]
    assert second["data"]["localeListCodes"]["total"] > 100
    world.guest.refused("graphql.query", 400, "graphql_too_many_queries", query=[several[0]] * 11)
