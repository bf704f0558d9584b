"""The rows of the comparison: each starts real processes and says what it saw.

A row answers with "yes", "no", or words; it never looks at who is asked beyond `supervisors`.
"""

import contextlib
import functools
import http.server
import os
import pathlib
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import machine
from machine import Started, eventually

HERE = pathlib.Path(__file__).resolve().parent
LISTENER = [sys.executable, "-S", "-E", str(HERE / "listener.py")]
SLEEP = ["sleep", "604"]
DRAINS = "trap 'echo draining; exit 3' QUIT; echo ready; while :; do sleep 0.05; done"
STUBBORN = "trap 'echo quit' QUIT; trap 'echo term' TERM; echo ready; while :; do sleep 0.05; done"
ROWS = []
RUNS = 1.0
"""The part of the runs of each sweep that is made."""


def row(section, title):
    """Registers a row; the function gets the supervisor and a folder of its own."""

    def register(probe):
        @functools.wraps(probe)
        def clean(supervisor):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found = probe(supervisor, folder)
                finally:
                    machine.clean()
            return {True: "yes", False: "no"}.get(found, found)

        ROWS.append((section, title, clean))
        return clean

    return register


def sh(script, *words):
    return ["sh", "-c", script, "sh", *words]


def start(supervisor, program, folder, *options, launcher=()):
    return Started([*launcher, *supervisor.command(program, folder, *options)])


def sleeping(supervisor, folder, *options, launcher=()):
    """One around a `sleep` that has begun: no signal meets what comes before its exec."""
    started = start(supervisor, SLEEP, folder, *options, launcher=launcher)
    if not eventually(lambda: machine.running(SLEEP)):
        raise RuntimeError(f"{supervisor.name} has started nothing")
    return started


def has_ended(seconds=machine.PATIENCE):
    """Whether no such `sleep` is left, in time."""
    return eventually(lambda: not machine.running(SLEEP), seconds)


@contextlib.contextmanager
def again():
    """A folder for one more start."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder
        machine.clean()


def end_of(supervisor, program, *options, launcher=()):
    """How the program ended, as the supervisor passes it on."""
    with again() as folder:
        started = start(supervisor, program, folder, *supervisor.watched(folder), *options, launcher=launcher)
        return supervisor.end(started, folder)


def passed_on(supervisor, holds):
    """Whether it is passed on, and to which process, if it is not by the supervisor's own exit code."""
    return "to its `finish` script" if holds and not supervisor.ends_with_it else holds


def runs(count):
    return range(max(3, round(count * RUNS)))


EXIT, SIGNALS, LAUNCHER, ORPHANS, DRAIN, COST = (
    "How it ends",
    "Signals",
    "What the launcher left odd",
    "Orphans and PID 1",
    "Draining, and what comes after",
    "What it costs",
)


@row(EXIT, "exit codes 0 to 255 are passed on")
def _(supervisor, _folder):
    step = 1 if RUNS == 1 else 51
    holds = all(end_of(supervisor, sh(f"exit {code}")) == code for code in range(0, 256, step))
    return passed_on(supervisor, holds)


@row(EXIT, "128+n after signal n, real-time signals too")
def _(supervisor, _folder):
    killed = "kill -{} $$; sleep 9"
    holds = all(end_of(supervisor, sh(killed.format(n))) == 128 + n for n in (1, 9, 15, 40, 64))
    return passed_on(supervisor, holds)


@row(EXIT, "127 where the program is missing, 126 where it cannot be executed")
def _(supervisor, folder):
    plain = pathlib.Path(folder) / "plain"
    plain.write_text("text")
    found = [end_of(supervisor, [program]) for program in ("/no/such/program", plain, folder)]
    return passed_on(supervisor, found == [127, 126, 126])


@row(EXIT, "the end is seen while a grandchild holds stdout")
def _(supervisor, _folder):
    return end_of(supervisor, sh("sleep 604 & exit 4")) == 4


FORWARDED = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "CONT", "TSTP", "TTIN", "TTOU", "WINCH"]


