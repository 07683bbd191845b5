"""A node that trusts the broker's CA: what its helper lets in without any broker, and what not."""
import subprocess

import pytest

from lib import keys, proc
from test_keys import denied

OURS, OTHER = "ca", "other-ca"


@pytest.fixture
def node_pool(make_pool, tmp_path_factory):
    """A node with our helper that trusts another CA, too; .certify() signs with either."""
    if not proc.program("sshbroker-principals"):
        pytest.skip("sshbroker-principals does not exist in the build folder (SSHBROKER_BUILD)")
    pool = make_pool("direct", nodes=1)
    for name in (OURS, OTHER):
        keys.make_key(pool.folder, name)
    node = pool.nodes[0]
    node.install_helper(proc.program("sshbroker-principals"), keys.public(pool.folder / OURS) + "\n",
                        keys.public(pool.folder / OTHER) + "\n")
    node.restart()
    return pool


def certified(pool, ca, principals, *options):
    """A client with no authorized key but a certificate from a CA."""
    user = pool.user()
    key = keys.make_key(pool.folder, f"certified-{user.name}")
    names = principals.replace("USER", user.name)
    subprocess.run(["ssh-keygen", "-q", "-s", pool.folder / ca, "-I", "someone", "-n", names, *options, f"{key}.pub"],
                   check=True)
    return pool.client(user, key, options="PreferredAuthentications publickey")


def test_a_plain_key_works_as_before(node_pool):
    assert node_pool.client().out("echo in") == "in\n"


def test_a_certificate_of_another_ca_works_as_before(node_pool):
    assert certified(node_pool, OTHER, "USER").out("echo in") == "in\n"


@pytest.mark.parametrize("principals", ["root", "sshbroker-v1", "someone-else"])
def test_a_certificate_of_another_ca_for_somebody_else_is_denied(node_pool, principals):
    assert denied(certified(node_pool, OTHER, principals).run("echo in"))


@pytest.mark.parametrize("principals", ["USER", "sshbroker-v1", "USER,sshbroker-v1"])
def test_a_certificate_of_ours_without_facts_is_denied(node_pool, principals):
    assert denied(certified(node_pool, OURS, principals).run("echo in"))


def test_a_certificate_of_ours_with_unreadable_facts_is_denied(node_pool):
    client = certified(node_pool, OURS, "sshbroker-v1", "-O", "extension:facts-v1@sshbroker=nonsense")
    assert denied(client.run("echo in"))
