"""Which URLs belong to clients, as a server on `localhost` judges it."""

from runwright.api.cors import Origins
from runwright.api.redirects import Allows
from runwright.identity.authentication import Authenticator, Credentials


def clients_of(authenticator: Authenticator) -> Allows:
    origins = Origins(("localhost",))

    async def allows(project_id: str, url: str) -> bool:
        found = await authenticator.resolve(Credentials(project_id=project_id))
        return await origins.allows(url, project_id, found.platforms)

    return allows
