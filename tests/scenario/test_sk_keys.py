"""Security keys: touch and PIN are asked for by the node, directly and through the broker."""
import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from lib import keys, rawssh
from lib.pool import Pool
from test_keys import denied
from test_user_certs import PUBLICKEY, holder, make_pool_with_cas, trust, watched

PROVIDER = f"SecurityKeyProvider {keys.SK_PROVIDER}"
TOUCH, NO_TOUCH, PIN = [], ["-O", "no-touch-required"], ["-O", "verify-required"]

pytestmark = pytest.mark.skipif(not keys.SK_PROVIDER.exists(), reason="openssh-tests is not installed")


def answers_pin(client):
    """Whatever asks at home for a PIN gets one."""
    script = client.folder / "askpass"
    script.write_text("#!/bin/sh\necho 1234\n")
    script.chmod(0o755)
    client.env.update(SSH_ASKPASS=str(script), SSH_ASKPASS_REQUIRE="force")
    return client


@pytest.fixture
def with_sk(pool):
    """with_sk(options of the line, options of the key): a client of a fresh user with a security key."""
    def make(options="", made=TOUCH, kind="sk-ed25519", pool=pool):
        user = pool.user()
        key = keys.make_key(pool.folder, f"sk-{next(pool.counter)}", kind, *made)
        pool.authorize(user, f"{options} {keys.public(key)}".strip())
        return answers_pin(pool.client(user, key, options=f"{PUBLICKEY}\n{PROVIDER}"))
    return make


@pytest.mark.parametrize("kind", keys.SK_KINDS)
def test_a_security_key_of_each_kind_logs_in(with_sk, kind):
    client = with_sk(kind=kind)
    assert client.out("whoami").strip() == client.user.name


@pytest.mark.parametrize("made,options,good", [
    (TOUCH, "", True),
    (TOUCH, "no-touch-required", True),
    (TOUCH, "verify-required", False),
    (NO_TOUCH, "", False),
    (NO_TOUCH, "no-touch-required", True),
    (NO_TOUCH, "no-touch-required,verify-required", False),
    (NO_TOUCH, "no-touch-required,touch-required", False),
    (PIN, "", True),
    (PIN, "verify-required", True),
    (PIN + NO_TOUCH, "verify-required", False),
    (PIN + NO_TOUCH, "verify-required,no-touch-required", True),
])
def test_the_line_says_what_is_needed(with_sk, made, options, good):
    done = with_sk(options, made).run("echo in")
    assert done.stdout == b"in\n" if good else denied(done)


def test_other_options_of_the_line_hold(with_sk):
    client = with_sk('no-touch-required,command="echo forced",no-pty', NO_TOUCH)
    assert client.out("echo x") == "forced\n"


def test_another_application_is_another_key(pool, with_sk):
    client = with_sk()
    other = keys.make_key(pool.folder, f"sk-{next(pool.counter)}", "sk-ed25519", "-O", "application=ssh:other")
    assert denied(pool.client(client.user, other, options=f"{PUBLICKEY}\n{PROVIDER}").run("echo in"))
    pool.authorize(client.user, keys.public(other))
    assert pool.client(client.user, other, options=f"{PUBLICKEY}\n{PROVIDER}").out("echo in") == "in\n"


def test_a_removed_key_is_denied_at_once(pool, with_sk):
    client = with_sk()
    assert client.out("echo in") == "in\n"
    pool.authorize(client.user)
    assert denied(client.run("echo in"))


# What the node asks of all security keys.

@pytest.fixture(params=["touch-required", "verify-required"])
def strict_pool(request, make_pool, via):
    return make_pool(via, nodes=1, node_config=f"PubkeyAuthOptions {request.param}\n"), request.param


def test_the_node_may_ask_for_more_than_the_line(strict_pool, with_sk):
    pool, asked = strict_pool
    lax = with_sk("no-touch-required", NO_TOUCH, pool=pool)
    strict = with_sk("", TOUCH if asked == "touch-required" else PIN, pool=pool)
    assert denied(lax.run("echo in"))
    assert strict.out("echo in") == "in\n"


# Certificates for security keys.

@pytest.fixture(scope="module")
def shared_cas(temp, via):
    pool = make_pool_with_cas(temp / f"sk-cas-{via}", via, "TrustedUserCAKeys /etc/ssh/user_ca.pub\n")
    yield pool
    pool.stop()


@pytest.fixture
def certified(shared_cas, logged):
    """certified(options of the certificate, options of the key): a client with a certificate for a security key."""
    pool = watched(shared_cas, logged)

    def make(options=(), made=TOUCH, kind="sk-ed25519", ca="ca"):
        user = pool.user()
        key = keys.make_key(pool.folder, f"sk-{next(pool.counter)}", kind, *made)
        keys.certify(pool.folder / ca, key, user.name, *options)
        client = answers_pin(pool.client(user, key, options=f"{PUBLICKEY}\n{PROVIDER}"))
        client.pool = pool
        return client
    return make


@pytest.mark.parametrize("kind", keys.SK_KINDS)
def test_a_certificate_for_a_security_key_of_each_kind_logs_in(certified, kind):
    assert certified(kind=kind).out("echo in") == "in\n"


