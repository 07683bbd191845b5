"""Every way to log in that a node may ask for: the client sees what it sees without the broker."""
import contextlib
import itertools

import pytest

from lib import keys, proc
from lib import rawssh as raw
from lib.broker import Broker
from lib.client import Client
from lib.rawssh import message, string

GOOD, BAD = raw.PASSWORD, "battery staple"
KEY, PASSWORD, QUESTION = (f"-oPreferredAuthentications={x}" for x in ("publickey", "password", "keyboard-interactive"))


def denied(done, *words):
    return done.returncode == 255 and all(w.encode() in done.stderr for w in words or ["Permission denied"])


# --- what the nodes ask for ---

@pytest.mark.feature("Login: by key, and then what is typed")
@pytest.mark.parametrize("kind,method", [("keyword", "password"), ("keyquestion", "keyboard-interactive")])
def test_a_key_and_something_typed(pool, kind, method):
    client = pool.client(pool.user(kind=kind))
    option = f"-oPreferredAuthentications=publickey,{method}"
    status, text = client.answer([GOOD], "echo in", option)
    assert (status, "in\r\n" in text) == (0, True), text
    status, text = client.answer([BAD, BAD], "echo in", option, "-oNumberOfPasswordPrompts=2")
    assert (status, f"Permission denied ({method})" in text) == (255, True), text
    assert denied(client.run("echo in", KEY), f"Permission denied ({method})")
    assert client.answer([GOOD], "echo in", f"-oPreferredAuthentications={method}")[0] == 255


@pytest.mark.feature("Login: AuthenticationMethods password publickey")
def test_one_of_two(pool):
    client = pool.client(pool.user(kind="either"))
    assert client.out("echo in", KEY) == "in\n"
    assert client.answer([GOOD], "echo in", PASSWORD)[0] == 0
    assert client.answer([GOOD], "echo in", QUESTION)[0] == 255


@pytest.mark.feature("Login: by two keys")
def test_two_keys_are_two_keys(pool):
    user = pool.user(kind="twokeys")
    one, other, unknown = [pool.key(user, kind) for kind in ("ed25519", "ecdsa-256", "ed25519")]
    pool.authorize(user, keys.public(one), keys.public(other))
    assert pool.client(user, one, options=f"IdentityFile {other}").out("echo in") == "in\n"
    assert pool.client(user, other, options=f"IdentityFile {unknown}\nIdentityFile {one}").out("echo in") == "in\n"
    assert denied(pool.client(user, one).run("echo in"))
    assert denied(pool.client(user, one, options=f"IdentityFile {unknown}").run("echo in"))


@pytest.mark.feature("Login: by two keys")
def test_the_same_key_twice_is_one_key(pool):
    """A client that does not mind showing it again; also named in another way."""
    user = pool.user(kind="twokeys")
    key = pool.key(user)
    for is_bound in (False, True):
        with at_authentication(pool.endpoint()) as leg:
            leg.send(leg.with_key(user.name, key))
            assert leg.recv() == raw.failure("publickey", True)
            for bound in (is_bound, not is_bound):
                leg.send(leg.with_key(user.name, key, bound))
                assert leg.recv() == raw.failure("publickey", False)


def at_authentication(endpoint):
    leg = raw.RawClient(endpoint)
    leg.exchange()
    leg.begin()
    return leg


@pytest.mark.feature("Login: publickey-hostbound")
@pytest.mark.parametrize("is_bound", [False, True])
def test_a_request_may_name_the_host_key(pool, client, is_bound):
    """publickey-hostbound: what an agent with destinations signs."""
    with at_authentication(pool.endpoint()) as leg:
        leg.send(leg.with_key(client.user.name, client.key, is_bound))
        leg.expect(raw.USERAUTH_SUCCESS)
        assert leg.extensions[b"publickey-hostbound@openssh.com"] == b"0"


@pytest.mark.feature("Login: publickey-hostbound")
def test_a_request_that_names_another_host_key_is_refused(pool, client, via):
    other = raw.key_blob(keys.public(keys.make_key(client.folder, "other")))
    with at_authentication(pool.endpoint()) as leg:
        leg.send(leg.with_key(client.user.name, client.key, True, host_key=other))
        if via == "broker":
            leg.expect(raw.USERAUTH_FAILURE)
        else:  # sshd says nothing more
            with pytest.raises(EOFError):
                leg.recv()


