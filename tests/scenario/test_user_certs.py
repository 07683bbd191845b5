"""Users' own certificates: what a CA says of a user, and what the node makes of it, directly and through the broker."""
import asyncio
import base64
import contextlib
import subprocess

import pytest

from lib import keys, proc
from lib.pool import Pool
from test_forward_agent import agent, named
from test_keys import HOME, denied

PUBLICKEY = "PreferredAuthentications publickey"
ELSEWHERE = "10.1.2.3/32"
# What the nodes trust besides the users' own files.
TRUST = """TrustedUserCAKeys /etc/ssh/user_ca.pub
RevokedKeys /etc/ssh/revoked
CASignatureAlgorithms ssh-ed25519,ecdsa-sha2-nistp256,sk-ssh-ed25519@openssh.com
Match User *-two
AuthenticationMethods publickey,publickey
"""
CAS = {"ca": "ed25519", "ecdsa-ca": "ecdsa-256", "rsa-ca": "rsa", "own-ca": "ed25519"}  # nobody but users trusts own-ca


def make_pool_with_cas(folder, via, config, *files, command=""):
    """A pool of one node, and CAs in its folder; command is the node's AuthorizedPrincipalsCommand."""
    pool = Pool(folder, via, nodes=1)
    for name, kind in CAS.items():
        keys.make_key(pool.folder, name, kind)
    node = pool.nodes[0]
    node.write("/etc/ssh/user_ca.pub", "".join(keys.public(pool.folder / x) + "\n" for x in ("ca", "ecdsa-ca", "rsa-ca")))
    node.write("/etc/ssh/revoked", "")
    for path, text in files:
        node.write(path, text, mode=0o755 if text.startswith("#!") else 0o644)
    if command and node.helper:
        node.helper += ["--previous-command", command]  # the helper runs it in sshd's place
    elif command:
        config += f"AuthorizedPrincipalsCommandUser %u\nAuthorizedPrincipalsCommand {command}\n"
    node.write("/etc/ssh/sshd_config.d/60-cas.conf", config)  # behind what node-setup writes
    node.restart()
    return pool


@pytest.fixture(scope="module")
def shared_cas(temp, via):
    pool = make_pool_with_cas(temp / f"cas-{via}", via, TRUST)
    yield pool
    pool.stop()


def watched(pool, logged):
    logged.extend((log, log.stat().st_size) for log in pool.logs())
    return pool


@pytest.fixture
def cas(shared_cas, logged):
    return watched(shared_cas, logged)


def holder(pool, principals="USER", *options, ca="ca", kind="ed25519", user=None, more="", **kwargs):
    """A client whose only way in is a certificate; USER in principals is the user's name."""
    user = user or pool.user()
    key = keys.make_key(pool.folder, f"key-{next(pool.counter)}", kind)
    keys.certify(pool.folder / ca, key, principals.replace("USER", user.name), *options, **kwargs)
    client = pool.client(user, key, options=f"{PUBLICKEY}\n{more}")
    client.pool = pool
    return client


def trust(client, options="", ca="own-ca"):
    """The user's own file trusts a CA, with these options."""
    line = ",".join(x for x in ("cert-authority", options) if x)
    client.pool.authorize(client.user, f"{line} {keys.public(client.pool.folder / ca)}")
    return client


# A CA that the node trusts for all users.

@pytest.mark.parametrize("kind", keys.KINDS)
def test_a_certificate_for_a_key_of_each_kind_logs_in(cas, kind):
    client = holder(cas, kind=kind)
    assert client.out("whoami").strip() == client.user.name


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_rsa_signs_with_either_hash(cas, algorithm):
    client = holder(cas, kind="rsa", more=f"PubkeyAcceptedAlgorithms {algorithm}-cert-v01@openssh.com")
    assert client.out("echo in") == "in\n"


@pytest.mark.parametrize("ca,good", [("ecdsa-ca", True), ("rsa-ca", False), ("own-ca", False)])
def test_the_ca_must_be_trusted_and_sign_as_the_node_wants(cas, ca, good):
    done = holder(cas, ca=ca).run("echo in")
    assert done.stdout == b"in\n" if good else denied(done)


@pytest.mark.parametrize("principals,good", [
    ("USER", True), ("ops,USER", True), ("ops", False), ("USERx", False), ("", False), ("sshbroker-v1", False),
    ("sshbroker-v1,USER", True)])
def test_the_principals_must_have_the_users_name(cas, principals, good):
    done = holder(cas, principals).run("echo in")
    assert done.stdout == b"in\n" if good else denied(done)


