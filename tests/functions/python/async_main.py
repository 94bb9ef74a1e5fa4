"""The actions behind an `async def`; those that wait do so without holding up the loop."""

import asyncio

from actions import ACTIONS  # a plain import of a file beside this one

_arrivals = []
_held = []


async def sleep(context):
    number, ms = context.req.query["id"], context.req.query.get("ms", "50")
    context.log(f"start {number}")
    print(f"native start {number}")
    await asyncio.sleep(int(ms) / 1000)
    print(f"native end {number}")
    context.log(f"end {number}")
    return context.res.text(f"slept {number}")


async def meet(context):
    _arrivals.append(asyncio.get_running_loop().create_future())
    if len(_arrivals) == int(context.req.query["n"]):
        for arrival in _arrivals:
            arrival.set_result(None)
        _arrivals.clear()
    else:
        await _arrivals[-1]
    return context.res.text("met")


async def hold(context):
    context.log("holding")
    _held.append(asyncio.get_running_loop().create_future())
    await _held[-1]
    return context.res.text("released")


async def release(context):
    for future in _held:
        if not future.done():  # its call was cancelled
            future.set_result(None)
    _held.clear()
    await asyncio.sleep(0)  # what was late has been said after this
    return context.res.text("")


async def stream(context):
    await context.res.start(201, {"content-type": "text/event-stream"})
    await context.res.write("first ")
    context.log("between")
    await context.res.write(b"second")
    await context.res.end()
    return "ignored"


async def take_stream(context):
    size = last = 0
    async for part in context.req.stream:
        if not size:
            context.log("began")
        size += len(part)
        last = part[-1]
    return context.res.json({"size": size, "last": last})


async def write_for_ever(context):
    await context.res.start()
    try:
        while True:
            await context.res.write(bytes(10_000))
    finally:
        context.log(f"told: {context.res.is_open}")


async def echo_socket(context):
    socket = await context.upgrade("chat", {"x-own": "value"})
    async for message in socket:
        if message == "close":
            await socket.close(4001, "as asked")
        else:
            await socket.send(message)
    context.log(f"closed: {socket.code} {socket.reason}")


async def stream_many(context):
    await context.res.start()
    for number in range(int(context.req.query["parts"])):
        await context.res.write(bytes([number % 256]) * 100_000)
        context.log(f"wrote {number}")
    await context.res.end()


async def print_later(context):
    number = context.req.query["id"]
    await asyncio.get_running_loop().run_in_executor(None, print, f"late {number}")
    return context.res.text("")


async def late_output(context):
    def late(_future):
        context.log("too late")
        print("too late")

    _held.append(asyncio.get_running_loop().create_future())
    _held[-1].add_done_callback(late)
    return context.res.text("done")


async def never(context):
    await asyncio.sleep(3600)


AWAITED = {
    "sleep": sleep,
    "meet": meet,
    "hold": hold,
    "release": release,
    "stream": stream,
    "streamMany": stream_many,
    "takeStream": take_stream,
    "writeForEver": write_for_ever,
    "echoSocket": echo_socket,
    "printLater": print_later,
    "lateOutput": late_output,
    "never": never,
}


async def main(context):
    name = context.req.headers.get("x-action")
    if name in AWAITED:
        return await AWAITED[name](context)
    if name not in ACTIONS:
        raise ValueError("Unknown action")
    return ACTIONS[name](context)
