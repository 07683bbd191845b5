"""Whatever is malformed, out of its turn or too big ends its own connection with the code that the RFC names, no other one,
and stands in no log as it came."""
import contextlib
import re
import struct

import pytest

from lib import rawssh as raw
from lib.broker import Broker
from lib.rawssh import message, string, u32

USER = "u1"
PROBE = 200  # a type that nobody knows: its answer shows that what stood before it was taken
# What shall never stand in a log as it is: escapes for terminals, ends of lines, bytes that are no text.
EVIL = b"\x1b]0;evil\x07\x1b[31m\r\n\x00\x7f\x9b\xff\xc2\x9b\xe2\x80\xae"
EVIL_TEXT = EVIL.replace(b"\0", b"")  # for where a NUL alone is an error
GOES_ON, CLOSED, UNIMPLEMENTED = "goes on", "closed", "unimplemented"
PROTOCOL_ERROR, KEX_FAILED, MAC_ERROR, NO_SERVICE, BAD_VERSION, BAD_HOST_KEY, LOST, BY_APPLICATION = \
    (f"ends with {n}" for n in (2, 3, 5, 7, 8, 9, 10, 11))


# --- what is there ---

class World:
    """A node of raw legs, a broker with one gate and one relay, and bystanders in both of these."""

    def __init__(self, folder):
        self.node = raw.RawNode()
        self.broker = Broker(folder, [self.node], roles={"gates": 1, "relays": 1}, limits={"login_grace_s": 600})
        self.broker.start()
        self.pids = [self.broker.pids(role) for role in ("gate", "relay", "director", "keyholder")]
        self.in_gate = self.client("auth")
        self.pair = self.log_in()

    def stop(self):
        for leg in (self.in_gate, *self.pair):
            leg.close()
        self.broker.stop()
        self.node.stop()

    def client(self, state):
        """A client's leg in one of STATES, not logged in."""
        leg = raw.RawClient(self.broker.endpoint())
        for step in {"kexinit": [leg.packet], "kex": [leg.swap_kexinit], "newkeys": [leg.swap_kexinit, leg.agree, leg.hear_newkeys],
                     "service": [leg.exchange], "auth": [leg.exchange, leg.begin]}[state]:
            step()
        return leg

    def log_in(self):
        client = self.client("auth")
        client.send(raw.password(USER))
        client.expect(raw.USERAUTH_SUCCESS)
        return client, self.node.next_leg()

    def check_bystanders(self):
        self.in_gate.send(message(raw.PING, "still there?"))
        assert self.in_gate.recv() == message(raw.PONG, "still there?")
        for sender, receiver in (self.pair, reversed(self.pair)):
            sender.send(message(raw.DATA, 0, "still there"))
            assert receiver.recv() == message(raw.DATA, 0, "still there")
        assert self.pids == [self.broker.pids(role) for role in ("gate", "relay", "director", "keyholder")]


@pytest.fixture(scope="module")
def world_of_module(temp, broker_only):
    world = World(temp / "bad")
    yield world
    world.stop()


@pytest.fixture
def world(world_of_module, logged):
    """After each test, the bystanders go on, and the log is one that a terminal may show."""
    offset = world_of_module.broker.log.stat().st_size
    logged.append((world_of_module.broker.log, offset))
    yield world_of_module
    world_of_module.check_bystanders()
    check_log(world_of_module.broker, offset)


LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn|info|debug) \S+ .*")


def check_log(broker, offset):
    with open(broker.log, "rb") as f:
        f.seek(offset)
        data = f.read()
    text = data.decode()  # what is no UTF-8 raises
    for line in text.split("\n")[:-1]:
        assert LINE.fullmatch(line), f"no line of ours: {line!r}"
        assert all(c.isprintable() for c in line), f"raw: {line!r}"
    assert raw.PASSWORD not in text
    assert "internal error" not in text


# --- what comes back ---

