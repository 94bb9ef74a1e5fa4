"""What a runner does beside answering: concurrency, streams, floods, crashes, a broken host."""

import re

import pytest

from runwright.executor.wire import (
    FLAG_END,
    WINDOW_BYTES,
    Kind,
    ResultClass,
    encode_window,
    frame,
)
from tests.integration.runners.harness import DEADLINE_S, Runner, Variant, started


def test_calls_run_at_the_same_time(runner: Runner, variant: Variant) -> None:
    if not variant.can("calls at once"):
        pytest.skip("a sandbox takes one call")
    ids = [runner.begin("meet", target="/?n=30") for _ in range(30)]

    assert [runner.end(request_id).text for request_id in ids] == ["met"] * 30


def test_output_of_calls_at_the_same_time_is_not_mixed_up(runner: Runner, variant: Variant) -> None:
    if not variant.can("native output apart"):
        pytest.skip("what calls print at the same time is nobody's")
    ids = [runner.begin("sleep", target=f"/?id={n}&ms={100 - n}") for n in range(20)]

    for number, request_id in enumerate(ids):
        assert runner.end(request_id).logs == (
            f"start {number}\n{variant.notice}native start {number}\n"
            f"native end {number}\nend {number}\n"
        )


def test_output_of_timers_and_threads_belongs_to_the_call_that_started_them(
    runner: Runner, variant: Variant
) -> None:
    if not variant.can("native output apart"):
        pytest.skip("what calls print at the same time is nobody's")
    ids = [runner.begin("printLater", target=f"/?id={n}") for n in range(5)]

    for number, request_id in enumerate(ids):
        assert runner.end(request_id).logs == f"{variant.notice}late {number}\n"


def test_output_after_the_answer_is_dropped(runner: Runner, variant: Variant) -> None:
    if not variant.can("calls at once"):
        pytest.skip("a sandbox takes one call")
    request_id = runner.begin("lateOutput")
    assert runner.end(request_id).logs == ""

    runner.call("release")  # the late output has come
    assert runner.results[request_id].logs == ""


def test_output_beside_the_answer_holds_nothing_up(variant: Variant) -> None:
    if variant.is_javascript or not variant.can("calls at once"):
        pytest.skip("a function has one thread")
    with started(variant, cpus=4) as runner:
        # What is said after the end of a call stays in the pipe of stderr: 100 bytes each.
        assert [runner.call("chatter").text for _ in range(300)] == ["said"] * 300


def held_up(runner: Runner) -> int:
    """A call that answers after `release`: it has begun, so a release cannot come before it."""
    request_id = runner.begin("hold")
    runner.wait(lambda: runner.results[request_id].logs.endswith("holding\n"))
    return request_id


def test_a_quick_call_is_not_held_up_by_a_slow_one(runner: Runner, variant: Variant) -> None:
    if not variant.can("calls at once"):
        pytest.skip("a sandbox takes one call")
    slow = held_up(runner)
    quick = runner.call("text")

    assert quick.status == 200
    assert runner.results[slow].result is None
    runner.call("release")
    assert runner.end(slow).text == "released"


def test_a_rehearsal_shows_in_no_call(variant: Variant) -> None:
    with Runner(variant.argv) as runner:
        runner.rehearse()
        runner.load(variant.root, variant.entrypoint)
        first, second = runner.call("text"), runner.call("text")

    assert (first.status, first.errors, second.logs) == (200, "", "")
    assert first.text == second.text


def test_a_ping_is_answered_during_a_slow_call(runner: Runner, variant: Variant) -> None:
    if not variant.can("calls at once"):
        pytest.skip("a sandbox takes one call")
    slow = held_up(runner)
    runner.pongs.clear()
    runner.ping(77)
    runner.wait(lambda: bool(runner.pongs))

    assert runner.pongs == [77]
    assert runner.results[slow].result is None
    runner.call("release")
    runner.end(slow)


def test_state_of_the_module_lives_as_long_as_the_process(own: Runner) -> None:
    assert [own.call("counter").text for _ in range(3)] == ["1", "2", "3"]


def test_many_calls_at_once_are_all_answered(runner: Runner) -> None:
    ids = [runner.begin("request", target=f"/{n}") for n in range(2000)]

    assert all(runner.end(request_id).status == 200 for request_id in ids)


def test_output_of_loading_goes_to_the_first_call(own: Runner, variant: Variant) -> None:
    first, second = own.call("text"), own.call("text")

    assert first.logs == variant.notice + "module loaded\n"
    assert second.logs == ""


