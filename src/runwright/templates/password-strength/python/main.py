import math
import re
import secrets

LETTERS = "abcdefghijkmnopqrstuvwxyz"  # without l
ALPHABET = f"{LETTERS}ABCDEFGHJKLMNPQRSTUVWXYZ23456789-_.!"  # nothing that looks alike
COMMON = set(
    (
        "123456 123456789 12345678 password qwerty 111111 12345 123123 1234567890 abc123 iloveyou "
        "admin welcome monkey dragon letmein football baseball master sunshine princess login "
        "passw0rd password1 qwerty123 qwertyuiop superman trustno1 starwars whatever freedom secret"
    ).split()
)
KINDS = (
    (re.compile("[a-z]"), 26),
    (re.compile("[A-Z]"), 26),
    (re.compile("[0-9]"), 10),
    (re.compile("[^a-zA-Z0-9]"), 33),
)
LEAST_BITS = (28, 40, 60, 80)  # for the scores 1 to 4


def is_step(a, b):
    """Neighbours in the alphabet, or repeated, add nothing that has to be guessed."""
    return abs(ord(a) - ord(b)) <= 1


def rate(password):
    warnings = []
    size = sum(count for kind, count in KINDS if kind.search(password))
    pairs = zip(password, password[1:])
    counted = sum(not is_step(a, b) for a, b in pairs) + bool(password)
    bits = counted * math.log2(max(size, 1))
    if len(password) < 8:
        warnings.append("It is shorter than 8 characters.")
    if counted < len(password) / 2:
        warnings.append("Most of it is a sequence or a repetition.")
    if password.lower() in COMMON:
        bits = 0
        warnings.append("It is among the most common passwords.")
    score = sum(bits >= least for least in LEAST_BITS)
    return {"score": score, "bits": math.floor(bits), "warnings": warnings}


def generate(length):
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def main(context):
    req, res = context.req, context.res
    if req.method == "GET" and req.path == "/generate":
        length = req.query.get("length", "20")
        if not re.fullmatch("[0-9]{1,3}", length) or not 8 <= int(length) <= 128:
            return res.json({"error": "length goes from 8 to 128."}, 400)
        answer = {"password": generate(int(length))}
        return res.json(answer, 200, {"cache-control": "no-store"})
    try:
        body = req.body_json
    except ValueError:
        body = None
    password = body.get("password") if isinstance(body, dict) else None
    if not isinstance(password, str) or len(password) > 1024:
        return res.json({"error": 'Send {"password": "..."} of at most 1024 characters.'}, 400)
    return res.json(rate(password))
