"""User code that writes to the frame socket itself; it shares a process with its runner."""

import pytest

from runwright.executor.call import LOG_BYTES
from runwright.model.execution import ErrorClass, Outcome
from tests.integration.executor.conftest import PYTHON, Bench, cut_short
from tests.integration.executor.test_misbehaviour import a_neighbour

pytestmark = pytest.mark.anyio

# A sandbox that is new gives its first request the id 1.
_BEFORE = """
import os, struct, time

def frame(kind, number, payload=b''):
    return struct.pack('<IBI', len(payload) + 5, kind, number) + payload

def response(number, head=b'', body=b'', flags=1, status=200):
    return frame(18, number, struct.pack('<BBHII', flags, 0, status, 0, len(head)) + head + body)

def log(number, text):
    return frame(17, number, b'\\0' + text)

def send(data):
    while data:
        data = data[os.write(3, data):]

def main(context):
"""
_WAIT = "    time.sleep(60)\n"

ENDS_IT = {
    "a header that ends its line": "send(response(1, b'x:1\\r\\nset-cookie: a=b'))",
    "a status that is none": "send(response(1, status=77))",
    "a length of four gigabytes": "send(struct.pack('<IBI', 0xffffffff, 17, 1))",
    "a log line of a run elsewhere": "send(log(2, b'forged\\n'))",
    "an answer to a run elsewhere": "send(response(2, body=b'forged'))",
    "a request of its own": "send(frame(2, 1, bytes(5)))",
    "a PONG nobody asked for": "send(frame(21, 0))",
    "noise": "send(os.urandom(100_000))",
}


@pytest.mark.parametrize("what", ENDS_IT)
async def test_it_ends_its_own_sandbox_and_no_other(bench: Bench, what: str) -> None:
    workload = bench.deploy(PYTHON, f"{_BEFORE}    {ENDS_IT[what]}\n{_WAIT}")
    async with a_neighbour(bench) as answers:
        outcome = await bench.run(workload)
    assert (outcome.status_code, outcome.error_class) == (500, ErrorClass.EXIT)
    assert "data that is not a response" in outcome.errors
    assert all(answer.logs == "" for answer in answers)
    assert (await bench.run(workload)).is_cold


FLOODS = {
    "logs without content": "send(log(1, b'') * 1000)",
    "empty parts of an answer": "send(frame(19, 1) * 1000)",
    "logs without end": "send(log(1, b'x' * 999 + b'\\n') * 100)",
}


@pytest.mark.parametrize("what", FLOODS)
async def test_a_flood_of_frames_ends_at_the_deadline_and_delays_nobody(
    bench: Bench, what: str
) -> None:
    begun = "    send(response(1, flags=0))\n" if "parts" in what else ""
    workload = bench.deploy(PYTHON, f"{_BEFORE}{begun}    while True:\n        {FLOODS[what]}\n")
    heard = 0

    async def flooded(timeout_s: float) -> Outcome:
        nonlocal heard
        async with a_neighbour(bench) as answers:
            outcome = await bench.run(workload, timeout_s=timeout_s)
            heard = len(answers)
        return outcome

    outcome = await cut_short(flooded, lambda _: heard > 3)
    assert outcome.error_class is ErrorClass.TIMEOUT
    assert len(outcome.logs.encode()) <= LOG_BYTES
    assert heard > 3


async def test_half_a_frame_holds_up_nobody_and_ends_at_the_deadline(bench: Bench) -> None:
    workload = bench.deploy(PYTHON, f"{_BEFORE}    send(response(1, body=b'x' * 99)[:50])\n{_WAIT}")
    async with a_neighbour(bench):
        outcome = await bench.run(workload, timeout_s=1.0)
    assert outcome.error_class is ErrorClass.TIMEOUT


async def test_a_closed_socket_is_the_end_of_the_sandbox(bench: Bench) -> None:
    workload = bench.deploy(PYTHON, f"{_BEFORE}    os.close(3)\n{_WAIT}")
    outcome = await bench.run(workload, timeout_s=15)
    assert outcome.error_class in (ErrorClass.EXIT, ErrorClass.TIMEOUT)
    assert (await bench.run(workload)).is_cold


async def test_an_answer_for_itself_is_all_that_it_can_forge(bench: Bench) -> None:
    code = "    send(log(1, b'own\\n') + response(1, b'x:1', b'own'))\n" + _WAIT
    outcome = await bench.run(bench.deploy(PYTHON, _BEFORE + code))
    assert (outcome.body, outcome.headers, outcome.logs) == (b"own", (("x", "1"),), "own\n")
