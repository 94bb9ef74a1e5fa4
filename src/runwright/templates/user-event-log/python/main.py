import json
import os

DEFAULT_FIELDS = "name,email,status,labels,provider,ip"


def main(context):
    event = context.req.headers.get("x-appwrite-event")
    if not event:
        context.error("This function is started by events of users, not by requests.")
        return context.res.json({"error": "Started without an event."}, 400)
    data = context.req.body_json
    fields = [name.strip() for name in os.environ.get("LOG_FIELDS", DEFAULT_FIELDS).split(",")]
    entry = {"event": event, "userId": event.split(".")[1], "id": data.get("$id", "")}
    entry.update({name: data[name] for name in fields if name in data})
    context.log(json.dumps(entry, separators=(",", ":"), ensure_ascii=False))
    return context.res.json({"logged": len(entry)})
