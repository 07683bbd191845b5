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
# The answers to these show that what stood before was taken: before a login, or during a key exchange; and in a connection.
PROBE, PING = bytes([200]), message(raw.PING, "probe")
# What shall never stand in a log as it is: escapes for terminals, ends of lines, bytes that are no text.
EVIL = b"\x1b]0;evil\x07\x1b[31m\r\n\x00\x7f\x9b\xff\xc2\x9b\xe2\x80\xae"
EVIL_TEXT = EVIL.replace(b"\0", b"")  # for where a NUL alone is an error
GOES_ON, CLOSED, UNIMPLEMENTED = "goes on", "closed", "unimplemented"
PROTOCOL_ERROR, KEX_FAILED, MAC_ERROR, NO_SERVICE, BAD_HOST_KEY = (f"ends with {n}" for n in (2, 3, 5, 7, 9))


# --- what is there ---

class World:
    """A node of raw legs, a broker with one gate and one relay, and bystanders in both of these."""

    def __init__(self, folder):
        self.node = raw.RawNode()
        self.broker = Broker(folder, [self.node], roles={"gates": 1, "relays": 1}, limits={"login_grace_s": 600},
                             keepalive={"client_interval_s": 3600, "node_interval_s": 3600})
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
        """A client's leg in one of STATES, not logged in, or at its start, with nothing read."""
        leg = raw.RawClient(self.broker.endpoint())
        for step in {"start": [], "kexinit": [leg.packet], "kex": [leg.swap_kexinit],
                     "newkeys": [leg.swap_kexinit, leg.agree, leg.hear_newkeys], "service": [leg.exchange],
                     "auth": [leg.exchange, leg.begin]}[state]:
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

def reaction(leg, state, packets):
    """What the broker makes of these bytes: the types of its answers, until it ends the leg or answers a probe."""
    made = [p(leg) for p in packets]
    answers = message(raw.UNIMPLEMENTED, leg.sent), message(raw.PONG, "probe")
    leg.socket.sendall(b"".join(made) + leg._seal(PING if state == "connection" else PROBE))
    found = []
    try:
        while True:
            payload = leg.recv()
            if payload in answers:
                break
            r = raw.Reader(payload[1:])
            if payload[0] == raw.DISCONNECT:
                code, text = r.u32(), r.string()
                if b"type 200 " not in text:  # where no unknown message may stand, either
                    found.append(f"ends with {code}")
                break
            found.append(UNIMPLEMENTED if payload[0] == raw.UNIMPLEMENTED else payload[0])
    except (EOFError, ConnectionError):
        found.append(CLOSED)
    return found[0] if len(found) == 1 else found or GOES_ON


def from_client(world, state, *packets):
    """The reaction to what packets(leg) makes, at the client's leg in this state."""
    with contextlib.ExitStack() as stack:
        if state not in ("connection", "rekey"):
            leg = stack.enter_context(world.client(state))
        else:
            leg, other = map(stack.enter_context, world.log_in())
            if state == "rekey":
                leg.swap_kexinit()
        return reaction(leg, state, packets)


def node_to(state, leg):
    """The node's side of a login, up to this state."""
    if state in ("start", "kexinit"):
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
            leg.send(raw.failure("password,publickey,keyboard-interactive"))
            raw.method_of(leg)


def from_node(world, state, *packets, request=raw.password(USER)):
    """The same at the node's leg, while a client makes this request; the client is told that it is over."""
    if state in ("connection", "rekey"):
        client, leg = world.log_in()
        with client, leg:
            if state == "rekey":
                leg.swap_kexinit()
                leg.expect(raw.ECDH_INIT)
            return reaction(leg, state, packets)

    def script(leg):
        with leg:
            node_to(state, leg)
            return reaction(leg, state, packets)

    with world.node.scripted(script), world.client("auth") as client:
        client.send(request)
        found = world.node.next_leg()
        if found != GOES_ON:
            # No node is left; or the one that knows a password is lost; or the words are the node's own.
            assert client.expect(raw.DISCONNECT).u32() in (7, 10, *[11] * (found == CLOSED))
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


# --- each message, malformed ---

class Str(bytes):
    """A string as it stands in a message."""


def s(value):
    return Str(string(value))


