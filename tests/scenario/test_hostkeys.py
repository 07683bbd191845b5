"""The identity that a client sees stays one, and more of it can be learned."""
import pytest

from lib import keys
from lib.library import HOST_KEYS


def known(client):
    return {" ".join(line.split()[1:3]) for line in (client.folder / "known_hosts").read_text().splitlines()}


@pytest.mark.feature("Connection: hostkeys-00, hostkeys-prove-00 (UpdateHostKeys)")
def test_a_client_learns_the_other_host_keys_and_forgets_old_ones(pool):
    endpoint = pool.endpoint()
    old = keys.public(keys.make_key(pool.folder, "old-host-key", "ecdsa-384"))
    client = pool.client(endpoint=endpoint._replace(host_keys=[endpoint.host_keys[0], old]),
                         options="UpdateHostKeys yes\nVerifyHostKeyDNS no")
    assert known(client) == {endpoint.host_keys[0], old}
    client.out("sleep 1")
    assert known(client) == set(endpoint.host_keys)


@pytest.mark.feature("Login: a false host key is noticed")
def test_a_stranger_in_between_is_noticed(pool, client):
    other = pool.client(client.user, client.key,
                        endpoint=pool.endpoint()._replace(host_keys=pool.nodes[1].host_keys))
    done = other.run("echo in")
    assert (done.returncode, done.stdout) == (255, b"")
    assert b"Host key verification failed" in done.stderr


def test_each_host_key_algorithm_serves(pool):
    algorithms = {key.split()[0] for key in pool.endpoint().host_keys} - {"ssh-rsa"}
    if any(key.startswith("ssh-rsa") for key in pool.endpoint().host_keys):
        algorithms |= {"rsa-sha2-256", "rsa-sha2-512"}
    user = pool.user()
    key = pool.key(user)
    for algorithm in algorithms:
        assert pool.client(user, key, options=f"HostKeyAlgorithms {algorithm}").out("echo in") == "in\n"


@pytest.mark.feature("Algorithms: host key {name}")
@pytest.mark.parametrize("name", HOST_KEYS)
def test_each_kind_of_host_key_serves(all_keys, name):
    pool, user, key = all_keys
    assert pool.client(user, key, options=f"HostKeyAlgorithms {name}").out("echo in") == "in\n"


def test_each_key_exchange_and_cipher_serves(pool, client):
    for option in ("KexAlgorithms=curve25519-sha256", "KexAlgorithms=curve25519-sha256@libssh.org",
                   "KexAlgorithms=ecdh-sha2-nistp256", "KexAlgorithms=ecdh-sha2-nistp384",
                   "KexAlgorithms=ecdh-sha2-nistp521", "Ciphers=chacha20-poly1305@openssh.com",
                   "Ciphers=aes256-gcm@openssh.com", "Ciphers=aes128-gcm@openssh.com"):
        assert client.out("echo in", f"-o{option}") == "in\n", option


def test_the_broker_and_a_node_talk_in_each_cipher(brokered):
    """The client's leg and the node's need not have the same one."""
    data = bytes(range(256)) * 4096
    for cipher in ("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com"):
        pool = brokered(nodes=1, node_config=f"Ciphers {cipher}")
        client = pool.client()
        for other in ("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"):
            assert client.run("cat", "-c", other, stdin=data).stdout == data
        pool.stop()
