import sys


def main(context):
    """Every request to this function, from whatever trigger, calls this one handler."""
    req, res = context.req, context.res
    context.log(f"{req.method} {req.path}")

    if req.path == "/ping":
        return res.text("Pong")

    return res.json(
        {
            "message": "Hello from Python",
            "runtime": ".".join(str(part) for part in sys.version_info[:3]),
            "trigger": req.headers.get("x-appwrite-trigger", "http"),
            "next": "Edit main.py, deploy again, and this answer is yours.",
        }
    )
