"""A node that trusts the broker's CA: whom its helper lets in without any broker, with what rights, and whom not."""
import subprocess

import pytest

from lib import keys, proc
from test_keys import denied

OURS, OTHER = "ca", "other-ca"
CLIENT = "192.0.2.9:50022"  # the real client that certificates speak of
PUBLICKEY = "PreferredAuthentications publickey"


@pytest.fixture(scope="session")
def shared_node(temp):
    """A pool of one node with our helper, that trusts another CA, too."""
    from lib.pool import Pool
    if not proc.program("sshbroker-principals"):
        pytest.skip("sshbroker-principals does not exist in the build folder (SSHBROKER_BUILD)")
    pool = Pool(temp / "helper", "direct", nodes=1)
    for name in (OURS, OTHER):
        keys.make_key(pool.folder, name)
    node = pool.nodes[0]
    node.install_helper(proc.program("sshbroker-principals"), keys.public(pool.folder / OURS) + "\n",
                        keys.public(pool.folder / OTHER) + "\n")
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
    return pool.client(user, path, options=f"{PUBLICKEY}\n{order.get('ssh', '')}")


@pytest.fixture
def through(node_pool):
    """through(options, ...): a client of a fresh user whose key stands behind these options in authorized_keys."""
    def make(options="", kind="ed25519", **order):
        user = node_pool.user()
        return minted(node_pool, user, node_pool.key(user, kind, options), **order)
    return make


def refusals(pool):
    return [x for x in pool.nodes[0].log_since().splitlines() if "sshbroker-principals" in x and "refused" in x]


def test_a_key_of_the_user_is_good(through):
    assert through().out("echo in") == "in\n"
