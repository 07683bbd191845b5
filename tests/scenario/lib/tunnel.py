"""One forwarding from an address to another, with a server of the test at its end."""
import contextlib
import socket
from pathlib import Path

from . import proc

KINDS = ("-L tcp", "-L unix", "-R tcp", "-R unix")


class Tunnel:
    """Made by tunnel().  near() connects through it; far() accepts what came out; listener is where it begins."""

    def __init__(self, listener, server):
        self.listener, self.server = listener, server

    def near(self):
        return connect(self.listener)

    def far(self):
        s = self.server.accept()[0]
        s.settimeout(proc.seconds(20))
        return s

    def pair(self):
        return self.near(), self.far()


def connect(address):
    """A connection to (host, port), or to the socket of this path."""
    s = socket.socket(socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET)
    try:
        s.settimeout(proc.seconds(20))
        s.connect(str(address) if isinstance(address, Path) else address)
    except BaseException:
        s.close()
        raise
    return s


def accepts(address):
    """Does somebody listen there?"""
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def listen(address):
    unix = isinstance(address, Path)
    server = socket.create_server(str(address) if unix else address, backlog=128,
                                  family=socket.AF_UNIX if unix else socket.AF_INET)
    if unix:
        address.chmod(0o666)  # the node's end is another user
    server.settimeout(proc.seconds(20))
    return server


def read_all(s):
    return b"".join(iter(lambda: s.recv(1 << 16), b""))


def spec(address):
    return str(address) if isinstance(address, Path) else "%s:%d" % address


def open_to_all(client, pool):
    """A folder on the nodes that the test may use, too: its path here, and there."""
    here = pool.folder / "home" / client.user.name / "open"
    if not here.exists():
        client.out("mkdir -m 777 open")
    return here, f"/home/{client.user.name}/open"


@contextlib.contextmanager
def tunnel(client, pool, kind):
    """Forward by the client's master as one of KINDS says; cancelled at the end, which must be seen."""
    flag, family = kind.split()
    name = f"t{proc.free_port()}"
    if family == "tcp":
        begin, end = ("127.0.0.1", proc.free_port()), ("127.0.0.1", 0)
        listener = begin
    else:
        here, there = open_to_all(client, pool)
        listener, end = (client.folder / name, here / name) if flag == "-L" else (here / name, client.folder / name)
        begin = listener if flag == "-L" else Path(there) / name
    with listen(end) as server:
        target = server.getsockname() if family == "tcp" else Path(there) / name if flag == "-L" else end
        forward = [flag, f"{spec(begin)}:{spec(target)}", "pool"]
        client.local([*client.ssh, "-O", "forward", *forward], check=True)
        yield Tunnel(listener, server)
        client.local([*client.ssh, "-O", "cancel", *forward], check=True)
    proc.wait_for(lambda: not accepts(listener), "the forwarding ends")
    for path in (listener, end):
        if isinstance(path, Path):
            path.unlink(missing_ok=True)
