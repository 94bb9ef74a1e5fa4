"""What a start tells its user."""

import asyncio
import json
from pathlib import Path

import pytest

from runwright import welcome
from runwright.settings import Settings
from runwright.welcome import FILE, Credentials

pytestmark = pytest.mark.anyio


def credentials(port: int) -> Credentials:
    made = {
        "id": "hello",
        "domain": "hello.functions.localhost",
        "url": f"http://hello.functions.localhost:{port}",
    }
    return Credentials(
        endpoint="http://127.0.0.1:8080/v1",
        projectId="default",
        apiKey="key",
        consoleEmail="admin@example.com",
        consolePassword="password",
        functions=[made],
    )


async def test_a_start_on_another_port_tells_the_new_addresses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=str(tmp_path), demo="off")
    await welcome.greet(
        credentials(8080), settings, 9090, asyncio.Event(), mail="to mail.example.com:465"
    )
    saved = json.loads((tmp_path / FILE).read_text())
    assert saved["functions"][0]["url"] == "http://hello.functions.localhost:9090"
    printed = capsys.readouterr().out
    assert "hello.functions.localhost:9090" in printed
    assert "Mail       to mail.example.com:465" in printed
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
