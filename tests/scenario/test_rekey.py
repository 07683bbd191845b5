"""New keys in the middle of everything, on either leg."""
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import proc
from lib.stream import Stream

SMALL = "1M"
WHO = {"client": {"client": SMALL}, "node": {"node": SMALL}, "both": {"client": SMALL, "node": SMALL}}


def pool_with(make_pool, via, client=None, node=None, **settings):
    pool = make_pool(via, nodes=1, node_config=f"RekeyLimit {node}" if node else "", **settings)
    return pool, pool.client(options=f"RekeyLimit {client}" if client else "")


def rekeys(words):
    """How many key exchanges a verbose ssh or sshd saw after the first."""
    return words.count("SSH2_MSG_NEWKEYS received") - 1


@pytest.mark.feature("Algorithms: keys change in mid-transfer")
@pytest.mark.parametrize("who,cipher", [
    ("client", "chacha20-poly1305@openssh.com"), ("node", "aes256-gcm@openssh.com"),
    *[("both", c) for c in ("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com")]])
def test_bulk_both_ways_while_keys_change(make_pool, via, who, cipher):
    pool, client = pool_with(make_pool, via, **WHO[who])
    data = random.Random(3).randbytes(16 << 20)
    done = client.run("cat", "-v", "-c", cipher, stdin=data, timeout=120)
    assert (done.returncode, done.stdout == data) == (0, True)
    if "client" in WHO[who]:
        assert rekeys(done.stderr.decode()) >= 5
    if "node" in WHO[who]:
        assert rekeys(pool.nodes[0].log_since()) >= 5


@pytest.mark.feature("Algorithms: keys change by time")
def test_an_idle_session_survives_a_rekey_by_time(make_pool, via):
    pool, client = pool_with(make_pool, via, client="default 1")
    assert client.out("sleep 4; echo still") == "still\n"


@pytest.mark.feature("Algorithms: keys change in mid-transfer")
def test_a_terminal_under_rekeys(make_pool, via):
    pool, client = pool_with(make_pool, via, client="16K", node="16K")
    terminal = client.pty("stty -opost; seq 1 100000; echo end")
    assert terminal.read().decode().split("end")[0] == "".join(f"{i}\n" for i in range(1, 100001))
    terminal.close()


@pytest.mark.feature("Algorithms: keys change in mid-transfer")
def test_the_broker_rekeys_both_legs_under_load(brokered):
    """Equal limits everywhere and small queues: where a deadlock would be."""
    pool = brokered(nodes=1, rekey={"bytes_max": 1 << 20}, limits={"relay_mark_bytes": 65536})
    client = pool.client()
    streams = [Stream(client, "-v", "-oRekeyLimit=1M", rate=64 << 20) for _ in range(3)]
    for s in streams:
        s.more(16 << 20)
    for s in streams:
        s.finish()
    assert rekeys(pool.nodes[0].log_since()) >= 15


# One end stands still.  What is on its way to it waits in the relay, and the other leg needs new keys all the same.

@pytest.mark.parametrize("limit,n", [("256K", 15), ("default 1", 3)], ids=["by volume", "by time"])
@pytest.mark.parametrize("who", ["client", "node"])
def test_one_leg_gets_new_keys_while_the_other_end_stands_still(make_pool, broker_only, who, limit, n):
    """More waits in the relay than sockets take, and less than what stops the reading: the keys change meanwhile."""
    pool, client = pool_with(make_pool, "broker", **{who: limit}, keepalive={f"{who}_interval_s": 1},
                             limits={"relay_mark_bytes": 8 << 20, "queue_bytes_max": 16 << 20})
    node, home, words = pool.nodes[0], pool.folder / "home" / client.user.name, client.folder / "words"
    data = random.Random(5).randbytes(3 << 20)
    client.out("cat > data", stdin=data)
    client.ssh += ["-v", "-E", str(words)]

    def n_rekeys():
        return (words.read_text() if who == "client" else node.log_since()).count("SSH2_MSG_NEWKEYS received")

    with client.master() as master, ThreadPoolExecutor(6) as many:
        sessions = [client.popen("echo up; until test -e go; do sleep 0.02; done; cat data; exec cat") for _ in range(3)]
        assert [p.stdout.readline() for p in sessions] == [b"up\n"] * 3
        node.freeze() if who == "client" else master.send_signal(signal.SIGSTOP)
        before = n_rekeys()
        if who == "client":
            talks = [many.submit(p.communicate, data) for p in sessions]
        else:
            (home / "go").touch()
        try:
            proc.wait_for(lambda: n_rekeys() >= before + n, "new keys")
        finally:
            node.thaw() if who == "client" else master.send_signal(signal.SIGCONT)
            (home / "go").touch()
        if who == "node":
            talks = [many.submit(p.communicate, data) for p in sessions]
        assert all(t.result()[0] == data * 2 for t in talks)


@pytest.mark.parametrize("by,limit", [("volume", "1M"), ("time", "default 1")])
@pytest.mark.parametrize("who", ["client", "node"])
def test_keys_are_due_while_all_queues_are_full(make_pool, broker_only, who, by, limit):
    """More waits than is read: an end that has new keys in mind is not heard before the other one moves again."""
    pool, client = pool_with(make_pool, "broker", client=limit, node=limit, limits={"relay_mark_bytes": 65536},
                             **({"rekey": {"bytes_max": 1 << 20}} if by == "volume" else {}))
    with client.master() as master:
        streams = [Stream(client, rate=64 << 20).more(1 << 20) for _ in range(4)]
        for _ in range(2):
            pool.nodes[0].freeze() if who == "node" else master.send_signal(signal.SIGSTOP)
            still = [s.received for s in streams]
            time.sleep(2.5)  # keys are due by then, by time and again
            assert who == "node" or sum(s.received for s in streams) < sum(still) + (1 << 20)
            pool.nodes[0].thaw() if who == "node" else master.send_signal(signal.SIGCONT)
            for s in streams:
                s.more(2 << 20)
        for s in streams:
            s.finish()
    assert rekeys(pool.nodes[0].log_since()) >= 2  # one for each time that all stood still
