"""What people are written about their one-time secrets."""

from typing import Any

from runwright.clock import iso_millis
from runwright.identity.proofs import NewToken
from runwright.model.identity import User
from runwright.ports.mailer import Letter, Occasion


def link_values(made: NewToken) -> dict[str, str]:
    """The query of a link that carries a secret."""
    token = made.token
    return {"userId": token.user_id, "secret": made.secret, "expire": iso_millis(token.expires_at)}


def email_letter(
    occasion: Occasion, user: User, made: NewToken, locale: str, **facts: Any
) -> Letter:
    """An e-mail to the address that the secret is for."""
    return Letter(
        occasion=occasion,
        kind="email",
        to=made.token.sent_to,
        name=user.name,
        locale=locale,
        facts=(*facts.items(), ("phrase", made.phrase)),
    )


def code_text(occasion: Occasion, user: User, made: NewToken, locale: str) -> Letter:
    """A text message with a code."""
    return Letter(
        occasion=occasion,
        kind="sms",
        to=made.token.sent_to,
        name=user.name,
        locale=locale,
        facts=(("otp", made.secret),),
    )