def test_a_node_without_anything_that_passes_is_explained(pool, via):
    client = pool.client(pool.user(kind="hostbased"))
    done = client.run("echo in")
    assert denied(done)
    if via == "broker":
        assert b"allow no way to log in that works through the broker" in done.stderr


@pytest.mark.feature("Login: MaxAuthTries")
@pytest.mark.parametrize("kind,tries", [("one", 1), ("few", 3)])
@pytest.mark.parametrize("method", [PASSWORD, QUESTION])
def test_only_so_many_tries(pool, kind, tries, method):
    client = pool.client(pool.user(kind=kind), None)
    option = "-oNumberOfPasswordPrompts=9"
    status, text = client.answer([BAD] * 9, "echo in", method, option)
    assert (status, "Too many authentication failures" in text) == (255, True), text
    assert text.count("assword:") == tries, text
    status, text = client.answer([BAD] * (tries - 1) + [GOOD], "echo in", method, option)
    assert (status, "in\r\n" in text) == (0, True), text


def test_an_open_account_needs_no_password(make_pool, via):
    """A broker that knew other methods before learns of it when somebody comes in."""
    pool = make_pool(via, nodes=1, node_config="PermitEmptyPasswords yes")
    assert pool.client().out("echo in") == "in\n"
    client = pool.client(pool.user(""), None)
    if via == "broker":
        status, text = client.answer([""], "echo in", PASSWORD)
        assert (status, "in\r\n" in text) == (0, True), text
    assert client.out("echo in") == "in\n"
    assert pool.client(pool.user(""), None).out("echo in") == "in\n"
    assert denied(pool.client(pool.user(), None).run("echo in"))


def test_an_open_account_is_closed_where_the_node_says_so(pool):
    closed = pool.client(pool.user(""), None)
    assert closed.answer([""], "echo in", PASSWORD, "-oNumberOfPasswordPrompts=1")[0] == 255


# --- many keys ---

@pytest.fixture
def wrong_keys(pool):
    """Keys that nobody accepts; made once."""
    folder = pool.folder / "wrong"
    if not folder.exists():
        folder.mkdir()
        for n in range(19):
            keys.make_key(folder, f"k{n}")
    return [folder / f"k{n}" for n in range(19)]


@contextlib.contextmanager
def agent(client, paths):
    """An agent with these keys, in this order."""
    path = client.folder / "agent"
    p = proc.spawn(["ssh-agent", "-D", "-a", path])
    client.env["SSH_AUTH_SOCK"] = str(path)
    try:
        proc.wait_for(lambda: client.local(["ssh-add", "-l"]).returncode == 1, "the agent, with no key yet")
        client.local(["ssh-add", "-q", *paths], check=True)
        yield [f"-oIdentityAgent={path}", KEY]
    finally:
        proc.stop(p)


@pytest.mark.feature("Login: twenty keys in an agent, in any order")
def test_twenty_keys_of_an_agent(pool, wrong_keys):
    """The last one is right: good where the node takes so many tries."""
    user = pool.user(kind="many")
    key = pool.key(user)
    client = pool.client(user, None, options="IdentitiesOnly no\nIdentityFile none\nPubkeyAuthentication yes")
    with agent(client, [*wrong_keys, key]) as options:
        assert len(client.local(["ssh-add", "-l"]).stdout.splitlines()) == 20
        assert client.out("echo in", *options) == "in\n"


@pytest.mark.feature("Login: MaxAuthTries")
def test_too_many_keys_of_an_agent(pool, wrong_keys):
    user = pool.user(kind="few")
    key = pool.key(user)
    client = pool.client(user, None, options="IdentitiesOnly no\nIdentityFile none\nPubkeyAuthentication yes")
    with agent(client, [*wrong_keys[:5], key]) as options:
        done = client.run("echo in", *options, "-v")
        assert denied(done, "Too many authentication failures"), done.stderr
        assert done.stderr.count(b"Offering public key") == 3
        # The one that is named comes first, and alone.
        assert client.out("echo in", *options, "-oIdentitiesOnly=yes", f"-oIdentityFile={key}.pub") == "in\n"


@pytest.mark.feature("Login: MaxAuthTries")
def test_the_node_stays_in_use_after_too_many_failures(pool, wrong_keys):
    """Nothing is wrong with it."""
    user = pool.user(kind="one")
    for _ in range(2):
        done = pool.client(user, wrong_keys[0]).run("echo in", KEY)
        assert denied(done, "Too many authentication failures"), done.stderr
    assert pool.client(user).out("echo in", KEY) == "in\n"