# --- bodies in parts ---


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, 1_048_576, 1_048_577, 25_000_000])
def test_a_body_of_any_size_comes_whole(runner: Runner, size: int) -> None:
    result = runner.call("large", target=f"/?size={size}")

    assert result.body == (b"abcdefghij" * (size // 10 + 1))[:size]
    assert (result.chunks > 0) == (size > 262_144)


def test_text_whose_bytes_are_more_than_its_characters_comes_whole(runner: Runner) -> None:
    for size in (87_000, 131_072, 131_073, 200_000):
        assert runner.call("largeText", target=f"/?size={size}").text == "é" * size


def test_a_large_body_waits_for_its_window(runner: Runner, variant: Variant) -> None:
    runner.opens_windows = False
    try:
        size = WINDOW_BYTES + 100_000
        request_id = runner.begin("large", target=f"/?size={size}")
        result = runner.results[request_id]
        runner.wait(lambda: len(result.body) == WINDOW_BYTES)
        # Others are served meanwhile, and nothing more comes for the first.
        if variant.can("calls at once"):
            assert runner.call("text").status == 200
        assert len(result.body) == WINDOW_BYTES
        assert result.result is None
        runner.send(encode_window(request_id, 10))
        runner.wait(lambda: len(result.body) == WINDOW_BYTES + 10)
        runner.send(encode_window(request_id, size))
        assert len(runner.end(request_id).body) == size
    finally:
        runner.opens_windows = True


def test_a_streamed_response_comes_in_order_with_its_logs(runner: Runner) -> None:
    result = runner.call("stream")

    assert (result.status, result.body, result.logs) == (201, b"first second", "between\n")
    assert result.header("content-type") == "text/event-stream; charset=utf-8"
    assert result.result == ResultClass.OK
    assert result.order[0] == Kind.RESPONSE
    assert result.order[-1] == Kind.END


def test_a_stream_is_held_back_by_its_window(runner: Runner, variant: Variant) -> None:
    runner.opens_windows = False
    try:
        request_id = runner.begin("streamMany", target="/?parts=100")
        result = runner.results[request_id]
        runner.wait(lambda: len(result.body) == WINDOW_BYTES)
        if variant.can("calls at once"):
            runner.call("sleep", target="/?id=1&ms=100")
        # The function stands still in its eleventh write.
        assert result.logs.count("wrote") == 10
        runner.send(encode_window(request_id, 100_000_000))
        whole = runner.end(request_id)
    finally:
        runner.opens_windows = True
    assert whole.body == b"".join(bytes([n]) * 100_000 for n in range(100))
    assert whole.logs.count("wrote") == 100


def test_an_exception_in_a_stream_ends_it_as_failed(runner: Runner) -> None:
    result = runner.call("streamThenThrow")

    assert (result.status, result.body) == (200, b"half")
    assert result.result == ResultClass.USER_EXCEPTION
    assert "broken in the middle" in result.errors


# --- cancelling ---


def test_a_cancelled_call_is_not_answered(runner: Runner, variant: Variant) -> None:
    if variant.can("calls at once"):
        request_id = held_up(runner)
        runner.send(frame(Kind.CANCEL, request_id))
        runner.pongs.clear()
        runner.ping(78)
        runner.wait(lambda: runner.pongs == [78])  # so it has been cancelled
        runner.call("release")
    else:
        # Both come at once: a call whose frames are taken when it ends is cancelled by then.
        request_id, data = runner.prepare("sleep", target="/?id=1&ms=50")
        runner.send(data + frame(Kind.CANCEL, request_id))
    runner.call("sleep", target="/?id=2&ms=50")

    assert runner.results[request_id].status == 0


def test_cancelling_frees_a_call_that_waits_for_its_window(runner: Runner) -> None:
    runner.opens_windows = False
    try:
        request_id = runner.begin("streamMany", target="/?parts=100")
        runner.wait(lambda: len(runner.results[request_id].body) == WINDOW_BYTES)
        runner.send(frame(Kind.CANCEL, request_id))
        assert runner.call("text").status == 200
        assert runner.results[request_id].result is None
    finally:
        runner.opens_windows = True


def test_frames_for_unknown_requests_are_ignored(runner: Runner) -> None:
    runner.send(frame(Kind.CANCEL, 4_000_000))
    runner.send(encode_window(4_000_000, 10))
    runner.send(frame(Kind.BODY, 4_000_000, b"\1late"))

    assert runner.call("text").status == 200


# --- floods ---


def test_a_flood_of_logs_comes_whole_and_stays_out_of_memory(own: Runner) -> None:
    own.call("text")
    before = _memory_mib(own)
    result = own.call("flood", target="/?lines=100000")

    assert len(result.logs) == 100_000_000
    assert _memory_mib(own) - before < 64


def _memory_mib(runner: Runner) -> float:
    with open(f"/proc/{runner.process.pid}/status") as status:
        peak = next(line for line in status if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


# --- the end of the process ---


def test_what_was_logged_before_an_endless_loop_is_known(own: Runner) -> None:
    request_id = own.begin("spin")
    result = own.results[request_id]
    own.wait(lambda: "before the loop\n" in result.logs)
    own.process.kill()

    assert own.drain() == -9
    assert result.result is None


def test_leaving_the_process_keeps_the_logs_and_the_code(own: Runner) -> None:
    request_id = own.begin("exit")

    assert own.drain() == 3
    assert own.results[request_id].logs.endswith("before the exit\n")
    assert own.results[request_id].result is None


def test_a_hard_exit_keeps_the_logs(own: Runner, variant: Variant) -> None:
    if not variant.can("hard exit"):
        pytest.skip("there is one way to exit")
    request_id = own.begin("exitHard")

    assert own.drain() == 4
    assert own.results[request_id].logs.endswith("before the exit\nunfinished line\n")


def test_an_unhandled_rejection_ends_the_process_with_its_stack(
    own: Runner, variant: Variant
) -> None:
    if not variant.can("fatal rejections"):
        pytest.skip("a failure in the background does not end the process")
    request_id = own.begin("rejectUnhandled")

    assert own.drain() == variant.crash_code
    assert own.results[request_id].logs.endswith("before the rejection\n")
    assert own.process.stderr is not None
    assert b"nobody handles this" in own.process.stderr.read()


def test_a_runner_ends_with_its_host(own: Runner, variant: Variant) -> None:
    if variant.can("calls at once"):
        held_up(own)
    else:
        own.call("text")  # during a call it looks at nothing but the call
    own.socket.close()

    assert own.process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff\x02\0\0\0\0",
        b"\x04\0\0\0\x02\0\0\0\0",
        frame(Kind.REQUEST, 5, b"\1"),
        frame(Kind.REQUEST, 5, b"\1\xff\xff\0\0abc"),
        frame(Kind.WINDOW, 5, b"\1"),
        frame(Kind.BODY, 5),
        frame(Kind.PONG, 5),
        frame(Kind.LOAD, 0, b"{}"),
        b"\x05\0\0\0\x00\0\0\0\0",
    ],
    ids=["huge", "short", "request", "head", "window", "body", "kind", "second load", "zero"],
)
def test_a_broken_frame_ends_the_runner(data: bytes, own: Runner) -> None:
    own.call("text")
    own.send(data)

    assert own.drain() == 70


def test_a_body_after_its_end_ends_the_runner(own: Runner, variant: Variant) -> None:
    action = "hold" if variant.can("calls at once") else "sleep"
    # Both come at once, so that the second is there before the call has ended.
    request_id, data = own.prepare(action, target="/?id=1&ms=50")
    own.send(data + frame(Kind.BODY, request_id, bytes([FLAG_END]) + b"more"))

    assert own.drain() == 70


def test_frames_cut_anywhere_are_understood(own: Runner) -> None:
    own.call("text")
    requests = [own.prepare("bodyText", body=f"body {n}") for n in range(20)]
    for byte in b"".join(data for _, data in requests):
        own.send(bytes([byte]))

    assert [own.end(number).text for number, _ in requests] == [f"body {n}" for n in range(20)]


def test_the_socket_is_not_left_to_child_processes(runner: Runner, variant: Variant) -> None:
    if not variant.can("private socket"):
        pytest.skip("the language cannot keep a descriptor from its children")
    listing = runner.call("openFiles").text

    # Lines end in "3 -> socket:[1234]"; Node gives its children sockets as 0, 1 and 2.
    assert "0 ->" in listing
    assert set(re.findall(r" (\d+) -> socket", listing)) <= {"0", "1", "2"}


def test_log_entries_of_calls_at_the_same_time_are_not_mixed_up(
    runner: Runner, variant: Variant
) -> None:
    if not variant.can("calls at once"):
        pytest.skip("a sandbox takes one call")
    ids = [runner.begin("sleep", target=f"/?id={n}&ms={100 - n}") for n in range(20)]

    for number, request_id in enumerate(ids):
        logs = runner.end(request_id).logs
        assert logs.startswith(f"start {number}\n")
        assert logs.endswith(f"end {number}\n")
        assert not [line for line in logs.splitlines() if line.endswith(f" {(number + 1) % 20}")]
