"""What an empty installation gets: somebody who can sign in, a project, and a key to it."""

import secrets
import string
from dataclasses import replace
from typing import Final

from runwright.clock import Clock
from runwright.identity.keys import add_key, new_key_secret
from runwright.identity.passwords import Passwords
from runwright.identity.people import add_user
from runwright.identity.policies import CONSOLE_POLICIES
from runwright.identity.projects import add_project, new_project
from runwright.identity.scopes import PROJECT_SCOPES
from runwright.identity.teams import OWNER
from runwright.identity.tokens import hash_secret
from runwright.ids import new_id
from runwright.model.identity import CONSOLE, ApiKey, Membership, Team, User
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

PROJECT_ID: Final = "default"
CONSOLE_EMAIL: Final = "admin@runwright.localhost"
_PASSWORD_CHARS: Final = string.ascii_letters + string.digits
_PASSWORD_LENGTH: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLogin:
    """What the operator is told: the plain secrets. Keep it before `bootstrap` uses it, so that
    a crash between the two loses nothing."""

    email: str = CONSOLE_EMAIL
    password: str
    project_id: str = PROJECT_ID
    api_key: str


def new_first_login() -> FirstLogin:
    # Letters and digits only, so that it can be pasted behind `--password`.
    password = "".join(secrets.choice(_PASSWORD_CHARS) for _ in range(_PASSWORD_LENGTH))
    return FirstLogin(password=password, api_key=new_key_secret())


async def bootstrap(
    storage: Storage, passwords: Passwords, clock: Clock, login: FirstLogin
) -> bool:
    """Make the console account, its organization, the project and the API key.

    All of it, in one transaction, and only in an installation that has no console account yet;
    False = it has one, and nothing was changed.
    """
    if await storage.read(lambda uow: bool(uow.users.find(CONSOLE))):
        return False
    now = clock.now()
    owner = User(
        id=new_id(),
        project_id=CONSOLE,
        created_at=now,
        updated_at=now,
        name="Admin",
        email=login.email,
        registration=now,
    )
    chosen = await passwords.chosen(CONSOLE_POLICIES, owner, login.password, now)
    team = Team(
        id=new_id(),
        project_id=CONSOLE,
        created_at=now,
        updated_at=now,
        name="Default organization",
        total=1,
    )
    membership = Membership(
        id=new_id(),
        project_id=CONSOLE,
        created_at=now,
        updated_at=now,
        team_id=team.id,
        user_id=owner.id,
        roles=(OWNER,),
        invited_at=now,
        joined_at=now,
        is_confirmed=True,
    )
    project = new_project(login.project_id, "Default project", team.id, now)
    key = ApiKey(
        id=new_id(),
        project_id=project.id,
        created_at=now,
        updated_at=now,
        name="First key",
        scopes=tuple(scope.id for scope in PROJECT_SCOPES),
        secret_hash=hash_secret(login.api_key),
        description="Made at the first start; holds every scope.",
    )

    def work(uow: UnitOfWork) -> bool:
        if uow.users.find(CONSOLE):
            return False
        add_user(uow, replace(owner, **chosen))
        uow.teams.add(team)
        uow.memberships.add(membership)
        add_project(uow, project)
        add_key(uow, key)
        return True

    return await storage.write(work)
