"""The request of a queued execution is the same when it is opened, whatever texts it holds."""

import json
import os
from dataclasses import replace

import pytest

from runwright.executions.envelope import PLAIN, Request, seal, unseal
from runwright.model.lineage import Lineage
from runwright.sealing import CannotOpen, Sealer

SEALER = Sealer(os.urandom(32))
WHOLE = Request(
    method="PUT",
    path="/k\u00e4se?\u2603=\U0001f600",
    headers=(("x-a", "1"), ("x-a", "2")),
    client_ip="203.0.113.9",
    user_id="ada",
    session_id="s",
    user_jwt="",
    lineage=Lineage(("f", "g"), "chain"),
    runs_disabled=True,
    event="functions.create",
    event_name="functions.f.create",
    event_origin="shop",
    body=b"\x00\xff{}",
)


def opened(request: Request, *, job_id: str = "j") -> Request:
    sealed = seal(request, SEALER, project_id="p", job_id="j")
    return unseal(sealed, SEALER, project_id="p", job_id=job_id)


@pytest.mark.parametrize(
    "request_",
    [
        PLAIN,
        WHOLE,
        replace(WHOLE, path="/\udcff"),  # a byte of the target that is no UTF-8
        replace(WHOLE, headers=(("x-a", "\udc80\U0001f600"),)),
    ],
)
def test_a_request_comes_back_as_it_was(request_: Request) -> None:
    assert opened(request_) == request_


def test_what_an_older_server_has_sealed_is_read() -> None:
    names = [name for name in Request.__dataclass_fields__ if name not in ("body", "lineage")]
    head = {name: getattr(WHOLE, name) for name in names}
    text = json.dumps(head | {"lineage": [["f", "g"], "chain"]}).encode("ascii")
    sealed = SEALER.seal(len(text).to_bytes(4) + text + WHOLE.body, "job:p:j")
    assert unseal(sealed, SEALER, project_id="p", job_id="j") == WHOLE


def test_it_can_be_moved_to_no_other_job() -> None:
    with pytest.raises(CannotOpen):
        opened(WHOLE, job_id="k")


@pytest.mark.parametrize("head", [b"[]", b'{"method": "GET"}', b'{"method": "', b"\xff"])
def test_what_is_no_head_of_ours_is_not_opened(head: bytes) -> None:
    sealed = SEALER.seal(len(head).to_bytes(4) + head, "job:p:j")
    with pytest.raises(CannotOpen):
        unseal(sealed, SEALER, project_id="p", job_id="j")
