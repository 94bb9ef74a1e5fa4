"""The threat model names the tests that try each row."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[3]


def test_every_test_that_the_threat_model_names_is_there() -> None:
    page = (_ROOT / "docs/design/isolation.md").read_text()
    table = page.partition("## Threat model")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(test_\w+)`", table))
    there = {path.stem for path in (_ROOT / "tests").rglob("test_*.py")}
    assert len(named) > 10
    assert named <= there
