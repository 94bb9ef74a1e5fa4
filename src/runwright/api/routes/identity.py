"""Every route about people, teams, projects and keys."""

from runwright.api.redirects import Redirects
from runwright.api.routes.account import account_routes
from runwright.api.routes.activities import activity_routes
from runwright.api.routes.belongings import belonging_routes
from runwright.api.routes.environments import environment_routes
from runwright.api.routes.identities import identities_routes
from runwright.api.routes.imports import import_routes
from runwright.api.routes.keys import key_routes
from runwright.api.routes.mfa import mfa_routes
from runwright.api.routes.mock_phones import mock_phone_routes
from runwright.api.routes.organization import organization_routes
from runwright.api.routes.owner_keys import owner_key_routes
from runwright.api.routes.passkeys import passkey_routes
from runwright.api.routes.platforms import platform_routes
from runwright.api.routes.policies import policy_routes
from runwright.api.routes.project import project_routes
from runwright.api.routes.projects import projects_routes
from runwright.api.routes.push_targets import push_target_routes
from runwright.api.routes.recovery import recovery_routes
from runwright.api.routes.rules_for_people import rule_routes
from runwright.api.routes.teams import MembershipHandlers, team_routes
from runwright.api.routes.token_sign_in import token_sign_in_routes
from runwright.api.routes.users import user_routes
from runwright.api.routes.verification import verification_routes
from runwright.api.routing import Route
from runwright.identity.oauth.identities import GrantKeeping
from runwright.identity.services import Identity


def identity_routes(identity: Identity, redirects: Redirects) -> list[Route]:
    grants = identity.oauth.grants
    keeping = GrantKeeping(identity.oauth, identity.sessions)
    members = MembershipHandlers(identity.memberships, identity.invitations, redirects)
    return [
        *account_routes(identity.accounts, identity.sessions, identity.tokens, grants, keeping),
        *token_sign_in_routes(identity.token_sign_in, redirects),
        *recovery_routes(identity.recovery, redirects),
        *verification_routes(identity.verification, redirects),
        *push_target_routes(identity.push_targets),
        *mfa_routes(identity.mfa, identity.challenges),
        *passkey_routes(identity.passkeys, identity.passkey_registration, identity.passkey_sign_in),
        *user_routes(identity.users),
        *import_routes(identity.users),
        *belonging_routes(identity.sessions, identity.memberships, identity.targets, grants),
        *identities_routes(identity.identities, grants),
        *activity_routes(identity.activities),
        *team_routes(identity.teams, members),
        *projects_routes(identity.projects),
        *organization_routes(identity.teams, members, identity.projects, identity.keys),
        *owner_key_routes(identity.owner_keys),
        *project_routes(identity.projects),
        *environment_routes(identity.environments),
        *policy_routes(identity.projects, identity.mock_phones, identity.passkeys),
        *mock_phone_routes(identity.mock_phones),
        *rule_routes(identity.projects, knows_breaches=identity.knows_breaches),
        *key_routes(identity.keys),
        *platform_routes(identity.platforms),
    ]
