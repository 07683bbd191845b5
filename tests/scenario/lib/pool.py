"""Nodes with the same users and one shared /home, and a broker in front of them or not: what a scenario logs in to."""
import itertools
import subprocess
from pathlib import Path

from . import keys, proc
from .broker import Broker
from .client import Client
from .sshd import Sshd
from .wire import Wire

FIRST_UID = 5001


class User:
    """An account that exists on every node of the pool."""

    _hashes = {"": ""}

    def __init__(self, name, uid, password, must_change_password=False):
        self.name, self.uid, self.password = name, uid, password
        self.must_change_password = must_change_password
        if password not in self._hashes:
            done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password.encode(), check=True,
                                  capture_output=True)
            self._hashes[password] = done.stdout.decode().strip()
        self.password_hash = self._hashes[password]


class Pool:
    """via is "direct" (the first node itself) or "broker".  settings go into the broker's configuration."""

    def __init__(self, folder, via, nodes=2, node_config="", host_keys=None, **settings):
        self.folder, self.via = Path(folder), via
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.counter = itertools.count(1)
        self.nodes, self.broker, self.wires = [], None, []
        try:
            self._start(nodes, node_config, host_keys, settings)
        except BaseException:
            self.stop()
            raise

    def _start(self, nodes, node_config, host_keys, settings):
        for i in range(1, nodes + 1):
            self.nodes.append(Sshd(self.folder / f"n{i}", f"n{i}", home=self.folder / "home"))
            self.nodes[-1].configure(node_config)
        if self.via == "broker":
            keys_of = host_keys(self.nodes) if host_keys else None
            self.broker = Broker(self.folder / "b", self.nodes, keys_of, **settings)
            for node in self.nodes:
                node.install_helper(proc.program("sshbroker-principals"), keys.public(self.broker.ca) + "\n")
        for node in self.nodes:
            node.start()
        if self.broker:
            self.broker.start()

    def stop(self):
        for wire in self.wires:
            wire.stop()
        try:
            if self.broker:
                self.broker.stop()
        finally:
            for node in self.nodes:
                node.stop()

    def endpoint(self):
        return self.broker.endpoint() if self.broker else self.nodes[0].endpoint()

    def user(self, password="correct horse", kind="", name="u{n}", **kwargs):
        """A fresh user with a home on every node; {n} in the name is a number of its own, and it ends with -kind, for the
        nodes' rules."""
        n = next(self.counter)
        name = name.format(n=n)
        user = User(f"{name}-{kind}" if kind else name, FIRST_UID + n, password, **kwargs)
        for node in self.nodes:
            node.add_user(user)
        return user

    def authorize(self, user, *lines):
        for node in self.nodes:
            node.authorize(user, *lines)

    def key(self, user, kind="ed25519", options=""):
        """A fresh key that the nodes accept for user; options is what stands before it in authorized_keys."""
        folder = self.folder / "keys"
        folder.mkdir(exist_ok=True)
        path = keys.make_key(folder, f"{user.uid}-{next(self.counter)}", kind)
        self.authorize(user, f"{options} {keys.public(path)}".strip())
        return path

    def client(self, user=None, key=True, endpoint=None, **kwargs):
        """A client of user (a fresh one if none); key True makes and authorizes one, None is none at all."""
        user = user or self.user()
        if key is True:
            key = self.key(user)
        return Client(self.folder / f"c{next(self.counter)}", endpoint or self.endpoint(), user, key, **kwargs)

    def wire(self):
        """A Wire in front of the pool; give its endpoint to clients."""
        wire = Wire(self.endpoint())
        self.wires.append(wire)
        return wire

    def node_of(self, client):
        """The node on which the client's user lands."""
        return self.node_named(client.out("hostname"))

    def node_named(self, name):
        """The node that calls itself so."""
        return next(n for n in self.nodes if n.name == name.strip())

    def connections_of(self, user):
        """The connections that the nodes hold for user: their sshd processes that run as the user."""
        return [p for n in self.nodes for p in n.ps(user, word="sshd: ")]

    def wait_user_gone(self, user, timeout=20):
        """Wait until nothing of user runs on any node."""
        proc.wait_for(lambda: not any(n.ps(user) for n in self.nodes), f"nothing of {user.name} on a node", timeout)

    def logs(self):
        return [n.log for n in self.nodes] + ([self.broker.log] if self.broker else [])
