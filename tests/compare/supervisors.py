"""The supervisors that are compared: how each is started around a program, at its best for what is asked.

What one of them cannot do at all is `None`.
"""

import pathlib
import shlex
import shutil
import signal
import subprocess
import sys

from machine import eventually


def debian_version(package):
    """The version of a Debian package."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or "?"


class Plain:
    """One that runs a program, forwards signals, and ends with it."""

    rewriting = None
    deadlines = None
    after_exit = None
    on_death = None
    staying = None
    ends_with_it = True

    def __init__(self, name, package, *options, alone=()):
        self.name, self.options = name, list(options)
        self.alone = list(alone)
        """What makes it signal the main process only, where that is not its way."""
        self.program = shutil.which(name)
        self.version = debian_version(package)

    def command(self, program, folder, *options):
        """Its command line around this one."""
        return [self.program, *self.options, *options, "--", *program]

    def files(self):
        return [self.program]

    def deliver(self, started, number, _folder):
        """Makes the program get a signal, the supervisor's own way."""
        started.signal(number)

    def end(self, started, folder):
        """How the program ended, as the supervisor passes it on; nothing if it does not."""
        return started.code()

    def watched(self, folder):
        """Options for one whose end is asked for by `end`."""
        return []

    def drain(self, folder):
        """A command that asks it to drain and waits until it is gone."""

    def ending(self, folder):
        """A command that prints the exit code of a program that is gone."""


class DumbInit(Plain):
    rewriting = ["--rewrite", "15:3"]


class ProcessWrapper(Plain):
    rewriting = ["--rewrite-signal=TERM:QUIT"]
    deadlines = ["--force-after=100ms", "--kill-after=100ms"]
    on_death = ["--on-wrapper-death=TERM"]
    staying = ["--exit-when-gone=unrequested"]

    def __init__(self, program):
        self.name, self.program, self.alone = "process-wrapper", str(program), []
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.version = told.stdout.split()[-1]

    def command(self, program, folder, *options):
        leaving = [] if "--exit-when-gone=unrequested" in options else ["--exit-when-gone=always"]
        return [self.program, "run", "--listen", self.socket(folder), *leaving, *options, "--", *program]

    def socket(self, folder):
        return f"unix:{folder}/control.sock"

    def after_exit(self, file):
        return [f"--after-exit=sh -c 'echo $PROCESS_WRAPPER_EXIT_CODE > {file}'"]

    def drain(self, folder):
        return [self.program, "shutdown", "--wait", "--address", self.socket(folder)]

    def ending(self, folder):
        ask = [self.program, "status", "--output", "json", "--address", self.socket(folder)]
        told = "import json, sys; print(json.load(sys.stdin)['wrappers'][0]['process']['exit_code'])"
        return ["sh", "-c", shlex.join(ask) + " | " + shlex.join([sys.executable, "-c", told])]


class S6(Plain):
    """A supervision tree, which outlives its programs: options are files in the directory of the service."""

    ends_with_it = False
    rewriting = [{"down-signal": "SIGQUIT"}]
    deadlines = [{"timeout-kill": "200", "down-signal": "SIGQUIT"}]
    keys = {
        signal.SIGHUP: "h", signal.SIGQUIT: "q", signal.SIGINT: "i", signal.SIGTERM: "t", signal.SIGUSR1: "1",
        signal.SIGUSR2: "2", signal.SIGCONT: "c", signal.SIGWINCH: "y",
    }

    def __init__(self):
        super().__init__("s6-svscan", "s6")
        self.name = "s6"

    def command(self, program, folder, *options):
        service = pathlib.Path(folder) / "scan" / "service"
        service.mkdir(parents=True)
        words = {}
        for option in options:
            words.update(option)
        for name, text in words.items():
            (service / name).write_text(text + "\n")
        for name, line in {"run": "exec " + shlex.join(map(str, program)), "finish": words.get("finish")}.items():
            if line:
                (service / name).write_text(f"#!/bin/sh\n{line}\n")
                (service / name).chmod(0o755)
        return [self.program, service.parent]

    def files(self):
        return [self.program, shutil.which("s6-supervise")]

    def deliver(self, _started, number, folder):
        if number in self.keys:
            subprocess.run(["s6-svc", "-" + self.keys[number], f"{folder}/scan/service"], check=False)

    def after_exit(self, file):
        return [{"finish": f"echo $1 > {file}"}]

    def watched(self, folder):
        # It does not end with the program, but tells the finish script: the code, or 256 and the signal.
        return [{"finish": f'test $1 = 256 && echo $((128 + $2)) > {folder}/end || echo $1 > {folder}/end'}]

    def end(self, started, folder):
        end = pathlib.Path(folder) / "end"
        if eventually(lambda: end.exists() and end.read_text().strip()):
            return int(end.read_text())
        return None

    def drain(self, folder):
        return ["s6-svc", "-wd", "-d", f"{folder}/scan/service"]

    def ending(self, folder):
        return ["s6-svstat", "-o", "exitcode", f"{folder}/scan/service"]


def installed(wrapper):
    """All that are there, ours first."""
    peers = [
        Plain("tini", "tini", "-s"),
        DumbInit("dumb-init", "dumb-init", alone=["--single-child"]),
        Plain("catatonit", "catatonit"),
        S6(),
    ]
    return [ProcessWrapper(wrapper), *(peer for peer in peers if peer.program)]
