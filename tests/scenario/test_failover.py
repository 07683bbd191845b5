"""Where logins land, and what happens when nodes are not there."""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import keys, proc

FAST = {"node_connect_timeout_ms": 1000, "node_login_timeout_ms": 2000}


def landed(pool, n=4):
    """The nodes on which n fresh users land."""
    return [pool.node_of(pool.client()).name for _ in range(n)]


def test_a_dead_node_is_skipped_without_a_word(brokered):
    pool = brokered()
    pool.nodes[0].kill()
    assert landed(pool) == ["n2"] * 4
    assert pool.client().run("true").stderr == b""


def test_a_silent_node_is_skipped(brokered):
    pool = brokered(limits=FAST)
    pool.nodes[0].freeze()
    assert landed(pool) == ["n2"] * 4
    pool.nodes[0].thaw()


@pytest.mark.slow
def test_a_node_that_comes_back_gets_users_again(brokered):
    pool = brokered()
    pool.nodes[0].kill()
    assert landed(pool, 2) == ["n2"] * 2
    pool.nodes[0].start()
    proc.wait_for(lambda: "n1" in landed(pool, 1), "n1 gets users", 60, step=1)


def wrong_keys(names):
    """host_keys= for a broker that believes other keys of these nodes."""
    def of(nodes):
        return {n.name: [keys.public(keys.make_key(n.folder, "wrong"))] for n in nodes if n.name in names}
    return of


def test_a_node_with_a_wrong_host_key_is_refused_loudly(brokered):
    pool = brokered(host_keys=wrong_keys(["n1"]))
    proc.wait_for(lambda: landed(pool, 1) == ["n2"] and re.search(r"(?i)\bn1\b.*host key|host key.*\bn1\b",
                                                                  pool.broker.log_since()), "n1 is tried first")
    assert "Accepted" not in pool.nodes[0].log_since()


def told_why(done):
    """Words that a user understands, with the id of the connection, once, and nothing on stdout."""
    words = done.stderr.decode()
    return done.returncode == 255 and done.stdout == b"" and re.search(r"(?i)\b(node|machine)", words) \
        and len(re.findall(r"(?i)\bid[ :=]+[0-9a-z]{6,}", words)) == 1


def test_when_no_node_can_be_trusted_the_user_is_told(brokered):
    pool = brokered(host_keys=wrong_keys(["n1", "n2"]))
    done = pool.client().run("echo in")
    assert told_why(done), done.stderr


def test_when_all_nodes_are_down_the_user_is_told(brokered):
    pool = brokered()
    client = pool.client()
    for node in pool.nodes:
        node.kill()
    done = client.run("echo in")
    assert told_why(done), done.stderr
    done = pool.client(client.user, None).answer(["correct horse"], "echo in")
    assert done[0] == 255


def test_a_user_lands_where_the_user_is(brokered):
    pool = brokered(nodes=3)
    client = pool.client()
    first = client.popen("hostname; cat")
    node = first.stdout.readline()
    for _ in range(5):
        pool.client().run("true")
        assert client.run("hostname").stdout == node
    first.communicate()


def test_two_first_logins_land_together(brokered):
    pool = brokered(nodes=3)
    for _ in range(3):
        client = pool.client()
        with ThreadPoolExecutor(6) as many:
            names = list(many.map(lambda _: client.out("hostname; sleep 1"), range(6)))
        assert len(set(names)) == 1


def test_users_spread_over_the_nodes(brokered):
    pool = brokered(nodes=3)
    held = [pool.client().popen("hostname; cat") for _ in range(9)]
    names = [p.stdout.readline() for p in held]
    assert sorted(names.count(n) for n in set(names)) == [3, 3, 3]
    for p in held:
        p.communicate()


def test_a_failed_login_makes_no_affinity(brokered):
    pool = brokered(nodes=2)
    client = pool.client(options="PreferredAuthentications publickey")
    pool.authorize(client.user)
    for _ in range(3):
        assert client.run("true").returncode == 255
    proc.wait_for(lambda: client.user.name not in str(pool.broker.rows("users")), "no reservation is left", 5)
