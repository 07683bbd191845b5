"""libssh, by a program of the test's own: tests/tools/libssh_client.c."""
import contextlib
import itertools
import subprocess

from . import proc
from .library import Denied, Done, Library

FAILED = 255
CHOSEN = ("kex", "type of the host key", "cipher", "cipher_in", "mac", "mac_in")


class Libssh(Library):
    NAME = "libssh"
    LACKS = {
        "terminal modes": "its 0.10 sends no modes with a terminal",
        "remote unix sockets": "it cannot ask for streamlocal-forward",
    }
    numbers = itertools.count()

    def command(self, *words, **extra):
        settings = {"host": self.endpoint.host, "port": self.endpoint.port, "user": self.user.name,
                    "known_hosts": self.known_hosts, **self.login, **extra}
        if "keepalive_s" in settings:
            settings["keepalive_ms"] = int(settings.pop("keepalive_s") * 1000)
        program = proc.program("libssh-client")
        assert program, "the build has no libssh-client"
        return [program, *(f"{k}={v}" for k, v in settings.items() if v is not None), "--", *words]

    def act(self, *words, stdin=b"", **extra):
        """The output of an action, and the lines of its report as lists of words."""
        report = self.folder / f"report-{next(self.numbers)}"
        p = proc.spawn(self.command(*words, report=report, **extra), stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = p.communicate(stdin, proc.seconds(60))
        finally:
            proc.stop(p)
        lines = self.told(report)
        if p.returncode == FAILED and ["denied"] in lines:
            raise Denied(err.decode())
        assert p.returncode == 0, err.decode(errors="replace")
        return out, err, lines, report

    def told(self, report):
        lines = [line.split(" ") for line in report.read_text().splitlines()]
        for line in lines:
            if line[0] == "chosen":
                self.chosen = dict(zip(CHOSEN, line[1:]))
        return lines

    @staticmethod
    def done(lines, number, out, err=b""):
        status, signal = None, None
        for line in lines:
            if line[:2] == ["status", str(number)]:
                status = int(line[2])
            if line[:2] == ["signal", str(number)]:
                signal = (line[2], line[3] == "1", " ".join(line[4:]))
        return Done(status, signal, out, err)

    def run(self, command, stdin=b"", env=None, signal=None):
        words = [f"{k}={v}" for k, v in (env or {}).items()]
        out, err, lines, _ = self.act("run", command, *words, stdin=stdin, signal=signal)
        return self.done(lines, 0, out, err)

    def run_all(self, commands):
        _, _, lines, report = self.act("channels", *commands)
        return [self.done(lines, i, report.with_name(f"{report.name}.{i}").read_bytes()) for i in range(len(commands))]

    def terminal(self, command, size, new_size, modes=None):
        return self.act("terminal", *map(str, (*size, *new_size)), command)[0]

    def copy(self, local, remote, back):
        self.act("copy", str(local), remote, str(back))

    def reach(self, address, data):
        return self.act("reach", *map(str, address if isinstance(address, tuple) else (address,)), stdin=data)[0]

    @contextlib.contextmanager
    def listen(self, port, n):
        """A port on the node, for n connections, leads to ours."""
        p = proc.spawn(self.command("listen", "127.0.0.1", str(port), str(n)), stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE)
        try:
            yield int(p.stdout.readline())
            assert p.wait(proc.seconds(30)) == 0
        finally:
            proc.stop(p)

    def with_agent(self, command, socket):
        out, err, lines, _ = self.act("agent", command, agent=socket)
        return self.done(lines, 0, out, err)

    def alive(self, seconds):
        """Ask for signs of life meanwhile; how often they were given."""
        return self.act("run", f"sleep {seconds}")[2].count(["alive"])
