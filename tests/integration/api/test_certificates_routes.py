"""Which certificate a domain is served with: for keys, of this server's own folder alone."""

from pathlib import Path

import pytest

from runwright.api.routes.certificates import certificate_routes
from runwright.gateway.tls import Certificates
from tests.authority import Authority
from tests.unit.api.world import KEY, World, a_key, about, problem

pytestmark = pytest.mark.anyio

PATH = "/v1/health/certificate"
WITH_KEY = about(x_appwrite_key=KEY)


async def test_the_certificate_of_a_domain_is_told(world: World, tmp_path: Path) -> None:
    Authority().issue(tmp_path, "one.example.com")
    Authority().issue(tmp_path, "*.example.org")
    certificates = Certificates(tmp_path)
    certificates.load()
    await world.put(a_key())
    async with world.client(*certificate_routes(certificates.pem)) as client:
        for domain in ("One.example.com", "any.example.org"):
            answer = await client.get(PATH, headers=WITH_KEY, params={"domain": domain})
            assert answer.status_code == 200
            shown = answer.json()
            assert shown["subjectSN"].partition(".")[2] in ("example.com", "example.org")
            assert int(shown["validFrom"]) < int(shown["validTo"])
        for nowhere in ("two.example.com", "../one.example.com", "default"):
            answer = await client.get(PATH, headers=WITH_KEY, params={"domain": nowhere})
            assert problem(answer) == (400, "general_argument_invalid")
        stranger = await client.get(PATH, headers=about(), params={"domain": "one.example.com"})
        assert problem(stranger) == (401, "general_unauthorized_scope")
