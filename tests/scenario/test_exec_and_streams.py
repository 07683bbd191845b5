"""Commands without a terminal: streams, exit statuses, and the switches of ssh."""
import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import proc

BLOB = random.Random(7).randbytes(8 << 20)


@pytest.mark.feature("Sessions: a command's input, output and errors")
def test_a_command_runs_on_a_node(client, pool):
    assert client.out("hostname").strip() in [n.name for n in pool.nodes]
    assert client.out("whoami").strip() == client.user.name


@pytest.mark.feature("Sessions: a command's input, output and errors")
@pytest.mark.parametrize("size", [0, 1, 32 * 1024, len(BLOB)])
def test_stdin_arrives_whole(client, size):
    assert client.out("sha256sum", stdin=BLOB[:size]).split()[0] == hashlib.sha256(BLOB[:size]).hexdigest()


@pytest.mark.feature("Sessions: a command's input, output and errors")
def test_stdout_and_stderr_arrive_whole_and_apart(client):
    done = client.run("tee /dev/stderr", stdin=BLOB)
    assert (done.returncode, done.stdout == BLOB, done.stderr == BLOB) == (0, True, True)


@pytest.mark.feature("Sessions: a command's input, output and errors")
def test_stderr_is_not_stdout(client):
    done = client.run("echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


@pytest.mark.feature("Sessions: exit status")
def test_every_exit_status_arrives(client):
    with client.master(), ThreadPoolExecutor(8) as many:
        statuses = list(many.map(lambda n: client.run(f"exit {n}").returncode, range(256)))
    assert statuses == list(range(256))


@pytest.mark.feature("Sessions: exit status")
@pytest.mark.parametrize("status", [0, 1, 42, 254, 255])
def test_exit_status_of_a_connection_of_its_own(client, status):
    assert client.run(f"exit {status}").returncode == status


@pytest.mark.feature("Sessions: exit signal")
def test_exit_signal_arrives(client):
    done = client.run("kill -TERM $$", "-v")
    assert done.returncode == 255
    assert b"rtype exit-signal" in done.stderr


@pytest.mark.feature("Sessions: a command's input, output and errors")
def test_last_bytes_before_the_end_arrive(client):
    expected = "".join(f"{i}\n" for i in range(1, 100001))
    for _ in range(5):
        done = client.run("seq 1 100000; exit 9")
        assert (done.returncode, done.stdout.decode() == expected) == (9, True)


@pytest.mark.feature("Sessions: exit status")
def test_a_command_that_ends_early_keeps_its_status(client):
    done = client.run("head -c 5; exit 3", stdin=BLOB)
    assert (done.returncode, done.stdout) == (3, BLOB[:5])


@pytest.mark.feature("Sessions: half-closed streams, eow@openssh.com")
def test_output_after_the_end_of_stdin_arrives(client):
    done = client.run("cat >/dev/null; sleep 0.3; head -c 1000000 /dev/zero; exit 4", stdin=b"x" * 100000)
    assert (done.returncode, len(done.stdout)) == (4, 1000000)


@pytest.mark.feature("Sessions: half-closed streams, eow@openssh.com")
def test_input_after_the_end_of_stdout_arrives(client):
    assert client.run("exec >&-; sleep 0.3; sha256sum >&2", stdin=BLOB).stderr.split()[0] == \
        hashlib.sha256(BLOB).hexdigest().encode()


@pytest.mark.feature("Sessions: half-closed streams, eow@openssh.com")
def test_a_reader_that_has_enough_ends_the_writer(client):
    """ssh host yes | head: the end of the reader is told, and the writer dies of it."""
    p = client.popen("yes 2>/dev/null; exit $((100 + $?))")
    assert p.stdout.read(2000) == b"y\n" * 1000
    p.stdout.close()
    assert p.wait(proc.seconds(20)) in (241, 101)  # by SIGPIPE, or where that is ignored


@pytest.mark.feature("Sessions: a command's input, output and errors")
def test_n_leaves_stdin_alone(client):
    assert client.out("cat; echo end", "-n", stdin=b"not for you") == "end\n"


@pytest.mark.feature("Sessions: a shell without a terminal")
def test_T_gives_a_shell_without_a_terminal(client):
    done = client.run("", "-T", stdin=b"tty; exit 7\n")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (7, b"not a tty")


@pytest.mark.feature("Sessions: environment as far as the node accepts it")
def test_environment_arrives_as_far_as_the_node_accepts_it(client):
    client.env |= {"SCENARIO_WORD": "two words", "SCENARIO_ODD": "\tx=\u00e4\n", "OTHER": "word"}
    seen = client.out("env -0", "-oSendEnv=SCENARIO_* OTHER", "-oSetEnv=SCENARIO_SET=x SSHBROKER_CLIENT=me").split("\0")
    assert {"SCENARIO_WORD=two words", "SCENARIO_ODD=\tx=\u00e4\n", "SCENARIO_SET=x"} <= set(seen)
    assert not {"OTHER=word", "SSHBROKER_CLIENT=me"} & set(seen)


@pytest.mark.feature("Sessions: a subsystem that the node lacks")
def test_a_subsystem_that_the_node_lacks_is_refused(client):
    done = client.run("nothing", "-s")
    assert done.returncode == 255
    assert b"subsystem request failed" in done.stderr