def forwarded(supervisor, names):
    """Those of the signals that reach the process as they came."""
    seen = []
    for name in names:
        with again() as folder:
            started = start(supervisor, LISTENER, folder)
            number = int(name) if name.isdigit() else getattr(signal, "SIG" + name)
            if started.prints("ready"):
                started.signal(number)
                if started.prints(f"main {int(number)}", 0.5):
                    seen.append(name)
    return seen


@row(SIGNALS, "forwarded: " + ", ".join(FORWARDED))
def _(supervisor, _folder):
    seen = forwarded(supervisor, FORWARDED)
    missing = [name for name in FORWARDED if name not in seen]
    if seen and missing:
        return "only " + ", ".join(seen) if len(seen) < len(missing) else "all but " + ", ".join(missing)
    return bool(seen)


@row(SIGNALS, "forwarded: PWR and real-time signals")
def _(supervisor, _folder):
    return len(forwarded(supervisor, ["PWR", "34", "40", "64"])) == 4


@row(SIGNALS, "the main process alone is signalled, not its group")
def _(supervisor, _folder):
    def holds(*options):
        with again() as folder:
            started = start(supervisor, [*LISTENER, "fork"], folder, *options)
            if not (started.prints("ready") and started.prints("other ready")):
                return False
            supervisor.deliver(started, signal.SIGUSR1, folder)
            number = int(signal.SIGUSR1)
            return started.prints(f"main {number}") and not started.prints(f"other {number}", 0.3)

    if not holds() and supervisor.alone and holds(*supervisor.alone):
        return f"with `{' '.join(supervisor.alone)}`"
    return holds()


@row(SIGNALS, "another signal is sent than the one received (TERM:QUIT)")
def _(supervisor, folder):
    options = supervisor.rewriting
    if options is None:
        return False
    started = start(supervisor, sh(DRAINS), folder, *options)
    ready = started.prints("ready")
    started.signal(signal.SIGTERM)
    return ready and started.prints("draining")


@row(SIGNALS, "TERM at any moment of the start, swept over 0 to 3 ms: nothing is left running")
def _(supervisor, _folder):
    lost = 0
    for run in runs(200):
        with again() as folder:
            started = start(supervisor, SLEEP, folder)
            until = time.perf_counter() + run / RUNS * 15e-6
            while time.perf_counter() < until:
                pass
            started.signal(signal.SIGTERM)
            lost += started.code() is None or not has_ended(0.5)
    return lost == 0 or f"no: {lost} of 200"


@row(SIGNALS, "TERM in a flood of WINCH is not lost (50 runs)")
def _(supervisor, _folder):
    lost = 0
    for _ in runs(50):
        with again() as folder:
            started = sleeping(supervisor, folder)
            over = threading.Event()

            def flood(started=started, over=over):
                while not over.is_set() and started.process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(started.pid, signal.SIGWINCH)

            thread = threading.Thread(target=flood)
            thread.start()
            os.kill(started.pid, signal.SIGTERM)
            lost += not has_ended()
            over.set()
            thread.join()
    return lost == 0 or f"no: {lost} of 50"


@row(SIGNALS, "told to stop, it ends a process that is stopped (SIGSTOP)")
def _(supervisor, folder):
    started = sleeping(supervisor, folder)
    for pid in machine.running(SLEEP):
        os.kill(pid, signal.SIGSTOP)
        eventually(lambda pid=pid: (machine.stat(pid) or "?")[0] == "T")
    started.signal(signal.SIGTERM)
    return has_ended()


@row(LAUNCHER, "SIGCHLD ignored: the end is seen")
def _(supervisor, _folder):
    return end_of(supervisor, sh("exit 7"), launcher=["env", "--ignore-signal=CHLD"]) == 7


@row(LAUNCHER, "TERM blocked: the process ends by it nevertheless")
def _(supervisor, folder):
    launcher = ["env", "--block-signal=TERM"]
    started = sleeping(supervisor, folder, launcher=launcher)
    supervisor.deliver(started, signal.SIGTERM, folder)
    return has_ended(1)


