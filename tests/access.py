"""Who may call a function: the whole table, for every way of calling and every form of role.

    x  it runs              r  401, none of the roles      p  401, the same on a domain
    s  401, scope missing   b  403, the user is blocked    j  401, the JWT proves nobody
    f  404, no such function (it is disabled)              o  403, the service is switched off
    a  403, the API is switched off

People of the project: `bob` is nobody special, `mia` has verified her e-mail address, `pam` her
phone, `ivy` was invited to the team `crew`, `tom` is in it, `rob` has the role `boss` there, `oli`
has that role in another team, `liz` has the label `vip`, `max` is blocked. `eva` had a session.
"""

from collections.abc import Mapping
from typing import Final

# Name in the table -> `execute` of a function. "tom" is the id of his membership, too.
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "none": (),
    "any": ("any",),
    "guests": ("guests",),
    "users": ("users",),
    "users/verified": ("users/verified",),
    "users/unverified": ("users/unverified",),
    "user:bob": ("user:bob",),
    "user:mia": ("user:mia",),
    "user:bob/verified": ("user:bob/verified",),
    "user:mia/verified": ("user:mia/verified",),
    "user:bob/unverified": ("user:bob/unverified",),
    "user:mia/unverified": ("user:mia/unverified",),
    "team:crew": ("team:crew",),
    "team:crew/boss": ("team:crew/boss",),
    "team:club": ("team:club",),
    "member:tom": ("member:tom",),
    "label:vip": ("label:vip",),
    "guests, team:club": ("guests", "team:club"),
    "users/verified, label:vip": ("users/verified", "label:vip"),
}

RUNS: Final = "x"
REFUSALS: Final[Mapping[str, tuple[int, str]]] = {
    "r": (401, "user_unauthorized"),
    "p": (401, "function_execute_permission_missing"),
    "s": (401, "general_unauthorized_scope"),
    "b": (403, "user_blocked"),
    "j": (401, "user_jwt_invalid"),
    "f": (404, "function_not_found"),
    "o": (403, "general_service_disabled"),
    "a": (403, "general_api_disabled"),
}

# Columns in the order of ROLES; the last word is whose id the function is told, `-` = nobody's.
TABLE: Final = """
                                  none
                                    any
                                      guests
                                        users
                                          users/verified
                                            users/unverified
                                              user:bob
                                                user:mia
                                                  user:bob/verified
                                                    user:mia/verified
                                                      user:bob/unverified
                                                        user:mia/unverified
                                                          team:crew
                                                            team:crew/boss
                                                              team:club
                                                                member:tom
                                                                  label:vip
                                                                    guests, team:club
                                                                      users/verified, label:vip
guest                             r x x r r r r r r r r r r r r r r x r  -
session, cookie                   r x r x r x x r r r x r r r r r r r r  bob
session, older cookie             r x r x r x x r r r x r r r r r r r r  bob
session, X-Appwrite-Session       r x r x r x x r r r x r r r r r r r r  bob
session, fallback cookie          r x r x r x x r r r x r r r r r r r r  bob
JWT of a session                  r x r x r x x r r r x r r r r r r r r  bob
JWT without a session             r x r x r x x r r r x r r r r r r r r  bob
session that has ended            r x x r r r r r r r r r r r r r r x r  -
JWT of a session that has ended   r x x r r r r r r r r r r r r r r x r  -
JWT that is no JWT                j j j j j j j j j j j j j j j j j j j  -
verified by e-mail                r x r x x r r x r x r r r r r r r r x  mia
verified by phone                 r x r x x r r r r r r r r r r r r r x  pam
invited, not confirmed            r x r x r x r r r r r r r r r r r r r  ivy
member of the team                r x r x r x r r r r r r x r r x r r r  tom
member with the role              r x r x r x r r r r r r x x r r r r r  rob
member of another team            r x r x r x r r r r r r r r x r r x r  oli
holder of the label               r x r x r x r r r r r r r r r r x r x  liz
blocked, session                  b b b b b b b b b b b b b b b b b b b  -
blocked, JWT                      b b b b b b b b b b b b b b b b b b b  -
key with executions.write         x x x x x x x x x x x x x x x x x x x  -
key with execution.write          x x x x x x x x x x x x x x x x x x x  -
key without the scope             s s s s s s s s s s s s s s s s s s s  -
key beside a session              x x x x x x x x x x x x x x x x x x x  bob
ephemeral key                     x x x x x x x x x x x x x x x x x x x  -
ephemeral key without the scope   s s s s s s s s s s s s s s s s s s s  -
ephemeral key that is over        r x x r r r r r r r r r r r r r r x r  -
key of a running function         x x x x x x x x x x x x x x x x x x x  -
console account, admin mode       x x x x x x x x x x x x x x x x x x x  ann
console account, no admin mode    r x x r r r r r r r r r r r r r r x r  -
domain                            p x x p p p p p p p p p p p p p p x p  -
domain, JWT of a session          p x p x p x x p p p x p p p p p p p p  bob
domain, JWT without a session     p x p x p x x p p p x p p p p p p p p  bob
domain, JWT, verified             p x p x x p p x p x p p p p p p p p x  mia
domain, JWT, member               p x p x p x p p p p p p x p p x p p p  tom
domain, JWT, member with the role p x p x p x p p p p p p x x p p p p p  rob
domain, JWT, label                p x p x p x p p p p p p p p p p x p x  liz
domain, JWT, blocked              b b b b b b b b b b b b b b b b b b b  -
domain, JWT of an ended session   j j j j j j j j j j j j j j j j j j j  -
domain, JWT that is no JWT        j j j j j j j j j j j j j j j j j j j  -
domain, session cookie            p x x p p p p p p p p p p p p p p x p  -
domain, X-Appwrite-Session        p x x p p p p p p p p p p p p p p x p  -
domain, X-Appwrite-JWT            p x x p p p p p p p p p p p p p p x p  -
domain, key                       p x x p p p p p p p p p p p p p p x p  -
domain, key of a running function p x x p p p p p p p p p p p p p p x p  -
"""

