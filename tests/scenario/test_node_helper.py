"""A node that trusts the broker's CA: whom its helper lets in without any broker, with what rights, and whom not."""
import base64
import subprocess

import pytest

from lib import keys, proc
from lib.pool import Pool, User
from lib.sshd import HELPER
from test_keys import denied

OURS, OTHER = "ca", "other-ca"
CLIENT = "192.0.2.9:50022"  # the real client that certificates speak of
PUBLICKEY = "PreferredAuthentications publickey"


@pytest.fixture(scope="session")
def shared_node(temp):
    """A pool of one node with our helper, that trusts another CA, too."""
    if not proc.program("sshbroker-principals"):
        pytest.skip("sshbroker-principals does not exist in the build folder (SSHBROKER_BUILD)")
    pool = Pool(temp / "helper", "direct", nodes=1)
    for name in (OURS, OTHER):
        keys.make_key(pool.folder, name)
    node = pool.nodes[0]
    node.write("/etc/ssh/other_ca.pub", keys.public(pool.folder / OTHER) + "\n")
    node.write("/etc/ssh/sshd_config.d/60-other.conf", "TrustedUserCAKeys /etc/ssh/other_ca.pub\n")
    node.install_helper(proc.program("sshbroker-principals"), keys.public(pool.folder / OURS) + "\n")
    node.restart()
    yield pool
    pool.stop()


@pytest.fixture
def node_pool(shared_node, logged):
    logged.extend((log, log.stat().st_size) for log in shared_node.logs())
    return shared_node


def certified(pool, ca, principals, *options):
    """A client with no authorized key but a certificate from a CA."""
    user = pool.user()
    key = keys.make_key(pool.folder, f"certified-{user.name}")
    names = principals.replace("USER", user.name)
    subprocess.run(["ssh-keygen", "-q", "-s", pool.folder / ca, "-I", "someone", "-n", names, *options, f"{key}.pub"],
                   check=True)
    return pool.client(user, key, options=PUBLICKEY)


def minted(pool, user, key, client=CLIENT, **order):
    """A client of user with a certificate as the broker mints them for the user's key."""
    order = {"ca": OURS, "node": "n1", "for_user": user.name, "principal": "sshbroker-v1", "flags": 0, **order}
    path = keys.make_key(pool.folder, f"ephemeral-{next(pool.counter)}")
    line = subprocess.run([proc.program("mint-cert"), "-c", pool.folder / order["ca"], "-e", f"{path}.pub",
                           "-k", f"{key}.pub", "-n", order["node"], "-u", order["for_user"], "-a", client,
                           "-p", order["principal"], "-f", str(order["flags"])],
                          check=True, capture_output=True).stdout
    path.with_name(f"{path.name}-cert.pub").write_bytes(line)
    made = pool.client(user, path, options=PUBLICKEY)
    made.pool = pool
    return made


@pytest.fixture
def through(node_pool):
    """through(options, ...): a client of a fresh user whose key stands behind these options in authorized_keys."""
    def make(options="", kind="ed25519", **order):
        user = node_pool.user()
        return minted(node_pool, user, node_pool.key(user, kind, options), **order)
    return make


def says(client, text, timeout=20):
    """Wait until the helper has said this in the node's log about the client's user."""
    pool, user = client.pool, client.user.name
    proc.wait_for(lambda: any(f"user={user}" in x and text in x for x in pool.nodes[0].log_since().splitlines()
                              if "sshbroker-principals" in x), f"the helper says: {text}", timeout)


# What is as before.

def test_a_plain_key_works_as_before(node_pool):
    assert node_pool.client().out("echo in") == "in\n"


def test_a_certificate_of_another_ca_works_as_before(node_pool):
    assert certified(node_pool, OTHER, "USER").out("echo in") == "in\n"


@pytest.mark.parametrize("principals", ["root", "sshbroker-v1", "someone-else"])
def test_a_certificate_of_another_ca_for_somebody_else_is_denied(node_pool, principals):
    assert denied(certified(node_pool, OTHER, principals).run("echo in"))


# What a certificate of ours must have.

