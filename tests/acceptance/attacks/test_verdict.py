"""The last word: what the neighbour noticed of all that."""

import pytest

from tests.acceptance.attacks.neighbour import at_least
from tests.acceptance.attacks.rows import ROWS, Kind
from tests.acceptance.attacks.stand import Stand

# Attacks that end by themselves in a few milliseconds are judged together, by kind; each one
# that goes on for as long as it is let has been judged for itself.
LEAST_CALLS = 100
# What a shared machine may spoil: far more than it does where nothing else runs beside, so the
# verdict does not fail by chance.
SPOILT = 0.25
CHANCE = 1e-3


@pytest.mark.parametrize("kind", Kind)
def test_short_attacks_leave_the_neighbour_its_pace(stand: Stand, kind: Kind) -> None:
    assert stand.noticed(*(row.name for row in ROWS if row.kind is kind)) == ""


def test_few_attacks_were_noticed_at_first(stand: Stand) -> None:
    """Each of those that were made again was quiet in the end; so many would not be spoilt by
    chance. Only first rounds count: whether there are others depends on them."""
    firsts = [bool(tried[0]) for tries in stand.told.values() for tried in tries if tried]
    assert at_least(sum(firsts), len(firsts), SPOILT) > CHANCE, stand.table()


def test_there_was_a_neighbour(stand: Stand) -> None:
    assert len(stand.quiet_calls()) >= LEAST_CALLS
    print(stand.table())  # shown by `pytest -s`, and where a test fails
