"""Forwarding that begins at the node: -R."""
import subprocess

import pytest

from lib import proc
from lib.tunnel import accepts, connect, listen

ELSEWHERE = "127.9.9.8"  # an address of the node that is not the one it takes by itself


def ssh(client, what, *forward):
    return client.local([*client.ssh, "-O", what, *forward, "pool"])


@pytest.fixture
def server():
    with listen(("127.0.0.1", 0)) as s:
        yield s


def speaks(address, server):
    """A connection to address comes out at server."""
    with connect(address) as near:
        far = server.accept()[0]
        with far:
            far.sendall(b"here")
            return near.recv(4) == b"here"


@pytest.mark.feature("Forwarding: -R port 0, and its end")
def test_the_port_that_the_node_chose_is_reported_and_cancelled(mastered, server):
    """Each of several requests learns its own."""
    targets = [f"127.0.0.1:0:127.0.0.1:{server.getsockname()[1]}", f"0:127.0.0.1:{server.getsockname()[1]}"]
    ports = [int(ssh(mastered, "forward", "-R", t).stdout) for t in targets]
    assert len(set(ports)) == 2
    for port, target in zip(ports, targets):
        assert speaks(("127.0.0.1", port), server)
        done = ssh(mastered, "cancel", "-R", target)
        assert done.returncode == 0, done.stderr
        proc.wait_for(lambda: not accepts(("127.0.0.1", port)), "the port is closed")


@pytest.mark.feature("Forwarding: -R port 0, and its end")
def test_the_port_is_reported_at_login(client, server):
    p = client.popen("", "-N", "-R", f"0:127.0.0.1:{server.getsockname()[1]}", stdin=subprocess.DEVNULL)
    line = p.stderr.readline().decode()
    assert line.startswith("Allocated port "), line
    assert speaks(("127.0.0.1", int(line.split()[2])), server)
    proc.stop(p)


@pytest.mark.feature("Forwarding: -R, SOCKS from the node")
def test_socks_from_the_node(mastered, server):
    """-R with nothing but a port: the node's side speaks SOCKS with the client."""
    port = int(ssh(mastered, "forward", "-R", "0").stdout)
    with connect(("127.0.0.1", port)) as s:
        s.sendall(b"\x05\x01\0")
        assert s.recv(2) == b"\x05\0"
        s.sendall(b"\x05\x01\0\x01\x7f\0\0\1" + server.getsockname()[1].to_bytes(2, "big"))
        with server.accept()[0] as far:
            assert s.recv(10)[1] == 0
            far.sendall(b"here")
            assert s.recv(4) == b"here"
    ssh(mastered, "cancel", "-R", "0")


@pytest.mark.feature("Forwarding: refused, in the node's words")
def test_a_taken_port_is_refused(mastered, server):
    port = server.getsockname()[1]
    done = ssh(mastered, "forward", "-R", f"127.0.0.1:{port}:127.0.0.1:1")
    assert (done.returncode, b"remote port forwarding failed for listen port %d" % port in done.stderr) == (255, True)


@pytest.mark.feature("Forwarding: -R, GatewayPorts as the node says")
@pytest.mark.parametrize("kind,there", [("", False), ("gateway", True)])
def test_the_address_is_as_the_node_says(pool, server, kind, there):
    """GatewayPorts: no, and clientspecified."""
    client = pool.client(pool.user(kind=kind))
    p = client.popen("", "-N", "-R", f"{ELSEWHERE}:0:127.0.0.1:{server.getsockname()[1]}", stdin=subprocess.DEVNULL)
    port = int(p.stderr.readline().split()[2])
    assert speaks((ELSEWHERE if there else "127.0.0.1", port), server)
    assert not accepts(("127.0.0.1" if there else ELSEWHERE, port))
    proc.stop(p)
