"""The last word: what the neighbour noticed of all that."""

import pytest

from tests.acceptance.attacks.rows import ROWS, Kind
from tests.acceptance.attacks.stand import Stand

# Attacks that end by themselves in a few milliseconds are judged together, by kind; each one
# that goes on for as long as it is let has been judged for itself.
LEAST_CALLS = 100


@pytest.mark.parametrize("kind", Kind)
def test_short_attacks_leave_the_neighbour_its_pace(stand: Stand, kind: Kind) -> None:
    assert stand.noticed(*(row.name for row in ROWS if row.kind is kind)) == ""


def test_there_was_a_neighbour(stand: Stand) -> None:
    assert len(stand.quiet_calls()) >= LEAST_CALLS
    print(stand.table())  # shown by `pytest -s`, and where a test fails
