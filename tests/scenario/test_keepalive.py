"""Signs of life that the two ends ask of each other."""
import contextlib
import signal
import subprocess

from lib import proc

ASKS = ("-oServerAliveInterval=1", "-oServerAliveCountMax=1")


def test_each_end_is_answered_by_the_other(pool):
    """Who asks every second and is not answered once ends the connection: a second question shows the answer."""
    asking, asked = pool.client(), pool.client(pool.user(kind="alive"))
    with contextlib.ExitStack() as stack:
        def said(client, line, *words):
            p = client.popen(*words, stdout=subprocess.DEVNULL)
            stack.callback(proc.stop, p)
            return p, line

        for p, line in [said(asking, b"receive packet: type 82", "cat", "-vvv", *ASKS),
                        said(asked, b"channel 0 rtype keepalive@openssh.com reply 1", "cat", "-v"),
                        said(asked, b"rtype keepalive@openssh.com want_reply 1", "", "-N", "-v")]:
            assert sum(1 for _ in zip(range(2), (x for x in p.stderr if line in x))) == 2


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


def test_a_node_notices_that_nobody_answers(pool):
    client = pool.client(pool.user(kind="alive"))
    p = client.popen("echo ready; cat")
    assert p.stdout.readline() == b"ready\n"
    p.send_signal(signal.SIGSTOP)
    pool.wait_user_gone(client.user)
    p.send_signal(signal.SIGCONT)
    assert p.wait(proc.seconds(20)) == 255
