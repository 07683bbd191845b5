"""Each algorithm alone on either side, and different ones on the two legs of a connection."""
import random
import re

import pytest

from lib.features import word

CHACHA, GCM128, GCM256 = "chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"
SHA256, SHA512 = "hmac-sha2-256", "hmac-sha2-512"
ETM256, ETM512 = "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"
GROUP14, GROUP16 = "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"
KEXES = ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
         "ecdh-sha2-nistp521", GROUP14, GROUP16]
SUITES = [(c, None) for c in (CHACHA, GCM128, GCM256)] + [
    (c, m) for c in ("aes128-ctr", "aes192-ctr", "aes256-ctr") for m in (SHA256, SHA512, ETM256, ETM512)]
# One of each layout of a packet.
LAYOUTS = [(CHACHA, None), (GCM256, None), ("aes128-ctr", SHA256), ("aes256-ctr", SHA512), ("aes192-ctr", ETM256),
           ("aes256-ctr", ETM512)]
DATA = random.Random(11).randbytes(3 << 19)
SMALL = "-oRekeyLimit=256K"


def named(suite):
    return "+".join(filter(None, suite)).replace("@openssh.com", "")


def options(cipher, mac, kex=None):
    """Of an ssh or sshd that has nothing else."""
    words = {"Ciphers": cipher, "MACs": mac, "KexAlgorithms": kex}
    return [f"{key} {value}" for key, value in words.items() if value]


def says(suite):
    """What a verbose ssh or sshd says of a direction."""
    return f"cipher: {suite[0]} MAC: {suite[1] or '<implicit>'} "


def through_cat(client, *words):
    """DATA goes there and back; what the verbose client said."""
    done = client.run("cat", "-v", *words, stdin=DATA, timeout=120)
    assert (done.returncode, done.stdout == DATA) == (0, True), done.stderr.decode()[-2000:]
    return done.stderr.decode().replace("\r", "")


@pytest.mark.feature("Algorithms: {kex}")
@pytest.mark.parametrize("kex", KEXES)
def test_each_key_exchange_of_a_client(client, kex):
    words = through_cat(client, SMALL, f"-oKexAlgorithms={kex}")
    assert words.count(f"kex: algorithm: {kex}\n") >= 4


@pytest.mark.feature("Algorithms: {suite}")
@pytest.mark.parametrize("suite", SUITES, ids=named)
def test_each_cipher_and_mac_of_a_client(client, suite):
    words = through_cat(client, SMALL, *(f"-o{o}" for o in options(*suite)))
    assert words.count(f"client->server {says(suite)}") >= 4
    assert words.count(f"server->client {says(suite)}") >= 4


@pytest.mark.parametrize("suite", LAYOUTS, ids=named)
def test_each_layout_under_compression_while_keys_change(brokered, suite):
    """Each NEWKEYS of the client's leg begins a new stream of zlib; the node's leg changes keys by itself."""
    pool = brokered(nodes=1, node_config="\n".join([*options("aes128-ctr", ETM256), "RekeyLimit 512K"]))
    client = pool.client()
    data = DATA + b"the same line again and again\n" * 50000 + DATA[::-1]
    done = client.run("cat", "-C", "-v", SMALL, *(f"-o{o}" for o in options(*suite)), stdin=data, timeout=120)
    words = done.stderr.decode().replace("\r", "")
    assert (done.returncode, done.stdout == data) == (0, True), words[-2000:]
    assert words.count(f"client->server {says(suite)[:-1]} compression: zlib@openssh.com") >= 8
    assert words.count(f"server->client {says(suite)[:-1]} compression: zlib@openssh.com") >= 8
    moved = re.search(r"Transferred: sent (\d+), received (\d+) bytes", words).groups()
    assert max(map(int, moved)) < 2 * len(DATA) + (1 << 18)
    assert pool.nodes[0].log_since().count("SSH2_MSG_NEWKEYS received") >= 8


@pytest.mark.feature("Nodes: {kex}", "Nodes: {node}")
@pytest.mark.parametrize("node,kex", zip(LAYOUTS, (KEXES[0], KEXES[2], GROUP14, GROUP16, KEXES[4], GROUP14)),
                         ids=lambda x: named(x) if isinstance(x, tuple) else x)
def test_a_node_of_one_layout_and_clients_of_each(brokered, node, kex):
    """The legs differ, and change their keys by themselves."""
    pool = brokered(nodes=1, node_config="\n".join([*options(*node, kex), "RekeyLimit 512K"]))
    for suite in LAYOUTS:
        offset = pool.nodes[0].log.stat().st_size
        words = through_cat(pool.client(), SMALL, *(f"-o{o}" for o in options(*suite)))
        assert words.count(says(suite)) >= 8
        assert pool.nodes[0].log_since(offset).count(says(node)) >= 4


@pytest.mark.feature(*(f"Nodes: {word(s)}" for s in SUITES[1:]))
def test_the_node_is_asked_first_for_what_the_client_has(brokered):
    """So that packets are re-encrypted where they stand; both sides have all algorithms."""
    pool = brokered(nodes=1)
    client = pool.client()
    for suite in SUITES[1:]:
        offset = pool.nodes[0].log.stat().st_size
        order = [f"{suite[0]},{CHACHA}", f"{suite[1]},{SHA256}" if suite[1] else None]
        assert client.out("echo there", *(f"-o{o}" for o in options(*order))) == "there\n"
        assert pool.nodes[0].log_since(offset).count(says(suite)) == 2, suite


def test_an_admin_may_leave_algorithms_out(brokered):
    pool = brokered(nodes=1, algorithms={"kex": [GROUP14], "ciphers": ["aes256-ctr"], "macs": [SHA512]})
    client = pool.client()
    words = through_cat(client)
    assert f"kex: algorithm: {GROUP14}\n" in words
    assert words.count(says(("aes256-ctr", SHA512))) == 2
    assert pool.nodes[0].log_since().count(says(("aes256-ctr", SHA512))) == 2
    for option, missing in (("Ciphers=" + CHACHA, "cipher"), ("MACs=" + SHA256, "MAC"),
                            ("KexAlgorithms=" + GROUP16, "key exchange method")):
        done = client.run("true", f"-o{option}")
        assert done.returncode == 255
        assert f"no matching {missing}" in done.stderr.decode()
