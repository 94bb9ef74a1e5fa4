"""The doctor's findings come from really trying."""

import os
from pathlib import Path

import pytest

from runwright.executor.checks import _kernel, examine
from tests.integration.executor.conftest import can_isolate


@pytest.mark.skipif(not can_isolate(), reason="this machine allows no user namespaces")
def test_a_machine_that_isolates_lacks_nothing_that_is_needed(tmp_path: Path) -> None:
    findings = {item.subject: item for item in examine(tmp_path)}
    assert not [item for item in findings.values() if item.level == "missing"]
    assert findings["users"].level == ("ok" if os.geteuid() == 0 else "weaker")
    assert {"bubblewrap", "limits", "network", "user namespaces"} <= set(findings)
    assert [subject for subject in findings if subject.endswith(" sandbox")]
    assert not (tmp_path / "run").exists()


def test_a_kernel_without_user_namespaces_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knob = tmp_path / "max_user_namespaces"
    knob.write_text("0\n")
    monkeypatch.setattr("runwright.executor.checks._KNOBS", {str(knob): "0"})
    findings = {item.subject: item for item in examine(tmp_path)}
    assert findings["user namespaces"].level == "missing"
    assert "network" not in findings


@pytest.mark.parametrize(
    ("release", "level"),
    [("5.13.0-27-generic", "missing"), ("5.14.0", "ok"), ("6.1.0-18-amd64", "ok"), ("x", "ok")],
)
def test_a_kernel_that_is_too_old_is_named(release: str, level: str) -> None:
    assert _kernel(release).level == level
