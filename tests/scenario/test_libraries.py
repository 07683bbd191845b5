"""Clients that are not OpenSSH: what they do through the pool is what they do at a node itself."""
import contextlib
import hashlib
import random
import re
import socket
import socketserver
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lib import keys, library as libraries, proc, tunnel
from lib.features import word

BLOB = random.Random(5).randbytes(3 << 20)
SMALL = BLOB[:400000]
BIG = random.Random(6).randbytes(16 << 20)
ALL_NAMES = ("AsyncSSH", "libssh", "Paramiko")


@pytest.fixture(params=ALL_NAMES)
def library(request):
    return libraries.load(request.param)


@pytest.fixture(scope="session")
def shared_account(shared_pool):
    user = shared_pool.user()
    return user, shared_pool.key(user)


@pytest.fixture
def account(pool, shared_account):
    """A user whom the tests of this file share, and the key."""
    return shared_account


@pytest.fixture
def both(pool, library, tmp_path, account):
    """both(act, ...) is what act(client) returns, the same through the pool and at a node itself."""
    def talk_to_both(act, user=account[0], **login):
        def talk(endpoint):
            return act(library(tmp_path, endpoint, user, **(login or {"key": account[1]})))

        with ThreadPoolExecutor(2) as side_by_side:
            results = list(side_by_side.map(talk, (pool.endpoint(), pool.nodes[0].endpoint())))
        assert results[0] == results[1]
        return results[0]

    return talk_to_both


@pytest.fixture
def client(pool, library, tmp_path, account):
    """A client of the pool alone."""
    return library(tmp_path, pool.endpoint(), account[0], key=account[1])


# Logging in.

@pytest.mark.feature("Login: by key, {kind}")
@pytest.mark.parametrize("kind", libraries.KEY_KINDS)
def test_each_kind_of_key_logs_in(both, pool, kind):
    user = pool.user()
    assert both(lambda c: c.run("id -un"), user, key=pool.key(user, kind)).out.decode() == f"{user.name}\n"


def is_denied(client):
    try:
        client.run("true")
    except libraries.Denied:
        return True
    return False


@pytest.mark.feature("Login: a key that the node does not know is denied")
def test_an_unknown_key_is_denied(both, pool):
    user = pool.user()
    assert both(is_denied, user, key=keys.make_key(pool.folder, f"unknown-{user.name}"))


@pytest.mark.feature("Login: by {how}")
@pytest.mark.parametrize("how", ["password", "kbdint"])
def test_what_is_typed_logs_in_if_it_is_right(both, account, how):
    word = "password" if how == "password" else "answer"
    assert both(lambda c: c.run("id -un"), **{word: account[0].password}).out.decode() == f"{account[0].name}\n"
    assert both(is_denied, **{word: "wrong"})


@pytest.mark.feature("Login: by key, and then what is typed")
def test_a_key_and_then_questions(both, pool):
    user = pool.user(kind="keyquestion")
    key = pool.key(user)
    assert both(lambda c: c.run("id -un"), user, key=key, answer=user.password).out.decode() == f"{user.name}\n"
    assert both(is_denied, user, key=key, answer="wrong")


# Commands.

@pytest.mark.feature("Sessions: a command's input, output and errors")
def test_what_goes_in_comes_out(both):
    done = both(lambda c: c.run("tee /dev/stderr", BLOB))
    assert (done.out == BLOB, done.err == BLOB, done.status) == (True, True, 0)


@pytest.mark.feature("Sessions: exit status")
@pytest.mark.parametrize("status", [0, 1, 255])
def test_exit_status_arrives(both, status):
    assert both(lambda c: c.run(f"echo out; echo err >&2; exit {status}"))[:4] == (status, None, b"out\n", b"err\n")


@pytest.mark.feature("Sessions: exit signal")
def test_exit_signal_arrives(library, both):
    library.need("exit signals")
    assert both(lambda c: c.run("kill -TERM $$")).signal == ("TERM", False, "")


@pytest.mark.feature("Sessions: signals to a command")
def test_a_signal_arrives(library, both):
    library.need("signals")
    command = "trap 'echo caught; exit 9' USR1; echo ready; while :; do sleep 0.02; done"
    assert both(lambda c: c.run(command, signal="USR1")[:3]) == (9, None, b"ready\ncaught\n")


@pytest.mark.feature("Sessions: environment as far as the node accepts it")
def test_environment_arrives(both):
    env = {"SCENARIO_WORD": "two words", "OTHER": "word"}
    assert both(lambda c: c.run("echo $SCENARIO_WORD:$OTHER", env=env)).out == b"two words:\n"


# Terminals.

SHOW = "trap 'stty size; exit' WINCH; stty -a; while :; do sleep 0.02; done"


@pytest.mark.feature("Sessions: a terminal, resized")
def test_a_terminal_is_resized(both):
    shown = both(lambda c: c.terminal(SHOW, (81, 25), (132, 43))).decode()
    assert "rows 25; columns 81;" in shown
    assert shown.splitlines()[-1] == "43 132"


