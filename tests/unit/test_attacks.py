"""The page of attacks lists those that are tried."""

import pytest

from tests.acceptance.attacks import listing
from tests.acceptance.attacks.neighbour import must_go_on
from tests.acceptance.attacks.rows import BOTH, ROWS

LEAST = 40


def test_the_page_lists_every_attack() -> None:
    assert listing.PAGE.read_text() == listing.page(), f"run `python -m {listing.__name__}`"


def test_attacks_have_names_of_their_own_and_most_come_in_both_languages() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert sum(row.languages == BOTH for row in ROWS) >= LEAST


@pytest.mark.parametrize(
    ("rounds", "goes_on"), [("", True), ("q", False), ("n", True), ("nq", True), ("nqq", False)]
)
def test_an_attack_passes_once_its_neighbour_was_quiet_more_often_than_not(
    rounds: str, goes_on: bool
) -> None:
    assert must_go_on(["too slow" if letter == "n" else "" for letter in rounds]) is goes_on


@pytest.mark.parametrize("rounds", ["nnnnn", "nqnnnnn", "nnqnnqnnn"])
def test_an_attack_that_is_mostly_noticed_fails(rounds: str) -> None:
    told = ["too slow" if letter == "n" else "" for letter in rounds]
    assert must_go_on(told[:-1])
    with pytest.raises(AssertionError, match=f"in {rounds.count('n')} of {len(told)} rounds"):
        must_go_on(told)
