"""The identity services together, as one process uses them."""

from typing import Literal, Self

from runwright.clock import Clock
from runwright.identity.accounts import Accounts
from runwright.identity.activities import Activities
from runwright.identity.alerts import Alerts
from runwright.identity.challenges import Challenges
from runwright.identity.console_guests import ConsoleGuests
from runwright.identity.environments import Environments
from runwright.identity.factors import FactorSeal
from runwright.identity.invitations import Invitations
from runwright.identity.keys import Keys
from runwright.identity.memberships import Memberships
from runwright.identity.mfa import Mfa
from runwright.identity.mock_phones import MockPhones
from runwright.identity.oauth.identities import Identities
from runwright.identity.oauth.sign_in import OAuthParts
from runwright.identity.owner_keys import OwnerKeys
from runwright.identity.passkey_registration import PasskeyRegistration
from runwright.identity.passkey_sign_in import PasskeySignIn
from runwright.identity.passkeys import Passkeys
from runwright.identity.passwords import Passwords
from runwright.identity.platforms import Platforms
from runwright.identity.projects import Projects
from runwright.identity.proofs import Proofs
from runwright.identity.push_targets import PushTargets
from runwright.identity.recovery import Recovery
from runwright.identity.relying_party import RelyingParties
from runwright.identity.sessions import Sessions
from runwright.identity.targets import Targets
from runwright.identity.teams import Teams
from runwright.identity.token_sign_in import TokenSignIn
from runwright.identity.tokens import Tokens
from runwright.identity.users import Users
from runwright.identity.verification import Verification
from runwright.ports.mailer import Mailer
from runwright.ports.storage import Storage
from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    accounts: Accounts
    sessions: Sessions
    token_sign_in: TokenSignIn
    users: Users
    activities: Activities
    targets: Targets
    teams: Teams
    memberships: Memberships
    invitations: Invitations
    projects: Projects
    environments: Environments
    keys: Keys
    owner_keys: OwnerKeys
    platforms: Platforms
    tokens: Tokens
    mailer: Mailer
    recovery: Recovery
    verification: Verification
    push_targets: PushTargets
    mock_phones: MockPhones
    mfa: Mfa
    challenges: Challenges
    identities: Identities
    oauth: OAuthParts
    passkeys: Passkeys
    passkey_registration: PasskeyRegistration
    passkey_sign_in: PasskeySignIn
    knows_breaches: bool = False  # whether the server has a list of breached passwords to ask

    @classmethod
    def over(
        cls,
        storage: Storage,
        *,
        passwords: Passwords,
        tokens: Tokens,
        clock: Clock,
        factor_seal: FactorSeal,
        hostnames: tuple[str, ...] = ("localhost",),
        mailer: Mailer,
        oauth: OAuthParts,
        console_signup: Literal["first", "open"] = "first",
        console_guests: ConsoleGuests | None = None,
    ) -> Self:
        alerts = Alerts(mailer)
        accounts = Accounts(
            storage,
            passwords,
            clock,
            alerts=alerts,
            console_signup=console_signup,
            console_guests=console_guests,
        )
        proofs, projects = Proofs(tokens, clock), Projects(storage, clock)
        parties = RelyingParties(hostnames)
        return cls(
            accounts=accounts,
            sessions=Sessions(storage, clock),
            token_sign_in=TokenSignIn(storage, proofs, mailer, clock, accounts, alerts=alerts),
            users=Users(storage, passwords, tokens, clock),
            activities=Activities(storage),
            targets=Targets(storage, clock),
            teams=Teams(storage, clock),
            memberships=Memberships(storage, passwords, clock),
            invitations=Invitations(storage, passwords, mailer, clock),
            projects=projects,
            environments=Environments(storage, clock),
            keys=Keys(storage, tokens, clock),
            owner_keys=OwnerKeys(storage, clock),
            platforms=Platforms(storage, clock),
            tokens=tokens,
            mailer=mailer,
            recovery=Recovery(storage, proofs, passwords, mailer, clock),
            verification=Verification(storage, proofs, mailer, clock),
            push_targets=PushTargets(storage, clock),
            mock_phones=MockPhones(projects, clock),
            mfa=Mfa(storage, factor_seal, clock),
            challenges=Challenges(storage, factor_seal, mailer, clock),
            identities=Identities(storage),
            oauth=oauth,
            passkeys=Passkeys(storage, parties, clock),
            passkey_registration=PasskeyRegistration(storage, parties, clock),
            passkey_sign_in=PasskeySignIn(storage, proofs, parties, clock),
            knows_breaches=passwords.knows_breaches,
        )
