"""What remote development tools do with the stock ssh: VS Code's Remote-SSH, JetBrains Gateway, a notebook."""
import contextlib
import hashlib
import os
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pexpect
import pytest

from lib import proc, web
from lib.socks import socks5, socks5_by_name, through_socks
from lib.tunnel import accepts, connect

SMALL = [f"keystroke {i}" for i in range(500)]
BIG = [random.Random(n).randbytes(n << 20) for n in (1, 3)]


def one_node_holds(pool, user):
    """All connections of the user are on one node, which is returned."""
    nodes = [n for n in pool.nodes if n.ps(user, word="sshd: ")]
    assert len(nodes) == 1, nodes
    return nodes[0]


# VS Code.  For each window it starts `ssh -v -T -D PORT -o ConnectTimeout=15 HOST bash`, and feeds bash with a script
# that looks in ~ for a server that an earlier window has left running, else installs and starts one, detached; then
# prints facts between a start and an end that carry a number of this window.  ssh stays.  What the editor wants of the
# server (http, then one websocket for the management and one for each extension host) comes through -D, by SOCKS 5.
# The server listens on the loopback of its node: the next window must land there, as must one whose line broke.
SCRIPT = """
ID=%(id)s
echo "$ID: start"
d=~/.vscode-server
mkdir -p $d
if [ -f $d/pid ] && kill -0 $(cat $d/pid) 2>/dev/null; then
    how=found
else
    how=installed
    rm -f $d/log
    cat >$d/server.py <<'SERVER'
%(server)s
SERVER
    nohup python3 $d/server.py >$d/log 2>&1 </dev/null &
    echo $! >$d/pid
fi
for i in $(seq 300); do
    port=$(sed -n 's/^port //p' $d/log)
    [ -n "$port" ] && break
    sleep 0.1
done
echo "how==$how=="
echo "listeningOn==$port=="
echo "node==$(hostname)=="
echo "platform==$(uname -s)=="
echo "arch==$(uname -m)=="
echo "tty==$(tty)=="
echo "SSH_AUTH_SOCK==$SSH_AUTH_SOCK=="
echo "$ID: end"
"""


class Window:
    """One window of the editor."""

    def __init__(self, client):
        self.socks, number = proc.free_port(), os.urandom(6).hex()
        with open(client.folder / f"window-{number}.log", "wb") as words:
            self.process = client.popen("bash", "-v", "-T", "-D", str(self.socks), "-oConnectTimeout=15", stderr=words)
        self.process.stdin.write((SCRIPT % {"id": number, "server": web.SERVER.read_text()}).encode())
        self.process.stdin.flush()
        lines = iter(lambda: self.process.stdout.readline().decode(), "")
        assert next(lines, None) == f"{number}: start\n", (client.folder / f"window-{number}.log").read_text()
        self.facts = {}
        for line in lines:
            if line == f"{number}: end\n":
                break
            key, value, _ = line.split("==")
            self.facts[key] = value
        self.port = int(self.facts["listeningOn"])

    def near(self, dialect=socks5):
        return through_socks(self.socks, dialect, self.port)

    def close(self):
        proc.stop(self.process)


def works(window):
    """What an editor does at once: ask over http, hold websockets, with keystrokes on one and files on the other."""
    with ThreadPoolExecutor(4) as many:
        page = many.submit(web.get, window.near(), "/zeros/2000000")
        pairs = [(many.submit(web.talk, window.near(d), *said), said)
                 for d, said in ((socks5, SMALL), (socks5_by_name, BIG))]
        assert page.result() == bytes(2000000)
        assert all(got.result() == said for got, said in pairs)


@pytest.mark.feature("Tools: VS Code Remote")
def test_vs_code_windows_share_one_server(pool, client):
    first = Window(client)
    assert (first.facts["how"], first.facts["tty"], first.facts["SSH_AUTH_SOCK"]) == ("installed", "not a tty", "")
    works(first)
    others = [Window(client) for _ in range(2)]
    try:
        assert [(w.facts["how"], w.facts["node"], w.port) for w in others] == \
            [("found", first.facts["node"], first.port)] * 2
        for w in others:
            works(w)
        first.close()
        again = Window(client)  # closed and opened, or reloaded
        others.append(again)
        assert (again.facts["how"], again.facts["node"]) == ("found", first.facts["node"])
        assert web.talk(again.near(), *SMALL, "end") == [*SMALL, "end"]
    finally:
        for w in others:
            w.close()
    pool.wait_user_gone(client.user)


