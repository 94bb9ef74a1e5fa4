"""The Node runner as one file.

Node finds, reads and wraps each required file by itself, which for a dozen small ones takes as much
processor time as a tenth of the whole start.
"""

from collections.abc import Mapping
from typing import Final

RUNNER: Final = "node/runner.cjs"
_FOLDER: Final = "node/"
# Loaded by its path, as a function is.
_APART: Final = frozenset({"node/rehearsal.cjs"})
_HEAD: Final = "'use strict';\nconst files = {\n"
# In brackets a function is compiled when it is read: each of these is called exactly once.
_FILE: Final = "'./{name}': (function (module, exports, require, __dirname) {{\n{text}\n}}),\n"
_TAIL: Final = f"""}};
const made = Object.create(null);
function requireOwn(name) {{
  if (!Object.hasOwn(files, name)) return require(name);
  if (made[name] === undefined) {{
    made[name] = {{ exports: {{}} }};
    files[name](made[name], made[name].exports, requireOwn, __dirname);
  }}
  return made[name].exports;
}}
requireOwn.main = require.main;
requireOwn.cache = require.cache;
requireOwn.resolve = require.resolve;
requireOwn('./{RUNNER.removeprefix(_FOLDER)}');
"""


def bundled(runners: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of all runners, with the one that starts Node's holding those it requires."""
    parts = [
        _FILE.format(name=name.removeprefix(_FOLDER), text=text.decode())
        for name, text in runners.items()
        if name.startswith(_FOLDER) and name.endswith(".cjs") and name not in _APART
    ]
    return {**runners, RUNNER: "".join((_HEAD, *parts, _TAIL)).encode()}
