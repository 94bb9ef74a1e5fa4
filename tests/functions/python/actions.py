"""One action per row of the runtime checklist, chosen by the header x-action."""

import array
import hashlib
import json
import logging
import os
import sys
import threading
import time

ACTIONS = {}
_counter = 0
_barriers = {}
_held = []
_late = []
print("module loaded")


def action(function):
    name, *rest = function.__name__.split("_")
    ACTIONS[name + "".join(part.title() for part in rest)] = function
    return function


@action
def text(context):
    return context.res.text("Hello World 👋")


@action
def json_(context):
    return context.res.json({"json": True, "message": "Developers are awesome. ü"})


ACTIONS["json"] = json_


@action
def echo_json(context):
    return context.res.json(context.req.body_json)


@action
def type_(context):
    return context.res.text("typed", 200, {"Content-Type": context.req.headers["x-type"]})


ACTIONS["type"] = type_


@action
def redirect(context):
    return context.res.redirect("https://github.com/")


@action
def redirect_with(context):
    return context.res.redirect("/next", 307, {"x-why": "moved"})


@action
def empty(context):
    return context.res.empty()


@action
def no_return(context):
    context.res.text("This should be ignored, as it is not returned.")


@action
def double_response(context):
    context.res.text("This should be ignored.")
    return context.res.text("This should be returned.")


@action
def headers(context):
    incoming = context.req.headers
    return context.res.text(
        "OK",
        200,
        {
            "x-first": "first-value",
            "X-Second": incoming.get("x-open-runtimes-custom-in-header", "missing"),
            "x-cookie": incoming.get("cookie", "missing"),
            "x-open-runtimes-custom-out-header": "third-value",
        },
    )


@action
def status(context):
    return context.res.text("FAIL", int(context.req.headers.get("x-status", "404")))


@action
def raw_status(context):
    return {"body": "x", "statusCode": json.loads(context.req.body_text)}


@action
def request(context):
    req = context.req
    return context.res.json(
        {
            "method": req.method,
            "url": req.url,
            "scheme": req.scheme,
            "host": req.host,
            "port": req.port,
            "path": req.path,
            "query": req.query,
            "queryString": req.query_string,
            "headers": req.headers,
        }
    )


@action
def body_text(context):
    return context.res.text(context.req.body_text)


@action
def body_raw(context):
    return context.res.send(context.req.body_raw)


@action
def body(context):
    if isinstance(context.req.body, str):
        return context.res.text(context.req.body, 200, {"x-kind": "text"})
    return context.res.json(context.req.body, 200, {"x-kind": "json"})


@action
def body_json(context):
    parsed = context.req.body_json
    return context.res.json({"key": parsed["key1"], "all": parsed})


@action
def body_binary(context):
    return context.res.binary(context.req.body_binary)


@action
def md5(context):
    digest = hashlib.md5(context.req.body_binary).hexdigest()
    return context.res.send(digest, 200, {"x-method": context.req.method})


@action
def binary_kinds(context):
    kinds = [
        bytes([0, 10, 255]),
        bytearray([0, 20, 255]),
        memoryview(bytes([0, 30, 255])),
        array.array("B", [0, 40, 255]),
        [0, 50, 255],
    ]
    return context.res.binary(kinds[int(context.req.headers["x-kind"])])


@action
def send_number(context):
    return context.res.send(50)


@action
def send_bytes(context):
    return context.res.send(context.req.body_binary, 200, {"content-type": "image/png"})


@action
def env(context):
    return context.res.json(
        {"set": os.environ.get("CUSTOM_ENV_VAR"), "unset": os.environ.get("NOT_DEFINED_VAR")}
    )


@action
def logs(context):
    print("Native log")
    context.log("Debug log")
    context.error("Error log")
    context.log("Log+With+Plus+Symbol")
    context.log(42)
    context.log(4.2)
    context.log(True)
    context.log({"objectKey": "objectValue"})
    context.log(["arrayValue"])
    context.log("a" * 9000)
    context.error("b" * 9000)
    context.log("c" * 8000)
    return context.res.text("")


@action
def native_streams(context):
    sys.stdout.write("out ")
    sys.stdout.write("line\n")
    sys.stderr.write("err line\n")
    return context.res.text("")


@action
def native_logging(context):
    logging.warning("by logging")
    return context.res.text("")


@action
def two_arguments(context):
    context.log("log1", "log2")
    context.error("error1", "error2")
    return context.res.text("")


@action
def log_then_throw(context):
    context.log("before the end")
    raise ValueError("Main function error")


@action
def sleep(context):
    number, ms = context.req.query["id"], context.req.query.get("ms", "50")
    context.log(f"start {number}")
    print(f"native start {number}")
    time.sleep(int(ms) / 1000)
    print(f"native end {number}")
    context.log(f"end {number}")
    return context.res.text(f"slept {number}")


