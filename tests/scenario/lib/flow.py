"""Channels whose readers stand still for a while, what an echo beside them takes, and what memory the relays take."""
import json
import random
import subprocess
import sys
import threading
from pathlib import Path

from . import proc

ECHO_TIMES = Path(__file__).with_name("echo_times.py")


class EchoTimes:
    """An echo in a channel of its own; stop() says how many there were, and p50, p99 and max in ms."""

    def __init__(self, client):
        self.process = proc.spawn([sys.executable, ECHO_TIMES, *client.ssh, "pool", "exec cat"], env=client.env,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"up\n"

    def stop(self):
        return json.loads(self.process.communicate(timeout=proc.seconds(60))[0])


class Held:
    """`data`, more than any window, in one direction of a channel whose reader does not read before release()."""

    def __init__(self, client, path, to_node):
        self.client, self.to_node, self.data = client, to_node, path.read_bytes()
        if to_node:
            self.go = f"go-{id(self)}"
            with open(path, "rb") as f:
                self.process = client.popen(f"echo up; until test -e {self.go}; do sleep 0.05; done; rm {self.go}; exec cat",
                                            stdin=f)
            assert self.process.stdout.readline() == b"up\n"
        else:
            self.process = client.popen("exec cat data")

    def release(self, home):
        """Read all of it, which must be right; how much that was.  home is the user's, as seen from here."""
        if self.to_node:
            (home / self.go).touch()
        got = self.process.stdout.read()
        assert (self.process.wait(proc.seconds(60)), len(got), got == self.data) == (0, len(self.data), True)
        self.process.stderr.close()
        return len(got)


class Stalls:
    """One Held after the other, in a thread, each for a time of its own."""

    def __init__(self, client, path, home, to_node, seed):
        self.args, self.home, self.random = (client, path, to_node), home, random.Random(seed)
        self.moved, self.n, self.error = 0, 0, None
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.ending.is_set():
                held = Held(*self.args)
                self.ending.wait(self.random.uniform(0.2, 6))
                self.moved += held.release(self.home)
                self.n += 1
        except Exception as e:  # told by finish()
            self.error = e

    def finish(self):
        self.ending.set()
        self.thread.join(proc.seconds(120))
        assert not self.thread.is_alive(), "a released reader got no end"
        if self.error:
            raise self.error


class Memory:
    """What the relays of a broker have in use, in KiB, watched from now on: before, peak."""

    def __init__(self, broker):
        self.pids = broker.pids("relay")
        self.before = self.peak = self.now()
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def now(self):
        return sum(proc.resident_kib(pid) for pid in self.pids)

    def _watch(self):
        while not self.ending.wait(0.1):
            self.peak = max(self.peak, self.now())

    def stop(self):
        self.ending.set()
        self.thread.join()
        return self.peak - self.before
