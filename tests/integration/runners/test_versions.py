"""The rows of the checklist on every version of Node and Python that is here.

What differs between versions of one language is little, so each goes through the table in one
test; the version that the other tests run on goes through it row by row.
"""

import pytest

from tests.integration.runners.harness import ENV, Variant, started, versions
from tests.integration.runners.test_checklist import ROWS, URLS, holds, is_understood

OTHERS = [it for name in ("node", "python") for it in versions(name) if not it.is_ours]


@pytest.mark.parametrize("variant", OTHERS, ids=lambda variant: variant.id)
def test_every_row_holds(variant: Variant) -> None:
    broken = []
    with started(variant, ENV) as runner:
        for row in ROWS:
            try:
                if variant.can(row.needs):
                    holds(row, runner, variant)
            except AssertionError as failure:
                broken.append(f"{row.name}: {failure}")
        for url in URLS:
            try:
                is_understood(url, runner)
            except AssertionError as failure:
                broken.append(f"{url.target}: {failure}")
        ids = [runner.begin("sleep", target=f"/?id={number}&ms=50") for number in range(8)]
        assert [runner.end(number).status for number in ids] == [200] * 8
    assert broken == []