@action
def meet(context):
    """Answers when `n` of these calls are running at the same time."""
    parties = int(context.req.query["n"])
    _barriers.setdefault(parties, threading.Barrier(parties)).wait()
    return context.res.text("met")


@action
def hold(context):
    """Answers when `release` is called."""
    gate = threading.Event()
    _held.append(gate)
    context.log("holding")
    gate.wait()
    return context.res.text("released")


@action
def release(context):
    """Lets go on what is held; what was late has been said when this answers."""
    while _held:
        _held.pop().set()
    while _late:
        _late.pop().join()
    return context.res.text("")


@action
def print_later(context):
    number = context.req.query["id"]
    thread = threading.Thread(target=lambda: print(f"late {number}"))
    thread.start()
    thread.join()
    return context.res.text("")


@action
def late_output(context):
    gate = threading.Event()

    def late():
        gate.wait()
        context.log("too late")
        print("too late")

    _held.append(gate)
    _late.append(threading.Thread(target=late, daemon=True))
    _late[-1].start()
    return context.res.text("done")


@action
def chatter(context):
    """Prints beside its answer, and for longer than the answer takes."""
    begun = threading.Event()

    def talk():
        for _ in range(100):
            print("x", end="")
            begun.set()

    threading.Thread(target=talk, daemon=True).start()
    begun.wait()
    return context.res.text("said")


@action
def bare(context):
    return "just text"


@action
def bare_number(context):
    return 42


@action
def bare_list(context):
    return [1, 2]


@action
def nothing(context):
    return {}


@action
def hand_made(context):
    return {"body": "made", "statusCode": "201", "headers": {"X-Made": "yes"}}


@action
def header_kinds(context):
    cookies = ["a=1; Path=/", "b=2"]
    return context.res.text(
        "", 200, {"x-number": 248, "x-flag": True, "set-cookie": cookies, "x-accent": "é"}
    )


@action
def bad_header_value(context):
    return context.res.text("", 200, {"x-bad": "a\r\nset-cookie: evil=1"})


@action
def bad_header_name(context):
    return context.res.text("", 200, {"x bad": "a"})


@action
def many_headers(context):
    return context.res.text("", 200, {"x-big": "x" * int(context.req.query["size"])})


@action
def wrong_text(context):
    return context.res.text(7)


@action
def counter(context):
    global _counter
    _counter += 1
    return context.res.text(str(_counter))


@action
def large(context):
    size = int(context.req.query["size"])
    data = (b"abcdefghij" * (size // 10 + 1))[:size]
    return context.res.binary(data, 200, {"content-type": "application/octet-stream"})


@action
def large_text(context):
    return context.res.text("é" * int(context.req.query["size"]))


@action
def stream(context):
    context.res.start(201, {"content-type": "text/event-stream"})
    context.res.write("first ")
    context.log("between")
    context.res.write(b"second")
    context.res.end()
    return "ignored"


@action
def stream_many(context):
    context.res.start()
    for number in range(int(context.req.query["parts"])):
        context.res.write(bytes([number % 256]) * 100_000)
        context.log(f"wrote {number}")
    context.res.end()


@action
def stream_then_throw(context):
    context.res.write("half")
    raise ValueError("broken in the middle")


@action
def take_stream(context):
    size = last = 0
    for part in context.req.stream:
        if not size:
            context.log("began")
        size += len(part)
        last = part[-1]
    return context.res.json({"size": size, "last": last})


@action
def body_of_stream(context):
    return context.res.text(context.req.body_text)


@action
def write_for_ever(context):
    context.res.start()
    try:
        while True:
            context.res.write(bytes(10_000))
    finally:
        context.log(f"told: {context.res.is_open}")


@action
def echo_socket(context):
    socket = context.upgrade("chat", {"x-own": "value"})
    for message in socket:
        if message == "close":
            socket.close(4001, "as asked")
        else:
            socket.send(message)
    context.log(f"closed: {socket.code} {socket.reason}")


@action
def spin(context):
    context.log("before the loop")
    while True:
        pass


@action
def flood(context):
    line = "x" * 999
    for _ in range(int(context.req.query["lines"])):
        context.log(line)
    return context.res.text("flooded")


@action
def exit_(context):
    context.log("before the exit")
    sys.exit(3)


ACTIONS["exit"] = exit_


@action
def exit_hard(context):
    context.log("before the exit")
    print("unfinished line", end="")
    os._exit(4)


@action
def open_files(context):
    # Not by `subprocess`, which closes every file of its own accord.
    child, parent = os.pipe()
    os.set_inheritable(parent, True)
    os.system(f"ls -l /proc/self/fd >&{parent}")
    return context.res.binary(os.read(child, 65536))


@action
def never(context):
    time.sleep(3600)
