"""A process that says which signals it gets; with `fork`, another one of its group does so too."""

import os
import signal
import sys

fork = sys.argv[1:] == ["fork"] and os.fork() == 0
name = "other" if fork else "main"


def tell(number, _frame):
    os.write(1, f"{name} {number}\n".encode())


for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, tell)
os.write(1, b"other ready\n" if fork else b"ready\n")
while True:
    signal.pause()