@pytest.mark.parametrize("validity,good", [
    ("-1h:+1h", True), ("always:forever", True), ("-2h:-1h", False), ("+1h:+2h", False)])
def test_a_certificate_has_its_time(cas, validity, good):
    done = holder(cas, "USER", "-V", validity).run("echo in")
    assert done.stdout == b"in\n" if good else denied(done)


def test_a_host_certificate_is_none_for_users(cas):
    assert denied(holder(cas, "USER", "-h").run("echo in"))


def test_a_critical_option_that_is_not_known_closes_the_door(cas):
    assert denied(holder(cas, "USER", "-O", "critical:nonsense@example.com").run("echo in"))


def test_an_extension_that_is_not_known_does_not_matter(cas):
    assert holder(cas, "USER", "-O", "extension:note@example.com=hello").out("echo in") == "in\n"


def test_a_certificate_that_its_ca_did_not_sign_is_denied(cas):
    client = holder(cas, "xy")
    path = client.key.with_name(f"{client.key.name}-cert.pub")
    kind, text = path.read_text().split()[:2]
    forged = base64.b64decode(text).replace(b"\0\0\0\x02xy", b"\0\0\0\x02u1")
    path.write_text(f"{kind} {base64.b64encode(forged).decode()} forged\n")
    cas.user()  # there is a u1
    assert denied(client.run("echo in", "-l", "u1"))


@pytest.mark.parametrize("sources,good", [
    (f"{HOME}/32", True), (f"{ELSEWHERE},{HOME}/32", True), ("127.0.0.0/8", True), (ELSEWHERE, False),
    ("127.0.0.1/32", False), ("::1/128", False)])
def test_source_address_is_about_the_real_client(cas, sources, good):
    done = holder(cas, "USER", "-O", f"source-address={sources}").run("echo in", "-b", HOME)
    assert done.stdout == b"in\n" if good else denied(done)


@pytest.mark.parametrize("command", ["echo forced: $SSH_ORIGINAL_COMMAND; exit 6", "echo 'forced: #1'; exit 6"])
def test_a_forced_command_runs_instead(cas, command):
    done = holder(cas, "USER", "-O", f"force-command={command}").run("something else")
    assert done.returncode == 6
    assert done.stdout in (b"forced: something else\n", b"forced: #1\n")


@pytest.mark.parametrize("options,pty,forwards", [
    ([], True, True), (["-O", "clear"], False, False), (["-O", "no-pty"], False, True),
    (["-O", "clear", "-O", "permit-port-forwarding"], False, True), (["-O", "no-port-forwarding"], True, False)])
def test_it_permits_what_its_extensions_say(cas, options, pty, forwards):
    client = holder(cas, "USER", *options)
    assert (b"PTY allocation request failed" not in client.run("tty", "-tt").stderr) == pty
    node = cas.nodes[0]
    p = client.popen("", "-W", f"{node.address}:{node.port}")
    line = p.stdout.readline()
    proc.stop(p)
    assert line.startswith(b"SSH-2.0") == forwards


def test_verify_required_is_nothing_to_a_key_that_cannot(cas):
    assert holder(cas, "USER", "-O", "verify-required").out("echo in") == "in\n"


def test_a_certificate_is_of_no_use_without_its_private_key(cas):
    client, thief = holder(cas), keys.make_key(cas.folder, f"thief-{next(cas.counter)}")
    certificate = client.key.with_name(f"{client.key.name}-cert.pub")
    stolen = cas.client(client.user, thief, options=f"{PUBLICKEY}\nCertificateFile {certificate}")
    assert denied(stolen.run("echo in"))


# Revocation.

@contextlib.contextmanager
def revoked(pool, how, *arguments):
    """The node's RevokedKeys is a KRL of this specification, or of these files."""
    spec = pool.folder / "spec"
    spec.write_text(how)
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", pool.folder / "krl", *arguments, spec], check=True)
    pool.nodes[0].write("/etc/ssh/revoked", (pool.folder / "krl").read_bytes())
    try:
        yield
    finally:
        pool.nodes[0].write("/etc/ssh/revoked", "")


@pytest.mark.parametrize("how", [
    "serial: 1234", "serial: 1000-2000", "id: leaver", "key: {key}", "key: {ca}", "sha256: {ca}",
    "".join(f"serial: {x}\n" for x in range(1200, 1300, 2))])
