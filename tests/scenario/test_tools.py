"""Programs that run ssh for their users: rsync that is cut, sshfs, ansible, ssh-copy-id, ssh-keyscan, autossh, mosh."""
import contextlib
import hashlib
import os
import re
import shutil
import signal
import socketserver
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pexpect
import pytest

from lib import keys, proc
from lib.tunnel import connect


def digest(data):
    return hashlib.sha256(data).hexdigest()


# rsync

def partial_size(folder):
    """What of a file in transfer has arrived there."""
    return max((x.stat().st_size for x in folder.iterdir() if x.name.startswith(".data.")), default=0)


@pytest.mark.feature("Tools: rsync --partial, resumed")
@pytest.mark.parametrize("way", ["to the node", "from the node"])
def test_rsync_goes_on_where_it_was_cut(pool, way):
    wire = pool.wire()
    client = pool.client(endpoint=wire.endpoint())
    there = pool.folder / "home" / client.user.name
    data = os.urandom(12 << 20)
    if way == "to the node":
        argv, target = ["data", "pool:"], there
        (client.folder / "data").write_bytes(data)
    else:
        argv, target = ["pool:data", "."], client.folder
        client.out("cat > data", stdin=data)
    wire.rate = 8 << 20
    command = ["rsync", "-e", " ".join(client.ssh), "--partial", "--stats", *argv]
    p = proc.spawn(command, env=client.env, cwd=client.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    proc.wait_for(lambda: partial_size(target) > 3 << 20, "a part has arrived")
    wire.cut()
    assert p.wait(proc.seconds(30)) != 0
    pool.wait_user_gone(client.user)
    kept = (target / "data").stat().st_size
    assert 3 << 20 < kept < len(data)
    wire.rate = 0
    stats = client.local(command, check=True).stdout.decode()
    numbers = {x: int(re.search(rf"{x} data: ([\d,]+)", stats)[1].replace(",", "")) for x in ("Literal", "Matched")}
    assert numbers["Matched"] > kept * 0.9 and numbers["Literal"] + numbers["Matched"] == len(data)
    assert client.out("sha256sum data").split()[0] == digest((client.folder / "data").read_bytes()) == digest(data)


# sshfs

@pytest.fixture
def mounted(pool):
    """mounted(client, *options) is the client's home on the node as a folder here."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as e:
        pytest.skip(f"no FUSE on this machine: {e}")
    with contextlib.ExitStack() as stack:
        yield lambda *args: stack.enter_context(mount(*args))


@contextlib.contextmanager
def mount(client, *options):
    folder = client.folder / "mnt"
    folder.mkdir()
    p = proc.spawn(["sshfs", "-f", "-F", client.config, *options, "pool:", folder], env=client.env,
                   stderr=subprocess.PIPE)
    try:
        proc.wait_for(lambda: os.path.ismount(folder) or p.poll() is not None, "the mount")
        assert p.poll() is None, p.stderr.read()
        yield folder
    finally:
        subprocess.run(["fusermount3", "-u", "-z", folder], check=False)
        proc.stop(p)


@pytest.mark.feature("Tools: sshfs")
def test_a_mounted_home(pool, client, mounted):
    here, there = mounted(client), pool.folder / "home" / client.user.name
    big = os.urandom(24 << 20)
    (here / "big").write_bytes(big)
    assert client.out("sha256sum big").split()[0] == digest(big) == digest((here / "big").read_bytes())
    many = here / "many"
    many.mkdir()
    for i in range(300):
        (many / f"file {i}").write_bytes(b"%d" % i * i)
    with ThreadPoolExecutor(8) as readers:
        sizes = list(readers.map(lambda i: len((many / f"file {i}").read_bytes()), range(300)))
    assert sizes == [len(b"%d" % i * i) for i in range(300)]
    assert sorted(os.listdir(many)) == sorted(os.listdir(there / "many"))
    (here / "link").symlink_to("many/file 7")
    (many / "file 8").rename(many / "file 7")
    (many / "file 7").chmod(0o640)
    os.truncate(here / "big", 1000)
    with open(here / "big", "ab") as f:
        f.write(b"end")
    with open(here / "big", "r+b") as f:
        f.seek(500)
        f.write(b"middle")
    shown = client.out("cat link; stat -c %a 'many/file 7'; ls many | wc -l; tail -c3 big; head -c506 big | tail -c6")
    assert shown == "8" * 8 + "640\n299\nendmiddle"
    shutil.rmtree(many)
    assert client.run("test -e many").returncode == 1
    with pytest.raises(FileNotFoundError):
        (here / "nowhere").read_bytes()
    with pytest.raises(PermissionError):  # the node's word
        os.chown(here / "big", 1, 1)


@pytest.mark.feature("Tools: sshfs")
def test_a_mounted_home_comes_back_after_a_cut(pool, mounted):
    wire = pool.wire()
    client = pool.client(endpoint=wire.endpoint())
    here = mounted(client, "-o", "reconnect,ServerAliveInterval=5")
    (here / "before").write_text("before")
    wire.cut()

    def back():
        with contextlib.suppress(OSError):
            return (here / "before").read_text() == "before"
    proc.wait_for(back, "the file is there again")
    (here / "after").write_text("after")
    assert client.out("cat before after") == "beforeafter"


# ansible: one connection that stays (-C, ControlMaster, ControlPersist), /bin/sh -c in it for each step; with pipelining
# a module is the stdin of the node's python, without it a file that sftp brings.

@pytest.mark.feature("Tools: ansible")
@pytest.mark.parametrize("pipelining", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_ansible(pool, client, pipelining):
    control = client.folder / "ansible"
    env = {**client.env, "ANSIBLE_PIPELINING": str(pipelining), "ANSIBLE_SSH_CONTROL_PATH": str(control),
           "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3", "LC_ALL": "C.UTF-8"}
    inventory = client.folder / "inventory"
    inventory.write_text(f"pool ansible_ssh_common_args='-F {client.config}'\n")

    def ansible(*words):
        done = subprocess.run(["ansible", "-vvv", "-i", inventory, "pool", *words], env=env, cwd=client.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=proc.seconds(60), check=False)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        return done.stdout.decode()

    source = client.folder / "source"
    source.write_bytes(os.urandom(300000))
    try:
        pinged = ansible("-m", "ping")
        assert '"ping": "pong"' in pinged
        assert pinged.count("SSH: EXEC sftp") == (0 if pipelining else 1)
        assert "CHANGED" in ansible("-m", "copy", "-a", f"src={source} dest=copied mode=0640")
        assert client.out("sha256sum copied").split()[0] == digest(source.read_bytes())
        proc.wait_for(lambda: len(pool.connections_of(client.user)) == 1, "one connection is left")
    finally:
        client.local([*client.ssh, "-S", control, "-O", "exit", "pool"])
    pool.wait_user_gone(client.user)


# ssh-copy-id

@pytest.mark.feature("Tools: ssh-copy-id")
@pytest.mark.parametrize("with_sftp", [False, True])
def test_ssh_copy_id(pool, with_sftp):
    user = pool.user()
    client = pool.client(user, keys.make_key(pool.folder, f"copied-{user.name}"))
    (client.folder / ".ssh").mkdir(0o700)  # it works in there
    argv = [*(["-s"] if with_sftp else []), "-F", str(client.config), "-i", f"{client.key}.pub", "-o", "BatchMode=no"]

    def copy():
        """What it says; asked for a password or not."""
        p = pexpect.spawn("ssh-copy-id", [*argv, "pool"], env=client.env, cwd=str(client.folder),
                          timeout=proc.seconds(30))
        text = b""
        while p.expect(["assword: ?$", pexpect.EOF]) == 0:
            text += p.before
            p.sendline(user.password)
        p.close()
        assert p.exitstatus == 0, text + p.before
        return (text + p.before).decode()

    assert client.run("true").returncode == 255
    assert "Number of key(s) added: 1" in copy()
    assert client.out("cut -d' ' -f1,2 .ssh/authorized_keys").strip() == keys.public(client.key)
    assert "All keys were skipped because they already exist" in copy()
    assert client.out("wc -l < .ssh/authorized_keys") == "1\n"


# ssh-keyscan

def keyscan(endpoint, *options):
    """The keys that it finds."""
    done = subprocess.run(["ssh-keyscan", "-p", str(endpoint.port), *options, endpoint.host], capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=proc.seconds(30), check=False)
    return {" ".join(line.split()[1:]) for line in done.stdout.decode().splitlines() if line[0] != "#"}


@pytest.mark.feature("Tools: ssh-keyscan")
def test_ssh_keyscan_finds_each_host_key(pool):
    endpoint = pool.endpoint()
    by_type = {key.split()[0].removeprefix("ssh-").removeprefix("sha2-").split("-")[0]: key for key in endpoint.host_keys}
    assert keyscan(endpoint) == keyscan(endpoint, "-t", "rsa,ecdsa,ed25519") == set(endpoint.host_keys)
    for kind in ("rsa", "ecdsa", "ed25519"):
        assert keyscan(endpoint, "-t", kind) == ({by_type[kind]} if kind in by_type else set())
    assert keyscan(endpoint, "-c") == set()
    hashed = subprocess.run(["ssh-keyscan", "-H", "-p", str(endpoint.port), endpoint.host], capture_output=True,
                            stdin=subprocess.DEVNULL, check=True).stdout.decode()
    assert {" ".join(line.split()[1:]) for line in hashed.splitlines() if line[0] == "|"} == set(endpoint.host_keys)


# autossh

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(4096):
                self.request.sendall(data)


@pytest.fixture
def echo_port():
    """What is sent there comes back."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def echoes(port):
    with contextlib.suppress(OSError), connect(("127.0.0.1", port)) as s:
        s.sendall(b"in")
        return s.recv(2) == b"in"
    return False


@pytest.mark.feature("Tools: autossh")
@pytest.mark.parametrize("how", ["it is cut", "it is silent"])
def test_autossh_starts_again_when(pool, echo_port, how):
    """A cut line it sees by the end of ssh; a silent one by what it sends itself to an echo beyond a forwarding."""
    wire = pool.wire()
    client = pool.client(endpoint=wire.endpoint(), options="ExitOnForwardFailure yes")
    near, watch = proc.free_port(), f"{proc.free_port()}:{echo_port}" if how == "it is silent" else "0"
    env = {**client.env, "AUTOSSH_GATETIME": "0", "AUTOSSH_POLL": "4", "AUTOSSH_FIRST_POLL": "4"}
    p = proc.spawn(["autossh", "-M", watch, "-F", client.config, "-N", "-L", f"{near}:127.0.0.1:{echo_port}", "pool"],
                   env=env, stderr=subprocess.DEVNULL)
    proc.wait_for(lambda: echoes(near), "the forwarding is there")
    before = proc.children(p.pid)
    if how == "it is cut":
        wire.cut()
    else:
        wire.drop()
        proc.wait_for(lambda: proc.children(p.pid) != before, "ssh is another one", 40)
        wire.silent.clear()
    proc.wait_for(lambda: echoes(near), "the forwarding is there again", 40)
    assert before and proc.children(p.pid) != before
    proc.stop(p)
    wire.cut()
    pool.wait_user_gone(client.user)


# mosh: ssh -n -tt starts its server, which says a port and a key and leaves; from then on there is no ssh.

STUB = """#!/bin/sh
echo "would connect to $2 $3 with ${#MOSH_KEY} letters"
"""


def mosh(client, *argv):
    env = {**client.env, "LC_ALL": "C.UTF-8"}
    return pexpect.spawn("mosh", ["--ssh=" + " ".join(client.ssh), *argv], env=env, timeout=proc.seconds(30),
                         cwd=str(client.folder), dimensions=(24, 80))


@pytest.mark.feature("Tools: mosh")
def test_the_ssh_stage_of_mosh(pool, client):
    stub = client.folder / "stub"
    stub.write_text(STUB)
    stub.chmod(0o755)
    p = mosh(client, f"--client={stub}", "pool")
    p.expect(rb"would connect to (\S+) (\d+) with 22 letters")
    assert (p.match[1].decode(), 60000 < int(p.match[2]) < 61000) == (pool.endpoint().host, True)
    p.expect(pexpect.EOF)
    proc.wait_for(lambda: not pool.connections_of(client.user), "ssh has ended")
    for node in pool.nodes:  # left running: a session without a connection
        node.ask("signal", number=signal.SIGTERM, pids=[x["pid"] for x in node.ps(client.user, "mosh-server")])
    pool.wait_user_gone(client.user)


@pytest.mark.feature("Tools: mosh")
def test_a_session_of_mosh(pool, client):
    """Its datagrams go to the node itself, whose address it is told by the node: the broker has no part in them."""
    p = mosh(client, "--experimental-remote-ip=remote", "pool", "--", "sh", "-c", "hostname; read x; echo \"<$x>\"")
    p.expect("n[12]\r")
    proc.wait_for(lambda: not pool.connections_of(client.user), "ssh has ended")
    p.sendline("typed")
    p.expect("<typed>")
    p.expect(pexpect.EOF)
    p.close()
    pool.wait_user_gone(client.user)
