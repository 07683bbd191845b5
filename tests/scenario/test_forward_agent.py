"""The user's agent, on the node."""
import contextlib

import pytest

from lib import keys, proc

TEXT = b"what shall be signed\n"


@contextlib.contextmanager
def agent(client, *options):
    """An agent at home with the client's key, added with these options; ssh uses it alone."""
    path = client.folder / "agent"
    p = proc.spawn(["ssh-agent", "-D", "-a", path])
    client.env["SSH_AUTH_SOCK"] = str(path)
    try:
        proc.wait_for(lambda: client.local(["ssh-add", "-l"]).returncode == 1, "the agent, with no key yet")
        client.local(["ssh-add", "-q", "-H", client.folder / "known_hosts", *options, client.key], check=True)
        # The key is in the agent and nowhere else.
        plain, client.ssh = client.ssh, [*client.ssh, f"-oIdentityAgent={path}", f"-oIdentityFile={client.key}.pub"]
        hidden = client.key.rename(client.folder / "hidden")
        try:
            yield
        finally:
            hidden.rename(client.key)
            client.ssh = plain
    finally:
        proc.stop(p)


def test_its_keys_are_listed_and_sign(client):
    with agent(client):
        expected = client.local(["ssh-add", "-l"], check=True).stdout.decode()
        assert client.out("ssh-add -l", "-A") == expected
        signature = client.out(f"cat > data; echo '{keys.public(client.key)}' > key.pub;"
                               " ssh-keygen -q -Y sign -f key.pub -n scenario < data", "-A", stdin=TEXT)
    (client.folder / "signature").write_text(signature)
    (client.folder / "signers").write_text(f"me {keys.public(client.key)}\n")
    check = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "me", "-n", "scenario", "-s", "signature"]
    client.local(check, stdin=TEXT, check=True)
    assert client.local(check, stdin=TEXT + b"x").returncode != 0


def test_many_ask_it_at_once(client):
    with agent(client):
        done = client.out("for i in $(seq 20); do ssh-add -l & done; wait", "-A")
    assert len(done.splitlines()) == 20
    assert len(set(done.splitlines())) == 1


def test_it_stays_at_home_unless_asked_for(pool, client):
    with agent(client):
        assert client.out("echo [$SSH_AUTH_SOCK]") == "[]\n"
    closed = pool.client(pool.user(kind="closed"))
    with agent(closed):
        assert closed.out("echo [$SSH_AUTH_SOCK]", "-A") == "[]\n"


# Keys that are good for some destinations alone (ssh-add -h): the broker is one hop, as a node is.

def named(endpoint):
    return f"[{endpoint.host}]:{endpoint.port}"


@pytest.fixture
def onward(client, third_host):
    """The client's key opens the third host, too, and both ends know that host's keys; the command that goes there."""
    third_host.add_user(client.user)
    third_host.write(f"/home/{client.user.name}/.ssh/authorized_keys", open(f"{client.key}.pub").read(),
                     client.user.name, 0o600)
    known = "".join(f"{named(third_host.endpoint())} {k}\n" for k in third_host.host_keys)
    with open(client.folder / "known_hosts", "a") as f:
        f.write(known)
    client.out("cat > known", stdin=known.encode())
    return f"ssh -F none -o UserKnownHostsFile=known -o BatchMode=yes -p {third_host.port} {third_host.address} hostname"


def test_a_key_for_this_destination_logs_in_and_goes_no_further(pool, client, onward):
    with agent(client, "-h", named(pool.endpoint())):
        assert client.out("ssh-add -l || true; echo in", "-A") == "The agent has no identities.\nin\n"
        done = client.run(onward, "-A")
        assert (done.returncode, b"Permission denied" in done.stderr) == (255, True)


def test_a_key_for_a_way_over_this_destination_goes_that_way(pool, client, onward, third_host):
    here, there = named(pool.endpoint()), named(third_host.endpoint())
    with agent(client, "-h", here, "-h", f"{here}>{there}"):
        assert client.out(onward, "-A") == "third\n"


def test_a_key_for_another_destination_is_not_used(pool, client, onward, third_host):
    with agent(client, "-h", named(third_host.endpoint())):
        done = client.run("echo in", "-oPreferredAuthentications=publickey")
    assert (done.returncode, b"Permission denied" in done.stderr) == (255, True)
