"""Forwarded ports, sockets and agents: channels that neither side's shell knows of."""
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

from lib import proc


def banner(port):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(proc.seconds(20))
        return s.recv(100)


def reaches(port):
    try:
        return banner(port)
    except OSError:
        return None


def forward(client, *options):
    return client.popen("", "-N", "-oExitOnForwardFailure=yes", *options, stdin=subprocess.DEVNULL)


def test_local_forwarding_without_a_command(client, pool):
    port, node = proc.free_port(), pool.nodes[0]
    p = forward(client, "-L", f"{port}:{node.address}:{node.port}")
    assert proc.wait_for(lambda: reaches(port), "the forwarded port").startswith(b"SSH-2.0-")
    proc.stop(p)


def test_dynamic_forwarding(client, pool):
    port, node = proc.free_port(), pool.nodes[0]
    p = forward(client, "-D", str(port))
    proc.wait_for(lambda: is_open(port), "the SOCKS port")
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(proc.seconds(20))
        s.sendall(b"\x04\x01" + node.port.to_bytes(2, "big") + socket.inet_aton(node.address) + b"\0")
        assert s.recv(8)[1] == 90
        assert s.recv(100).startswith(b"SSH-2.0-")
    proc.stop(p)


def is_open(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_remote_forwarding_with_a_port_that_the_node_chooses(client, pool):
    node = pool.nodes[0]
    p = forward(client, "-R", f"127.0.0.1:0:{node.address}:{node.port}")
    line = p.stderr.readline().decode()
    assert line.startswith("Allocated port "), line
    assert reaches(int(line.split()[2])).startswith(b"SSH-2.0-")
    proc.stop(p)


def test_a_refused_connection_is_told(client):
    done = client.run("", "-W", f"127.0.0.1:{proc.free_port()}")
    assert done.returncode == 255
    assert b"open failed: connect failed: Connection refused" in done.stderr


def test_unix_socket_forwarding(client):
    listener = client.folder / "here"
    p = client.popen("", "-N", "-L", f"{listener}:/home/{client.user.name}/there", stdin=subprocess.DEVNULL)
    server = client.popen("python3 -c 'import socket; s = socket.create_server(\"there\", family=socket.AF_UNIX);"
                          " print(flush=True); c = s.accept()[0]; c.sendall(c.recv(9)[::-1])'")
    server.stdout.readline()
    proc.wait_for(listener.exists, "the forwarded socket")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(listener))
        s.sendall(b"hello")
        assert s.recv(9) == b"olleh"
    assert server.wait(30) == 0
    proc.stop(p)


def test_agent_forwarding(client):
    path = client.folder / "agent"
    agent = proc.spawn(["ssh-agent", "-D", "-a", path])
    client.env["SSH_AUTH_SOCK"] = str(path)
    proc.wait_for(lambda: client.local(["ssh-add", "-l"]).returncode == 1, "the agent, with no key yet")
    client.local(["ssh-add", client.key], check=True)
    listed = client.out("ssh-add -L", "-A", f"-oIdentityAgent={path}")
    proc.stop(agent)
    assert listed.split()[1] == open(f"{client.key}.pub").read().split()[1]


def test_many_bytes_both_ways_through_a_forwarded_port(client):
    port, far = proc.free_port(), proc.free_port()
    p = client.popen("", "-N", "-L", f"{port}:127.0.0.1:{far}", stdin=subprocess.DEVNULL)
    data = os.urandom(4 << 20)
    with socket.create_server(("127.0.0.1", far)) as server:
        proc.wait_for(lambda: is_open(port), "the forwarded port")
        server.accept()[0].close()  # the look of is_open
        with socket.create_connection(("127.0.0.1", port)) as near:
            peer = server.accept()[0]
            assert crossed(near, peer, data) == (data, data)
            peer.close()
    proc.stop(p)


def crossed(a, b, data):
    """Send data from a to b and from b to a at once; what each received."""
    def receive(s):
        got = bytearray()
        while len(got) < len(data):
            part = s.recv(1 << 16)
            if not part:
                break
            got += part
        return bytes(got)

    with ThreadPoolExecutor(4) as many:
        for s in (a, b):
            s.settimeout(proc.seconds(60))
            many.submit(s.sendall, data)
        got = [many.submit(receive, s) for s in (a, b)]
        return got[0].result(), got[1].result()
