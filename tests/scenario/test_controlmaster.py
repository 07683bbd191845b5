"""Many channels over one connection."""
import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.mark.feature("Connection: many channels at once")
def test_fifty_channels_at_once(client, pool):
    def one(n):
        data = random.Random(n).randbytes(n * 4096)
        done = client.run("cat; exit 3", stdin=data)
        return done.returncode == 3 and hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()

    with client.master(), ThreadPoolExecutor(25) as many:
        assert all(many.map(one, range(50)))
        assert len(pool.connections_of(client.user)) == 1


@pytest.mark.feature("Flow: a channel that nobody reads holds up no other")
def test_a_slow_channel_does_not_hold_up_the_others(client):
    with client.master():
        stuck = client.popen("cat /dev/zero")
        stuck.stdout.read(1)  # and never again: its window fills
        assert client.out("head -c 4000000 /dev/zero | wc -c").strip() == "4000000"
        stuck.kill()
        stuck.wait()


@pytest.mark.feature("Connection: ControlMaster")
def test_the_connection_outlives_its_channels_until_told(client, pool):
    with client.master() as master:
        assert client.run("kill -KILL $$").returncode != 0
        assert client.out("echo still") == "still\n"
        assert client.local([*client.ssh, "-O", "check", "pool"]).returncode == 0
        client.local([*client.ssh, "-O", "exit", "pool"], check=True)
        assert master.wait(30) is not None
    pool.wait_user_gone(client.user)


@pytest.mark.feature("Connection: ControlMaster")
def test_sftp_and_a_shell_share_it(client):
    with client.master():
        client.local(["cp", "/etc/passwd", "data"])
        client.sftp("put data\n", f"-oControlPath={client.folder}/ctl")
        assert client.out("sha256sum data").split()[0] == \
            hashlib.sha256(open("/etc/passwd", "rb").read()).hexdigest()
