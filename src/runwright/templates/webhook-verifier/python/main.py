import hashlib
import hmac
import os


def header(name, fallback):
    return (os.environ.get(name) or fallback).lower()


def is_signed(body, signature, secret):
    given = signature.removeprefix("sha256=").lower()
    right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    # Comparing letter by letter would tell a guesser, by its time, how much is right.
    return hmac.compare_digest(given.encode(), right.encode())


def main(context):
    req, res = context.req, context.res
    secret = os.environ.get("WEBHOOK_SECRET")
    if not secret:
        context.error("The variable WEBHOOK_SECRET is not set, so no signature can be checked.")
        return res.json({"error": "The receiver is not set up yet."}, 500)
    if req.method != "POST":
        return res.json({"error": "Webhooks are sent with POST."}, 405, {"allow": "POST"})
    body = bytes(req.body_binary)
    signature = req.headers.get(header("SIGNATURE_HEADER", "x-hub-signature-256"), "")
    if not is_signed(body, signature, secret):
        context.error("A webhook with a missing or wrong signature was refused.")
        return res.json({"error": "The signature is missing or wrong."}, 401)
    event = req.headers.get(header("EVENT_HEADER", "x-github-event"), "unknown")
    context.log(f"Received {event}, {len(body)} bytes")

    # The sender is who it says it is: act on req.body_text here.

    return res.json({"received": True, "event": event})