@row(LAUNCHER, "INT and QUIT ignored, as by `command &`: the process can still drain by QUIT")
def _(supervisor, folder):
    launcher = ["env", "--ignore-signal=INT,QUIT"]
    started = start(supervisor, sh(DRAINS), folder, launcher=launcher)
    started.prints("ready")
    supervisor.deliver(started, signal.SIGQUIT, folder)
    return started.prints("draining", 1)


@row(LAUNCHER, "HUP ignored, as by nohup: it stays so, for both")
def _(supervisor, folder):
    launcher = ["env", "--ignore-signal=HUP"]
    started = sleeping(supervisor, folder, launcher=launcher)
    supervisor.deliver(started, signal.SIGHUP, folder)
    return not has_ended(0.3) and started.process.poll() is None


# The main process waits until each of them is an orphan, or an orphan could come after its end.
HUNDRED = (
    "i=0; while [ $i -lt 20 ]; do i=$((i+1)); (true &); (sleep 0.0$i &); (sh -c 'kill -9 $$' &); "
    "(sh -c 'kill -40 $$' &); (sh -c 'sleep 0.1; exit 3' &); done; sleep 0.3; echo made; sleep 604"
)


def no_zombies(init):
    return not any(state == "Z" for state in machine.children(init).values())


@row(ORPHANS, "100 orphans are reaped by PID 1")
def _(supervisor, folder):
    launcher = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    started = start(supervisor, sh(HUNDRED), folder, launcher=launcher)
    made = started.prints("made", 10)
    init = next(iter(machine.children(started.pid)), None)
    return bool(made and init and eventually(lambda: no_zombies(init)))


@row(ORPHANS, "100 orphans are taken over and reaped where it is not PID 1")
def _(supervisor, folder):
    before = set(machine.children(os.getpid()))
    started = start(supervisor, sh(HUNDRED), folder)
    made = started.prints("made", 10)
    strays = set(machine.children(os.getpid())) - before - {started.pid}
    return bool(made and not strays and eventually(lambda: no_zombies(started.pid)))


@row(ORPHANS, "killed by SIGKILL, it does not leave the process running")
def _(supervisor, folder):
    options = supervisor.on_death or []
    started = sleeping(supervisor, folder, *options)
    # Not within its start: until it has said that the process is watched.
    time.sleep(0.1)
    started.signal(signal.SIGKILL)
    started.code()
    return has_ended(1)


@row(DRAIN, "a command asks for the drain (QUIT) and returns when the process is gone")
def _(supervisor, folder):
    command = supervisor.drain(folder)
    if not command:
        return False
    options = supervisor.staying or supervisor.rewriting
    started = start(supervisor, sh(DRAINS), folder, *options)
    ready = started.prints("ready")
    asked = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=10, check=False)
    # Its own exit code is that of the drain, or 0.
    return ready and asked.returncode in (0, 5) and started.prints("draining", 0.1)


@row(DRAIN, "it stays when the process is gone, and tells how that ended")
def _(supervisor, folder):
    command = supervisor.drain(folder)
    if not command:
        return False
    options = supervisor.staying or supervisor.rewriting
    started = start(supervisor, sh(DRAINS), folder, *options)
    started.prints("ready")
    for asked in (command, supervisor.ending(folder)):
        told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
    return told.stdout.strip() == "3" and started.process.poll() is None


@row(DRAIN, "after a crash it leaves with the code of the process, after a drain it stays")
def _(supervisor, folder):
    options = supervisor.staying
    if options is None or end_of(supervisor, sh("exit 9"), *options) != 9:
        return False
    started = start(supervisor, sh(DRAINS), folder, *options)
    started.prints("ready")
    subprocess.run(supervisor.drain(folder), capture_output=True, timeout=10, check=False)
    return started.code(0.3) is None


@row(DRAIN, "it starts the process again after a crash")
def _(supervisor, folder):
    file = pathlib.Path(folder) / "starts"
    start(supervisor, sh(f"echo x >> {file}; exit 9"), folder)
    return eventually(lambda: file.exists() and len(file.read_text()) > 2, 3)


