"""dramatiq on Redis: `send N` puts jobs, the worker counts those that it has done."""

import os
import sys

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

URL = os.environ["BENCH_REDIS"]
dramatiq.set_broker(RedisBroker(url=URL))
counter = redis.Redis.from_url(URL)


@dramatiq.actor(max_retries=0)
def noop(body: str) -> None:
    counter.incr("done")


if __name__ == "__main__":
    for _ in range(int(sys.argv[2])):
        noop.send("x" * 200)