def defects(kind, *fields):
    """{what is wrong: the message}, for everything that can be wrong with the form of a message of these fields."""
    fields = [f if isinstance(f, bytes) else message(0, f)[1:] for f in fields]
    whole = bytes([kind]) + b"".join(fields)
    found = {"a byte too many": whole + b"\0"}
    if fields:
        found |= {"a byte too few": whole[:-1], "nothing": whole[:1]}
    for i, field in enumerate(fields):
        before, after = bytes([kind]) + b"".join(fields[:i]), b"".join(fields[i + 1:])
        if i > 0:
            found[f"an end at {i}"] = before
        if isinstance(field, Str):
            for name, length in (("one too long", len(field) - 4 + len(after) + 1), ("4 GiB", 0xffffffff), ("2 GiB", 1 << 31)):
                found[f"string {i} {name}"] = before + u32(length) + field[4:] + after
    return found


def request(method, *fields):
    return raw.USERAUTH_REQUEST, s(USER), s("ssh-connection"), s(method), *fields


KEY = string(b"ssh-ed25519", bytes(32))
SIGNATURE = string(b"ssh-ed25519", bytes(64))
KEXINIT = (raw.KEXINIT, bytes(16), *[s("x,y")] * 10, False, 0)
BANNER = raw.USERAUTH_BANNER, s(EVIL), s("")
FAILED = raw.USERAUTH_FAILURE, s("password"), False
KBDINT = message(raw.USERAUTH_REQUEST, USER, "ssh-connection", "keyboard-interactive", "", "")
QUERY = message(raw.USERAUTH_REQUEST, USER, "ssh-connection", "publickey", False, "ssh-ed25519", string(KEY))
# leg, state, what it is, its fields, and what becomes of it when something is wrong with its form.
MALFORMED = [
    ("client", "kexinit", "KEXINIT", KEXINIT, PROTOCOL_ERROR),
    ("client", "kex", "ECDH_INIT", (raw.ECDH_INIT, s(bytes([9]) * 32)), KEX_FAILED),
    ("client", "newkeys", "NEWKEYS", (raw.NEWKEYS,), PROTOCOL_ERROR),
    ("client", "service", "UNIMPLEMENTED", (raw.UNIMPLEMENTED, 1), PROTOCOL_ERROR),
    ("client", "service", "EXT_INFO", (raw.EXT_INFO, 1, s(EVIL), s(EVIL)), PROTOCOL_ERROR),
    ("client", "service", "SERVICE_REQUEST", (raw.SERVICE_REQUEST, s("ssh-userauth")), PROTOCOL_ERROR),
    ("client", "service", "PING", (raw.PING, s(EVIL)), PROTOCOL_ERROR),
    ("client", "auth", "KEXINIT", KEXINIT, PROTOCOL_ERROR),
    ("client", "auth", "none", request("none"), PROTOCOL_ERROR),
    ("client", "auth", "password", request("password", False, s(EVIL_TEXT)), PROTOCOL_ERROR),
    ("client", "auth", "a new password", request("password", True, s(EVIL_TEXT), s(EVIL_TEXT)), PROTOCOL_ERROR),
    ("client", "auth", "a key", request("publickey", False, s("ssh-ed25519"), s(KEY)), PROTOCOL_ERROR),
    ("client", "auth", "a signature", request("publickey", True, s("ssh-ed25519"), s(KEY), s(SIGNATURE)), PROTOCOL_ERROR),
    ("client", "auth", "a bound signature", request("publickey-hostbound-v00@openssh.com", True, s("ssh-ed25519"), s(KEY),
                                                    s(KEY), s(SIGNATURE)), PROTOCOL_ERROR),
    ("client", "auth", "keyboard-interactive", request("keyboard-interactive", s(EVIL_TEXT), s(EVIL_TEXT)), PROTOCOL_ERROR),
    ("client", "connection", "KEXINIT", KEXINIT, PROTOCOL_ERROR),
    ("client", "connection", "UNIMPLEMENTED", (raw.UNIMPLEMENTED, 1), PROTOCOL_ERROR),
    ("client", "connection", "PING", (raw.PING, s(EVIL)), PROTOCOL_ERROR),
    ("client", "rekey", "ECDH_INIT", (raw.ECDH_INIT, s(bytes([9]) * 32)), KEX_FAILED),
    ("node", "kexinit", "KEXINIT", KEXINIT, PROTOCOL_ERROR),
    ("node", "kex", "ECDH_REPLY", (raw.ECDH_REPLY, s(KEY), s(bytes([9]) * 32), s(SIGNATURE)), KEX_FAILED),
    ("node", "newkeys", "NEWKEYS", (raw.NEWKEYS,), PROTOCOL_ERROR),
    ("node", "service", "EXT_INFO", (raw.EXT_INFO, 1, s(EVIL), s(EVIL)), PROTOCOL_ERROR),
    ("node", "service", "SERVICE_ACCEPT", (raw.SERVICE_ACCEPT, s("ssh-userauth")), PROTOCOL_ERROR),
    ("node", "auth", "FAILURE", FAILED, PROTOCOL_ERROR),
    ("node", "auth", "SUCCESS", (raw.USERAUTH_SUCCESS,), PROTOCOL_ERROR),
    ("node", "auth", "BANNER", BANNER, PROTOCOL_ERROR),
    ("node", "answer", "FAILURE", FAILED, PROTOCOL_ERROR),
    ("node", "answer", "SUCCESS", (raw.USERAUTH_SUCCESS,), PROTOCOL_ERROR),
    ("node", "answer", "BANNER", BANNER, PROTOCOL_ERROR),
    ("node", "answer", "PASSWD_CHANGEREQ", (raw.PASSWD_CHANGEREQ, s(EVIL), s("")), PROTOCOL_ERROR),
    ("node", "answer", "UNIMPLEMENTED", (raw.UNIMPLEMENTED, 1), PROTOCOL_ERROR),
    ("node", "a question", "INFO_REQUEST", (raw.INFO_REQUEST, s(EVIL), s(EVIL), s(""), 2, s(EVIL), True, s(EVIL), False),
     PROTOCOL_ERROR),
    ("node", "a key", "PK_OK", (raw.PK_OK, s("ssh-ed25519"), s(KEY)), PROTOCOL_ERROR),
    ("node", "connection", "KEXINIT", KEXINIT, PROTOCOL_ERROR),
    ("node", "connection", "PING", (raw.PING, s(EVIL)), PROTOCOL_ERROR),
    ("node", "rekey", "ECDH_REPLY", (raw.ECDH_REPLY, s(KEY), s(bytes([9]) * 32), s(SIGNATURE)), KEX_FAILED),
]
ANSWERS = {"a question": KBDINT, "a key": QUERY}