@pytest.mark.parametrize("made,options,good", [
    (NO_TOUCH, [], False), (NO_TOUCH, NO_TOUCH, True), (TOUCH, PIN, False), (PIN, PIN, True),
    (NO_TOUCH, NO_TOUCH + PIN, False)])
def test_the_certificate_says_what_is_needed(certified, made, options, good):
    done = certified(options, made).run("echo in")
    assert done.stdout == b"in\n" if good else denied(done)


@pytest.mark.parametrize("of_line,of_certificate,good", [
    ("", [], False), ("no-touch-required", [], False), ("", NO_TOUCH, False), ("no-touch-required", NO_TOUCH, True),
    ("no-touch-required,verify-required", NO_TOUCH, False)])
def test_the_line_of_the_ca_and_the_certificate_must_both_do_without_touch(certified, of_line, of_certificate, good):
    done = trust(certified(of_certificate, NO_TOUCH, ca="own-ca"), of_line).run("echo in")
    assert done.stdout == b"in\n" if good else denied(done)


def test_a_ca_on_a_security_key_certifies(shared_cas, logged):
    """The CA's own signature needs no touch that anybody could check."""
    pool = watched(shared_cas, logged)
    keys.make_key(pool.folder, "sk-ca", "sk-ed25519")
    client = holder(pool, "USER", "-w", keys.SK_PROVIDER, ca="sk-ca")
    assert trust(client, ca="sk-ca").out("echo in") == "in\n"


# What no stock client says: a browser's signatures, and flags at will.

WEBAUTHN = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
PLAIN = "sk-ecdsa-sha2-nistp256@openssh.com"
ORIGIN = b"https://ssh.example.com"


class SoftKey:
    """A security key that signs whatever it is told, with the flags that it is told."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        point = self.key.public_key().public_bytes(serialization.Encoding.X962,
                                                   serialization.PublicFormat.UncompressedPoint)
        self.blob = rawssh.string(PLAIN, b"nistp256", point, b"ssh:")
        self.line = f"{PLAIN} {base64.b64encode(self.blob).decode()}"

    def _numbers(self, flags, message):
        signed = sha256(b"ssh:").digest() + bytes([flags]) + rawssh.u32(7) + sha256(message).digest()
        r, s = decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return rawssh.string(b"".join(rawssh.mpint(x.to_bytes(32, "big")) for x in (r, s))) + bytes([flags]) + rawssh.u32(7)

    def sign(self, data, flags, algorithm, challenge=None):
        if algorithm == PLAIN:
            return rawssh.string(PLAIN) + self._numbers(flags, data)
        text = base64.urlsafe_b64encode(challenge or data).rstrip(b"=")
        client_data = b'{"type":"webauthn.get","challenge":"' + text + b'","origin":"' + ORIGIN + b'","crossOrigin":false}'
        return rawssh.string(WEBAUTHN) + self._numbers(flags, client_data) + rawssh.string(ORIGIN, client_data, b"")


def logs_in(pool, key, flags, algorithm, says_flags=None, challenge=None):
    """Does one signed request, by itself, let a user in whose key it is?"""
    user = pool.user()
    pool.authorize(user, key.line)
    with rawssh.RawClient(pool.endpoint()) as leg:
        leg.exchange()
        leg.begin()
        request = rawssh.message(rawssh.USERAUTH_REQUEST, user.name, "ssh-connection", "publickey", True, algorithm,
                                 rawssh.string(key.blob))
        signature = key.sign(rawssh.string(leg.session) + request, flags, algorithm, challenge)
        if says_flags is not None:
            signature = signature.replace(bytes([flags]) + rawssh.u32(7), bytes([says_flags]) + rawssh.u32(7))
        leg.send(request + rawssh.string(signature))
        return leg.recv()[0] == rawssh.USERAUTH_SUCCESS


@pytest.fixture(scope="module")
def web_pool(temp, via):
    pool = Pool(temp / f"web-{via}", via, nodes=1, node_config=f"PubkeyAcceptedAlgorithms +{WEBAUTHN}\n")
    yield pool
    pool.stop()


@pytest.mark.parametrize("algorithm", [PLAIN, WEBAUTHN])
def test_flags_count_as_the_key_signed_them(web_pool, logged, algorithm):
    pool, key = watched(web_pool, logged), SoftKey()
    assert logs_in(pool, key, 1, algorithm)
    assert not logs_in(pool, key, 0, algorithm)
    assert not logs_in(pool, key, 0, algorithm, says_flags=1)
    assert logs_in(pool, key, 5, algorithm)


def test_a_browsers_signature_is_about_its_challenge(web_pool, logged):
    pool = watched(web_pool, logged)
    assert not logs_in(pool, SoftKey(), 1, WEBAUTHN, challenge=b"something else")


def test_a_browsers_signature_needs_a_node_that_takes_it(make_pool, via):
    pool = make_pool(via, nodes=1, node_config=f"PubkeyAcceptedAlgorithms {PLAIN},ssh-ed25519*\n")
    assert logs_in(pool, SoftKey(), 1, PLAIN)
    assert not logs_in(pool, SoftKey(), 1, WEBAUTHN)
