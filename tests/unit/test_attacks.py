"""The page of attacks lists those that are tried."""

from tests.acceptance.attacks import listing
from tests.acceptance.attacks.rows import BOTH, ROWS

LEAST = 40


def test_the_page_lists_every_attack() -> None:
    assert listing.PAGE.read_text() == listing.page(), f"run `python -m {listing.__name__}`"


def test_attacks_have_names_of_their_own_and_most_come_in_both_languages() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert sum(row.languages == BOTH for row in ROWS) >= LEAST
