"""The last word: what the neighbour noticed of all that."""

from collections import defaultdict

from tests.acceptance.attacks.neighbour import bound_s, is_disturbed, quantile
from tests.acceptance.attacks.rows import ROWS, Kind
from tests.acceptance.attacks.stand import Stand

# Attacks that end by themselves in a few milliseconds are judged together, by kind; each one
# that goes on for as long as it is let has been judged for itself.
LEAST_CALLS = 100


def test_short_attacks_leave_the_neighbour_its_pace(stand: Stand) -> None:
    quiet = [call.took_s for call in stand.quiet_calls()]
    beside: dict[Kind, list[float]] = defaultdict(list)
    for row in ROWS:
        beside[row.kind] += [call.took_s for call in stand.calls_beside(row.name)]
    for kind, took in beside.items():
        assert not is_disturbed(took, quiet), (
            f"{kind}: p99 {quantile(took) * 1e3:.1f} ms of {len(took)} calls beside attacks, "
            f"bound {bound_s(quiet) * 1e3:.1f} ms"
        )


def test_there_was_a_neighbour(stand: Stand) -> None:
    assert len(stand.quiet_calls()) >= LEAST_CALLS
    print(stand.table())  # shown by `pytest -s`, and where a test fails