@pytest.mark.parametrize("leg,state,name,fields,outcome", MALFORMED, ids=[" ".join(m[:3]) for m in MALFORMED])
def test_a_malformed_message(world, leg, state, name, fields, outcome):
    asked = {"request": ANSWERS[state]} if state in ANSWERS else {}
    state = "answer" if asked else state
    compare({what: (LEGS[leg](world, state, sealed(payload), **asked), outcome)
             for what, payload in defects(*fields).items()})


def test_a_malformed_answer_to_a_question(world):
    def question(leg):
        with leg:
            node_to("answer", leg)
            leg.send(message(raw.INFO_REQUEST, "", "", "", 2, "A: ", True, "B: ", False))
            with contextlib.suppress(EOFError):
                return leg.recv()  # nothing of it comes so far

    found = {}
    for what, payload in defects(raw.INFO_RESPONSE, 2, s(EVIL_TEXT), s(EVIL_TEXT)).items():
        with world.node.scripted(question), world.client("auth") as client:
            client.send(KBDINT)
            client.expect(raw.INFO_REQUEST)
            found[what] = reaction(client, "auth", [sealed(payload)]), PROTOCOL_ERROR
            assert world.node.next_leg() is None
    compare(found)


def with_signature(sign):
    """An ECDH_REPLY with a host key and a signature of sign's choice."""
    def reply(leg):
        blob, signature = sign(leg)
        return leg._seal(message(raw.ECDH_REPLY, string(blob), string(bytes([9]) * 32), string(signature)))
    return reply


