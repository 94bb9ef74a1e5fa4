"""How long a comparison takes must not tell how much of a secret was guessed.

Secrets are compared by `hmac.compare_digest`, or looked up by their digest. So nothing that is
named like a secret stands beside `==`, `!=` or `in`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).parents[3] / "src" / "runwright"
MODULES: Final = sorted(
    path.relative_to(SOURCE)
    for path in SOURCE.rglob("*.py")
    if "runners" not in path.parts and "templates" not in path.parts  # other people's code
)
NAMED: Final = re.compile(
    r"(secret|password|token|signature|digest|hash|nonce|jwt|credential|cookie|proof|phrase"
    r"|otp|code)(s|es)?$",
    re.IGNORECASE,
)
# Codes that say what became of something, and other words that end like a secret.
HARMLESS: Final = re.compile(
    r"^(country|language|locale|status|exit|return|error|response|close|iso)_?code$"
    r"|^code$|^errno|^wants_token$",
    re.IGNORECASE,
)
# Two of these are both stored, and salted: whether the password was changed meanwhile.
STORED: Final = "password_hash"


def called(node: ast.expr) -> str:
    """The last name in an expression."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Call():
            return called(node.func)
        case ast.Subscript(slice=ast.Constant(value=str(text))):
            return text
        case ast.Await():
            return called(node.value)
    return ""


def is_secret(node: ast.expr) -> bool:
    name = called(node)
    return bool(NAMED.search(name)) and not HARMLESS.search(name)


def is_plain(node: ast.expr) -> bool:
    """A constant of ours, written down or by its name: nobody guesses that."""
    if isinstance(node, ast.Constant):
        return True
    return called(node).isupper()


def compared(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if isinstance(operator, (ast.Eq, ast.NotEq)):
                is_told = (is_secret(left) or is_secret(right)) and not (
                    is_plain(left) or is_plain(right) or called(left) == called(right) == STORED
                )
            elif isinstance(operator, (ast.In, ast.NotIn)):
                is_told = is_secret(right) and not (is_plain(left) or is_plain(right))
            else:
                continue
            if is_told:
                yield ast.unparse(node)


def test_secrets_are_compared_in_constant_time() -> None:
    found = {
        (str(module), text)
        for module in MODULES
        for text in compared(ast.parse((SOURCE / module).read_text()))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("a.secret == given", True),
        ("given != hash_secret(sent)", True),
        ("answer in recovery_codes", True),
        ("body['password'] == stored", True),
        ("token == ''", False),
        ("user.password_hash == known.password_hash", False),
        ("user.password_hash == given", True),
        ("kind == TOTP", False),
        ("response.status_code == wanted", False),
        ("hmac.compare_digest(a.secret, given)", False),
        ("sessions.get(hash_secret(value.secret))", False),
    ],
)
def test_the_rule_sees_what_it_should(text: str, is_found: bool) -> None:
    assert bool(list(compared(ast.parse(text)))) is is_found