@pytest.mark.feature("Login: twenty keys in an agent, in any order")
def test_keys_in_the_wrong_order(pool, wrong_keys):
    client = pool.client(options="".join(f"IdentityFile {k}\n  " for k in wrong_keys[:5]))
    done = client.run("echo in", KEY, "-v", check=True)
    assert done.stdout == b"in\n"
    assert done.stderr.count(b"Offering public key") == 6


# --- names ---

NAMES = ["user{n}@domain.example", "DOMAIN{n}\\user", "first{n}.last", "u{n}+n1", "u{n}+what", "UPPER{n}", "machine{n}$",
         "j\u00fcrg{n}", "first{n} last", "a{n}%u%h%%", "a{n}$HOME`id`", "u{n}'\"", "u{n}*", "n{n}=x,y;z", "u{n}" + "x" * 28]


@pytest.mark.feature("Login: names with @, backslash and dots")
@pytest.mark.parametrize("name", NAMES)
def test_a_name(pool, name):
    """By key and by password: what runs, runs as this user, and the list of connections has it as it is."""
    user = pool.user(name=name)
    client = pool.client(user)
    assert client.out("id -u; whoami", KEY) == f"{user.uid}\n{user.name}\n"
    assert client.answer([GOOD], "exit 4", PASSWORD)[0] == 4


# --- banners ---

