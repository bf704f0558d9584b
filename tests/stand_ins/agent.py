#!/usr/bin/env python3
"""A stand-in for an agent that drains on one signal and aborts on another, or on the second.

It owns one job, which is a timer. Each stop signal is printed with its number in order.

    agent.py [--drain-on NAMES] [--abort-on NAMES] [--job SECONDS] [--stubborn] [WORDS...]

The first signal of --drain-on lets the job finish, and the agent exits with 0. A second one, or any
of --abort-on, cancels the job, and the agent exits with 9. A --stubborn agent ignores both orders
to cancel. HUP reloads. USR1 is for tests: it ends the job at once.
"""

import argparse
import os
import select
import signal
import sys
import time


def names(text):
    return [signal.Signals["SIG" + name] for name in text.split(",") if name]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--drain-on", type=names, default=names("TERM,INT"))
    parser.add_argument("--abort-on", type=names, default=names("QUIT"))
    parser.add_argument("--job", type=float, default=3600.0)
    parser.add_argument("--stubborn", action="store_true")
    options, _words = parser.parse_known_args()

    # Python writes the number of each signal to the pipe, so that none is lost or merged.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    stops = set(options.drain_on + options.abort_on)
    for number in stops | {signal.SIGHUP, signal.SIGUSR1}:
        signal.signal(number, lambda *_: None)
    end = time.monotonic() + options.job
    print("ready", flush=True)

    stop_signals = 0
    while True:
        job_left = max(0.0, end - time.monotonic())
        if job_left == 0 and stop_signals:
            print("drained", flush=True)
            sys.exit(0)
        # Without a signal the agent waits for the next job.
        timeout = job_left if stop_signals else None
        if not select.select([reader], [], [], timeout)[0]:
            continue
        received = signal.Signals(os.read(reader, 1)[0])
        if received == signal.SIGHUP:
            print("reloaded", flush=True)
        elif received == signal.SIGUSR1:
            end = time.monotonic()
        elif received in stops:
            stop_signals += 1
            print(f"{received.name} #{stop_signals}", flush=True)
            cancels = received in options.abort_on or stop_signals > 1
            if cancels and not options.stubborn:
                print("canceled", flush=True)
                sys.exit(9)


if __name__ == "__main__":
    main()