@pytest.mark.parametrize("principals", ["USER", "sshbroker-v1", "USER,sshbroker-v1"])
def test_a_certificate_of_ours_without_facts_is_denied(node_pool, principals):
    assert denied(certified(node_pool, OURS, principals).run("echo in"))


def test_a_certificate_of_ours_with_unreadable_facts_is_denied(node_pool):
    client = certified(node_pool, OURS, "sshbroker-v1", "-O", "extension:facts-v1@sshbroker=nonsense")
    assert denied(client.run("echo in"))


@pytest.mark.parametrize("order,words", [
    ({"node": "n2"}, "for the node n2"),
    ({"for_user": "somebody"}, "for the user somebody"),
    ({"principal": "USER"}, "principal"),
    ({"flags": 4}, "not those of such a key"),
    ({"ca": OTHER}, None)])
def test_a_certificate_that_is_not_for_this_login_is_denied(node_pool, order, words):
    user = node_pool.user()
    key = node_pool.key(user)
    order = {k: user.name if v == "USER" else v for k, v in order.items()}
    client = minted(node_pool, user, key, **order)
    assert denied(client.run("echo in"))
    if words:
        says(client, words)


def test_a_certificate_is_of_no_use_without_its_private_key(node_pool, through):
    client = through()
    client.key.unlink()
    assert denied(client.run("echo in"))


# The user's own key decides.

@pytest.mark.parametrize("kind", keys.KINDS)
def test_a_key_of_each_kind_is_found(through, kind):
    assert through(kind=kind).out("echo in") == "in\n"


def test_a_removed_key_is_denied(node_pool, through):
    client = through()
    assert client.out("echo in") == "in\n"
    node_pool.authorize(client.user)
    assert denied(client.run("echo in"))
    says(client, "not in the user's authorized keys")


def test_the_key_of_another_user_is_denied(node_pool):
    owner, user = node_pool.user(), node_pool.user()
    assert denied(minted(node_pool, user, node_pool.key(owner)).run("echo in"))


def test_a_key_is_found_in_the_second_file(node_pool):
    user = node_pool.user()
    key = node_pool.key(user)
    node_pool.nodes[0].run("mv", f"/home/{user.name}/.ssh/authorized_keys", f"/home/{user.name}/.ssh/authorized_keys2")
    assert minted(node_pool, user, key).out("echo in") == "in\n"


@pytest.mark.parametrize("path", ["", "/.ssh", "/.ssh/authorized_keys"])
def test_a_file_that_others_can_write_is_not_believed(node_pool, through, path):
    client = through()
    node_pool.nodes[0].run("chmod", "g+w", f"/home/{client.user.name}{path}")
    assert denied(client.run("echo in"))
    says(client, "bad ownership or modes")


# The options of its line.

def test_a_forced_command_runs_instead(through):
    done = through('command="echo forced: $SSH_ORIGINAL_COMMAND; exit 6"').run("something else")
    assert (done.returncode, done.stdout) == (6, b"forced: something else\n")


def test_a_forced_command_with_a_hash_runs_whole(through):
    """sshd reads the helper's answer as a file in which '#' begins a comment."""
    done = through('command="echo \\"# $SSH_ORIGINAL_COMMAND\\" $0; exit 7"').run("x")
    assert (done.returncode, done.stdout) == (7, b"# x bash\n")


def test_a_forced_command_with_a_hash_runs_in_the_shell_of_the_account(node_pool, through):
    """And not in that of another account with the same uid."""
    client = through('command="echo \\"# $LOGNAME\\""')
    twin = f"twin-{client.user.name}:x:{client.user.uid}:{client.user.uid}::/:/bin/false"
    node_pool.nodes[0].run("sed", "-i", f"/^{client.user.name}:/i {twin}", "/etc/passwd")
    assert client.out("x") == f"# {client.user.name}\n"


def test_another_option_with_a_hash_closes_the_door(through):
    client = through('environment="A=#"')
    assert denied(client.run("echo in"))
    says(client, "holds '#'")


def test_restrict_and_no_pty_hold(through):
    for options in ("restrict", "no-pty"):
        client = through(options)
        assert client.out("echo in") == "in\n"
        assert b"PTY allocation request failed" in client.run("tty", "-tt").stderr
    assert b"/dev/pts/" in through("restrict,pty").run("tty", "-tt").stdout