# The same callers and a function for `any`, when something is switched off.
OFF: Final = """
                                  the function
                                    service `functions`
                                      service `proxy`
                                        protocol `rest`
guest                             f o x a
session, cookie                   f o x a
session, X-Appwrite-Session       f o x a
session, fallback cookie          f o x a
JWT of a session                  f o x a
verified by e-mail                f o x a
member with the role              f o x a
holder of the label               f o x a
key with executions.write         x x x x
key without the scope             s s s s
ephemeral key                     x x x x
key of a running function         x x x x
console account, admin mode       x x x x
console account, no admin mode    f o x a
domain                            f x o x
domain, JWT of a session          f x o x
domain, key                       f x o x
"""


def _rows(table: str) -> dict[str, list[str]]:
    """The words behind the name of each row; lines that begin with a space are the heading."""
    lines = [line for line in table.splitlines() if line and not line.startswith(" ")]
    return {line[:34].strip(): line[34:].split() for line in lines}


EXPECTED: Final[Mapping[str, Mapping[str, str]]] = {
    way: dict(zip(ROLES, words, strict=False)) for way, words in _rows(TABLE).items()
}
TOLD: Final[Mapping[str, str]] = {
    way: words[-1].replace("-", "") for way, words in _rows(TABLE).items()
}
SWITCHES: Final = ("function", "functions", "proxy", "rest")
WHEN_OFF: Final[Mapping[str, Mapping[str, str]]] = {
    way: dict(zip(SWITCHES, words, strict=True)) for way, words in _rows(OFF).items()
}

# Who reads a run afterwards, by who started it. Those who do hear of it over realtime, but for
# runs on domains, which are not announced.
READERS: Final = """
                                  guest
                                    bob
                                      another user
                                        key
                                          console account
guest                             - - - x x
session, cookie                   - x - x x
JWT of a session                  - x - x x
key with executions.write         - - - x x
domain                            - - - x x
domain, JWT of a session          - x - x x
"""
AUDIENCE: Final = ("guest", "bob", "another user", "key", "console account")
READ_BY: Final[Mapping[str, Mapping[str, bool]]] = {
    way: dict(zip(AUDIENCE, (word == RUNS for word in words), strict=True))
    for way, words in _rows(READERS).items()
}


def page() -> dict[str, list[str]]:
    """The tables as the reference page shows them, by the mark that stands before each."""
    return {"roles": _roles_shown(), "off": _off_shown(), "readers": _readers_shown()}


def _roles_shown() -> list[str]:
    lines = [
        "| who calls | runs functions whose `execute` has one of | else | told as |",
        "|---|---|---|---|",
    ]
    for way, row in EXPECTED.items():
        letters = set(row.values()) - {RUNS}
        single = [role for role, letter in row.items() if letter == RUNS and ROLES[role] == (role,)]
        runs = ", ".join(f"`{role}`" for role in single) if letters else "whatever it has"
        refusal = ", ".join(_named(letter) for letter in sorted(letters))
        told = f"`{TOLD[way]}`" if TOLD[way] else "nobody"
        nobody = not single and bool(letters)
        lines.append(
            f"| {way} | {'-' if nobody else runs} | {refusal or '-'} | {'-' if nobody else told} |"
        )
    return lines


def _off_shown() -> list[str]:
    lines = [
        "| who calls | function disabled | service `functions` off | service `proxy` off "
        "| protocol `rest` off |",
        "|---|---|---|---|---|",
    ]
    for way, row in WHEN_OFF.items():
        cells = ("runs" if letter == RUNS else _named(letter) for letter in row.values())
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return lines


def _readers_shown() -> list[str]:
    lines = [
        f"| started by | {' | '.join(AUDIENCE)} |",
        f"|---|{'---|' * len(AUDIENCE)}",
    ]
    for way, row in READ_BY.items():
        cells = ("yes" if is_read else "no" for is_read in row.values())
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return lines


def _named(letter: str) -> str:
    status, kind = REFUSALS[letter]
    return f"{status} `{kind}`"
