"""What reaches the log, and what callers cannot write into it."""

import logging
from collections.abc import Iterator

import pytest
from python_multipart.multipart import MultipartParser

from runwright.telemetry import configure_logging


@pytest.fixture(autouse=True)
def keep_logging() -> Iterator[None]:
    root, names = logging.getLogger(), ("alembic", "httpx", "uvicorn", "python_multipart")
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in names}
    converter = logging.Formatter.converter
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.Formatter.converter = converter
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_a_malformed_form_leaves_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", as_json=False)
    with pytest.raises(ValueError, match="boundary"):
        MultipartParser(b"B").write(b"no form at all")
    assert capsys.readouterr().err == ""
    logging.getLogger("runwright").info("heard")
    assert "heard" in capsys.readouterr().err