@pytest.mark.parametrize("options,forwards", [
    ("", True), ("restrict", False), ("no-port-forwarding", False), ("restrict,port-forwarding", True),
    ('permitopen="127.0.0.1:1"', False), ('permitopen="*:*"', True)])
def test_forwarding_is_as_the_key_says(node_pool, through, options, forwards):
    node = node_pool.nodes[0]
    p = through(options).popen("", "-W", f"{node.address}:{node.port}")
    line = p.stdout.readline()
    proc.stop(p)
    assert line.startswith(b"SSH-2.0") == forwards


@pytest.mark.parametrize("pattern,good", [
    ("192.0.2.9", True), ("192.0.2.0/24", True), ("192.0.2.*,!192.0.2.8", True), ("!192.0.2.9,*", False),
    ("127.0.0.1", False), ("127.0.0.0/8", False), ("192.0.2.9/24", False)])
def test_from_is_about_the_real_client(through, pattern, good):
    client = through(f'from="{pattern}"')
    done = client.run("echo in")
    assert done.stdout == b"in\n" if good else denied(done)
    if not good:
        says(client, "from=")


def test_from_knows_ipv6(through):
    assert through('from="2001:db8::/32"', client="[2001:db8::9]:1").out("echo $SSHBROKER_CLIENT") == "2001:db8::9 1\n"


@pytest.mark.parametrize("time,good", [("20200101", False), ("20990101", True), ("20990101000000Z", True)])
def test_a_key_expires(through, time, good):
    done = through(f'expiry-time="{time}"').run("echo in")
    assert done.stdout == b"in\n" if good else denied(done)


@pytest.mark.parametrize("first,says_first", [
    ('command="echo first"', True), ('from="10.0.0.1",command="echo first"', False),
    ('expiry-time="20200101",command="echo first"', False), ('nonsense,command="echo first"', False)])
def test_the_first_line_that_counts_decides(node_pool, first, says_first):
    user = node_pool.user()
    key = keys.make_key(node_pool.folder, f"twice-{user.name}")
    node_pool.authorize(user, f"{first} {keys.public(key)}", keys.public(key))
    assert minted(node_pool, user, key).out("echo second") == ("first\n" if says_first else "second\n")


def test_a_line_of_a_ca_is_no_key(through):
    assert denied(through("cert-authority").run("echo in"))


# Who is let in, and what the session knows.

def test_root_and_system_users_are_denied(node_pool):
    node, root = node_pool.nodes[0], User("root", 0, "x")
    system = User("daemon2", 600, "correct horse")
    node.add_user(system)
    key = keys.make_key(node_pool.folder, "of-root")
    node.write("/root/.ssh/authorized_keys", keys.public(key) + "\n", mode=0o600)
    node.authorize(system, keys.public(key))
    try:
        for user in (root, system):
            assert node_pool.client(user, key, options=PUBLICKEY).out("echo in") == "in\n"
            client = minted(node_pool, user, key)
            assert denied(client.run("echo in"))
            says(client, "system user")
    finally:
        node.run("rm", "/root/.ssh/authorized_keys")


def test_the_session_knows_its_real_client(through):
    assert through().out("echo $SSHBROKER_CLIENT") == "192.0.2.9 50022\n"
    assert through('environment="SSHBROKER_CLIENT=1.1.1.1 1"').out("echo $SSHBROKER_CLIENT") == "192.0.2.9 50022\n"


def test_the_log_of_sshd_has_the_key_id(node_pool, through):
    client = through()
    client.out("true")
    accepted = f"Accepted publickey for {client.user.name} "
    line = next(x for x in node_pool.nodes[0].log_since().splitlines() if accepted in x)
    assert f"ID sshbroker user={client.user.name} client={CLIENT}" in line


def test_nobody_looks_into_the_helper(node_pool):
    """It is run as the user, who may not read it, or trace it."""
    node, user = node_pool.nodes[0], node_pool.user()
    assert node.run("stat", "-c", "%U %a", HELPER) == (b"root 755\n" if proc.is_sanitized() else b"root 711\n")
    done = node.ask("run", argv=["cat", HELPER + (".real" if proc.is_sanitized() else "")], user=user.name)
    assert done["status"] != 0


