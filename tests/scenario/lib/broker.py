"""The broker under test: a real sshbrokerd with a configuration made for the test."""
import contextlib
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

from . import keys, proc
from .endpoint import Endpoint

ROLES = ("supervisor", "director", "keyholder", "gate", "relay")


class Broker:
    """Its nodes are Sshd objects; host_keys overrides what the broker believes of a node: {name: [public keys]};
    kinds are those of its own host keys."""

    def __init__(self, folder, nodes, host_keys=None, kinds=("ed25519", "ecdsa-256", "rsa"), **settings):
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self.nodes, self.node_keys, self.settings = nodes, host_keys or {}, settings
        self.log = self.folder / "broker.log"
        self.file = self.folder / "broker.json"
        self.socket = self.folder / "run" / "admin.sock"
        self.kinds = kinds
        self.make_keys()
        self.process, self.known = None, set()
        self.prefix = []  # a command that it is started by
        (self.folder / "run").mkdir(mode=0o755)

    def make_keys(self):
        self.ca = keys.make_key(self.folder, "ca")
        self.keys = [keys.host_key(self.folder, f"host_{k}", k) for k in self.kinds]

    def configuration(self, port):
        roles = {"gates": 2, "relays": 2, "restart_delay_ms": 50, "restart_delay_max_ms": 500}
        if os.geteuid() == 0:
            users = ("director", "keyholder", "gate", "relay")
            roles |= {f"{role}_user": str(64301 + i) for i, role in enumerate(users)}
        base = {
            "listen": [f"127.0.0.1:{port}"],
            "host_keys": [str(k) for k in self.keys],
            "user_ca_key": str(self.ca),
            "run_dir": str(self.folder / "run"),
            "admin": {"socket": str(self.socket)},
            "roles": roles,
            "pools": [{"name": "pool", "nodes": [self._node(n) for n in self.nodes]}],
            "limits": {"unauthenticated_max": 400, "unauthenticated_per_source_max": 400,
                       "node_dials_unauthenticated_max": 250},
            "log": {"level": "debug"},
        }
        return merge(base, self.settings)

    def _node(self, node):
        return {"name": node.name, "address": node.address, "port": node.port,
                "host_keys": self.node_keys.get(node.name, node.host_keys)}

    # Its life.

    def start(self, port=None):
        for attempt in range(1 if port else 5):
            self.port = port or proc.free_port()
            self.file.write_text(json.dumps(self.configuration(self.port), indent=1))
            offset = self.log.stat().st_size if self.log.exists() else 0
            self.process = proc.spawn(self.command(), log=self.log)
            with contextlib.suppress(AssertionError):
                proc.wait_for(lambda: self.process.poll() is not None or self.serves(), "the broker serves", 20)
            if self.process.poll() is None and self.serves():
                return self
            if "address already in use" not in self.log_since(offset).lower():
                break
        raise AssertionError(f"the broker does not start: {self.log_since(offset)}")

    def command(self):
        """It ends with us, however we end."""
        return [*self.prefix, "setpriv", "--pdeathsig", "TERM", proc.program("sshbrokerd"), "-c", self.file]

    def serves(self):
        """Gates and relays are there."""
        with contextlib.suppress(OSError):
            roles = self.ask("status")["roles"]
            return roles["gates"] and roles["relays"]
        return False

    def stop(self):
        """Ends it and checks that it ends well: status 0 and no process left.  A second call does nothing."""
        if not self.process:
            return
        pids = [pid for role in ROLES for pid in self.pids(role)]
        status = proc.stop(self.process, 30)
        self.process = None
        left = [pid for pid in pids if proc.is_alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert status == 0, f"the broker ended with status {status}"
        assert not left, f"roles outlived the supervisor: {left}"

    # Its processes.

    def pids(self, role):
        """The living processes of a role; also relays that a former supervisor left."""
        if not self.process:
            return []
        if role == "supervisor":
            return [self.process.pid] if self.process.poll() is None else []
        self.known.update(proc.children(self.process.pid))
        return [pid for pid in sorted(self.known) if proc.is_alive(pid) and role_of(pid) == role]

    def kill(self, role, number=signal.SIGKILL):
        """Kill one process of a role; the pid that it had."""
        self.pids("relay")  # remembered: they stay when the supervisor dies
        pid = proc.wait_for(lambda: self.pids(role), f"a {role}")[0]
        os.kill(pid, number)
        if role == "supervisor":
            self.process.wait()
        return pid

    def wait_role(self, role, but=()):
        """Wait until a process of the role runs that is none of these; its pid."""
        return proc.wait_for(lambda: [p for p in self.pids(role) if p not in but], f"a new {role}")[0]

    # What can be seen of it.

    def endpoint(self):
        return Endpoint("127.0.0.1", self.port, [keys.public(k) for k in self.keys])

    def ctl_done(self, *words):
        """sshbrokerctl itself."""
        assert proc.program("sshbrokerctl"), "the build has no sshbrokerctl"
        return subprocess.run([proc.program("sshbrokerctl"), "--socket", self.socket, *words], capture_output=True,
                              timeout=proc.seconds(20))

    def ask(self, what):
        """The answer of the admin API, e.g. to "status"."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(proc.seconds(10))
            s.connect(str(self.socket))
            s.sendall(f"GET /v1/{what} HTTP/1.0\r\nHost: broker\r\n\r\n".encode())
            answer = b"".join(iter(lambda: s.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split()[1] == b"200", answer
        return json.loads(body)

    def rows(self, what):
        """The list in the answer, e.g. of "connections"."""
        return self.ask(what)[what]

    def log_since(self, offset=0):
        with open(self.log, "rb") as f:
            f.seek(offset)
            return f.read().decode(errors="replace")


def role_of(pid):
    """The role of a process started as "sshbrokerd --role gate/0"."""
    words = proc.argv_of(pid)
    return words[2].split("/")[0] if words[1:2] == ["--role"] and len(words) > 2 else None


def merge(base, extra):
    """base with the values of extra, folder by folder."""
    for key, value in extra.items():
        base[key] = merge(base.get(key, {}), value) if isinstance(value, dict) else value
    return base
