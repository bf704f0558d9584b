"""A user of Python's grpc.aio: drains a wrapper with messages written by hand and no option.

Takes the target (`unix:PATH` or `HOST:PORT`) and, for mutual TLS, the files of the authority, the
certificate and its key. Prints `draining` once the process is shutting down, and `all is well` at
the end. Fails by an exception.
"""

import asyncio
import pathlib
import sys

import grpc

SERVICE = "/process_wrapper.v1.ProcessWrapper/"
RUNNING, SHUTTING_DOWN, GONE = 1, 2, 3
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"
PROCESS = b"\x0a\x07process"


def wait_until(state):
    """GetStateRequest: field 1, a varint."""
    return bytes([0x08, state])


def state(answer):
    """The state in an answer: field 1 is a message, which begins with field 1, a varint."""
    assert answer[0] == 0x0A, answer
    at = 2 if answer[1] < 0x80 else 3
    assert answer[at] == 0x08, answer
    return answer[at + 1]


def channel(target, *files):
    if not files:
        return grpc.aio.insecure_channel(target)
    ca, certificate, key = (pathlib.Path(file).read_bytes() for file in files)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(ca, key, certificate))


async def code(call):
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    raise AssertionError("the call did not fail")


async def drain(channel):
    get_state = channel.unary_unary(SERVICE + "GetState")
    shut_down = channel.unary_unary(SERVICE + "InitiateGracefulShutdown")
    check = channel.unary_unary("/grpc.health.v1.Health/Check")

    assert state(await get_state(b"", timeout=20)) == RUNNING
    assert await code(get_state(wait_until(GONE), timeout=0.05)) == grpc.StatusCode.DEADLINE_EXCEEDED
    assert await code(get_state(wait_until(9))) == grpc.StatusCode.INVALID_ARGUMENT
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(PROCESS)
    assert await watch.read() == SERVING

    started = asyncio.ensure_future(get_state(wait_until(SHUTTING_DOWN), timeout=20))
    waiting = asyncio.ensure_future(get_state(wait_until(GONE), timeout=20))
    answers = await asyncio.gather(*(get_state(b"", timeout=20) for _ in range(200)))
    assert {state(answer) for answer in answers} == {RUNNING}
    assert state(await shut_down(b"", timeout=20)) == SHUTTING_DOWN
    assert state(await started) == SHUTTING_DOWN
    assert await watch.read() == NOT_SERVING
    print("draining", flush=True)

    assert state(await waiting) == GONE
    assert await check(PROCESS) == NOT_SERVING
    assert await check(b"") == SERVING
    watch.cancel()
    print("all is well")


async def main():
    async with channel(*sys.argv[1:]) as opened:
        await drain(opened)


asyncio.run(main())