def test_what_is_revoked_is_denied(cas, how):
    client = holder(cas, name="leaver", serial=1234)
    other = holder(cas, name="stayer", serial=1, ca="ecdsa-ca")
    texts = {"key": keys.public(client.key), "ca": keys.public(cas.folder / "ca")}
    with revoked(cas, how.format(**texts) + "\n", "-s", f"{cas.folder / 'ca'}.pub"):
        assert denied(client.run("echo in"))
        assert other.out("echo in") == "in\n"
    assert client.out("echo in") == "in\n"


def test_a_list_of_keys_revokes_by_ca_and_by_key(cas):
    client = holder(cas)
    for line in (keys.public(client.key), keys.public(cas.folder / "ca")):
        cas.nodes[0].write("/etc/ssh/revoked", line + "\n")
        try:
            assert denied(client.run("echo in"))
        finally:
            cas.nodes[0].write("/etc/ssh/revoked", "")
    assert client.out("echo in") == "in\n"


# Lines with cert-authority in the user's own file.

@pytest.mark.parametrize("options,principals,good", [
    ("", "USER", True), ("", "ops", False), ('principals="ops,dev"', "dev", True), ('principals="ops"', "USER", False),
    ('principals="sshbroker-v1"', "sshbroker-v1x", False), ('expiry-time="20200101"', "USER", False),
    ('expiry-time="20990101"', "USER", True), (f'from="{HOME}"', "USER", True), ('from="127.0.0.1"', "USER", False),
    ("nonsense", "USER", False)])
def test_a_line_of_the_user_trusts_a_ca(cas, options, principals, good):
    done = trust(holder(cas, principals, ca="own-ca"), options).run("echo in", "-b", HOME)
    assert done.stdout == b"in\n" if good else denied(done)


def test_the_ca_on_a_plain_line_is_a_key_and_no_ca(cas):
    client = holder(cas, ca="own-ca")
    cas.authorize(client.user, keys.public(cas.folder / "own-ca"))
    assert denied(client.run("echo in"))


def test_the_key_on_a_plain_line_does_not_let_its_certificate_in(cas):
    """ssh tries the certificate first, and then the key by itself."""
    client = holder(cas, "ops", ca="own-ca", more="PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com")
    cas.authorize(client.user, keys.public(client.key))
    assert denied(client.run("echo in"))
    both = cas.client(client.user, client.key, options=PUBLICKEY)
    assert both.out("echo in") == "in\n"


def test_a_certificate_of_another_user_is_denied(cas):
    client = holder(cas)
    assert denied(cas.client(cas.user(), client.key, options=PUBLICKEY).run("echo in"))


@pytest.mark.parametrize("of_line,of_certificate,output", [
    ("echo a", None, b"a\n"), (None, "echo b", b"b\n"), ("echo c", "echo c", b"c\n"), ("echo '#'", "echo '#'", b"#\n"),
    ("echo d", "echo e", None)])
def test_of_two_forced_commands_there_is_one_or_none(cas, of_line, of_certificate, output):
    options = ["-O", f"force-command={of_certificate}"] if of_certificate else []
    client = holder(cas, "USER", *options, ca="own-ca")
    done = trust(client, f'command="{of_line}"' if of_line else "").run("echo x")
    assert done.stdout == output if output else denied(done)


def test_the_line_and_the_certificate_both_restrict(cas):
    client = trust(holder(cas, "USER", "-O", "no-port-forwarding", ca="own-ca"), "no-pty")
    node = cas.nodes[0]
    assert b"PTY allocation request failed" in client.run("tty", "-tt").stderr
    assert client.run("", "-W", f"{node.address}:{node.port}").stdout == b""
    assert client.out("echo in") == "in\n"


def test_where_one_line_does_not_count_the_next_may(cas):
    client = holder(cas, ca="own-ca")
    ca = keys.public(cas.folder / "own-ca")
    cas.authorize(client.user, f'cert-authority,principals="ops",command="echo first" {ca}',
                  f'cert-authority,command="echo second" {ca}')
    assert client.out("echo x") == "second\n"


def test_the_users_line_comes_before_the_nodes_trust(cas):
    client = trust(holder(cas), 'command="echo mine"', ca="ca")
    assert client.out("echo x") == "mine\n"


# Whom the node authorizes by principals of its own.

@pytest.fixture(scope="module")
def shared_file(temp, via):
    pool = make_pool_with_cas(temp / f"file-{via}", via,
                              "TrustedUserCAKeys /etc/ssh/user_ca.pub\nAuthorizedPrincipalsFile %h/.ssh/principals\n")
    yield pool
    pool.stop()


