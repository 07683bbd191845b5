"""What the stock programs never say: packets of the connection protocol that the test writes, against a node that it is."""
import contextlib
import os
import signal

import pytest

from lib import rawssh as raw
from lib.broker import Broker
from lib.rawssh import message, string, u32

USER = "u1"
IDLE_S = 1  # after which the broker asks for a sign of life


@pytest.fixture(scope="module")
def node():
    node = raw.RawNode()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def entrance(node, temp, via):
    """Where to log in to the node, and the broker, if it is there."""
    if via == "direct":
        yield node.endpoint(), None
        return
    broker = Broker(temp / "raw", [node], keepalive={"client_interval_s": IDLE_S, "node_interval_s": IDLE_S})
    broker.start()
    yield broker.endpoint(), broker
    broker.stop()


@pytest.fixture
def pair(node, entrance, logged):
    """pair() logs in: the client's leg and the node's."""
    endpoint, broker = entrance
    if broker:
        logged.append((broker.log, broker.log.stat().st_size))
    made = []

    def log_in(**kwargs):
        client = raw.RawClient(endpoint, USER, **kwargs)
        made.extend((client, node.next_leg()))
        return made[-2:]

    yield log_in
    for leg in made:
        leg.close()


def request(name, want_reply, *data, channel=0):
    return message(raw.REQUEST, channel, name, want_reply, *data)


def ask(name, *data):
    return message(raw.GLOBAL_REQUEST, name, True, *data)


# All modes that an opcode can name, with values of all sizes; after the end, something that is none.
MODES = b"".join(bytes([opcode]) + u32(opcode * 0x01010101) for opcode in range(1, 160)) + b"\0"

# Channels, their messages and requests, known and not: all of them may pass without a channel being there, since
# nobody in between looks.
CHANNEL_MESSAGES = {
    "a terminal with all modes": request("pty-req", True, "xterm", 80, 24, 640, 480, string(MODES)),
    "a new size with pixels": request("window-change", False, 132, 50, 1320, 1000),
    "a break": request("break", True, 1000),
    "a signal": request("signal", False, "INT"),
    "a signal that is local": request("signal", False, "WEIRD@example.org"),
    "flow control": request("xon-xoff", False, True),
    "no more reader": request("eow@openssh.com", False),
    "an exit status": request("exit-status", False, 0xdeadbeef),
    "an exit by a signal": request("exit-signal", False, "SEGV", True, "it fell \u2014 core dumped", "en"),
    "an unknown request": request("what@example.org", False, b"\0\xff"),
    "an unknown request that wants a reply": request("what@example.org", True, b"\0\xff"),
    "an environment variable": request("env", True, "NAME", "value\n"),
    "an agent": request("auth-agent-req@openssh.com", True),
    "a display": request("x11-req", True, False, "MIT-MAGIC-COOKIE-1", "00ff", 0),
    "an unknown channel": message(raw.OPEN, "what@example.org", 7, 1, 2, b"more of it"),
    "a tunnel": message(raw.OPEN, "tun@openssh.com", 8, 1 << 20, 1 << 15, 1, 0x7fffffff),
    "a refusal": message(raw.OPEN_FAILURE, 7, 0xfe000001, "nicht heute: \u00e4", "de"),
    "a confirmation with more": message(raw.OPEN_CONFIRMATION, 7, 9, 0, 0, b"more of it"),
    "a window": message(raw.WINDOW_ADJUST, 3, 0xffffffff),
    "data": message(raw.DATA, 3, string(bytes(range(256)) * 120)),
    "no data": message(raw.DATA, 3, ""),
    "data of a kind": message(raw.EXTENDED_DATA, 3, 77, "kind 77"),
    "an end of data": message(raw.CHANNEL_EOF, 3),
    "an end": message(raw.CLOSE, 3),
    "a global request": message(raw.GLOBAL_REQUEST, "what@example.org", False, b"\0\xff"),
    "no more sessions": message(raw.GLOBAL_REQUEST, "no-more-sessions@openssh.com", False),
    "a message of a number that is free": bytes([127]) + b"anything",
}


@pytest.mark.feature("Sessions: each message as it was sent, known or not", client="raw")
def test_each_message_arrives_as_it_was_sent(pair):
    """In both directions, byte for byte, in order; twice, since what comes first may be treated apart."""
    client, node = pair()
    sent = list(CHANNEL_MESSAGES.values()) * 2
    for sender, receiver in ((client, node), (node, client)):
        sender.send(*sent)
        for (name, expected), got in zip(list(CHANNEL_MESSAGES.items()) * 2, receiver.take(len(sent))):
            assert got == expected, name


