"""The function that a runner loads and calls once for itself; see `_runwright/rehearsing.py`."""


def main(context):
    return context.res.json({"url": context.req.url})