def reaction(leg, *packets):
    """What the broker makes of these bytes: the types of its answers, until it ends the leg or answers a probe."""
    probe = leg.sent
    leg.socket.sendall(b"".join(packets) + leg._seal(bytes([PROBE])))
    found = []
    try:
        while True:
            payload = leg.recv()
            if payload == message(raw.UNIMPLEMENTED, probe):
                break
            r = raw.Reader(payload[1:])
            if payload[0] == raw.DISCONNECT:
                code, text = r.u32(), r.string()
                if b"type %d " % PROBE not in text:  # where no unknown message may stand, either
                    found.append(f"ends with {code}")
                break
            found.append(UNIMPLEMENTED if payload[0] == raw.UNIMPLEMENTED else payload[0])
    except (EOFError, ConnectionError):
        found.append(CLOSED)
    return found[0] if len(found) == 1 else found or GOES_ON


def from_client(world, state, *packets):
    """The reaction to what packets(leg) makes, at the client's leg in this state.  In a connection also what the node got."""
    with contextlib.ExitStack() as stack:
        if state not in ("connection", "rekey"):
            leg = stack.enter_context(world.client(state))
        else:
            leg, other = map(stack.enter_context, world.log_in())
            if state == "rekey":
                leg.swap_kexinit()
        return reaction(leg, *[p(leg) for p in packets])


def node_to(world, state, leg):
    """The node's side of a login, up to this state."""
    if state == "kexinit":
        leg.packet()
    elif state in ("kex", "newkeys"):
        leg.swap_kexinit()
        if state == "kex":
            leg.expect(raw.ECDH_INIT)
        else:
            leg.agree()
            leg.hear_newkeys()
    else:
        leg.exchange()
        leg.expect(raw.SERVICE_REQUEST)
        if state != "service":
            leg.send(message(raw.SERVICE_ACCEPT, "ssh-userauth"))
            assert raw.method_of(leg) == b"none"
        if state == "answer":
            leg.send(raw.failure("password"))
            assert raw.method_of(leg) == b"password"


def from_node(world, state, *packets):
    """The same at the node's leg, and what the client is told."""
    if state in ("connection", "rekey"):
        client, leg = world.log_in()
        with client, leg:
            if state == "rekey":
                leg.swap_kexinit()
                leg.expect(raw.ECDH_INIT)
            return reaction(leg, *[p(leg) for p in packets])

    def script(leg):
        with leg:
            node_to(world, state, leg)
            return reaction(leg, *[p(leg) for p in packets])

    with world.node.scripted(script), world.client("auth") as client:
        client.send(raw.password(USER))
        found = world.node.next_leg()
        if found != GOES_ON:
            told = client.recv()
            assert told[:1] == bytes([raw.DISCONNECT]) and told[4] in (7, 10), told
        return found


LEGS = {"client": from_client, "node": from_node}
STATES = {"client": ("kexinit", "kex", "newkeys", "service", "auth", "connection", "rekey"),
          "node": ("kexinit", "kex", "newkeys", "service", "auth", "answer", "connection", "rekey")}
EVERYWHERE = [(leg, state) for leg in LEGS for state in STATES[leg]]


def sealed(payload):
    return lambda leg: leg._seal(payload)


def compare(found):
    """{name: (what came, what should)}"""
    wrong = {name: f"{came}, and not {should}" for name, (came, should) in found.items() if came != should}
    assert not wrong


# --- what an identification string may be ---

@pytest.mark.parametrize("said,code", [
    (b"SSH-1.5-old\r\n", 8), (b"SSH-2.0-" + b"x" * 300 + b"\r\n", 8), (b"SSH-2.0-\x1b[31m\r\n", 8), (b"SSH-" + EVIL, 8),
    (b"SSH-2.0-a\0b\r\n", 8)])
def test_an_identification_is_one_of_ssh_2(world, said, code):
    s = raw.socket.create_connection((world.broker.endpoint().host, world.broker.port), 10)
    with s:
        s.sendall(said)
        stream = s.makefile("rb")
        assert stream.readline().startswith(b"SSH-2.0-")
        kinds = []
        while head := stream.read(4):
            body = stream.read(struct.unpack(">I", head)[0])
            kinds.append(body[1])
            if body[1] == raw.DISCONNECT:
                assert struct.unpack(">I", body[2:6])[0] == code
                break
    assert kinds == [raw.KEXINIT, raw.DISCONNECT]


