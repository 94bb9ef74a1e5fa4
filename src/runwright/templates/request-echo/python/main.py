import base64
from urllib.parse import parse_qs

# Shown in part only, so that an echo can be pasted into a bug report.
SECRET = {"authorization", "cookie", "x-appwrite-key", "x-appwrite-user-jwt"}


def masked(name, value):
    return f"({len(value)} characters)" if name in SECRET else value


def shown(body):
    try:
        encoding, content = "utf-8", body.decode()
    except UnicodeDecodeError:
        encoding, content = "base64", base64.b64encode(body).decode()
    return {"bytes": len(body), "encoding": encoding, "content": content}


def main(context):
    req = context.req
    context.log(f"{req.method} {req.path}")
    return context.res.json(
        {
            "method": req.method,
            "path": req.path,
            "query": parse_qs(req.query_string, keep_blank_values=True),
            "headers": {name: masked(name, value) for name, value in sorted(req.headers.items())},
            "body": shown(bytes(req.body_binary)),
        }
    )