OTHER = raw.Ed25519PrivateKey.generate()
# What is well-formed and still wrong.
WRONG = {
    "client kexinit nothing in common": (message(KEXINIT[0], *KEXINIT[1:]), KEX_FAILED),
    "client kex a point that gives nothing": (message(raw.ECDH_INIT, string(bytes(32))), KEX_FAILED),
    "client kex a short point": (message(raw.ECDH_INIT, string(bytes(31))), KEX_FAILED),
    "client service another service": (message(raw.SERVICE_REQUEST, "ssh-connection"), NO_SERVICE),
    "client service no service": (message(raw.SERVICE_REQUEST, string(EVIL_TEXT)), NO_SERVICE),
    "client auth another service": (message(raw.USERAUTH_REQUEST, USER, "ssh-evil", "none"), NO_SERVICE),
    "client auth a name with a NUL": (message(raw.USERAUTH_REQUEST, string(b"u\0v"), "ssh-connection", "none"), PROTOCOL_ERROR),
    "client auth a name that is too long": (message(raw.USERAUTH_REQUEST, "u" * 300, "ssh-connection", "none"), PROTOCOL_ERROR),
    "client auth a password that is too long": (raw.password(USER, "x" * 5000), PROTOCOL_ERROR),
    "client auth an unknown method": (message(raw.USERAUTH_REQUEST, USER, "ssh-connection", string(EVIL_TEXT[:40]), EVIL),
                                      raw.USERAUTH_FAILURE),
    "client auth an unknown kind of key": (message(raw.USERAUTH_REQUEST, USER, "ssh-connection", "publickey", False, "x",
                                                   string(string(b"x", EVIL))), raw.USERAUTH_FAILURE),
    "client auth a key that is none": (message(raw.USERAUTH_REQUEST, USER, "ssh-connection", "publickey", False, "ssh-ed25519",
                                               string(EVIL)), raw.USERAUTH_FAILURE),
    "client auth a signature that is none": (message(raw.USERAUTH_REQUEST, USER, "ssh-connection", "publickey", True,
                                                     "ssh-ed25519", string(KEY, EVIL)), raw.USERAUTH_FAILURE),
    "client auth a name for terminals": (message(raw.USERAUTH_REQUEST, string(EVIL_TEXT), "ssh-connection", "publickey", False,
                                                 "ssh-ed25519", string(KEY)), raw.USERAUTH_FAILURE),
    "client connection a nameless request": (message(raw.GLOBAL_REQUEST), PROTOCOL_ERROR),
    "client connection a request without want_reply": (message(raw.GLOBAL_REQUEST, string(EVIL)), PROTOCOL_ERROR),
    "client rekey a point that gives nothing": (message(raw.ECDH_INIT, string(bytes(32))), KEX_FAILED),
    "node kexinit nothing in common": (message(KEXINIT[0], *KEXINIT[1:]), KEX_FAILED),
    "node kex another host key": (with_signature(lambda leg: (raw.own_blob(OTHER), SIGNATURE)), BAD_HOST_KEY),
    "node kex no host key": (with_signature(lambda leg: (EVIL, SIGNATURE)), BAD_HOST_KEY),
    "node kex a wrong signature": (with_signature(lambda leg: (raw.own_blob(leg.trust), SIGNATURE)), KEX_FAILED),
    "node kex a signature that is none": (with_signature(lambda leg: (raw.own_blob(leg.trust), EVIL)), KEX_FAILED),
    "node service another service": (message(raw.SERVICE_ACCEPT, string(EVIL_TEXT)), raw.USERAUTH_REQUEST),
    "node auth a list that is too long": (message(raw.USERAUTH_FAILURE, "m" * 600, False), PROTOCOL_ERROR),
    "client auth an answer to nothing": (message(raw.INFO_RESPONSE, 0), PROTOCOL_ERROR),
    "node answer a hundred questions": (message(raw.INFO_REQUEST, "", "", "", 101, string(*[b""] * 101)), PROTOCOL_ERROR),
    "node answer a list for terminals": (message(raw.USERAUTH_FAILURE, string(EVIL_TEXT), False), GOES_ON),
    "node answer a banner for terminals": (message(raw.USERAUTH_BANNER, string(EVIL), ""), GOES_ON),
    "node connection a nameless request": (message(raw.GLOBAL_REQUEST), PROTOCOL_ERROR),
    "node connection a request without want_reply": (message(raw.GLOBAL_REQUEST, string(EVIL)), PROTOCOL_ERROR),
    "node connection a request for terminals": (message(raw.GLOBAL_REQUEST, string(EVIL), False), GOES_ON),
    "node rekey another host key": (with_signature(lambda leg: (raw.own_blob(OTHER), SIGNATURE)), BAD_HOST_KEY),
    "node rekey a wrong signature": (with_signature(lambda leg: (leg.host_key, SIGNATURE)), KEX_FAILED),
}