# --- each type in each state ---

IGNORED = {raw.IGNORE: message(raw.IGNORE, EVIL), raw.DEBUG: message(raw.DEBUG, True, string(EVIL), ""),
           raw.UNIMPLEMENTED: message(raw.UNIMPLEMENTED, 7)}
UNKNOWN = (0, 8, 19, 22, 29, 128, 191, 194, 199, 255)
KEX = (raw.NEWKEYS, 30, 31, 32, 34, 49)
AUTH = (50, 51, 52, 53, 54, 59, 60, 61, 62, 79)
CONNECTION = (80, 81, 82, 83, *range(90, 101), 101, 127)
TYPES = [raw.DISCONNECT, *IGNORED, raw.SERVICE_REQUEST, raw.SERVICE_ACCEPT, raw.EXT_INFO, raw.KEXINIT, *KEX, *AUTH,
         *CONNECTION, raw.PING, raw.PONG, *UNKNOWN]
EXT = message(raw.EXT_INFO, 1, string(EVIL, EVIL))
# Those that are due in a state have tests of their own below.
DUE = {("client", "kexinit"): [raw.KEXINIT], ("node", "kexinit"): [raw.KEXINIT],
       ("client", "kex"): [raw.ECDH_INIT], ("node", "kex"): [raw.ECDH_REPLY],
       ("client", "newkeys"): [raw.NEWKEYS], ("node", "newkeys"): [raw.NEWKEYS],
       ("client", "service"): [raw.SERVICE_REQUEST, raw.KEXINIT], ("node", "service"): [raw.SERVICE_ACCEPT, raw.KEXINIT],
       ("client", "auth"): [raw.USERAUTH_REQUEST, raw.KEXINIT],
       ("node", "auth"): [raw.USERAUTH_FAILURE, raw.USERAUTH_SUCCESS, raw.USERAUTH_BANNER, raw.KEXINIT],
       ("node", "answer"): [raw.USERAUTH_FAILURE, raw.USERAUTH_SUCCESS, raw.USERAUTH_BANNER, raw.PASSWD_CHANGEREQ, raw.KEXINIT],
       ("client", "connection"): [raw.KEXINIT, raw.GLOBAL_REQUEST], ("node", "connection"): [raw.KEXINIT, raw.GLOBAL_REQUEST],
       ("client", "rekey"): [raw.ECDH_INIT], ("node", "rekey"): [raw.ECDH_REPLY]}


def expected(leg, state, kind):
    """What becomes of a message that is not due."""
    if kind == raw.DISCONNECT:
        return CLOSED
    if kind in IGNORED:
        return GOES_ON
    if state == "rekey" and kind in CONNECTION:
        return GOES_ON  # forbidden, but what clients do and sshd takes
    if state in ("kexinit", "kex", "newkeys", "rekey"):
        return PROTOCOL_ERROR
    if kind == raw.EXT_INFO or kind == raw.PONG:
        return GOES_ON
    if kind == raw.PING:
        return raw.PONG if leg == "client" or state == "connection" else GOES_ON
    if kind in UNKNOWN:
        return UNIMPLEMENTED
    if state == "connection" and kind in AUTH:
        return UNIMPLEMENTED
    if state == "connection" and kind in CONNECTION:
        return GOES_ON
    return PROTOCOL_ERROR


def whole(kind):
    special = {raw.DISCONNECT: message(raw.DISCONNECT, 11, string(EVIL), string(EVIL)), raw.EXT_INFO: EXT,
               raw.PING: message(raw.PING, string(EVIL)), raw.PONG: message(raw.PONG, string(EVIL)), **IGNORED}
    return special.get(kind, bytes([kind]) + string(EVIL))


@pytest.mark.parametrize("leg,state", EVERYWHERE)
def test_a_message_out_of_its_turn(world, leg, state):
    compare({k: (LEGS[leg](world, state, sealed(whole(k))), expected(leg, state, k))
             for k in TYPES if k not in DUE[leg, state]})