@pytest.mark.feature("Tools: VS Code Remote")
def test_vs_code_comes_back_after_a_cut(pool):
    """One window's line breaks under an open websocket; the other's does not."""
    wire, client = pool.wire(), pool.client()
    steady = Window(client)
    shaky = pool.client(client.user, client.key, endpoint=wire.endpoint())
    window = Window(shaky)
    assert window.facts["how"] == "found"
    held = window.near()
    held.sendall(b"GET / HTTP/1.1\r\n")
    wire.cut()
    assert window.process.wait(proc.seconds(20)) == 255
    with contextlib.suppress(ConnectionError):
        assert held.recv(100) == b""
    held.close()
    window = Window(shaky)
    assert (window.facts["how"], window.facts["node"]) == ("found", steady.facts["node"])
    works(window)
    assert web.talk(steady.near(), "end") == ["end"]
    for w in (window, steady):
        w.close()
    pool.wait_user_gone(client.user)


# JetBrains Gateway.  One connection with signs of life and many channels: probes by exec, the upload of a worker by
# sftp beside which the connection is used on, the worker's start in a terminal, out of which a link with the port of the
# backend is read, and a forwarding to that port, over which client and backend talk from then on, both at once.
WORKER = """#!/bin/sh
test -t 0 || { echo "Not a terminal."; exit 1; }
echo "Starting the backend on $(hostname)"
exec python3 .cache/JetBrains/RemoteDev/backend.py
"""


@pytest.mark.feature("Tools: JetBrains Gateway")
def test_jetbrains_gateway(pool):
    client = pool.client(options="ServerAliveInterval 1\nServerAliveCountMax 2")
    blob = os.urandom(8 << 20)
    (client.folder / "worker").write_text(WORKER)
    (client.folder / "dist").write_bytes(blob)
    with client.master():
        control = f"-oControlPath={client.folder}/ctl"
        assert client.out("uname -sm").split()[0] == "Linux"
        assert client.run("test -e .cache/JetBrains/RemoteDev/worker").returncode == 1
        client.sftp(f"-mkdir .cache\nmkdir .cache/JetBrains\nmkdir .cache/JetBrains/RemoteDev\n"
                    f"cd .cache/JetBrains/RemoteDev\nput worker\nchmod 755 worker\nput {web.SERVER} backend.py\n"
                    "put dist\nrename dist dist.tgz\n", control)
        assert client.out("sha256sum .cache/JetBrains/RemoteDev/dist.tgz").split()[0] == hashlib.sha256(blob).hexdigest()
        worker = client.pty(".cache/JetBrains/RemoteDev/worker", dimensions=(50, 200))
        worker.expect(rb"Starting the backend on (\S+)\r\n.*port (\d+)\r\n")
        port = proc.free_port()
        client.local([*client.ssh, "-O", "forward", "-L", f"127.0.0.1:{port}:127.0.0.1:{int(worker.match[2])}", "pool"],
                     check=True)
        with ThreadPoolExecutor(3) as many:
            talks = [many.submit(web.talk, connect(("127.0.0.1", port)), *said) for said in (SMALL, BIG)]
            copied = many.submit(client.run, "cat", stdin=blob)
            assert [t.result() for t in talks] == [SMALL, BIG]
            assert copied.result().stdout == blob
        client.out("sleep 4")  # nothing but signs of life
        assert client.out("hostname").encode().strip() == worker.match[1]
        assert web.talk(connect(("127.0.0.1", port)), "end") == ["end"]
        worker.expect(pexpect.EOF)
        worker.close()
        assert worker.exitstatus == 0
    pool.wait_user_gone(client.user)


# A notebook.  The server is started in one connection (a terminal that stays open) and reached by -L of another one.

@pytest.fixture
def notebook(pool, client):
    """A port here that leads to it."""
    client.out("cat > server.py", stdin=web.SERVER.read_bytes())
    server = client.popen("hostname; exec python3 server.py")
    node, far = server.stdout.readline().decode().strip(), int(server.stdout.readline().split()[1])
    near = proc.free_port()
    forward = client.popen("", "-N", "-L", f"{near}:localhost:{far}", stdin=subprocess.DEVNULL)
    proc.wait_for(lambda: accepts(("127.0.0.1", near)), "the forwarding is there")
    assert one_node_holds(pool, client.user).name == node
    yield "127.0.0.1", near
    assert web.talk(connect(("127.0.0.1", near)), "end") == ["end"]
    assert server.wait(proc.seconds(20)) == 0
    proc.stop(forward)


@pytest.mark.feature("Tools: Jupyter through -L")
def test_a_notebook_through_a_forwarded_port(notebook):
    """A page with what belongs to it, a terminal, kernels, and an upload over a websocket; all of it at once."""
    with ThreadPoolExecutor(16) as many:
        pages = [many.submit(web.get, connect(notebook), f"/zeros/{n * 300001}") for n in range(6)]
        said = [SMALL, BIG, [b""], [bytes([n % 256]) * n for n in range(1, 2000, 7)], [BIG[0].hex()], ["x" * (6 << 20)]]
        talks = [many.submit(web.talk, connect(notebook), *x) for x in said]
        assert [len(p.result()) for p in pages] == [n * 300001 for n in range(6)]
        assert [t.result() for t in talks] == said