@pytest.mark.parametrize("lines,output", [
    ("ops", "x\n"), ("dev", None), ("dev\nops", "x\n"), ("# ops", None), ('command="echo file" ops', "file\n"),
    ('nonsense ops\ncommand="echo next" ops', "next\n"), ('from="10.0.0.0/8" ops\nops', None),
    ('cert-authority ops\nops', None), ('expiry-time="20200101" ops', None), ("restrict ops # by hand", "x\n")])
def test_a_principals_file_decides(shared_file, logged, lines, output):
    pool = watched(shared_file, logged)
    client = holder(pool, "ops")
    pool.nodes[0].write(f"/home/{client.user.name}/.ssh/principals", lines + "\n", client.user.name, 0o600)
    done = client.run("echo x")
    assert done.stdout.decode() == output if output else denied(done)


def test_with_a_principals_file_the_name_alone_does_not_count(shared_file, logged):
    assert denied(holder(watched(shared_file, logged)).run("echo x"))


COMMAND = """#!/bin/sh
# user, key id, serial, type of the key, fingerprint of the CA
[ "$2" = "the id" ] && [ "$3" = 77 ] && [ "$4" = ssh-ed25519-cert-v01@openssh.com ] || exit 1
case $5 in SHA256:*) ;; *) exit 1 ;; esac
echo "command=\\"echo for $1\\" ops"
"""


def test_a_principals_command_decides(temp, via, logged):
    pool = make_pool_with_cas(
        temp / f"command-{via}", via, "TrustedUserCAKeys /etc/ssh/user_ca.pub\n", ("/usr/local/bin/principals", COMMAND),
        command="/usr/local/bin/principals %u %i %s %t %F")
    try:
        logged.extend((log, 0) for log in pool.logs())
        client = holder(pool, "ops", name="the id", serial=77)
        assert client.out("echo x") == f"for {client.user.name}\n"
        assert denied(holder(pool, "ops", name="another id", serial=77).run("echo x"))
        assert denied(holder(pool, "dev", name="the id", serial=77).run("echo x"))
    finally:
        pool.stop()


# Two keys, and agents.

def test_two_keys_are_two_keys(cas):
    """publickey,publickey: a certificate and its own key count as one."""
    user = cas.user(kind="two")
    client = holder(cas, user=user)
    cas.authorize(user, keys.public(client.key))
    assert denied(client.run("echo in"))
    second = keys.make_key(cas.folder, f"second-{user.name}")
    cas.authorize(user, keys.public(second))
    assert cas.client(user, client.key, options=f"{PUBLICKEY}\nIdentityFile {second}").out("echo in") == "in\n"


@pytest.mark.parametrize("is_here", [True, False])
def test_a_certificate_in_an_agent_is_good_for_its_destination(cas, third_host, is_here):
    client = holder(cas)
    client.also_knows("third", third_host.endpoint())
    destination = cas.endpoint() if is_here else third_host.endpoint()
    with agent(client, "-h", named(destination)):
        # Where ssh sees the plain key, too, it asks the agent to sign with that one.
        client.local(["ssh-add", "-q", "-k", "-d", f"{client.key}.pub"], check=True)
        for suffix in (".pub", "-cert.pub"):
            client.key.with_name(client.key.name + suffix).unlink()
        done = client.run("echo in", "-oIdentitiesOnly=no")
    assert done.stdout == b"in\n" if is_here else denied(done)


def test_another_client_shows_its_certificate(cas):
    asyncssh = pytest.importorskip("asyncssh")
    good, bad, endpoint = holder(cas), holder(cas, "ops"), cas.endpoint()

    async def log_in(client):
        async with asyncssh.connect(
                endpoint.host, endpoint.port, username=client.user.name, config=None, agent_path=None,
                known_hosts=str(client.folder / "known_hosts"), preferred_auth="publickey",
                client_keys=[(str(client.key), f"{client.key}-cert.pub")]) as connection:
            return (await connection.run("echo in")).stdout

    assert asyncio.run(log_in(good)) == "in\n"
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(log_in(bad))


def test_the_log_of_the_node_names_the_users_certificate(brokered, logged):
    """What the node logs of a login through the broker says which certificate it was."""
    pool = brokered(nodes=1)
    keys.make_key(pool.folder, "own-ca")
    client = trust(holder(pool, ca="own-ca", name="the id", serial=99))
    assert client.out("echo in") == "in\n"
    assert "id=the\\x20id serial=99 ca=SHA256:" in pool.nodes[0].log_since().replace("\\\\", "\\")
