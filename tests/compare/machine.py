"""A pid namespace of our own: what is started in it, what is seen of it, and its end.

We are PID 1 there, so that one signal ends whatever a probe has left behind.
"""

import os
import pathlib
import select
import signal
import subprocess
import sys
import time

PATIENCE = 2.0
"""Seconds after which something that should happen at once is taken not to happen."""


def enter():
    """Runs this script again as PID 1 of a new pid namespace, and exits with its code."""
    if os.getpid() == 1:
        # The parent that made the namespace may ignore or block signals.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        return
    if os.geteuid() != 0:
        sys.exit("tests/compare/run makes a pid namespace; run it as root")
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, *sys.argv]
    sys.exit(subprocess.run(command).returncode)


def clean():
    """Ends everything but us, and reaps it."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def eventually(condition, seconds=PATIENCE):
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.002)
    return bool(condition())


def stat(pid):
    """State and parent of a process, proc_pid_stat(5); nothing if there is none."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return fields[0], int(fields[1])


def processes():
    """The ids of all processes in the namespace."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def children(parent):
    """The children of a process, with their states."""
    found = ((pid, stat(pid)) for pid in processes())
    return {pid: seen[0] for pid, seen in found if seen and seen[1] == parent}


def arguments(pid):
    """The command line of a process that is no zombie; nothing if there is none."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []
    return [word.decode(errors="replace") for word in words]


def running(program):
    """The processes that run exactly this command line, not those that have it as an argument."""
    return [pid for pid in processes() if arguments(pid) == list(program) and (stat(pid) or "Z")[0] != "Z"]


def field(pid, name):
    """A number of /proc/PID/status."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), 0)


class Started:
    """A program with its output, line by line."""

    def __init__(self, command, stdin=subprocess.DEVNULL):
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.pid = self.process.pid
        self.printed = b""

    def prints(self, line, seconds=PATIENCE):
        """Whether it prints the line in time."""
        deadline = time.monotonic() + seconds
        stdout = self.process.stdout
        while line.encode() not in self.printed.split(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stdout], [], [], left)[0]:
                return False
            more = os.read(stdout.fileno(), 65536)
            if not more:
                return False
            self.printed += more
        return True

    def code(self, seconds=PATIENCE):
        """Its exit code as a shell tells it; nothing if it does not end in time."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return 128 - code if code < 0 else code

    def signal(self, number):
        """Signals it, if it is still there."""
        if self.process.poll() is None:
            os.kill(self.pid, number)
