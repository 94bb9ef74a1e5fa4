"""A function by somebody who means harm; the path names module and case."""

import importlib
import json

import wire
from box import Box


def main(context):
    wire.calls += 1
    module, case = context.req.path.strip("/").split("/")
    box = Box(context, json.loads(context.req.body_text or "{}"))
    answer = getattr(importlib.import_module(module), case)(box)
    return answer or context.res.json(box.answer())