@pytest.mark.feature("Login: banners of any size")
@pytest.mark.parametrize("size", [1, 3000, 200 << 10])
def test_a_banner(pool, size):
    text = ("Mind the gap, \u00e4nd th\u00e9 st\u00e8p.\n" * (size // 20 + 1)).encode()[:size].decode(errors="ignore")
    for node in pool.nodes:
        node.write("/etc/ssh/banner", text)
    client = pool.client(pool.user(kind="banner"))
    done = client.run("echo in")
    assert done.stdout == b"in\n"
    shown = client.local(["sh", "-c", f"{' '.join(client.ssh)} -oLogLevel=ERROR pool true 2>&1"]).stdout
    assert shown == b"" and len(done.stderr) >= len(text.encode())
    assert done.stderr.count(b"Mind the gap") == text.count("Mind the gap")


@pytest.mark.feature("Login: banners of any size")
def test_no_banner(pool):
    for node in pool.nodes:
        node.write("/etc/ssh/banner-empty", "")
    done = pool.client(pool.user(kind="nobanner")).run("echo in")
    assert (done.stdout, done.stderr) == (b"in\n", b"")


# --- what no sshd can be made to say ---

@pytest.fixture(scope="module")
def node():
    node = raw.RawNode()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def entrance(node, temp, via):
    if via == "direct":
        yield node.endpoint()
        return
    broker = Broker(temp / "authentication", [node])
    broker.start()
    yield broker.endpoint()
    broker.stop()


@pytest.fixture
def talk(node, entrance):
    """talk([(what the client says, what the node hears and answers)]): a whole conversation, checked at both ends.

    The client begins with "none", as all do.  Each answer is a list of messages.
    """
    def run(*turns):
        def script(leg):
            node.begin(leg)
            assert raw.method_of(leg) == b"none"
            leg.send(raw.failure("publickey,password,keyboard-interactive"))
            heard = []
            for _, answers in turns:
                heard.append(leg.recv())
                while heard[-1] == none:
                    leg.send(raw.failure("publickey,password,keyboard-interactive"))
                    heard[-1] = leg.recv()
                leg.send(*answers)
            leg.heard = heard
            return leg

        none = message(raw.USERAUTH_REQUEST, "u1", "ssh-connection", "none")
        got = []
        with node.scripted(script), at_authentication(entrance) as client:
            client.send(none)
            assert client.recv() == raw.failure("publickey,password,keyboard-interactive")
            for said, answers in turns:
                client.send(said)
                got.append([client.recv(boring=()) for _ in answers])
            with node.next_leg() as leg:
                assert leg.heard == [said for said, _ in turns]
        return got

    return run


SUCCESS = bytes([raw.USERAUTH_SUCCESS])
CHANGE = message(raw.PASSWD_CHANGEREQ, "Your password is too old; \u00e4 new one:", "de")


def new_password(old, new):
    return message(raw.USERAUTH_REQUEST, "u1", "ssh-connection", "password", True, old, new)


def carried(turns):
    return [answers for _, answers in turns]


@pytest.mark.feature("Login: a password change request", client="raw")
def test_a_password_that_must_be_changed(talk):
    turns = [(raw.password("u1", "old"), [CHANGE]), (new_password("old", "weak"), [CHANGE]),
             (new_password("wrong", "new"), [raw.failure("password")]), (raw.password("u1", "old"), [CHANGE]),
             (new_password("old", "better \u00fc"), [SUCCESS])]
    assert talk(*turns) == carried(turns)


@pytest.mark.feature("Login: a password change request", client="raw")
def test_a_changed_password_that_is_not_enough(talk):
    question = message(raw.INFO_REQUEST, "", "", "", 1, "Code: ", False)
    turns = [(raw.password("u1", "old"), [CHANGE]), (new_password("old", "new"), [raw.failure("keyboard-interactive", True)]),
             (KBDINT, [question]), (message(raw.INFO_RESPONSE, 1, "123"), [SUCCESS])]
    assert talk(*turns) == carried(turns)


KBDINT = message(raw.USERAUTH_REQUEST, "u1", "ssh-connection", "keyboard-interactive", "de-DE", "pam,skey")


def ask(*prompts, name="", instruction=""):
    return message(raw.INFO_REQUEST, name, instruction, "", len(prompts), *itertools.chain(*prompts))


@pytest.mark.feature("Login: several rounds of questions", client="raw")
def test_rounds_of_questions(talk):
    """None at all, with an echo, many, long and in other tongues; and none at the end, where there is only something to say."""
    many = [(f"{n}: ", n % 2 == 0) for n in range(100)]
    turns = [
        (KBDINT, [ask(name="", instruction="Attention, please\n")]),
        (message(raw.INFO_RESPONSE, 0), [ask(("User: ", True), name="\u0416", instruction="Who?\nWell?")]),
        (message(raw.INFO_RESPONSE, 1, "me"), [ask(*many)]),
        (message(raw.INFO_RESPONSE, 100, *[f"answer {n}" for n in range(100)]), [ask(("x" * 5000, False))]),
        (message(raw.INFO_RESPONSE, 1, "y" * 5000), [ask(("", False))]),
        (message(raw.INFO_RESPONSE, 1, ""), [ask()]),
        (message(raw.INFO_RESPONSE, 0), [SUCCESS])]
    assert talk(*turns) == carried(turns)


@pytest.mark.feature("Login: several rounds of questions", client="raw")
def test_a_wrong_number_of_answers_is_for_the_node_to_judge(talk):
    turns = [(KBDINT, [ask(("A: ", False), ("B: ", False))]), (message(raw.INFO_RESPONSE, 1, "a"), [raw.failure("password")]),
             (KBDINT, [ask()]), (message(raw.INFO_RESPONSE, 1, "a"), [SUCCESS])]
    assert talk(*turns) == carried(turns)


@pytest.mark.feature("Login: banners of any size", client="raw")
def test_banners_at_any_time(talk):
    banners = [message(raw.USERAUTH_BANNER, text, "") for text in ("", "\n", "one\r\n", "\u00e4", "x" * 200000)]
    turns = [(raw.password("u1"), [*banners, raw.failure("password")]), (KBDINT, [banners[2], ask()]),
             (message(raw.INFO_RESPONSE, 0), [banners[2], banners[0], SUCCESS])]
    assert talk(*turns) == carried(turns)


@pytest.mark.parametrize("methods,carried", [
    ("password", "password"), ("gssapi-with-mic,password,hostbased", "password"), ("what@example.org,publickey", "publickey"),
    ("publickey,gssapi-keyex,keyboard-interactive", "publickey,keyboard-interactive")])
@pytest.mark.parametrize("is_partial", [False, True])
def test_lists_of_methods_name_what_passes(talk, via, methods, carried, is_partial):
    found = talk((raw.password("u1"), [raw.failure(methods, is_partial)]), (raw.password("u1"), [SUCCESS]))
    assert found[0] == [raw.failure(methods if via == "direct" else carried, is_partial)]


def test_a_list_of_nothing_that_passes_is_explained(talk, via):
    end = raw.failure("gssapi-with-mic,hostbased", True)
    if via == "direct":
        assert talk((raw.password("u1"), [end])) == [[end]]
        return
    (banner,), = talk((raw.password("u1"), [end]))
    assert b"works through the broker" in banner
