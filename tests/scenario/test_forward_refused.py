"""What a node refuses to forward: its own reason code and words arrive."""
import pytest

from lib import rawssh as raw
from lib.rawssh import message, string, u32

NOBODY = 1  # no one listens on this port
PROHIBITED, CONNECT_FAILED = 1, 2
CHANNEL = 5
HERE = string("127.0.0.1") + u32(4711)


def opening(kind, *data):
    return message(raw.OPEN, kind, CHANNEL, 1 << 20, 1 << 15, *data)


def ask(name, *data):
    return message(raw.GLOBAL_REQUEST, name, True, *data)


def refused(code, words="open failed"):
    return message(raw.OPEN_FAILURE, CHANNEL, code, words, "")


ASKED = {
    "a port": opening("direct-tcpip", "127.0.0.1", NOBODY, HERE),
    "a socket": opening("direct-streamlocal@openssh.com", "/nowhere/socket", "", 0),
    "a tunnel": opening("tun@openssh.com", 1, 0x7fffffff),
    "an unknown channel": opening("what@example.org", "data"),
    "a listening port": ask("tcpip-forward", "127.0.0.1", 0),
    "a listening port of the system's": ask("tcpip-forward", "127.0.0.1", NOBODY),
    "a listening socket": ask("streamlocal-forward@openssh.com", "/nowhere/socket"),
    "the end of a forwarding that there is not": ask("cancel-tcpip-forward", "127.0.0.1", NOBODY),
}
FAILURE = bytes([raw.REQUEST_FAILURE])
# By the kind of user (conftest.RULES): what OpenSSH says to which; to all else CONNECT_FAILED, or the failure.
SAID = {
    "": {"a port": refused(CONNECT_FAILED, "Connection refused"), "a listening port": None},
    "closed": {"a port": refused(PROHIBITED)},
    "narrow": {"a port": refused(PROHIBITED)},
}


def replies(client):
    """What is replied to each."""
    found = {}
    for name, question in ASKED.items():
        client.send(question)
        found[name] = client.recv()
    return found


@pytest.mark.feature("Forwarding: refused, in the node's words", client="raw")
@pytest.mark.parametrize("kind", SAID)
def test_the_reason_is_the_nodes_own(pool, kind):
    user = pool.user(kind=kind)
    key = pool.key(user)
    with raw.RawClient(pool.endpoint(), user.name, key) as client, \
            raw.RawClient(pool.nodes[0].endpoint(), user.name, key) as direct:
        seen, expected = replies(client), replies(direct)
    listening = "a listening port"
    if SAID[kind].get(listening, FAILURE) is None:  # granted: each has a port of its own
        assert {seen.pop(listening)[0], expected.pop(listening)[0]} == {raw.REQUEST_SUCCESS}
    assert seen == expected
    for name, reply in seen.items():
        by_itself = refused(CONNECT_FAILED) if ASKED[name][0] == raw.OPEN else FAILURE
        assert reply == SAID[kind].get(name, by_itself), name


@pytest.mark.feature("Forwarding: refused, in the node's words")
@pytest.mark.parametrize("kind,reason", [
    ("", b"open failed: connect failed: Connection refused"),
    ("narrow", b"open failed: administratively prohibited: open failed")])
def test_the_stock_client_says_the_reason(pool, kind, reason):
    done = pool.client(pool.user(kind=kind)).run("", "-W", f"127.0.0.1:{NOBODY}")
    assert (done.returncode, reason in done.stderr) == (255, True), done.stderr


@pytest.mark.feature("Forwarding: refused, in the node's words")
def test_the_stock_client_ends_where_it_may_not_listen(pool):
    client = pool.client(pool.user(kind="narrow"))
    done = client.run("echo in", "-oExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:9")
    assert (done.returncode, done.stdout) == (255, b"")
    assert b"remote port forwarding failed for listen port 0" in done.stderr
