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


@pytest.mark.feature("X11, agent, tun: the agent lists its keys and signs")
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


@pytest.mark.feature("X11, agent, tun: the agent lists its keys and signs")
def test_many_ask_it_at_once(client):
    with agent(client):
        done = client.out("for i in $(seq 20); do ssh-add -l & done; wait", "-A")
    assert len(done.splitlines()) == 20
    assert len(set(done.splitlines())) == 1


@pytest.mark.feature("X11, agent, tun: the agent lists its keys and signs")
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
def third(client, third_host):
    """The client's key opens the third host, too."""
    third_host.add_user(client.user)
    third_host.write(f"/home/{client.user.name}/.ssh/authorized_keys", open(f"{client.key}.pub").read(),
                     client.user.name, 0o600)
    client.also_knows("third", third_host.endpoint())
    return third_host.endpoint()


def onward(client, endpoint, *options):
    """What, run on another host, goes on to this one with the agent; that host knows its keys from now on."""
    known = "".join(f"{named(endpoint)} {k}\n" for k in endpoint.host_keys)
    return f"printf '{known}' > known; ssh -F none -o UserKnownHostsFile=known -o BatchMode=yes {' '.join(options)} " \
        f"-p {endpoint.port} {endpoint.host} hostname"


@pytest.mark.feature("X11, agent, tun: keys for some destinations (ssh-add -h)")
def test_a_key_for_this_destination_logs_in_and_goes_no_further(pool, client, third):
    with agent(client, "-h", named(pool.endpoint())):
        assert client.out("ssh-add -l || true; echo in", "-A") == "The agent has no identities.\nin\n"
        done = client.run(onward(client, third), "-A")
        assert (done.returncode, b"Permission denied" in done.stderr) == (255, True)


@pytest.mark.feature("X11, agent, tun: keys for some destinations (ssh-add -h)")
def test_a_key_for_a_way_over_this_destination_goes_that_way(pool, client, third):
    here, there = named(pool.endpoint()), named(third)
    with agent(client, "-h", here, "-h", f"{here}>{there}"):
        assert client.out(onward(client, third), "-A") == "third\n"


@pytest.mark.feature("X11, agent, tun: keys for some destinations (ssh-add -h)")
@pytest.mark.parametrize("is_bound", [True, False])
def test_a_key_for_a_way_to_this_destination_needs_requests_that_name_it(pool, client, third, is_bound):
    """An agent at the end of a way signs only what names the host key there (publickey-hostbound)."""
    here, there = named(pool.endpoint()), named(third)
    option = f"-oPubkeyAuthentication={'yes' if is_bound else 'unbound'}"
    with agent(client, "-h", there, "-h", f"{there}>{here}"):
        done = client.local([*client.ssh, "-A", "third", onward(client, pool.endpoint(), option)])
    assert (done.returncode, done.stdout.decode().strip() in [n.name for n in pool.nodes]) == \
        ((0, True) if is_bound else (255, False)), done.stderr


@pytest.mark.feature("X11, agent, tun: keys for some destinations (ssh-add -h)")
def test_a_key_for_another_destination_is_not_used(pool, client, third):
    with agent(client, "-h", named(third)):
        done = client.run("echo in", "-oPreferredAuthentications=publickey")
    assert (done.returncode, b"Permission denied" in done.stderr) == (255, True)
