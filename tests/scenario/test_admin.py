"""What an administrator sees."""
import pytest

from lib import proc
from lib.stream import Stream


@pytest.fixture
def pool(brokered):
    return brokered()


def test_a_session_is_seen_and_gone(pool):
    client = pool.client()
    session = Stream(client).more()
    node = pool.node_of(client).name
    mine = [c for c in rows(pool, "connections") if c["user"] == client.user.name]
    assert [c["node"] for c in mine] == [node]
    assert mine[0]["client"].startswith("127.0.0.1")
    assert [u["node"] for u in rows(pool, "users") if u["user"] == client.user.name] == [node]
    session.finish()
    proc.wait_for(lambda: client.user.name not in str(rows(pool, "connections")), "the connection is gone")


def rows(pool, what):
    """The list in the answer of sshbrokerctl WHAT --json."""
    answer = pool.broker.ctl(what)
    return answer if isinstance(answer, list) else answer[what]


def test_nodes_are_listed(pool):
    assert sorted(n["name"] for n in rows(pool, "nodes")) == ["n1", "n2"]


@pytest.mark.parametrize("what", ["status", "nodes", "users", "connections"])
def test_every_view_is_readable(pool, what):
    done = pool.broker.ctl_done(what)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.strip()


def test_each_connection_ends_with_one_line(pool):
    client = pool.client()
    client.out("echo in")
    proc.wait_for(lambda: [x for x in pool.broker.log_since().splitlines()
                           if client.user.name in x and "bytes" in x and "n" in x], "the line at the end")
