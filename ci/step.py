"""A step of ./check: commands with their output in a log, and counts of what passed."""
import os
import signal
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build-check"
MARK = {"SSHBROKER_CHECK": str(os.getpid())}  # in the environment of every process of this check
STEP_SECONDS = 1800


class Running:
    """The commands that run now; nothing starts after end()."""

    def __init__(self):
        self.lock, self.processes, self.ended = threading.Lock(), set(), False

    def start(self, argv, log, env):
        with self.lock:
            if self.ended:
                raise InterruptedError("the check was ended")
            p = subprocess.Popen([str(a) for a in argv], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT,
                                 env={**os.environ, **env, **MARK}, start_new_session=True)
            self.processes.add(p)
            return p

    def wait(self, p, seconds):
        """Its exit status, or 124 if it had to be ended."""
        try:
            return p.wait(seconds)
        except subprocess.TimeoutExpired:
            self._terminate(p)
            return 124
        finally:
            with self.lock:
                self.processes.discard(p)

    def end(self):
        """All of them are ended, on the way out."""
        with self.lock:
            self.ended = True
            for p in self.processes:
                self._terminate(p)

    @staticmethod
    def _terminate(p):
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGTERM)


class Step:
    """What a step found.  A step without counts of its own is one test: it passed or it failed."""

    def __init__(self, name, running, niceness=0):
        self.name, self.running, self.niceness = name, running, niceness
        self.seconds, self.lines = 0.0, []
        self.passed = self.failed = self.skipped = 0
        self.done = threading.Event()
        self.log = OUT / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")

    def run(self, argv, **env):
        """Run a command with its output in the step's log; its exit status."""
        with open(self.log, "ab") as f:
            f.write(f"$ {' '.join(map(str, argv))}\n".encode())
            f.flush()
            p = self.running.start(["setpriv", "--pdeathsig", "TERM", "nice", "-n", self.niceness, *argv], f, env)
            status = self.running.wait(p, STEP_SECONDS)
            if status == 124:
                f.write(f"\nended after {STEP_SECONDS} s\n".encode())
            return status

    def text(self):
        return self.log.read_text(errors="replace")

    def count(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def one(self, good):
        self.count(int(good), int(not good))
        return good

    def say(self, line):
        self.lines.append(line)
