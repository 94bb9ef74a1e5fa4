"""Which event patterns may be subscribed to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.model.event import MAX_CHARS, is_function_event, is_pattern, patterns

ids = st.text(
    st.characters(exclude_characters=".", exclude_categories=("Cs", "Cc", "Z")),
    min_size=1,
    max_size=20,
)
catalogued = st.sampled_from(sorted(patterns()))


def test_the_catalogue_has_every_pattern_of_the_contract() -> None:
    listed = list(patterns())
    assert len(set(listed)) == len(listed) == 197  # upstream's 196 and messages.*.delete
    by_resource: dict[str, int] = {}
    for pattern in listed:
        name = pattern.partition(".")[0]
        by_resource[name] = by_resource.get(name, 0) + 1
    assert by_resource == {
        "users": 29,
        "teams": 10,
        "databases": 38,
        "tablesdb": 21,
        "documentsdb": 21,
        "vectorsdb": 21,
        "buckets": 8,
        "functions": 12,
        "sites": 8,
        "providers": 4,
        "topics": 7,
        "messages": 4,
        "rules": 4,
        "schedules": 2,
        "reports": 8,
    }


def test_every_catalogued_pattern_is_accepted() -> None:
    assert [pattern for pattern in patterns() if not is_pattern(pattern)] == []


@pytest.mark.parametrize(
    "text",
    [
        "users.*",
        "users.*.update.email",
        "users.[userId].create",
        "users.*.sessions.delete",
        "users.*.sessions",
        "users.u1.sessions.s1.create",
        "teams.t1.memberships.*.update.status",
        "databases.*.tables.*.rows.*.create",
        "databases.*.tables.*.rows.*.upsert",
        "databases.main.collections.*.documents.d1.upsert",
        "tablesdb.*.tables.*.rows.*.upsert",
        "vectorsdb.*.collections.*.documents.*.delete",
        "documentsdb.*.collections.*.documents.*.upsert",
        "functions.*.executions.*.create",
        "topics.*.subscribers.*",
        "messages.*.delete",
        "buckets.pictures.files.*.create",
    ],
)
def test_accepted(text: str) -> None:
    assert is_pattern(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "users",
        "*",
        "*.*",
        "users..create",
        " users.*",
        "users.* ",
        "USERS.*.create",
        "users.*.bogus",
        "users.*.create.email",
        "users.*.update.foo",
        "users.*.update.email.foo",
        "users.*.update.email.",
        "users.*.sessions.*.update",
        "users.*.identities.*.delete",
        "users.*.delete.mfa",
        "users.*.$model",
        "teams.*.memberships",
        "databases.*.tables.*.rows",
        "databases.*.tables.*.rows.*.",
        "databases.*.tables.*.rows.*.columns",
        "databases.*.tables.*.row.*.upsert",
        "databases.*.tables.*.documents.*.create",
        "tablesdb.*.collections.*.documents.*.create",
        "tokens.*.create",
        "variables.*.create",
        "webhooks.*.create",
        "presences.*.create",
        "migrations.*.create",
        "users.*.challenges.*.create",
        "schedules.*.update",
    ],
)
def test_refused(text: str) -> None:
    assert not is_pattern(text)


@given(catalogued, st.data())
def test_any_id_without_dots_and_spaces_may_stand_for_a_star(
    pattern: str, data: st.DataObject
) -> None:
    concrete = ".".join(data.draw(ids) if part == "*" else part for part in pattern.split("."))
    assert is_pattern(concrete) == (len(concrete) <= MAX_CHARS)


@given(catalogued)
def test_one_segment_too_many_is_refused_or_means_another_pattern(pattern: str) -> None:
    longer = f"{pattern}.zzz"
    if is_pattern(longer):  # the last word was a resource, and zzz is read as an id of it
        assert f"{longer.removesuffix('zzz')}*" in set(patterns())


@given(st.text(max_size=60))
def test_arbitrary_text_never_breaks_the_check(text: str) -> None:
    assert isinstance(is_pattern(text), bool)


@given(catalogued)
def test_function_events_are_those_of_the_resource_functions(pattern: str) -> None:
    assert is_function_event(pattern) == (pattern.split(".")[0] == "functions")
    assert not is_function_event("functionsx.*")