@pytest.mark.feature("Sessions: unknown requests, and the order of replies", client="raw")
def test_replies_of_channels_keep_their_order(pair):
    """Two channels, requests with and without replies, answered alternately from both sides."""
    client, node = pair()
    for n in range(50):
        asked = [request(f"r{n}", n % 3 != 0, n, channel=n % 2), message(raw.DATA, 1, f"d{n}")]
        answered = [message(raw.SUCCESS if n % 2 else raw.FAILURE, n % 2), request("back", True, n, channel=1)]
        client.send(*asked)
        assert node.take(2) == asked
        node.send(*answered)
        assert client.take(2) == answered


def prove(client):
    return ask("hostkeys-prove-00@openssh.com", string(client.host_key))


def answer_all(node, n, is_direct):
    """Answer n requests in order; directly the request for a proof is among them, too.  What was asked."""
    asked = []
    while len(asked) < n + is_direct:
        payload = node.recv()
        r = raw.Reader(payload[1:])
        assert payload[0] == raw.GLOBAL_REQUEST
        name, wants = r.string(), r.u8()
        if wants and name == raw.HOSTKEYS_PROVE:
            signed = string(raw.HOSTKEYS_PROVE, node.session, r.string())
            node.send(message(raw.REQUEST_SUCCESS, string(string(b"ssh-ed25519", node.signer.sign(signed)))))
        elif wants:
            node.send(message(raw.REQUEST_SUCCESS, string(name)) if int(name) % 3 else message(raw.REQUEST_FAILURE))
        asked.append(name)
    return [name for name in asked if name != raw.HOSTKEYS_PROVE]


def check_proof(client, reply):
    r = raw.Reader(reply[1:])
    assert reply[0] == raw.REQUEST_SUCCESS
    raw.verify(client.host_key, r.string(), string(raw.HOSTKEYS_PROVE, client.session, client.host_key))
    assert not r.data


@contextlib.contextmanager
def slow_keyholder(broker):
    """Within, nobody signs."""
    pids = broker.pids("keyholder") if broker else []
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.feature("Connection: unknown global requests, and the order of replies", client="raw")
@pytest.mark.parametrize("is_slow", [False, True])
def test_replies_of_global_requests_keep_their_order(pair, entrance, via, is_slow):
    """Also where one in the middle is answered by the broker itself, before or after the node, and some want no reply."""
    client, node = pair()
    numbers, marker = list(range(1, 31)), message(raw.WINDOW_ADJUST, 0, 1)
    asks = [message(raw.GLOBAL_REQUEST, str(n), n % 5 != 0, b"data") for n in numbers]
    expected = [message(raw.REQUEST_SUCCESS, str(n)) if n % 3 else message(raw.REQUEST_FAILURE)
                for n in numbers if n % 5]
    with slow_keyholder(entrance[1]) if is_slow else contextlib.nullcontext():
        client.send(*asks[:10], prove(client), *asks[10:])
        assert answer_all(node, 30, via == "direct") == [str(n).encode() for n in numbers]
        node.send(marker)
        got = []
        while not got or got[-1] != marker:  # all that the node has said is there, or held
            got.append(client.recv())
    got.remove(marker)
    got += client.take(len(expected) + 1 - len(got))
    check_proof(client, got.pop(8))
    assert got == expected


@pytest.mark.feature("Connection: unknown global requests, and the order of replies", client="raw")
def test_signs_of_life_shift_no_reply(pair, via):
    """The broker's own requests stand among those of both sides; what it asks for itself reaches nobody."""
    client, node = pair()
    alive = ask("keepalive@openssh.com")
    for round in range(2):
        client.send(ask(f"c{round}"))
        node.send(ask(f"n{round}"))
    for leg, other in ((client, "n"), (node, "c")):
        asked = leg.take(2 if via == "direct" else 3)  # the third comes after some silence
        assert asked[:2] == [ask(f"{other}0"), ask(f"{other}1")]
        assert asked[2:] in ([], [alive])
    client.send(ask("c2"))
    node.send(ask("n2"))
    for leg, other in ((client, "n"), (node, "c")):
        assert leg.recv() == ask(f"{other}2")
        replies = [message(raw.REQUEST_SUCCESS, f"{other}{n}") for n in range(3)]
        leg.send(*replies[:2], *([] if via == "direct" else [bytes([raw.REQUEST_FAILURE])]), replies[2])
    for leg, mine in ((client, "c"), (node, "n")):
        assert leg.take(3) == [message(raw.REQUEST_SUCCESS, f"{mine}{n}") for n in range(3)]


