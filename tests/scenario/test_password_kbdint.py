"""Secrets that users type: passwords, and conversations with PAM."""
import pytest

GOOD, BAD = "correct horse", "battery staple"
METHODS = {"password": "-oPreferredAuthentications=password",
           "kbdint": "-oPreferredAuthentications=keyboard-interactive"}


@pytest.fixture(params=METHODS)
def typist(pool, request):
    """A user without a key: typist(answers) logs in and runs a command."""
    client = pool.client(key=None)
    return lambda answers, *options: client.answer(answers, "whoami; exit 4", METHODS[request.param], *options)


@pytest.mark.feature("Login: by {typist}")
def test_a_right_password_logs_in(typist, pool):
    status, text = typist([GOOD])
    assert status == 4, text


@pytest.mark.feature("Login: by {typist}")
def test_a_wrong_password_is_asked_for_again(typist):
    status, text = typist([BAD, GOOD])
    assert status == 4, text


@pytest.mark.feature("Login: by {typist}")
def test_wrong_passwords_are_denied(typist):
    status, text = typist([BAD] * 3)
    assert (status, "Permission denied" in text) == (255, True), text


@pytest.mark.feature("Login: by {typist}")
def test_an_empty_password_is_denied(typist):
    status, text = typist([""], "-oNumberOfPasswordPrompts=1")
    assert status == 255, text


@pytest.mark.feature("Login: several rounds of questions")
def test_several_rounds_of_questions(pool):
    """An expired password: PAM asks for the old one twice and for the new one twice."""
    client = pool.client(pool.user(must_change_password=True), key=None)
    new = "a much longer 1 than before"
    status, text = client.answer([GOOD, GOOD, new, new], "echo in", METHODS["kbdint"])
    assert (status, "in\r\n" in text) == (0, True), text


def test_an_expired_password_is_changed_in_the_session(pool):
    """Who gets in with it is let do nothing else."""
    client = pool.client(pool.user(must_change_password=True), key=None)
    new = "a much longer 1 than before"
    status, text = client.answer([GOOD, GOOD, new, new], "echo in", METHODS["password"], "-tt")
    assert (status, "password updated" in text, "in\r\n" in text) == (0, True, False), text


@pytest.mark.feature("Login: by key, and then what is typed")
def test_a_key_and_then_a_password(make_pool, via):
    pool = make_pool(via, nodes=1, node_config="AuthenticationMethods publickey,keyboard-interactive publickey,password")
    client = pool.client()
    for method in ("password", "keyboard-interactive"):
        option = f"-oPreferredAuthentications=publickey,{method}"
        status, text = client.answer([GOOD], "echo in", option)
        assert (status, "in\r\n" in text) == (0, True), text
        assert client.answer([BAD], "echo in", option, "-oNumberOfPasswordPrompts=1")[0] == 255
    assert client.run("echo in", "-oPreferredAuthentications=publickey").returncode == 255


@pytest.mark.feature("Login: banner and methods are the node's")
def test_banner_and_methods_are_those_of_the_node(make_pool, via):
    pool = make_pool(via, nodes=1, node_config="Banner /etc/issue.ssh\nPasswordAuthentication no")
    pool.nodes[0].write("/etc/issue.ssh", "Mind the gap.\n")
    client = pool.client()
    assert client.run("true").stderr.count(b"Mind the gap.") == 1
    done = pool.client(client.user, None).run("true")
    assert b"Permission denied (publickey,keyboard-interactive)" in done.stderr
