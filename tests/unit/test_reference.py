"""The generated reference pages say what the code says."""

import pytest

from tools.reference import FOLDER, PAGES


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_reference_page_is_up_to_date(page: str) -> None:
    message = "run `python -m tools.reference`"
    assert (FOLDER / page).read_text() == PAGES[page](), message
