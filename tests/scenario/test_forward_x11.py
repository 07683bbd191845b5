"""A display at home, programs on the node."""
import subprocess

import pytest

from lib import proc

pytestmark = pytest.mark.feature("X11, agent, tun: X11")


@pytest.fixture(scope="module")
def display(temp):
    """A real X server whose windows nobody sees; its DISPLAY and its file of cookies."""
    cookies = temp / "Xauthority"
    cookie = "0123456789abcdef" * 2
    # The name of the display is not known before the server runs, and it wants the cookie then.
    subprocess.run(["xauth", "-q", "-f", cookies, "add", ":0", ".", cookie], check=True)
    p = proc.spawn(["Xvfb", "-displayfd", "1", "-screen", "0", "321x123x24", "-nolisten", "tcp", "-auth", cookies,
                    "-noreset", "+extension", "SECURITY"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    name = f":{p.stdout.readline().decode().strip()}"
    subprocess.run(["xauth", "-q", "-f", cookies, "add", name, ".", cookie], check=True)
    yield {"DISPLAY": name, "XAUTHORITY": str(cookies)}
    proc.stop(p)


@pytest.fixture
def seat(pool, display):
    """A user before that display."""
    client = pool.client(pool.user(kind="x11"))
    client.env.update(display)
    return client


def facts(text):
    """What xdpyinfo says that does not depend on the way there: all but the name and the resources' numbers."""
    lines = text.splitlines()
    return [x for x in lines if "0x" not in x and not x.startswith("name of display") and "focus" not in x]


def extensions(text):
    after = text.split("number of extensions:")[1].splitlines()
    return {x.strip() for x in after[1:int(after[0]) + 1]}


def test_a_trusted_program_sees_the_display_as_at_home(seat):
    at_home = seat.local(["xdpyinfo"], check=True).stdout.decode()
    text = seat.out("echo $DISPLAY; xauth list | wc -l; xdpyinfo", "-Y")
    name, cookies, seen = text.split("\n", 2)
    assert (name.startswith("localhost:1"), cookies) == (True, "1")
    assert facts(seen) == facts(at_home)
    assert "dimensions:    321x123 pixels" in seen


def test_an_untrusted_program_sees_less_of_it(seat):
    at_home = seat.local(["xdpyinfo"], check=True).stdout.decode()
    seen = seat.out("xdpyinfo", "-X", "-oForwardX11Trusted=no")
    assert "dimensions:    321x123 pixels" in seen
    assert extensions(seen) < extensions(at_home)


def test_many_programs_at_once(seat):
    done = seat.out("for i in $(seq 12); do xdpyinfo >/dev/null && echo seen & done; wait", "-Y")
    assert done == "seen\n" * 12


def test_a_wrong_cookie_is_refused(seat):
    done = seat.run('xauth -q add "$DISPLAY" . 00000000000000000000000000000000; xdpyinfo', "-Y")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"unable to open display" in done.stderr


def test_the_display_ends_with_the_session(seat):
    """One connection, one display; asked for once, it is for one session."""
    with seat.master():
        name = seat.out("echo $DISPLAY", "-Y").strip()
        assert seat.out("echo [$DISPLAY]", "-x").strip() == "[]"
        assert seat.run(f"DISPLAY={name} xdpyinfo", "-x").returncode == 1


def test_a_node_that_forwards_no_display_says_so(pool, display):
    client = pool.client()
    client.env.update(display)
    done = client.run("echo [$DISPLAY]", "-Y")
    assert (done.returncode, done.stdout) == (0, b"[]\n")
    assert b"X11 forwarding request failed on channel 0" in done.stderr