def test_what_is_well_formed_and_still_wrong(world):
    found = {}
    for name, (payload, should) in WRONG.items():
        leg, state = name.split()[:2]
        found[name] = LEGS[leg](world, state, payload if callable(payload) else sealed(payload)), should
    compare(found)


def test_another_user_or_service_in_the_middle(world):
    for second in (raw.password("u2"), message(raw.USERAUTH_REQUEST, USER, "ssh-userauth", "none")):
        first = message(raw.USERAUTH_REQUEST, USER, "ssh-connection", "what@example.org")
        came = from_client(world, "auth", sealed(first), sealed(second))
        assert came == [raw.USERAUTH_FAILURE, PROTOCOL_ERROR if second[1:7] == string("u2") else NO_SERVICE]


# --- strict key exchange: nothing but the exchange itself, up to the first NEWKEYS ---

STRICT = {"client": "kex-strict-c-v00@openssh.com", "node": "kex-strict-s-v00@openssh.com"}


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("kind", IGNORED)
@pytest.mark.parametrize("is_early", [False, True])
def test_a_strict_exchange_has_nothing_else_in_it(world, leg, kind, is_early):
    """Neither before the KEXINIT, of which that is seen in it, nor behind."""
    def exchange(raw_leg):
        strange = raw_leg._seal(IGNORED[kind])
        if is_early:
            raw_leg.socket.sendall(strange)
        raw_leg.swap_kexinit(STRICT[leg])
        if leg == "node" and not is_early:
            raw_leg.expect(raw.ECDH_INIT)
        return b"" if is_early else strange

    assert LEGS[leg](world, "start", exchange) == PROTOCOL_ERROR


# --- packets ---

def body(leg, padding):
    """The smallest body that fits; it says that it has so much padding."""
    return bytes([padding]) + bytes([raw.IGNORE]) + bytes(30 if leg.sender else 10)


FRAMES = {
    "padding of three": lambda leg: leg.wrap(body(leg, 3)),
    "padding and nothing else": lambda leg: leg.wrap(body(leg, len(body(leg, 0)) - 1)),
    "more padding than there is": lambda leg: leg.wrap(body(leg, 255)),
    "no length": lambda leg: leg.wrap(body(leg, 4), 0),
    "a length of one": lambda leg: leg.wrap(body(leg, 4), 1),
    "a length that no block divides": lambda leg: leg.wrap(body(leg, 4) + b"x"),
    "a length just over the limit": lambda leg: leg.wrap(body(leg, 4), (256 << 10) + 16 - (0 if leg.sender else 4)),
    "a length of 2 GiB": lambda leg: leg.wrap(body(leg, 4), 1 << 31),
    "a length of 4 GiB": lambda leg: leg.wrap(body(leg, 4), 0xffffffff),
}
FORGED = {
    "a wrong tag": lambda leg: flip(leg._seal(bytes([raw.IGNORE]) + string("x")), -1),
    "a changed payload": lambda leg: flip(leg._seal(bytes([raw.IGNORE]) + string("x")), 7),
    "a packet twice": lambda leg: leg._seal(bytes([raw.IGNORE]) + string("x")) * 2,
}


def flip(packet, at):
    packet = bytearray(packet)
    packet[at] ^= 1
    return bytes(packet)


@pytest.mark.parametrize("leg,state", EVERYWHERE)
def test_a_bad_packet(world, leg, state):
    compare({name: (LEGS[leg](world, state, frame), PROTOCOL_ERROR) for name, frame in FRAMES.items()})


@pytest.mark.parametrize("leg,state", [x for x in EVERYWHERE if x[1] not in ("kexinit", "kex", "newkeys")])
def test_a_forged_packet(world, leg, state):
    compare({name: (LEGS[leg](world, state, frame), MAC_ERROR) for name, frame in FORGED.items()})


