"""What is generated from the code says what the code says."""

from pathlib import Path

import pytest

from tools.reference import PAGES


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: page.name)
def test_a_generated_file_is_up_to_date(page: Path) -> None:
    assert page.read_text() == PAGES[page](), "run `python -m tools.reference`"
