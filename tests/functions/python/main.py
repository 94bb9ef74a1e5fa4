"""The actions behind a plain function."""

from .actions import ACTIONS


def main(context):
    action = ACTIONS.get(context.req.headers.get("x-action"))
    if action is None:
        raise ValueError("Unknown action")
    return action(context)
