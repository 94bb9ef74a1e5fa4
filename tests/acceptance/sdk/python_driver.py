"""Run by tests in an interpreter that sees one generation of the official Python SDK.

Reads calls from standard input, a line of JSON each, and answers each with a line of JSON: what
the SDK gave back in the names of the wire, or how it was refused. The first line tells the
methods that this generation has.
"""

import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any

from appwrite.client import Client
from appwrite.exception import AppwriteException
from appwrite.input_file import InputFile
from appwrite.models.base_model import AppwriteModel
from appwrite.models.preferences import Preferences

Json = dict[str, Any]


def plain(name: str) -> str:
    return name.replace("_", "").lower()


def service_class(service: str) -> Any:
    return getattr(importlib.import_module(f"appwrite.services.{service}"), service.capitalize())


def methods(service: str) -> dict[str, str]:
    """Method without its spelling -> its name."""
    found = vars(service_class(service)).items()
    names = [name for name, value in found if inspect.isfunction(value) and name[0] != "_"]
    return {plain(name): name for name in names}


def client(given: Json) -> Any:
    made = Client()
    made.set_endpoint(given["endpoint"])
    made.set_project(given["project"])
    for name in ("key", "session", "jwt"):
        if name in given:
            getattr(made, f"set_{name}")(given[name])
    for name, value in given.get("headers", {}).items():
        made.add_header(name, value)
    return made


def arguments(method: Any, given: Json) -> Json:
    """Names as this SDK has them; `async` and its like have an x before them."""
    known = {plain(name): name for name in inspect.signature(method).parameters}
    return {known.get(plain(name)) or f"x{name}": value(item) for name, item in given.items()}


def value(item: Any) -> Any:
    if isinstance(item, dict) and "$path" in item:
        return InputFile.from_path(item["$path"])
    return item


def shown(answer: Any) -> Any:
    if isinstance(answer, Preferences):
        return answer.data
    if isinstance(answer, AppwriteModel):
        told: Json = answer.to_dict()
        if isinstance(getattr(answer, "prefs", None), Preferences):
            told["prefs"] = answer.prefs.data  # the older SDK wraps them
        return told
    if isinstance(answer, bytes):
        return {"bytes": len(answer)}
    return answer


def respond(asked: Json) -> Json:
    service = service_class(asked["service"])(client(asked["client"]))
    method = getattr(service, methods(asked["service"])[plain(asked["method"])])
    try:
        return {"answer": shown(method(**arguments(method, asked["arguments"])))}
    except AppwriteException as exc:
        return {"code": exc.code or 0, "type": exc.type or "", "message": exc.message}


def main(services: list[str]) -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever the SDK prints is no answer
    known = [f"{service}.{name}" for service in services for name in methods(service)]
    print(
        json.dumps({"methods": known, "sdk": Path(inspect.getfile(Client)).as_posix()}),
        file=answers,
        flush=True,
    )
    for line in sys.stdin:
        print(json.dumps(respond(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
