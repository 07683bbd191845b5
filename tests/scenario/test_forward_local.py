"""Forwarding that begins at the client: -L, -D, -W, -J."""
import hashlib
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import proc
from lib.socks import GRANTED, socks4, through_socks
from lib.tunnel import accepts, listen, read_all, tunnel

SPEECH = os.urandom(200000)
DIGEST = hashlib.sha256(SPEECH).digest()


@pytest.fixture
def server():
    """Answers one connection with the hash of all it was sent."""
    def answer(listener):
        with listener.accept()[0] as s:
            s.settimeout(proc.seconds(20))
            s.sendall(hashlib.sha256(read_all(s)).digest())

    with listen(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as background:
        served = background.submit(answer, listener)
        yield listener.getsockname()
        served.result()


@pytest.mark.feature("Forwarding: -L tcp")
def test_a_port_without_a_command(client, server):
    port = proc.free_port()
    p = client.popen("", "-N", "-v", "-oExitOnForwardFailure=yes", "-L", f"{port}:127.0.0.1:{server[1]}",
                     stdin=subprocess.DEVNULL)
    for line in p.stderr:
        if b"Entering interactive session" in line:
            break
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(SPEECH)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(100) == DIGEST
    proc.stop(p)


@pytest.mark.feature("Forwarding: -L tcp")
def test_many_bytes_both_ways_at_once(mastered, pool):
    data = os.urandom(4 << 20)
    with tunnel(mastered, pool, "-L tcp") as t, ThreadPoolExecutor(4) as many:
        pair = t.pair()

        def send(s):
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)

        sent = [many.submit(send, s) for s in pair]
        assert [got == data for got in many.map(read_all, pair)] == [True, True]
        for x in (*sent, *pair):
            x.result() if x in sent else x.close()


@pytest.fixture(scope="module")
def socks_port(shared_master):
    port = proc.free_port()
    shared_master.local([*shared_master.ssh, "-O", "forward", "-D", str(port), "pool"], check=True)
    return port


@pytest.mark.feature("Forwarding: -D, SOCKS 4 and 5")
@pytest.mark.parametrize("dialect", GRANTED)
def test_socks(socks_port, server, pool, dialect):
    with through_socks(socks_port, dialect, server[1]) as s:
        s.sendall(SPEECH)
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == DIGEST


@pytest.mark.feature("Forwarding: -D, SOCKS 4 and 5")
def test_socks_to_where_nobody_listens_ends(socks_port, pool):
    """Whether a grant is seen before the end is a matter of the client's timing."""
    said, n = socks4(proc.free_port())[0]
    with socket.create_connection(("127.0.0.1", socks_port), 10) as s:
        s.settimeout(proc.seconds(20))
        s.sendall(said)
        assert len(read_all(s)) <= n


@pytest.mark.feature("Forwarding: -W")
def test_stdio_to_a_port(client, server):
    done = client.run("", "-W", f"127.0.0.1:{server[1]}", stdin=SPEECH)
    assert (done.returncode, done.stdout) == (0, DIGEST)


@pytest.mark.feature("Forwarding: -J to a third host")
def test_a_jump_to_a_third_host(client, third_host):
    """Another SSH connection within: nothing of it is seen on the way."""
    third_host.add_user(client.user)
    third_host.write(f"/home/{client.user.name}/.ssh/authorized_keys", open(f"{client.key}.pub").read(),
                     client.user.name, 0o600)
    client.also_knows("third", third_host.endpoint())
    done = client.local([*client.ssh, "-J", "pool", "third", "hostname; sha256sum; exit 7"], stdin=SPEECH)
    assert (done.returncode, done.stdout.split()[:2]) == (7, [b"third", hashlib.sha256(SPEECH).hexdigest().encode()])


@pytest.mark.feature("Forwarding: -L tcp")
def test_a_cancelled_port_is_closed_and_what_passes_goes_on(mastered, pool):
    with tunnel(mastered, pool, "-L tcp") as t:
        near, far = t.pair()
        assert accepts(t.listener)
        t.far().close()
    with near, far:
        assert not accepts(t.listener)
        near.sendall(b"still")
        assert far.recv(5) == b"still"
