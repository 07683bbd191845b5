"""New keys in the middle of everything, on either leg."""
import random

import pytest

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
