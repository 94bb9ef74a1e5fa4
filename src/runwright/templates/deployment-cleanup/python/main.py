import json
import os
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

PAGE = 100
BUSY = {"waiting", "processing", "building"}
CALL_S = 30


class ApiError(Exception):
    """The API refused a call; the message says which and why."""


class Api:
    def __init__(self, key):
        self.endpoint = os.environ["APPWRITE_FUNCTION_API_ENDPOINT"]
        self.headers = {
            "x-appwrite-project": os.environ["APPWRITE_FUNCTION_PROJECT_ID"],
            "x-appwrite-key": key,  # made for this one execution, with the function's scopes
        }

    def call(self, method, path):
        request = Request(self.endpoint + path, method=method, headers=self.headers)
        try:
            with urlopen(request, timeout=CALL_S) as answer:
                return None if answer.status == 204 else json.load(answer)
        except HTTPError as failure:
            message = json.load(failure)["message"]
            raise ApiError(f"{method} {path.partition('?')[0]}: {message}") from failure

    def all(self, path, name):
        """Everything that a list endpoint has, oldest first, page by page."""
        found = []
        while True:
            queries = [{"method": "limit", "values": [PAGE]}]
            if found:
                queries.append({"method": "cursorAfter", "values": [found[-1]["$id"]]})
            params = {f"queries[{at}]": json.dumps(query) for at, query in enumerate(queries)}
            page = self.call("GET", f"{path}?{urlencode({'total': 'false', **params})}")[name]
            found += page
            if len(page) < PAGE:
                return found


def old(deployments, keep, active_id):
    return [
        item
        for item in deployments[: max(0, len(deployments) - keep)]
        if item["$id"] != active_id and item["status"] not in BUSY
    ]


def main(context):
    keep = os.environ.get("KEEP") or "5"
    if not keep.isdecimal():
        context.error("The variable KEEP must be a whole number, 0 or more.")
        return context.res.json({"error": "KEEP is not a number."}, 500)
    is_dry = os.environ.get("DRY_RUN") == "1"
    api = Api(context.req.headers["x-appwrite-key"])
    deleted = []
    for function in api.all("/functions", "functions"):
        path = f"/functions/{function['$id']}/deployments"
        deployments = api.all(path, "deployments")
        for deployment in old(deployments, int(keep), function["deploymentId"]):
            if not is_dry:
                api.call("DELETE", f"{path}/{deployment['$id']}")
            deleted.append(f"{function['$id']}/{deployment['$id']}")
            verb = "Would delete" if is_dry else "Deleted"
            context.log(f"{verb} {deployment['$id']} of {function['name']}")
    return context.res.json({"dryRun": is_dry, "deleted": deleted})
