"""The page that lists every attack: `python -m tests.acceptance.attacks.listing` writes it."""

from pathlib import Path
from typing import Final

from tests.acceptance.attacks.rows import ROWS, Row

PAGE: Final = Path(__file__).parents[3] / "docs" / "design" / "attacks.md"
HEAD: Final = """# Attacks

What hostile functions, archives and builds try against a running server in
`tests/acceptance/attacks`, and what has to stop each of them. The list is generated; the code of
the functions lies in `tests/functions/hostile`.

Every row runs against a server that root runs, and again against one that an ordinary user runs.
It passes when the attempt failed by what the function itself saw, when nothing outside has
changed (the server lives, no process and no file is left, no secret was found), and when a
neighbour kept its pace: another function that is called every 8 ms all the while. Its p99 beside
the attack may be twice the p99 of the quiet windows before and after it, or 12 ms where those are
quicker than that. A window has few calls, so the question asked is how likely that many slow ones
are. An attack that seems to be noticed is made again: what it does to a neighbour it does nearly
each time, and what the machine does in a bad moment it does not. It passes once more rounds were
quiet than not, and fails when five more were noticed. When more attacks were noticed at first than
a machine explains that spoils every fourth, all of them fail. `pytest -s` prints the figures of all
rows, and in how many of its rounds each was noticed.

Kinds: *escape* is out of the box or to more rights in it, *secrecy* what belongs to others,
*resource* what others need to run. Resource rows are not run for an ordinary user to whom no
cgroup was delegated: what bounds them is weaker there, and
[isolation](isolation.md#as-an-ordinary-user) says how. With `ATTACKS_DELEGATED=on` the tests, run
by root on cgroup v1, make groups of the user's own and run these rows too.

| attack | kind | by | tries | stopped by |
|---|---|---|---|---|
"""


def line(row: Row) -> str:
    by = " ".join(row.languages).replace("any", "archive")
    return f"| {row.name} | {row.kind} | {by} | {row.tries} | {row.stopped_by} |\n"


def page() -> str:
    return HEAD + "".join(map(line, ROWS))


if __name__ == "__main__":
    PAGE.write_text(page())
