"""What a user of Python grpcio does: no generated code is needed, messages are written by hand.

Takes the target, `unix:PATH` or `HOST:PORT`. No client option is set. Fails by an exception.
"""

import sys

import grpc

SERVICE = "/process_wrapper.v1.ProcessWrapper/"
RUNNING, SHUTTING_DOWN, GONE = 1, 2, 3
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


def wait_until(state):
    """GetStateRequest: field 1, a varint."""
    return bytes([0x08, state])


def state(answer):
    """The state in an answer: in field 1, a message, the first field is the state, a varint."""
    assert answer[0] == 0x0A and answer[2] == 0x08, answer
    return answer[3]


def code(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    raise AssertionError("the call did not fail")


with grpc.insecure_channel(sys.argv[1]) as channel:
    get_state = channel.unary_unary(SERVICE + "GetState")
    shut_down = channel.unary_unary(SERVICE + "InitiateGracefulShutdown")
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
    unknown = channel.unary_unary(SERVICE + "NoSuchMethod")
    process = b"\x0a\x07process"

    assert state(get_state(b"", wait_for_ready=True, timeout=20)) == RUNNING
    assert check(process) == SERVING
    watched = watch(process, timeout=20)
    assert next(watched) == SERVING
    assert code(lambda: unknown(b"")) == grpc.StatusCode.UNIMPLEMENTED
    assert code(lambda: get_state(wait_until(9))) == grpc.StatusCode.INVALID_ARGUMENT
    assert (
        code(lambda: get_state(wait_until(GONE), timeout=0.05))
        == grpc.StatusCode.DEADLINE_EXCEEDED
    )
    # A second connection, and calls at once on the first.
    with grpc.insecure_channel(sys.argv[1], [("grpc.use_local_subchannel_pool", 1)]) as other:
        assert state(other.unary_unary(SERVICE + "GetState")(b"", timeout=20)) == RUNNING
    calls = [get_state.future(b"", timeout=20) for _ in range(200)]
    assert all(state(call.result()) == RUNNING for call in calls)
    cancelled = get_state.future(wait_until(GONE))
    cancelled.cancel()

    waiting = get_state.future(wait_until(GONE), timeout=20)
    assert state(shut_down(b"", timeout=20)) in (SHUTTING_DOWN, GONE)
    assert state(waiting.result()) == GONE
    assert next(watched) == NOT_SERVING
    assert check(process) == NOT_SERVING
    assert check(b"") == SERVING
    print("all is well")
