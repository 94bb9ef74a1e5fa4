"""A child process whose files may not grow beyond a limit: SQLite's log hits it in a commit.

Prints one word for each write, then, with the limit lifted, stores one more row.
Usage: full_disk.py DATABASE
"""

import asyncio
import resource
import signal
import sys
from pathlib import Path

from runwright.errors import ServiceUnavailable
from runwright.storage.database import open_database
from tests.integration.storage.writing import adding

LIMIT = 1_000_000


async def main(path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # EFBIG instead of the end
    async with open_database(path) as database:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
        for number in range(10_000):
            names = [f"{number}-{part}" for part in range(8)]
            writes = (database.write(adding(name)) for name in names)
            results = await asyncio.gather(*writes, return_exceptions=True)
            for name, result in zip(names, results, strict=True):
                if result is None:
                    print("stored", name)
                else:
                    assert isinstance(result, ServiceUnavailable), repr(result)
                    print("refused", name)
            if any(results):
                break
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await database.write(adding("after"))
        print("stored after", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