@pytest.mark.feature("Sessions: terminal modes")
def test_terminal_modes_arrive(library, both):
    library.need("terminal modes")
    modes = {"VINTR": 7, "ECHO": 0, "ONLCR": 0, "IXANY": 1, "OP_OSPEED": 9600}
    shown = both(lambda c: c.terminal(SHOW, (81, 25), (132, 43), modes)).decode()
    for word in ("intr = ^G;", "-echo ", "-onlcr", " ixany", "speed 9600 "):
        assert word in shown, shown


# Files, forwardings, the agent.

@pytest.mark.feature("Tools: sftp, up and down")
def test_files_go_there_and_back(both, tmp_path):
    def copy(c):
        local, remote, back = tmp_path / "local", f"up-{c.endpoint.port}", tmp_path / f"back-{c.endpoint.port}"
        local.write_bytes(BLOB)
        c.copy(local, remote, back)
        return back.read_bytes() == BLOB, c.run(f"sha256sum < {remote}").out

    assert both(copy) == (True, f"{hashlib.sha256(BLOB).hexdigest()}  -\n".encode())


class Hash(socketserver.StreamRequestHandler):
    """Answers with the hash of all that it was sent."""

    def handle(self):
        self.wfile.write(hashlib.sha256(self.rfile.read()).digest())


@contextlib.contextmanager
def hashing(address):
    """A server of such answers at a (host, port) or a path; where it is."""
    if isinstance(address, Path):
        server = socketserver.ThreadingUnixStreamServer(str(address), Hash)
        address.chmod(0o666)  # the node's end is another user
    else:
        server = socketserver.ThreadingTCPServer(address, Hash)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        if isinstance(address, Path):
            address.unlink()


DIGEST = hashlib.sha256(SMALL).digest()


@pytest.mark.feature("Forwarding: -L tcp")
def test_a_port_of_the_node_is_reached(both):
    with hashing(("127.0.0.1", 0)) as address:
        assert both(lambda c: c.reach(address, SMALL)) == DIGEST


@pytest.fixture
def meeting(pool, client, account):
    """A folder on the nodes that the test may use, too: its path here, and there."""
    client.run("mkdir -p -m 777 open")
    return [Path(home) / account[0].name / "open" for home in (pool.folder / "home", "/home")]


@pytest.mark.feature("Forwarding: -L unix")
def test_a_socket_of_the_node_is_reached(library, both, meeting):
    library.need("unix sockets")
    here, there = meeting
    with hashing(here / "s"):
        assert both(lambda c: c.reach(str(there / "s"), SMALL)) == DIGEST


def ask(address):
    with tunnel.connect(address) as s:
        s.sendall(SMALL)
        s.shutdown(socket.SHUT_WR)
        return tunnel.read_all(s)


@pytest.mark.feature("Forwarding: -R tcp", "Forwarding: -R port 0, and its end")
def test_a_port_of_the_node_leads_back(both):
    ports = []

    def listen(c):
        with c.listen(address[1], 3) as port, ThreadPoolExecutor(3) as many:
            ports.append(port)
            return list(many.map(ask, [("127.0.0.1", port)] * 3))

    with hashing(("127.0.0.1", 0)) as address:
        assert both(listen) == [DIGEST] * 3
    for port in ports:
        proc.wait_for(lambda: not tunnel.accepts(("127.0.0.1", port)), "the forwarding ends")


@pytest.mark.feature("Forwarding: -R unix")
def test_a_socket_of_the_node_leads_back(library, both, meeting, tmp_path):
    library.need("remote unix sockets")
    here, there = meeting

    def listen(c):
        name = f"r{c.endpoint.port}"
        with c.listen_unix(there / name, target):
            answer = ask(here / name)
        (here / name).unlink(missing_ok=True)
        return answer

    with hashing(tmp_path / "s") as target:
        assert both(listen) == DIGEST


@pytest.fixture
def agent(account, tmp_path, monkeypatch):
    """The path of an agent at home that has the user's key."""
    path = tmp_path / "agent"
    p = proc.spawn(["ssh-agent", "-D", "-a", path])
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    try:
        proc.wait_for(path.exists, "the agent")
        subprocess.run(["ssh-add", "-q", account[1]], check=True)
        yield path
    finally:
        proc.stop(p)


@pytest.mark.feature("X11, agent, tun: the agent lists its keys and signs")
def test_the_agent_is_asked(both, account, agent):
    public = keys.public(account[1])
    sign = f"f=$(mktemp); echo '{public}' > $f; ssh-add -L; echo text | ssh-keygen -q -Y sign -f $f -n scenario; rm $f"
    done = both(lambda c: c.with_agent(sign, agent))
    assert done.out.decode().startswith(public)
    assert b"BEGIN SSH SIGNATURE" in done.out