def test_the_helper_answers_nobody_but_the_user(node_pool):
    """sshd must run it as the user who logs in; as somebody else, it says nothing."""
    node, user, other = node_pool.nodes[0], node_pool.user(), node_pool.user()
    argv = [HELPER, "-e", user.name, f"/home/{user.name}", "id", "SHA256:x", "AAAA"]
    done = node.ask("run", argv=argv, user=other.name)
    assert base64.b64decode(done["stdout"]) == b""
    assert b"not run as this user" in base64.b64decode(done["stderr"])


# Nodes that look for keys elsewhere.

@pytest.fixture(scope="module")
def other_node(temp):
    """make(configuration, *flags): a pool of one node with our helper and this configuration."""
    pools = []

    def make(config, *flags, files=()):
        pool = Pool(temp / f"helper-{len(pools)}", "direct", nodes=1)
        pools.append(pool)
        keys.make_key(pool.folder, OURS)
        node = pool.nodes[0]
        for path, text, mode in files:
            node.write(path, text, mode=mode)
        node.write("/etc/ssh/sshd_config.d/60-own.conf", config + "\n")
        node.install_helper(proc.program("sshbroker-principals"), keys.public(pool.folder / OURS) + "\n", *flags)
        node.restart()
        return pool

    if not proc.program("sshbroker-principals"):
        pytest.skip("sshbroker-principals does not exist in the build folder (SSHBROKER_BUILD)")
    yield make
    for pool in pools:
        pool.stop()


def test_an_authorized_keys_command_is_asked(other_node, logged):
    script = '#!/bin/sh\n[ "$1" = "$(id -un)" ] && echo "command=\\"echo asked\\" $(grep -F "$2 $3" /etc/ssh/all-keys)"\n'
    pool = other_node("AuthorizedKeysFile none\nAuthorizedKeysCommand /usr/local/bin/keys %u %t %k\n"
                      "AuthorizedKeysCommandUser %u", files=[("/usr/local/bin/keys", script, 0o755)])
    logged.extend((log, 0) for log in pool.logs())
    user = pool.user()
    ed25519, ecdsa = pool.key(user), pool.key(user, "ecdsa-256")
    pool.nodes[0].write("/etc/ssh/all-keys", keys.public(ed25519) + "\n")
    assert minted(pool, user, ed25519).out("echo in") == "asked\n"
    assert denied(minted(pool, user, ecdsa).run("echo in"))
    pool.nodes[0].run("chmod", "o+w", "/usr/local/bin/keys")
    client = minted(pool, user, ed25519)
    assert denied(client.run("echo in"))
    says(client, "bad ownership or modes")


def test_revoked_keys_are_denied(other_node, logged):
    pool = other_node("RevokedKeys /etc/ssh/revoked", files=[("/etc/ssh/revoked", "", 0o644)])
    logged.extend((log, 0) for log in pool.logs())
    node, user = pool.nodes[0], pool.user()
    key = pool.key(user)
    assert minted(pool, user, key).out("echo in") == "in\n"
    node.write("/etc/ssh/revoked", keys.public(key) + "\n")
    assert denied(minted(pool, user, key).run("echo in"))
    assert denied(pool.client(user, key, options=PUBLICKEY).run("echo in"))
    other = pool.user()
    other_key = pool.key(other)
    node.write("/run/key.pub", keys.public(key) + "\n")
    node.run("ssh-keygen", "-q", "-k", "-f", "/etc/ssh/revoked", "/run/key.pub")
    client = minted(pool, user, key)
    assert denied(client.run("echo in"))
    says(client, "revoked by /etc/ssh/revoked")
    assert minted(pool, other, other_key).out("echo in") == "in\n"


