"""Serves the requests of one deployment, inside its sandbox, over the frame socket on fd 3.

Started as `python3 -I -S runner.py [--preload=module,module]`. Standard library only, Python
3.9 and up. The modules beside this file are imported under one private package name, so that
their compiled form is used and nothing of them shadows a user's module.
"""

import sys

_FOLDER = __file__.rpartition("/")[0] or "."
sys.path.insert(0, _FOLDER)
from _runwright import serve  # noqa: E402

while _FOLDER in sys.path:
    sys.path.remove(_FOLDER)

if __name__ == "__main__":
    serve.main(sys.argv[1:])
