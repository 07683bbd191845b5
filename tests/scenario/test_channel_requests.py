"""Requests that a stock sshd is sent by a client that says odd things: its replies arrive as if nobody were between."""
import collections

import pytest

from lib import rawssh as raw
from lib.rawssh import message, string

REPLIES = (raw.SUCCESS, raw.FAILURE, raw.REQUEST_SUCCESS, raw.REQUEST_FAILURE)


@pytest.fixture
def both(pool):
    """both(talk) is what talk(client) returns, the same through the pool and at a node itself."""
    user = pool.user()
    key = pool.key(user)

    def talk_to_both(talk):
        results = []
        for endpoint in (pool.endpoint(), pool.nodes[0].endpoint()):
            with raw.RawClient(endpoint, user.name, key) as client:
                results.append(talk(client))
        assert results[0] == results[1]
        return results[0]

    return talk_to_both


def request(channel, name, want_reply, *data):
    return message(raw.REQUEST, channel, name, want_reply, *data)


def ask(name, *data, want_reply=True):
    return message(raw.GLOBAL_REQUEST, name, want_reply, *data)


def wait_for(client, kind):
    """The next message of a kind."""
    while (payload := client.recv())[0] != kind:
        pass
    return payload


def exits_in(payloads):
    return [x for x in payloads if x[0] == raw.REQUEST and b"exit-" in x]


def exits(client):
    """What is said about the end of channel 0: the rest comes before or after it."""
    return exits_in(until_closed(client)[2][0])


def until_closed(client, n=1):
    """All up to the end of n channels: the replies in order; by channel, the data, and the rest in order."""
    replies, data, rest = [], collections.defaultdict(bytes), collections.defaultdict(list)
    while n:
        payload = client.recv()
        r = raw.Reader(payload[1:])
        if payload[0] in REPLIES:
            replies.append(payload)
            continue
        channel = r.u32()
        if payload[0] == raw.DATA:
            data[channel] += r.string()
        elif payload[0] != raw.WINDOW_ADJUST:
            rest[channel].append(payload)
            n -= payload[0] == raw.CLOSE
    return replies, data, rest


@pytest.mark.feature("Sessions: unknown requests, and the order of replies", client="raw")
def test_replies_keep_their_order_when_all_is_asked_at_once(both):
    """Known and unknown requests, with and without replies, of two channels and of none."""
    def talk(client):
        a, b = client.open_session(0), client.open_session(1)
        client.send(
            request(a, "what@example.org", True, "data"),
            request(b, "env", True, "SCENARIO_A", "b's"),
            request(a, "env", True, "REFUSED", "a's"),
            ask("what@example.org", "data"),
            request(a, "what@example.org", False),
            request(b, "pty-req", True, "xterm", 80, 24, 0, 0, string(b"\0")),
            ask("what@example.org", want_reply=False),
            request(a, "subsystem", True, "nothing"),
            request(b, "window-change", False, 99, 33, 990, 330),
            request(b, "break", True, 500),
            request(a, "signal", True, "INT"),
            ask("keepalive@openssh.com"),
            request(b, "exec", True, "stty size; echo $SCENARIO_A; exit 3"),
            request(a, "exec", True, "echo [$REFUSED]; read line; exit 4"),
            request(a, "exec", True, "echo twice"),
            request(a, "what@example.org", True),
            message(raw.DATA, a, "line\n"))
        replies, data, rest = until_closed(client, 2)
        return replies, data, [exits_in(rest[n]) for n in (0, 1)]

    replies, data, ends = both(talk)
    good, bad = ([message(kind, n) for n in (0, 1)] for kind in (raw.SUCCESS, raw.FAILURE))
    refused = message(raw.REQUEST_FAILURE)
    assert replies == [bad[0], good[1], bad[0], refused, good[1], bad[0], bad[1], bad[0], refused, good[1], good[0],
                       bad[0], bad[0]]  # no break: this sshd can make none for a pseudo-terminal
    assert data == {0: b"[]\n", 1: b"33 99\r\nb's\r\n"}
    assert ends == [[request(0, "exit-status", False, 4)], [request(1, "exit-status", False, 3)]]