# Lets all other processes of its user run in slices so short that it sees each new one before that has done much.
MEDDLER = """
import glob, os, signal, time
key, end = open("/run/other.pub", "rb").read(), time.monotonic() + 20
print("up", flush=True)
while time.monotonic() < end:
    os.kill(-1, signal.SIGSTOP)
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            if open(path).read() == "ssh-keygen\\n":
                with open(path.replace("comm", "fd/0"), "r+b", buffering=0) as f:
                    f.truncate(0)
                    f.write(key)
        except OSError:
            pass
    os.kill(-1, signal.SIGCONT)
    time.sleep(0.0003)
"""


def test_the_users_own_processes_do_not_lift_a_revocation(other_node, logged):
    """The helper runs as the user, as would all that it starts: what he can stop, trace or write to decides nothing."""
    pool = other_node("RevokedKeys /etc/ssh/revoked", files=[("/etc/ssh/revoked", "", 0o644)])
    logged.extend((log, 0) for log in pool.logs())
    node, user = pool.nodes[0], pool.user()
    revoked, other = keys.make_key(pool.folder, "revoked"), pool.key(user)
    node.authorize(user, keys.public(other), keys.public(revoked))
    node.write("/run/key.pub", keys.public(revoked) + "\n")
    node.write("/run/other.pub", keys.public(other) + "\n")
    node.run("ssh-keygen", "-q", "-k", "-f", "/etc/ssh/revoked", "/run/key.pub")
    node.write("/run/meddler.py", MEDDLER)
    p = pool.client(user, other).popen("exec /usr/bin/python3 -I /run/meddler.py")
    try:
        assert p.stdout.readline() == b"up\n"
        for _ in range(10):
            assert denied(minted(pool, user, revoked).run("echo in"))
    finally:
        proc.stop(p)


def test_the_principals_of_before_decide_about_other_cas(other_node, logged):
    """A principals file is taken over by the helper; its users cannot let our certificates in by it."""
    pool = other_node("", "--allow-user", "root", files=[
        ("/etc/ssh/other_ca.pub", "", 0o644),
        ("/etc/ssh/sshd_config.d/60-other.conf",
         "TrustedUserCAKeys /etc/ssh/other_ca.pub\nAuthorizedPrincipalsFile %h/.ssh/principals\n", 0o644)])
    logged.extend((log, 0) for log in pool.logs())
    node = pool.nodes[0]
    keys.make_key(pool.folder, OTHER)
    node.write("/etc/ssh/other_ca.pub", keys.public(pool.folder / OTHER) + "\n")
    node.restart()
    good, bad = certified(pool, OTHER, "admins"), certified(pool, OTHER, "USER")
    for client in (good, bad):
        node.write(f"/home/{client.user.name}/.ssh/principals", "sshbroker-v1\nno-pty admins\n", client.user.name, 0o600)
    assert good.out("echo in") == "in\n"
    assert b"PTY allocation request failed" in good.run("tty", "-tt").stderr
    assert denied(bad.run("echo in"))
    ours = minted(pool, good.user, pool.key(pool.user()))
    assert denied(ours.run("echo in"))


def test_a_named_system_user_is_let_in(other_node, logged):
    pool = other_node("PermitRootLogin prohibit-password", "--allow-user", "root")
    logged.extend((log, 0) for log in pool.logs())
    key = keys.make_key(pool.folder, "of-root")
    pool.nodes[0].write("/root/.ssh/authorized_keys", keys.public(key) + "\n", mode=0o600)
    try:
        assert minted(pool, User("root", 0, "x"), key).out("id -u") == "0\n"
    finally:
        pool.nodes[0].run("rm", "/root/.ssh/authorized_keys")


def test_a_node_without_the_helper_refuses_the_certificate(other_node, logged):
    pool = other_node("")
    logged.extend((log, 0) for log in pool.logs())
    node, user = pool.nodes[0], pool.user()
    key = pool.key(user)
    assert minted(pool, user, key).out("echo in") == "in\n"
    status, words = node.setup("--remove")
    assert status == 0, words
    node.remove_helper()
    node.write("/etc/ssh/sshd_config.d/50-trust.conf", "TrustedUserCAKeys /etc/ssh/broker_ca.pub\n")
    node.restart()
    assert denied(minted(pool, user, key).run("echo in"))
    assert pool.client(user, key).out("echo in") == "in\n"