@row(DRAIN, "deadlines: a process that does not drain gets TERM, then KILL")
def _(supervisor, folder):
    options = supervisor.deadlines
    if not options:
        return False
    program = sh(STUBBORN)
    started = start(supervisor, program, folder, *options)
    started.prints("ready")
    subprocess.run(
        [word for word in supervisor.drain(folder) if not word.startswith("-w")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=10, check=False,
    )
    ended = eventually(lambda: not machine.running(program), 3)
    drained, forced = started.prints("quit", 0.1), started.prints("term", 0.1)
    if ended and drained and not forced:
        return "KILL only"
    return bool(ended and drained and forced)


@row(DRAIN, "a command runs after the exit and is told the exit code")
def _(supervisor, folder):
    file = pathlib.Path(folder) / "told"
    if not supervisor.after_exit:
        return False
    start(supervisor, sh("exit 9"), folder, *supervisor.after_exit(file))
    return eventually(lambda: file.exists() and file.read_text().strip() == "9")


@row(DRAIN, "its state can be read, and a drain asked for, over the network")
def _(supervisor, folder):
    # Of these only ours does.
    if not supervisor.staying:
        return False
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    start(supervisor, SLEEP, folder, "--listen", address, *supervisor.staying)
    asked = subprocess.run(
        [supervisor.program, "shutdown", "--wait", "--propagate-exit", "--address", address],
        capture_output=True, timeout=10, check=False,
    )
    return asked.returncode == 128 + signal.SIGQUIT


@row(DRAIN, "a webhook is called once the process is gone")
def _(supervisor, folder):
    # Of these only ours does.
    if not supervisor.staying:
        return False
    called = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            called.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        code = start(supervisor, sh("exit 9"), folder, "--webhook", url).code()
        server.shutdown()
    return code == 9 and len(called) == 1 and b'"exit_code":9' in called[0].replace(b" ", b"")


def idle(supervisor, folder):
    """A supervisor at rest around a `sleep`: the processes that are its own."""
    started = sleeping(supervisor, folder)
    time.sleep(0.3)
    own = [started.pid]
    own += [pid for pid in machine.children(started.pid) if machine.children(pid)]
    return own


@row(COST, "size of its programs, KiB")
def _(supervisor, _folder):
    return str(round(sum(os.stat(file).st_size for file in supervisor.files()) / 1024))


@row(COST, "resident memory at rest, KiB")
def _(supervisor, folder):
    return str(sum(machine.field(pid, "VmRSS") for pid in idle(supervisor, folder)))


@row(COST, "processes and threads at rest")
def _(supervisor, folder):
    own = idle(supervisor, folder)
    return f"{len(own)}, {sum(machine.field(pid, 'Threads') for pid in own)}"


def switches(pids):
    tasks = [task for pid in pids for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return sum(machine.field(f"{task.parent.parent.name}/task/{task.name}", "voluntary_ctxt_switches") for task in tasks)


@row(COST, "wake-ups in 10 s at rest")
def _(supervisor, folder):
    own = idle(supervisor, folder)
    before = switches(own)
    time.sleep(10)
    return str(switches(own) - before)


@row(COST, "start and end around `true`, ms (median of 101)")
def _(supervisor, _folder):
    if not supervisor.ends_with_it:
        return "-"

    def once():
        with tempfile.TemporaryDirectory() as folder:
            command = supervisor.command(["true"], folder)
            begin = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            return time.perf_counter() - begin

    return f"{statistics.median(once() for _ in range(101)) * 1000:.2f}"


@row(COST, "open files that it needs to start (`ulimit -n`)")
def _(supervisor, _folder):
    for limit in range(3, 100):
        with again() as folder:
            launcher = ["prlimit", f"--nofile={limit}:{limit}"]
            if start(supervisor, sh("echo ran; exec sleep 604"), folder, launcher=launcher).prints("ran", 0.5):
                return str(limit)
    return "more than 99"