@pytest.mark.feature("Sessions: signals to a command", client="raw")
def test_signals_arrive_and_what_they_do_is_told(both):
    def talk(client):
        channel = client.open_session()
        client.send(request(channel, "exec", True, "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.02; done"))
        wait_for(client, raw.SUCCESS)
        assert wait_for(client, raw.DATA) == message(raw.DATA, 0, "ready\n")
        client.send(request(channel, "signal", False, "WEIRD"), request(channel, "signal", False, "USR1"))
        assert wait_for(client, raw.DATA) == message(raw.DATA, 0, "usr1\n")
        client.send(request(channel, "signal", False, "TERM"))
        return exits(client)

    assert both(talk) == [request(0, "exit-signal", False, "TERM", False, "", "")]


@pytest.mark.feature("Sessions: exit signal", client="raw")
def test_an_exit_by_a_signal_is_told_with_its_core(both):
    """Whether there is a core is the node's to say."""
    def talk(client):
        channel = client.open_session()
        client.send(request(channel, "exec", True, "ulimit -c unlimited; cd /tmp; kill -SEGV $$"))
        return exits(client)

    assert both(talk) in [[request(0, "exit-signal", False, "SEGV", core, "", "")] for core in (False, True)]


@pytest.mark.feature("Sessions: half-closed streams, eow@openssh.com", client="raw")
def test_a_reader_that_ends_is_told(both):
    """eow@openssh.com from the node, while the session goes on."""
    def talk(client):
        channel = client.open_session()
        client.send(request(channel, "exec", True, "exec <&-; echo closed; sleep 0.2; exit 5"))
        assert wait_for(client, raw.DATA) == message(raw.DATA, 0, "closed\n")
        client.send(message(raw.DATA, channel, "nobody reads this\n"))
        assert wait_for(client, raw.REQUEST) == request(0, "eow@openssh.com", False)
        return exits(client)

    assert both(talk) == [request(0, "exit-status", False, 5)]


@pytest.mark.feature("Connection: no-more-sessions@openssh.com", client="raw")
def test_no_more_sessions_means_none(both):
    """The node ends it, in its own words; what was open goes on until then."""
    def talk(client):
        channel = client.open_session()
        client.send(ask("no-more-sessions@openssh.com", want_reply=False), request(channel, "exec", True, "cat"),
                    message(raw.DATA, channel, "still"))
        assert wait_for(client, raw.DATA) == message(raw.DATA, 0, "still")
        client.send(message(raw.OPEN, "session", 1, 1 << 20, 1 << 15))
        return wait_for(client, raw.DISCONNECT)

    words = "Possible attack: attempt to open a session after additional sessions disabled"
    assert both(talk) == message(raw.DISCONNECT, 2, words, "")


@pytest.mark.feature("Connection: no-more-sessions@openssh.com")
def test_the_stock_client_wants_no_more_sessions(pool, client):
    """Which it asks of an OpenSSH alone."""
    offsets = {n: n.log.stat().st_size for n in pool.nodes}
    client.out("true")
    said = "".join(n.log_since(offset) for n, offset in offsets.items())
    assert "rtype no-more-sessions@openssh.com want_reply 0" in said


@pytest.mark.feature("Connection: unknown global requests, and the order of replies", client="raw")
def test_global_requests_are_answered_in_order(both):
    """Among those that the node answers, some that it does not understand, and one that the broker answers."""
    def talk(client):
        prove = ask("hostkeys-prove-00@openssh.com", string(client.host_key))
        client.send(ask("what@example.org"), ask("tcpip-forward", "127.0.0.1", 0), prove, ask("keepalive@openssh.com"),
                    ask("cancel-tcpip-forward", "127.0.0.1", 1), ask("what@example.org", want_reply=False),
                    ask("tcpip-forward", "127.0.0.1", 0))
        replies = client.take(6)
        signature = raw.Reader(replies[2][1:]).string()
        raw.verify(client.host_key, signature, string(raw.HOSTKEYS_PROVE, client.session, client.host_key))
        return [(x[0], len(x)) for x in replies]

    good, bad = (raw.REQUEST_SUCCESS, 5), (raw.REQUEST_FAILURE, 1)
    assert both(talk) == [bad, good, (raw.REQUEST_SUCCESS, 88), bad, bad, good]