# The connection.

@pytest.mark.feature("Connection: many channels at once")
def test_many_channels_at_once(both):
    done = both(lambda c: c.run_all([f"echo {n}; sleep 0.2; exit {n}" for n in range(30)]))
    assert [(x.status, x.out) for x in done] == [(n, b"%d\n" % n) for n in range(30)]


@pytest.mark.feature("Connection: signs of life that the client asks for")
def test_the_client_is_answered(both, account):
    assert both(lambda c: c.alive(2) >= 2, key=account[1], keepalive_s=0.5)


@pytest.mark.feature("Connection: signs of life that the node asks for")
def test_the_node_is_answered(both, pool):
    """It ends the connection after the first one that is missing."""
    user = pool.user(kind="alive")
    assert both(lambda c: c.run("sleep 2.5; echo still"), user, key=pool.key(user)).out == b"still\n"


def endings(pool, user, offsets):
    """What the nodes say of the ends of the user's connections."""
    said = "".join(node.log_since(offsets[node]) for node in pool.nodes)
    ports = re.findall(rf"Starting session: .* for {user.name} from \S+ port (\d+) ", said)
    lines = re.findall(r"(Received disconnect|Connection closed|Disconnected).* port (\d+)(:?.*)", said)
    return [(what, how) for what, port, how in lines if port in ports]


@pytest.mark.feature("Connection: its end is clean")
def test_nothing_is_left_of_a_connection(library, both, pool):
    """The nodes hear of both ends the same, and the broker has one line that says who ended it."""
    library.need("a goodbye")
    user = pool.user()
    offsets = {node: node.log.stat().st_size for node in pool.nodes}
    both(lambda c: c.run("cat", SMALL).status, user, key=pool.key(user))
    pool.wait_user_gone(user)
    said = proc.wait_for(lambda: endings(pool, user, offsets), "the nodes say how it ended")
    assert len(set(said)) * 2 == len(said), said
    if pool.broker:
        line, = proc.wait_for(lambda: ended(pool, user), "the line at the end")
        assert line["cause"] == "client-disconnect", line


def ended(pool, user):
    """The lines of the user's ended connections, as {name: value}."""
    return [dict(re.findall(r"(\w+)=(\S+)", line)) for line in pool.broker.log_since().splitlines()
            if "connection-ended" in line and f"user={user.name} " in line]


@pytest.mark.feature("Flow: a large transfer arrives whole")
def test_a_large_transfer_arrives_whole(both):
    done = both(lambda c: c.run("cat", BIG))
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(BIG).digest()


@pytest.mark.feature("Algorithms: keys change in mid-transfer")
def test_keys_change_in_mid_transfer(library, both, pool):
    library.need("rekeys")
    user = pool.user()
    node = pool.nodes[0]
    offset = node.log.stat().st_size
    done = both(lambda c: c.run("cat", BLOB), user, key=pool.key(user), rekey_bytes=1 << 18)
    assert done.out == BLOB
    assert node.log_since(offset).count("SSH2_MSG_NEWKEYS received") >= 3  # the first is no rekey
    if pool.broker:
        line, = proc.wait_for(lambda: ended(pool, user), "the line at the end")
        assert int(line["rekeys"]) >= 2


# Each algorithm alone.

def goes_with(client, **algorithms):
    """The client has no other algorithm of these kinds, uses them, and again for new keys."""
    often = {} if "rekeys" in client.LACKS else {"rekey_bytes": 1 << 17}
    client = client.also(**often, **algorithms)
    assert client.run("cat", SMALL).out == SMALL
    for name, value in algorithms.items():
        for chosen in (name, f"{name}_in"):
            assert client.chosen.get(chosen, value) in (value, value and value.encode()), client.chosen


@pytest.mark.feature("Algorithms: {kex}")
@pytest.mark.parametrize("kex", libraries.KEXES)
def test_each_key_exchange(client, library, kex):
    library.need(kex)
    goes_with(client, kex=kex)


@pytest.mark.feature("Algorithms: {suite}")
@pytest.mark.parametrize("suite", libraries.SUITES, ids=word)
def test_each_cipher_and_mac(client, library, suite):
    library.need(*suite)
    cipher, mac = suite
    goes_with(client, cipher=cipher, **({"mac": mac} if mac else {}))


@pytest.mark.feature("Algorithms: zlib@openssh.com")
def test_compression(client, library):
    library.need("zlib@openssh.com")
    goes_with(client, compression="zlib@openssh.com")


@pytest.mark.feature("Algorithms: host key {name}")
@pytest.mark.parametrize("name", libraries.HOST_KEYS)
def test_each_host_key(library, all_keys, logged, tmp_path, name):
    pool, user, key = all_keys
    logged.extend((log, log.stat().st_size) for log in pool.logs())
    goes_with(library(tmp_path, pool.endpoint(), user, key=key), host_key=name)
