"""User keys, and what authorized_keys says about them, are decided by the node."""
import re

import pytest

from lib import keys, proc

HOME = "127.9.9.9"  # an address that is the client's and nobody else's


def denied(done):
    """Refused before anything ran, as sshd refuses."""
    return done.returncode == 255 and done.stdout == b"" and b"Permission denied" in done.stderr


@pytest.mark.feature("Login: by key, {kind}")
@pytest.mark.parametrize("kind", keys.KINDS)
def test_a_key_of_each_kind_logs_in(pool, kind):
    user = pool.user()
    assert pool.client(user, pool.key(user, kind)).out("whoami").strip() == user.name


@pytest.mark.feature("Login: by key, rsa")
@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_rsa_signs_with_either_hash(pool, algorithm):
    user = pool.user()
    client = pool.client(user, pool.key(user, "rsa"), options=f"PubkeyAcceptedAlgorithms {algorithm}")
    assert client.out("echo in") == "in\n"


@pytest.mark.feature("Login: a key that the node does not know is denied")
def test_a_wrong_key_is_denied(pool, client):
    wrong = keys.make_key(client.folder, "wrong")
    assert denied(pool.client(client.user, wrong, options="PreferredAuthentications publickey").run("echo in"))


def test_the_second_key_is_tried_after_a_wrong_first(pool, client):
    wrong = keys.make_key(client.folder, "wrong")
    both = pool.client(client.user, client.key, options=f"IdentityFile {wrong}")
    assert both.out("echo in") == "in\n"


@pytest.mark.feature("Login: a key that the node does not know is denied")
def test_a_removed_key_is_denied_at_once(pool):
    client = pool.client(options="PreferredAuthentications publickey")
    assert client.out("echo in") == "in\n"
    pool.authorize(client.user)
    assert denied(client.run("echo in"))


def test_a_user_that_no_node_knows_is_denied(pool, client):
    stranger = pool.client(client.user, client.key, options="User nobody-knows-me\nPreferredAuthentications publickey")
    assert denied(stranger.run("echo in"))


def test_an_offered_key_that_is_not_proved_gets_nothing(pool, client):
    """The public half alone is not enough."""
    alone = client.folder / "public-only.pub"
    alone.write_text(keys.public(client.key) + "\n")
    thief = pool.client(client.user, alone, options="PreferredAuthentications publickey")
    assert denied(thief.run("echo in"))


# The options of a line in authorized_keys.

@pytest.fixture
def with_options(pool):
    def make(options, **kwargs):
        user = pool.user()
        return pool.client(user, pool.key(user, options=options),
                           **{"options": "PreferredAuthentications publickey", **kwargs})
    return make


def test_a_forced_command_runs_instead(with_options):
    client = with_options('command="echo forced: $SSH_ORIGINAL_COMMAND; exit 6"')
    done = client.run("something else")
    assert (done.returncode, done.stdout) == (6, b"forced: something else\n")
    assert b"forced" in client.run("", "-T").stdout


def test_a_key_is_good_from_its_address(with_options):
    assert with_options(f'from="{HOME}"').out("echo in", "-b", HOME) == "in\n"


@pytest.mark.parametrize("pattern", [HOME, f"!127.0.0.1,{HOME}", "10.0.0.0/8"])
def test_a_key_is_no_good_from_elsewhere(with_options, pattern):
    assert denied(with_options(f'from="{pattern}"').run("echo in"))


def test_the_address_of_the_broker_is_not_that_of_the_user(with_options):
    assert denied(with_options('from="127.0.0.1"').run("echo in", "-b", HOME))


def test_restrict_leaves_the_command_alone(with_options):
    client = with_options("restrict")
    assert client.out("echo in") == "in\n"
    assert b"PTY allocation request failed" in client.run("tty", "-tt").stderr


@pytest.mark.parametrize("options,forwards", [
    ("no-port-forwarding", False), ("restrict", False), ("restrict,port-forwarding", True),
    ('permitopen="127.0.0.1:1"', False), ("no-pty", True)])
def test_forwarding_is_as_the_key_says(with_options, pool, options, forwards):
    node = pool.nodes[0]
    p = with_options(options).popen("", "-W", f"{node.address}:{node.port}")
    line = p.stdout.readline()
    proc.stop(p)
    assert line.startswith(b"SSH-2.0") == forwards


def test_no_pty_gives_none(with_options):
    assert b"PTY allocation request failed" in with_options("no-pty").run("tty", "-tt").stderr


@pytest.mark.parametrize("time,good", [("20200101", False), ("20990101", True)])
def test_a_key_expires(with_options, time, good):
    done = with_options(f'expiry-time="{time}"').run("echo in")
    assert done.stdout == b"in\n" if good else denied(done)


def test_of_two_lines_for_a_key_the_first_decides(pool):
    user = pool.user()
    key = keys.make_key(pool.folder, f"twice-{user.name}")
    pool.authorize(user, f'command="echo first" {keys.public(key)}', keys.public(key))
    assert pool.client(user, key).out("echo second") == "first\n"


# What is only true of a login through the broker.

def test_the_node_knows_the_real_client(brokered):
    client = brokered().client()
    address, port = re.split(r"[ :]+", client.out("echo $SSHBROKER_CLIENT", "-b", HOME).strip())[:2]
    assert address == HOME
    assert 0 < int(port) < 65536


def test_a_node_without_the_helper_refuses_the_certificate(brokered):
    pool = brokered(nodes=1)
    client = pool.client(options="PreferredAuthentications publickey")
    node = pool.nodes[0]
    node.remove_helper()
    node.write("/etc/ssh/sshd_config.d/50-sshbroker.conf", "TrustedUserCAKeys /etc/ssh/broker_ca.pub\n")
    node.restart()
    assert denied(client.run("echo in"))
    assert "Accepted" not in node.log_since()


def test_root_is_refused_through_the_broker(brokered):
    pool = brokered(nodes=1)
    client = pool.client(options="User root\nPreferredAuthentications publickey")
    pool.nodes[0].configure("AuthorizedKeysFile /run/root-keys %h/.ssh/authorized_keys")
    pool.nodes[0].write("/run/root-keys", keys.public(client.key) + "\n")
    pool.nodes[0].restart()
    direct = pool.client(client.user, client.key, endpoint=pool.nodes[0].endpoint(), options="User root")
    assert direct.out("id -u").strip() == "0"
    assert denied(client.run("echo in"))
