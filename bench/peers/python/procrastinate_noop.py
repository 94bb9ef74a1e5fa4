"""procrastinate on PostgreSQL: `prepare`, `send N`, `work`, `done`."""

import asyncio
import os
import sys

import procrastinate

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"], max_size=16)
)
SENDERS = 16


@app.task(queue="noop")
async def noop(body: str) -> None:
    return


async def send(jobs: int) -> None:
    left = iter(range(jobs))

    async def sender() -> None:
        for _ in left:
            await noop.defer_async(body="x" * 200)

    await asyncio.gather(*(sender() for _ in range(SENDERS)))


async def done() -> int:
    rows = await app.connector.execute_query_all_async(
        "SELECT count(*) AS n FROM procrastinate_jobs WHERE status = 'succeeded'"
    )
    return int(rows[0]["n"])


async def main() -> None:
    async with app.open_async():
        match sys.argv[1]:
            case "prepare":
                await app.schema_manager.apply_schema_async()
            case "send":
                await send(int(sys.argv[2]))
            case "work":
                await app.run_worker_async(concurrency=10, install_signal_handlers=False)
            case "done":
                wanted = int(sys.argv[2])
                while await done() < wanted:  # noqa: ASYNC110  # the database has no event for it
                    await asyncio.sleep(0.02)


asyncio.run(main())
