"""Answers that shall break whoever passes them on."""

import asyncio
import time

MIB = 1 << 20


def echo(box):
    request = box.context.req
    return box.context.res.json({"headers": dict(request.headers), "path": request.path})


def headers(box):
    """By the documented way: the runner's own checks are the first to refuse."""
    told = box.told
    return box.context.res.text("answer", told.get("status", 200), dict(told["headers"]))


def big(box):
    return box.context.res.text("x" * (box.told["mib"] * MIB))


async def endless(box):
    part = "y" * 65536
    await box.context.res.start(200, {})
    while True:
        await box.context.res.write(part)


async def slow(box):
    await box.context.res.start(200, {})
    while True:
        await box.context.res.write("z")
        await asyncio.sleep(0.02)


def silent(box):
    time.sleep(60)
