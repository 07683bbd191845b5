"""What an administrator sees."""
import json

import pytest

from lib import proc
from lib.stream import Stream


@pytest.fixture
def pool(brokered):
    return brokered()


def only_one(pool, user):
    """The connection of a user who has one."""
    mine = [c for c in pool.broker.rows("connections") if c["user"] == user.name]
    return mine[0] if len(mine) == 1 else None


def test_a_session_is_seen_and_gone(pool):
    client = pool.client()
    session = Stream(client).more()
    node = pool.node_of(client).name
    mine = proc.wait_for(lambda: only_one(pool, client.user), "only the session is left")
    assert mine["node"] == node
    assert mine["client"].startswith("127.0.0.1:")
    assert mine["why"]
    user, = [u for u in pool.broker.rows("users") if u["user"] == client.user.name]
    assert [n["node"] for n in user["nodes"]] == [node]
    assert {n["name"]: n["connections"] for n in pool.broker.rows("nodes")}[node] == 1
    session.finish()
    proc.wait_for(lambda: not pool.broker.rows("connections"), "the connection is gone")


@pytest.mark.parametrize("what", ["status", "nodes", "users", "connections"])
def test_every_view_is_readable(pool, what):
    session = Stream(pool.client()).more()
    done = pool.broker.ctl_done(what)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.strip()
    assert json.loads(pool.broker.ctl_done(what, "--json").stdout).keys() == pool.broker.ask(what).keys()
    session.finish()


@pytest.mark.feature("Connection: its end is clean")
def test_each_connection_ends_with_one_line(pool):
    client = pool.client()
    client.out("echo in")

    def lines():
        return [x for x in pool.broker.log_since().splitlines() if f"user={client.user.name} " in x and "cause=" in x]
    proc.wait_for(lines, "the line at the end")
    assert len(lines()) == 1


def limits_of(pool):
    return {limit["name"]: limit for limit in pool.broker.ask("status")["limits"]}


def test_limits_of_all_processes_are_seen(brokered):
    pool = brokered(nodes=1, limits={"auth_tries_max": 1})
    proc.wait_for(lambda: all(limit["max"] for limit in limits_of(pool).values()), "every limit has a maximum")
    client = pool.client(key=None, options="NumberOfPasswordPrompts 9\nPreferredAuthentications password")
    assert client.answer(["wrong"] * 9, "echo in")[0] == 255
    proc.wait_for(lambda: limits_of(pool)["limits.auth_tries_max"]["hits"] == 1, "the gate's word")
    pool.broker.kill("gate")
    pool.broker.wait_role("gate")
    assert limits_of(pool)["limits.auth_tries_max"]["hits"] == 1
    assert pool.client().out("echo in") == "in\n"
