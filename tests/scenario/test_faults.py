"""Something dies, and those whom it does not concern do not notice."""
import itertools
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import proc
from lib.stream import Stream


def started(client, command="echo up; exec sleep 1000", *options):
    """A session that is known to run."""
    p = client.popen(command, *options)
    assert p.stdout.readline() == b"up\n"
    return p


def test_the_client_sees_the_end_of_its_node(own_pool):
    p = own_pool.client().popen("hostname; exec sleep 1000")
    own_pool.node_named(p.stdout.readline().decode()).kill()
    assert p.wait(proc.seconds(15)) == 255
    assert b"closed" in p.stderr.read()


@pytest.mark.feature("Connection: its end is clean")
def test_nothing_of_a_killed_client_stays_on_the_node(own_pool):
    client = own_pool.client()
    p = started(client, "echo up; exec cat")
    terminal = client.pty("echo up; exec sleep 1000")
    terminal.expect("up")
    p.kill()
    p.wait()
    terminal.kill(signal.SIGKILL)
    terminal.close(force=True)
    own_pool.wait_user_gone(client.user)


@pytest.mark.feature("Connection: its end is clean")
def test_nothing_stays_when_the_line_is_cut(own_pool):
    wire = own_pool.wire()
    client = own_pool.client(endpoint=wire.endpoint())
    p = started(client, "echo up; exec cat")
    wire.cut()
    assert p.wait(proc.seconds(15)) == 255
    own_pool.wait_user_gone(client.user)


def test_a_login_over_a_bad_line_works(own_pool):
    wire = own_pool.wire()
    wire.delay, wire.piece = 0.002, 7
    client = own_pool.client(endpoint=wire.endpoint())
    assert client.out("echo in; cat", stdin=b"x" * 3000) == "in\n" + "x" * 3000


KEEPALIVE = {"client_interval_s": 1, "node_interval_s": 1, "misses_max": 2}


def test_a_silent_client_is_given_up(make_pool, via):
    pool = make_pool(via, nodes=1, keepalive=KEEPALIVE,
                     node_config="" if via == "broker" else "ClientAliveInterval 1\nClientAliveCountMax 2")
    wire = pool.wire()
    client = pool.client(endpoint=wire.endpoint())
    p = started(client, "echo up; exec cat")
    wire.drop()
    pool.wait_user_gone(client.user)
    proc.stop(p)


def test_a_silent_node_is_given_up(brokered):
    pool = brokered(keepalive=KEEPALIVE)
    client = pool.client()
    p = client.popen("hostname; exec cat")
    node = pool.node_named(p.stdout.readline().decode())
    node.freeze()
    assert p.wait(proc.seconds(20)) == 255
    node.thaw()
    pool.wait_user_gone(client.user)


def test_an_answering_peer_is_never_given_up(brokered):
    pool = brokered(nodes=1, keepalive=KEEPALIVE)
    assert pool.client().out("sleep 6; echo still") == "still\n"


# The processes of the broker.

def logs_in(pool):
    return pool.client().run("echo in").stdout == b"in\n"


def test_a_dead_gate_costs_its_handshakes_only(brokered):
    pool = brokered()
    session = Stream(pool.client()).more()
    clients = [pool.client() for _ in range(20)]
    with ThreadPoolExecutor(20) as many:
        logins = [many.submit(c.run, "echo in") for c in clients]
        gate = pool.broker.kill("gate")
        done = [login.result() for login in logins]
    assert all(d.stdout == b"in\n" or d.returncode == 255 for d in done)
    pool.broker.wait_role("gate", but=[gate])
    assert all(logs_in(pool) for _ in range(10))
    session.more().finish()


@pytest.mark.parametrize("role", ["director", "keyholder"])
def test_nobody_notices_the_death_of(brokered, role):
    pool = brokered()
    clients = [pool.client() for _ in range(3)]
    sessions = [Stream(c).more() for c in clients]
    nodes = {c.user.name: pool.node_of(c).name for c in clients}
    for _ in range(2):
        dead = pool.broker.kill(role)
        for s in sessions:
            s.more()
        pool.broker.wait_role(role, but=[dead])
        proc.wait_for(lambda: logs_in(pool), "a new login", 20)
    assert {c.user.name: pool.node_of(c).name for c in clients} == nodes  # the director knows again who is where
    for s in sessions:
        s.more().finish()


def test_sessions_outlive_the_supervisor(brokered):
    pool = brokered()
    client = pool.client()
    session = Stream(client).more()
    pool.broker.kill("supervisor")
    session.more()
    pool.broker.start(port=pool.broker.port)
    session.more()
    proc.wait_for(lambda: logs_in(pool), "a new login", 20)
    proc.wait_for(lambda: client.user.name in str(pool.broker.rows("connections")), "the old connection is known")
    session.more().finish()


def test_a_dead_relay_ends_its_sessions_and_no_others(brokered):
    pool = brokered()
    clients = [pool.client() for _ in range(8)]
    sessions = {c.user.name: started(c, "echo up; exec cat") for c in clients}
    rows = proc.wait_for(lambda: len(pool.broker.rows("connections")) == 8 and pool.broker.rows("connections"),
                         "all connections are known")
    index = int(proc.argv_of(pool.broker.pids("relay")[0])[2].split("/")[1])
    doomed = {row["user"] for row in rows if row["relay"] == index}
    assert 0 < len(doomed) < 8
    dead = pool.broker.kill("relay")
    for name in doomed:
        assert sessions[name].wait(proc.seconds(15)) == 255
    pool.broker.wait_role("relay", but=[dead])
    assert logs_in(pool)
    for name in sessions.keys() - doomed:
        assert sessions[name].communicate(b"still\n", proc.seconds(15))[0] == b"still\n"


def test_a_stopped_broker_tells_its_clients(brokered):
    pool = brokered()
    p = started(pool.client())
    pool.broker.stop()
    assert p.wait(proc.seconds(15)) == 255


@pytest.mark.slow
def test_sessions_outlive_a_minute_of_deaths(brokered):
    pool = brokered()
    sessions = [Stream(pool.client(), rate=4 << 20).more() for _ in range(4)]
    end = time.monotonic() + proc.seconds(60)
    for role in itertools.cycle(("gate", "director", "keyholder")):
        dead = pool.broker.kill(role)
        for s in sessions:
            s.more(1 << 20)
        pool.broker.wait_role(role, but=[dead])
        proc.wait_for(lambda: logs_in(pool), "a new login", 20)
        if time.monotonic() > end:
            break
    for s in sessions:
        s.more().finish()
