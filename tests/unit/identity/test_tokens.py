import base64

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.identity.tokens import (
    SessionValue,
    Tokens,
    UserJwtInvalid,
    decode_session,
    encode_session,
)
from runwright.model.lineage import Lineage
from runwright.sealing import derive
from tests.unit.api.world import START, HandClock

KEY = b"k" * 32
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


def _tokens(key: bytes = KEY) -> tuple[Tokens, HandClock]:
    clock = HandClock()
    return Tokens(key, clock), clock


def _signed(claims: dict[str, object], purpose: str = "user jwt") -> str:
    return jwt.encode(claims, derive(KEY, purpose), "HS256")


def test_a_user_jwt_says_who_where_and_until_when() -> None:
    tokens, _ = _tokens()
    claims = tokens.read_user_jwt(tokens.user_jwt("ann", "session", 900, project_id="shop"))
    assert (claims.user_id, claims.session_id, claims.project_id) == ("ann", "session", "shop")
    assert claims.expires_at == START.timestamp() + 900


def test_a_token_ends_at_its_last_second_without_leeway() -> None:
    tokens, clock = _tokens()
    user = tokens.user_jwt("ann", "", 60, project_id="shop")
    key = tokens.execution_key("shop", (), 60)
    clock.move(59.9)
    assert tokens.read_user_jwt(user).user_id == "ann"
    assert tokens.read_execution_key(key, "shop") is not None
    clock.move(0.1)
    with pytest.raises(UserJwtInvalid, match="Expired"):
        tokens.read_user_jwt(user)
    assert tokens.read_execution_key(key, "shop") is None


def test_neither_kind_of_token_passes_for_the_other() -> None:
    tokens, _ = _tokens()
    user = tokens.user_jwt("ann", "", 60, project_id="shop")
    key = tokens.execution_key("shop", ("users.read",), 60)
    assert tokens.read_execution_key(f"ephemeral_{user}", "shop") is None
    with pytest.raises(UserJwtInvalid):
        tokens.read_user_jwt(key.removeprefix("ephemeral_"))


def test_a_token_of_another_installation_is_refused() -> None:
    tokens, _ = _tokens()
    others, _ = _tokens(b"o" * 32)
    assert others.read_execution_key(tokens.execution_key("shop", (), 60), "shop") is None
    with pytest.raises(UserJwtInvalid, match="Signature failed"):
        others.read_user_jwt(tokens.user_jwt("ann", "", 60, project_id="shop"))


LATER = START.timestamp() + 60


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"userId": "ann", "sessionId": "", "projectId": "shop"},
        {"userId": "ann", "sessionId": "", "projectId": "shop", "exp": True},
        {"userId": 7, "sessionId": "", "projectId": "shop", "exp": LATER},
        {"userId": "ann", "sessionId": None, "projectId": "shop", "exp": LATER},
        {"userId": "ann", "sessionId": "", "exp": LATER},
    ],
)
def test_a_user_jwt_without_its_claims_is_refused(claims: dict[str, object]) -> None:
    tokens, _ = _tokens()
    with pytest.raises(UserJwtInvalid):
        tokens.read_user_jwt(_signed(claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"projectId": "shop", "exp": LATER},
        {"projectId": "shop", "scopes": "users.read", "exp": LATER},
        {"projectId": "shop", "scopes": [1], "exp": LATER},
        {"projectId": "shop", "scopes": [], "lineage": "a", "exp": LATER},
        {"projectId": "other", "scopes": [], "exp": LATER},
        {"scopes": [], "exp": LATER},
    ],
)
def test_an_execution_key_without_its_claims_is_none(claims: dict[str, object]) -> None:
    tokens, _ = _tokens()
    key = "ephemeral_" + _signed(claims, "execution key")
    assert tokens.read_execution_key(key, "shop") is None


def test_only_our_algorithm_is_believed() -> None:
    tokens, _ = _tokens()
    claims = {"userId": "ann", "sessionId": "", "projectId": "shop", "exp": LATER}
    unsigned = jwt.encode(claims, "", "none")
    _, body, signature = _signed(claims).split(".")
    head = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"HS512"}').decode()
    for text in (unsigned, f"{head}.{body}.{signature}"):
        with pytest.raises(UserJwtInvalid, match="Algorithm not supported"):
            tokens.read_user_jwt(text)


def test_a_long_lineage_keeps_its_newest_part() -> None:
    tokens, _ = _tokens()
    lineage = tuple(f"f{number}" for number in range(300)) * 4
    claims = tokens.read_execution_key(tokens.execution_key("p", (), 60, Lineage(lineage)), "p")
    assert claims is not None
    assert claims.lineage == Lineage(lineage[-200:])


def test_remembered_tokens_still_end_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runwright.identity.tokens.REMEMBERED", 2)
    tokens, clock = _tokens()
    made = [tokens.user_jwt(f"u{number}", "", 60, project_id="p") for number in range(4)]
    for _ in range(2):
        assert [tokens.read_user_jwt(text).user_id for text in made] == ["u0", "u1", "u2", "u3"]
    assert len(tokens._verified) == 2
    clock.move(60)
    for text in made:
        with pytest.raises(UserJwtInvalid, match="Expired"):
            tokens.read_user_jwt(text)


@given(st.text(max_size=200))
def test_any_text_is_a_readable_token_or_a_refusal(text: str) -> None:
    tokens, _ = _tokens()
    assert tokens.read_execution_key(text, "shop") is None
    assert tokens.read_execution_key(f"ephemeral_{text}", "shop") is None
    with pytest.raises(UserJwtInvalid):
        tokens.read_user_jwt(text)


@given(texts, texts)
def test_a_session_value_is_read_as_it_was_written(user_id: str, secret: str) -> None:
    value = encode_session(user_id, secret)
    assert decode_session(value) == SessionValue(user_id, secret)
    assert decode_session(value.rstrip("=")) == SessionValue(user_id, secret)


@given(st.text(max_size=100) | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1")))
def test_any_other_text_is_no_session(text: str) -> None:
    found = decode_session(text)
    assert found is None or encode_session(found.user_id, found.secret)