@pytest.mark.feature("Connection: UNIMPLEMENTED names the packet", client="raw")
@pytest.mark.parametrize("sender", [0, 1])
def test_unimplemented_names_the_packet_that_was_sent(pair, sender, via):
    """Each leg numbers its packets for itself."""
    legs = pair()
    for n in range(9 if via == "broker" else 0):  # the broker answers: the numbers of the legs go apart
        legs[0].send(message(raw.PING, "apart"))
        legs[0].expect(raw.PONG)
    one, other = legs[sender], legs[1 - sender]
    other.send(*[message(raw.WINDOW_ADJUST, 0, n) for n in range(1, 6)])
    one.take(5)
    numbers = []
    for n in range(8):
        numbers.append(one.sent)
        one.send(message(raw.WINDOW_ADJUST, 0, n))
    heard = []
    for n in range(8):
        other.recv()
        heard.append(other.received - 1)
    other.send(*[message(raw.UNIMPLEMENTED, heard[n]) for n in (1, 5, 7)])
    assert one.take(3) == [message(raw.UNIMPLEMENTED, numbers[n]) for n in (1, 5, 7)]


@pytest.mark.feature("Connection: DISCONNECT comes after the data", client="raw")
@pytest.mark.parametrize("sender", [0, 1])
def test_a_disconnect_is_carried_over_after_the_data(pair, sender):
    legs = pair()
    one, other = legs[sender], legs[1 - sender]
    data = message(raw.DATA, 0, "x" * 30000)
    one.send(data, data, message(raw.DISCONNECT, 11, "the reason, in words", ""))
    assert other.take(2) == [data, data]
    assert other.recv() == message(raw.DISCONNECT, 11, "the reason, in words", "")


@pytest.mark.feature("Connection: ping@openssh.com, ObscureKeystrokeTiming", client="raw")
def test_keystrokes_hide_among_pings(node, pair):
    """ObscureKeystrokeTiming: each tick is a key or a PING; all come to the node, all are answered, in order."""
    node.has_ping = True
    try:
        client, leg = pair()
    finally:
        node.has_ping = False
    leg.send(message(raw.WINDOW_ADJUST, 0, 1))
    client.recv()
    assert client.extensions[b"ping@openssh.com"] == b"0"
    ticks = [message(raw.DATA, 0, "k") if n % 4 == 0 else message(raw.PING, f"PING!{n}") for n in range(60)]
    for tick in ticks:
        client.send(tick)
        assert leg.recv() == tick
        leg.send(bytes([raw.PONG]) + tick[1:] if tick[0] == raw.PING else tick)
    assert client.take(60) == [bytes([raw.PONG]) + t[1:] if t[0] == raw.PING else t for t in ticks]


@pytest.mark.feature("Connection: ping@openssh.com, ObscureKeystrokeTiming", client="raw")
def test_pings_are_answered_for_a_node_that_cannot(pair, via):
    """A client that was told of ping@openssh.com by the broker uses it, whatever the node knows."""
    if via == "direct":
        pytest.skip("there is nothing in between that could answer")
    client, leg = pair()
    for n in range(20):
        client.send(message(raw.PING, f"PING!{n}"), message(raw.DATA, 0, f"{n}"))
        assert client.recv() == message(raw.PONG, f"PING!{n}")
        assert leg.recv() == message(raw.DATA, 0, f"{n}")
    assert client.extensions[b"ping@openssh.com"] == b"0"


@pytest.mark.feature("Connection: hostkeys-00, hostkeys-prove-00 (UpdateHostKeys)", client="raw")
def test_the_keys_that_are_announced_can_be_proved(pair, entrance, via):
    """The client sees the broker's keys, all of them, and never the node's."""
    if via == "direct":
        pytest.skip("this node announces nothing")
    client, leg = pair()
    leg.send(message(raw.GLOBAL_REQUEST, "hostkeys-00@openssh.com", False, string(leg.host_key)),
             message(raw.WINDOW_ADJUST, 0, 1))
    assert client.recv() == message(raw.WINDOW_ADJUST, 0, 1)
    assert sorted(client.announced) == sorted(raw.key_blob(k) for k in entrance[0].host_keys)
    client.send(prove(client), ask("hostkeys-prove-00@openssh.com", string(leg.host_key)), prove(client), ask("after"))
    check_proof(client, client.recv())
    assert client.recv() == bytes([raw.REQUEST_FAILURE])
    check_proof(client, client.recv())
    assert leg.recv() == ask("after")
    leg.send(bytes([raw.REQUEST_SUCCESS]))
    assert client.recv() == bytes([raw.REQUEST_SUCCESS])
