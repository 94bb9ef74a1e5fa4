"""The table of the SDKs' methods: nothing is twice in it, and each reason is needed."""

from tests.acceptance.sdk.reasons import REASONS
from tools.sdk_methods import SERVICES, Status, methods, plain


def test_the_table_has_the_methods_of_every_service_once() -> None:
    found = methods()
    assert {method.service for method in found} == set(SERVICES)
    assert len({method.plain for method in found}) == len(found)
    assert sum(method.is_in_newest for method in found) == 319


def test_a_reason_is_given_for_methods_that_exist_and_that_no_step_calls() -> None:
    table = {method.plain: method for method in methods()}
    excused = [plain(name) for names in REASONS.values() for name in names]
    assert len(set(excused)) == len(excused)
    for name in excused:
        assert table[name].status is Status.LEFT_OUT, f"{name} is tested: take its reason away"
