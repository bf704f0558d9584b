"""Drains the process of one wrapper, waits for its end, and says by its exit code how it ended.

    python3 drain.py --address unix:///run/process-wrapper/control.sock --timeout 3600
"""

import argparse
import os
import sys
import time

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "gen"))
from process_wrapper.v1 import process_wrapper_pb2 as pb
from process_wrapper.v1 import process_wrapper_pb2_grpc as stubs

# The exit codes, as those of `process-wrapper shutdown --wait`.
DRAINED, REFUSED, USAGE, TIMED_OUT, UNREACHABLE, FAILED, ABORTED = range(7)

OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A wait of hours notices a machine that has vanished.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Without it, pings end after the first two on a connection without other frames.
    ("grpc.http2.max_pings_without_data", 0),
]


class Unreachable(Exception):
    """There is no connection, and the time to try again has passed."""


class Replaced(Exception):
    """Another process runs at the address now."""


class Wrapper:
    """One wrapper, over one connection at a time. `end` is the limit of everything, in seconds of
    time.monotonic(); `patience` limits how long a call is tried again without a connection."""

    def __init__(self, address, end, patience):
        # For TLS and tokens: grpc.secure_channel, grpc.composite_channel_credentials.
        self.channel = grpc.insecure_channel(address.removeprefix("tcp://"), OPTIONS)
        self.stub = stubs.ProcessWrapperStub(self.channel)
        self.end = end
        self.patience = patience

    def remaining(self):
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def retry(self, call):
        """Makes calls that answer at once, and makes them again while the connection is lost."""
        until = time.monotonic() + self.patience
        while True:
            try:
                timeout = min(self.remaining(), max(until - time.monotonic(), 0.001))
                return call(timeout=timeout, wait_for_ready=True)
            except grpc.RpcError as error:
                self.remaining()
                if time.monotonic() >= until or error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise Unreachable(error.details()) from error
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                time.sleep(0.1)

    def state(self, timeout, wait_for_ready):
        request = pb.GetStateRequest()
        return self.stub.GetState(request, timeout=timeout, wait_for_ready=wait_for_ready).process

    def check_same(self, before, **limits):
        """Another wrapper may have the address by now."""
        now = self.state(**limits)
        if (before.pid, before.started_at) != (now.pid, now.started_at):
            raise Replaced("another process runs there now, and the exit of the first is unknown")

    def start_wait(self):
        """Sends a call that the wrapper answers once the process is gone."""
        request = pb.GetStateRequest(wait_until=pb.gone)
        return self.stub.GetState.future(request, timeout=self.remaining())

    def drain(self, request):
        """Requests the shutdown and returns the facts about the process once it is gone."""
        before = self.retry(self.state)
        # The wait is sent before the request: a wrapper with `--exit-when-gone` exits with the
        # process, and a later wait would find nothing there.
        waiting = self.start_wait()

        def ask(**limits):
            self.check_same(before, **limits)
            # Idempotent: a second request sends no second signal.
            self.stub.InitiateGracefulShutdown(request, **limits)

        try:
            self.retry(ask)
        except (Unreachable, Replaced):
            # The connection is lost. The wait on it may have seen the end.
            if waiting.done() and waiting.exception() is None:
                return waiting.result().process
            raise
        while True:
            try:
                return waiting.result().process
            except grpc.RpcError as error:
                # The wrapper keeps the deadline of the call as well, and may notice it first.
                if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise TimeoutError from error
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
            # The connection is lost, and the process may be alive.
            self.retry(lambda **limits: self.check_same(before, **limits))
            waiting = self.start_wait()


def code(process):
    """The exit code for a process that is gone."""
    outcomes = {
        pb.Process.drained: DRAINED,
        pb.Process.failed: FAILED,
        pb.Process.lost: FAILED,
        pb.Process.aborted: ABORTED,
        pb.Process.killed: ABORTED,
    }
    # Otherwise it was not asked to stop, or the wrapper is older than outcomes.
    clean = process.HasField("exit_code") and process.exit_code == 0
    return outcomes.get(process.outcome, DRAINED if clean else FAILED)


def main():
    parser = argparse.ArgumentParser(description="Drain one wrapper and wait for the end.")
    address = os.environ.get("PROCESS_WRAPPER_ADDRESS")
    parser.add_argument("--address", default=address, required=address is None,
                        help="unix:///PATH or tcp://HOST:PORT (default: $PROCESS_WRAPPER_ADDRESS)")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds to wait for the end")
    parser.add_argument("--force-after", type=float, help="seconds until the abort")
    parser.add_argument("--connect-timeout", type=float, default=5.0,
                        help="seconds to try again without a connection")
    options = parser.parse_args()
    request = pb.InitiateGracefulShutdownRequest()
    if options.force_after is not None:
        request.force_after.FromNanoseconds(int(options.force_after * 1e9))
    wrapper = Wrapper(options.address, time.monotonic() + options.timeout, options.connect_timeout)
    try:
        gone = wrapper.drain(request)
        outcome = pb.Process.Outcome.Name(gone.outcome)
        print(f"pid {gone.pid} is {pb.State.Name(gone.state)}: {outcome}")
        return code(gone)
    except TimeoutError:
        late = f"the process is not gone after {options.timeout} s"
        print(f"{options.address}: {late}", file=sys.stderr)
        return TIMED_OUT
    except Unreachable as error:
        print(f"{options.address}: the wrapper cannot be reached: {error}", file=sys.stderr)
        return UNREACHABLE
    except Replaced as error:
        print(f"{options.address}: {error}", file=sys.stderr)
        return REFUSED
    except grpc.RpcError as error:
        print(f"{options.address}: {error.code().name}: {error.details()}", file=sys.stderr)
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
