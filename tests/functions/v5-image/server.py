"""A v5 runtime server for Python functions, small and by the letter of the protocol.

It stands in for the public images, which tests cannot pull: HTTP on port 3000, secret, soft
timeout and logging by header, one pair of log files per execution, functions loaded by the
first request. What `context` does is the Python runner's own code.
"""

import contextlib
import importlib
import io
import os
import re
import secrets
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from _runwright import request
from _runwright.request import Request
from _runwright.response import BadResponse, Response, build
from _runwright.text import entry

FUNCTION = Path("/usr/local/server/src/function")
LOGS = Path("/mnt/logs")
MAX_BODY_BYTES = 20 * 1024 * 1024
NOTICE = "Native logs detected. Use context.log() or context.error() for better experience."
_loaded = {}
_loading = threading.Lock()


class Failed(Exception):
    """The request has an answer without a body; the reason is in the errors."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status


class Logger:
    def __init__(self, log_id):
        self.id = log_id
        self.is_open = bool(log_id)
        if log_id:
            names = (f"{log_id}_logs.log", f"{log_id}_errors.log")
            self.files = [(LOGS / name).open("a") for name in names]

    def write(self, kind, values):
        if self.is_open:
            self.files[kind].write(entry(values))
            self.files[kind].flush()

    def close(self):
        if self.is_open:
            self.is_open = False
            for file in self.files:
                file.close()


class Context:
    def __init__(self, head, body, logger):
        self.req = Request(head, body)
        self.res = Response(None)
        self._logger = logger

    def log(self, *values):
        self._logger.write(0, values)

    def error(self, *values):
        self._logger.write(1, values)


class Native(io.TextIOBase):
    """What a thread prints goes to the log of its request."""

    current = threading.local()

    def write(self, text):
        logger = getattr(self.current, "logger", None)
        if logger is None:
            sys.__stdout__.write(text)
        else:
            self.current.text = getattr(self.current, "text", "") + text
        return len(text)


def load():
    """The function of the deployment. Raises Failed."""
    name = os.environ.get("OPEN_RUNTIMES_ENTRYPOINT", "")
    path = FUNCTION / name
    if not path.is_file():
        raise Failed(503, f"Failed to load entrypoint, file {name} does not exist.")
    with _loading:
        if "main" not in _loaded:
            module_name = ".".join(("function", *Path(name).with_suffix("").parts))
            try:
                module = importlib.import_module(module_name)
            except SyntaxError as error:
                raise Failed(503, f"Syntax error in {name}:{error.lineno}: {error.msg}") from None
            except ModuleNotFoundError as error:
                raise Failed(503, f"Module not found: {error.name}") from None
            except Exception:
                raise Failed(503, "Failed to load module: " + traceback.format_exc()) from None
            if not callable(getattr(module, "main", None)):
                message = "Function signature invalid. Did you forget to export a 'main' function?"
                raise Failed(503, message)
            _loaded["main"] = module.main
    return _loaded["main"]


def run(main, context, logger, timeout):
    """What the function returned, within its time. Raises Failed."""
    result = {}

    def work():
        Native.current.logger, Native.current.text = logger, ""
        try:
            result["value"] = main(context)
        except BaseException:
            result["error"] = traceback.format_exc()
        if Native.current.text:
            logger.write(0, (NOTICE + "\n" + Native.current.text.rstrip("\n"),))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise Failed(500, "Execution timed out.")
    if "error" in result:
        raise Failed(500, result["error"])
    return result["value"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer  # every method reaches the function
        raise AttributeError(name)

    def log_message(self, *_args):
        pass

    def answer(self):
        if self.path.partition("?")[0] == "/__opr/health":
            return self.send(200, ["content-type:text/plain; charset=utf-8"], b"OK")
        if self.path.partition("?")[0] == "/__opr/timings":
            text = Path("/mnt/telemetry/timings.txt").read_bytes()
            return self.send(200, ["content-type:text/plain; charset=utf-8"], text)
        logger = Logger(self.log_id())
        try:
            self.answer_function(logger)
        finally:
            logger.close()

    def log_id(self):
        if self.headers.get("x-open-runtimes-logging", "enabled") not in ("", "enabled"):
            return ""
        given = self.headers.get("x-open-runtimes-log-id", "")
        if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", given):
            return given
        if os.environ.get("OPEN_RUNTIMES_ENV") == "development":
            return "dev"
        return f"{int(time.time()):08x}"[:8] + secrets.token_hex(6)

    def answer_function(self, logger):
        timeout = self.headers.get("x-open-runtimes-timeout", "")
        if timeout and not re.fullmatch("[1-9][0-9]*", timeout):
            text = 'Header "x-open-runtimes-timeout" must be an integer greater than 0.'
            return self.send(500, [], text.encode())
        secret = os.environ.get("OPEN_RUNTIMES_SECRET", "")
        if secret and self.headers.get("x-open-runtimes-secret") != secret:
            text = 'Unauthorized. Provide correct "x-open-runtimes-secret" header.'
            return self.send(500, [], text.encode())
        size = int(self.headers.get("content-length") or 0)
        if size > MAX_BODY_BYTES:
            self.close_connection = True
            return self.send(413, [], b"Request body is too large.")
        body = self.rfile.read(size)
        target = self.requestline.split(" ")[1]  # `path` has lost repeated slashes
        lines = [f"{self.command} {target}", *(f"{k}:{v}" for k, v in self.headers.items())]
        context = Context("\n".join(lines).encode("latin-1"), body, logger)
        own = [f"x-open-runtimes-log-id:{logger.id}"]
        try:
            value = run(load(), context, logger, int(timeout) if timeout else None)
            status, head, body = build(value)
        except Failed as failure:
            logger.write(1, (str(failure),))
            return self.send(failure.status, own, b"")
        except BadResponse as failure:
            logger.write(1, (str(failure),))
            return self.send(500, own, b"")
        logger.close()  # before the answer, which the executor takes for the end of the logs
        return self.send(status, [*own, *head.decode().split("\n")], body)

    def send(self, status, lines, body):
        text = f"HTTP/1.1 {status} -\r\n" + "".join(f"{line}\r\n" for line in lines)
        if status >= 200 and status not in (204, 304):
            text += f"content-length: {len(body)}\r\n"
        is_silent = self.command == "HEAD" or status in (204, 304)
        with contextlib.suppress(ConnectionError):
            self.wfile.write(text.encode() + b"\r\n" + (b"" if is_silent else body))


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def serve():
    request.enforce_headers(os.environ.get("OPEN_RUNTIMES_HEADERS"))
    sys.stdout = sys.stderr = Native()
    server = Server(("0.0.0.0", 3000), Handler)
    print("HTTP server successfully started!", file=sys.__stdout__, flush=True)
    server.serve_forever()


serve()