# --- what both ends of a connection see ---

MESSAGES = [bytes([kind]) + rest for kind in CONNECTION if kind not in (80, 81, 82)
            for rest in (b"", b"\0", string(EVIL), u32(0xffffffff), u32(0, 0xffffffff))]


@pytest.mark.parametrize("sender", [0, 1])
def test_what_a_channel_says_wrongly_is_the_other_ends_to_judge(world, sender):
    legs = world.log_in()
    with legs[0], legs[1]:
        legs[sender].send(*MESSAGES)
        assert legs[1 - sender].take(len(MESSAGES)) == MESSAGES


@pytest.mark.parametrize("sender", [0, 1])
def test_replies_that_nobody_asked_for_go_nowhere(world, sender):
    legs = world.log_in()
    with legs[0], legs[1]:
        end = message(raw.WINDOW_ADJUST, 0, 1)
        legs[sender].send(bytes([raw.REQUEST_SUCCESS]), bytes([raw.REQUEST_FAILURE]), message(raw.PONG, "x"), end)
        assert legs[1 - sender].recv() == end


@pytest.mark.parametrize("sender", [0, 1])
def test_the_largest_message_passes_and_a_larger_one_ends_the_connection(world, sender):
    largest = (256 << 10) - 4 - 1 - 4
    legs = world.log_in()
    with legs[0], legs[1]:
        one, other = legs[sender], legs[1 - sender]
        data = message(raw.DATA, 0, string(bytes(largest - 9)))
        one.send(data)
        assert other.recv() == data
        one.send(data + bytes(32))
        assert one.expect(raw.DISCONNECT).u32() == 2
        assert other.expect(raw.DISCONNECT).u32() == 11


@pytest.mark.parametrize("sender", [0, 1])
def test_the_other_end_is_told_who_broke_the_rules_and_not_how(world, sender):
    legs = world.log_in()
    with legs[0], legs[1]:
        one, other = legs[sender], legs[1 - sender]
        data = message(raw.DATA, 0, string(EVIL))
        one.send(data)
        one.socket.sendall(FORGED["a wrong tag"](one))
        assert other.recv() == data
        r = other.expect(raw.DISCONNECT)
        assert (r.u32(), b"broke the SSH protocol" in r.string()) == (11, True)
        assert one.expect(raw.DISCONNECT).u32() == 5


def test_before_the_login_a_packet_may_be_so_long_and_no_longer(world):
    with world.client("auth") as leg:
        leg.send(message(raw.IGNORE, string(bytes(60 << 10))), message(raw.PING, "x"))
        leg.expect(raw.PONG)
        leg.send(message(raw.IGNORE, string(bytes(100 << 10))))
        assert leg.expect(raw.DISCONNECT).u32() == 2


@pytest.mark.parametrize("sender", [0, 1])
def test_a_goodbye_for_terminals_is_shown_as_text(world, sender):
    legs = world.log_in()
    with legs[0], legs[1]:
        legs[sender].send(message(raw.DISCONNECT, 11, string(EVIL), string(EVIL)))
        r = legs[1 - sender].expect(raw.DISCONNECT)
        code, text = r.u32(), r.string()
        assert code == 11
        assert text.startswith(b"\\x1b]0;evil\\x07") and text.isascii() and text.decode().isprintable()


def test_a_name_for_terminals_is_shown_as_text(world):
    """Of a user whom the node lets in: in the log, and to administrators."""
    name = (EVIL_TEXT.replace(b"\x9b\xff", b"") + b"x").decode()
    with world.client("auth") as client:
        client.send(raw.password(name))
        client.expect(raw.USERAUTH_SUCCESS)
        with world.node.next_leg() as node:
            client.send(message(raw.WINDOW_ADJUST, 0, 1))
            node.recv()
            for what in ("connections", "users"):
                assert [row for row in world.broker.rows(what) if "evil" in row["user"]]
                for options in ((), ("--json",)):
                    done = world.broker.ctl_done(what, *options)
                    assert done.returncode == 0 and b"evil" in done.stdout
                    assert all(line.isprintable() for line in done.stdout.decode().splitlines()), done.stdout
                    assert b"\r" not in done.stdout
