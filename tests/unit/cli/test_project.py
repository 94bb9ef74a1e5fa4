"""What a `runwright.json` that cannot be used is said to lack."""

from pathlib import Path

import pytest

from runwright.cli import project

WHOLE = '{"functionId": "f", "name": "F", "runtime": "node-22", "entrypoint": "main.js"%s}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "holds no JSON object"),
        (WHOLE % ', "memory": 1', "names 'memory', which is no setting of a function"),
        (WHOLE % ', "optional": {}', "names 'optional'"),
        ('{"functionId": "f", "name": "F"}', "does not name 'entrypoint'"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_of_in_words(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / project.FILE).write_text(text)
    with pytest.raises(project.BadProject, match=said):
        project.load(tmp_path)


def test_a_file_is_read_as_it_was_saved(tmp_path: Path) -> None:
    (tmp_path / project.FILE).write_text(WHOLE % ', "network": "none"')
    found = project.load(tmp_path)
    assert found.optional == {"network": "none"}
    found.save(tmp_path)
    assert project.load(tmp_path) == found
