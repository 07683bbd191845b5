"""Signs of life that the two ends ask of each other."""
import signal
import subprocess

import pytest

from lib import proc

ASKS = ("-oServerAliveInterval=1", "-oServerAliveCountMax=1")


@pytest.mark.feature("Connection: signs of life that the client asks for",
                     "Connection: signs of life that the node asks for")
def test_each_end_is_answered_by_the_other(pool):
    """Who asks every second and is not answered once ends the connection: a second question shows the answer."""
    asking, asked = pool.client(), pool.client(pool.user(kind="alive"))
    # A node asks a channel, or, if there is none, the connection.
    watched = [(b"receive packet: type 82", asking.popen("cat", "-vvv", *ASKS, stdout=subprocess.DEVNULL)),
               (b"channel 0 rtype keepalive@openssh.com reply 1", asked.popen("cat", "-v", stdout=subprocess.DEVNULL)),
               (b"rtype keepalive@openssh.com want_reply 1", asked.popen("", "-N", "-v", stdout=subprocess.DEVNULL))]
    for line, p in watched:
        seen = (x for x in p.stderr if line in x)
        assert next(seen, None) and next(seen, None), line
    for _, p in watched:
        proc.stop(p)


@pytest.mark.feature("Connection: signs of life that the client asks for")
def test_a_client_notices_that_nobody_answers(pool):
    wire = pool.wire()
    client = pool.client(endpoint=wire.endpoint())
    p = client.popen("echo ready; cat", *ASKS)
    assert p.stdout.readline() == b"ready\n"
    wire.drop()
    assert p.wait(proc.seconds(20)) == 255
    assert b"not responding" in p.stderr.read()
    wire.cut()
    pool.wait_user_gone(client.user)


@pytest.mark.feature("Connection: signs of life that the node asks for")
def test_a_node_notices_that_nobody_answers(pool):
    client = pool.client(pool.user(kind="alive"))
    p = client.popen("echo ready; cat")
    assert p.stdout.readline() == b"ready\n"
    p.send_signal(signal.SIGSTOP)
    pool.wait_user_gone(client.user)
    p.send_signal(signal.SIGCONT)
    assert p.wait(proc.seconds(20)) == 255
