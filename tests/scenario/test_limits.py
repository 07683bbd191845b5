"""What the broker refuses to spend on strangers."""
import socket
import time

from lib import proc


def stranger(pool):
    """A connection that says nothing."""
    s = socket.create_connection((pool.endpoint().host, pool.endpoint().port), 10)
    s.settimeout(proc.seconds(30))
    return s


def ended(s):
    """Wait for the end of a connection; what it was told before."""
    text = b""
    try:
        while part := s.recv(4096):
            text += part
    except ConnectionResetError:
        pass
    return text


def test_a_silent_stranger_is_disconnected(brokered):
    pool = brokered(nodes=1, limits={"login_grace_s": 2})
    begin = time.monotonic()
    ended(stranger(pool))
    assert 1.5 < time.monotonic() - begin < proc.seconds(10)


def test_the_grace_time_ends_with_the_login(brokered):
    pool = brokered(nodes=1, limits={"login_grace_s": 2})
    assert pool.client().out("sleep 4; echo still") == "still\n"


def test_strangers_from_one_address_are_bounded_and_others_are_served(brokered):
    pool = brokered(nodes=1, limits={"unauthenticated_per_source_max": 3})
    client = pool.client()
    held = [stranger(pool) for _ in range(3)]
    for s in held:
        assert s.recv(4).startswith(b"SSH-")
    assert client.run("echo in").returncode == 255
    assert client.out("echo in", "-b", "127.9.9.9") == "in\n"
    for s in held:
        s.close()
    proc.wait_for(lambda: client.run("echo in").stdout == b"in\n", "a login from there")


def test_garbage_is_answered_with_the_end(brokered):
    pool = brokered(nodes=1)
    for garbage in (b"GET / HTTP/1.0\r\n\r\n", b"\0" * 1000, b"SSH-1.5-old\r\n", b"SSH-2.0-x\r\n" + b"\xff" * 64,
                    b"A" * 100000, b"SSH-2.0-" + b"x" * 1000 + b"\r\n"):
        s = stranger(pool)
        try:
            s.sendall(garbage)
        except OSError:
            pass
        ended(s)
        s.close()
    assert pool.client().out("echo in") == "in\n"


def test_authentication_tries_are_bounded(brokered):
    pool = brokered(nodes=1, limits={"auth_tries_max": 3})
    client = pool.client(key=None, options="NumberOfPasswordPrompts 10\nPreferredAuthentications password")
    status, text = client.answer(["wrong"] * 10, "echo in")
    assert status == 255
    assert text.count("assword:") <= 4, text


def test_a_gate_takes_only_as_many_logins_as_it_has_descriptors_for(brokered):
    pool = brokered(nodes=1, roles={"gates": 1})
    pool.broker.stop()
    pool.broker.prefix = ["prlimit", "--nofile=160:160"]
    pool.broker.start()
    gate, client = pool.broker.wait_role("gate"), pool.client()
    assert client.out("echo in") == "in\n"
    held = [stranger(pool) for _ in range(60)]
    proc.wait_for(lambda: client.run("echo in").returncode == 255, "a refusal")
    for s in held:
        s.close()
    proc.wait_for(lambda: client.run("echo in").stdout == b"in\n", "a login")
    assert pool.broker.pids("gate") == [gate]
    assert "limits.unauthenticated_max it would need" in pool.broker.log_since()
    assert "no clients are accepted" not in pool.broker.log_since()
