"""Sessions at a terminal."""
import fcntl
import struct
import termios

import pexpect
import pytest

from lib import proc


def odd_modes():
    """Set modes that no terminal has by default: each must arrive."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = termios.tcgetattr(0)
    iflag = (iflag | termios.IXOFF | termios.INLCR | termios.ISTRIP) & ~termios.IXON
    oflag = (oflag | termios.OLCUC) & ~termios.ONLCR
    cflag = (cflag & ~termios.CSIZE) | termios.CS7 | termios.PARENB
    lflag = (lflag | termios.NOFLSH | termios.TOSTOP) & ~(termios.ECHOE | termios.ECHOCTL)
    for index, value in ((termios.VINTR, 24), (termios.VERASE, 8), (termios.VEOF, 5), (termios.VSUSP, 0)):
        cc[index] = bytes([value])
    termios.tcsetattr(0, termios.TCSANOW, [iflag, oflag, cflag, lflag, termios.B9600, termios.B9600, cc])


def whole_output(terminal):
    text = terminal.read().decode()
    terminal.close()
    return text


@pytest.mark.feature("Sessions: terminal modes")
@pytest.mark.parametrize("modes", [None, odd_modes])
def test_terminal_modes_equal_those_of_a_direct_login(pool, modes):
    client = pool.client(options="LogLevel ERROR")
    direct = pool.client(client.user, client.key, endpoint=pool.nodes[0].endpoint(), options="LogLevel ERROR")
    seen, expected = (whole_output(c.pty("stty -a; stty -g; echo $TERM", dimensions=(47, 133), modes=modes))
                      for c in (client, direct))
    assert "rows 47; columns 133" in expected.lower()
    assert seen == expected


@pytest.mark.feature("Sessions: a terminal, resized")
def test_resize_arrives(client):
    terminal = client.pty("while :; do stty size; sleep 0.05; done", dimensions=(30, 90))
    terminal.expect("30 90\r\n")
    for rows, columns in ((50, 160), (10, 20), (1, 1)):
        terminal.setwinsize(rows, columns)
        terminal.expect(f"{rows} {columns}\r\n")
    terminal.close(force=True)


@pytest.mark.feature("Sessions: a terminal, resized")
def test_a_size_in_pixels_arrives(client):
    show = "import fcntl, struct, termios; print(struct.unpack('4H', fcntl.ioctl(0, termios.TIOCGWINSZ, b'8bytes..')))"
    terminal = client.pty(f'while :; do python3 -c "{show}"; sleep 0.05; done')
    terminal.expect_exact("(24, 80, 0, 0)")
    for size in ((30, 90, 900, 600), (30, 90, 1800, 1200), (65535, 65534, 65533, 65532)):
        resize(terminal.child_fd, *size)
        terminal.expect_exact(str(size))
    terminal.close(force=True)


def resize(fd, *size):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", *size))


@pytest.mark.feature("Sessions: break")
def test_a_break_arrives(client, pool):
    """Typed as ~B; a pseudo-terminal has no use for it, but sshd says that it came."""
    offsets = {n: n.log.stat().st_size for n in pool.nodes}
    terminal = client.pty("echo ready; cat")
    terminal.expect("ready")
    terminal.send("\r~B")
    proc.wait_for(lambda: any("req break" in n.log_since(offset) for n, offset in offsets.items()), "the break")
    terminal.sendline("still")
    terminal.expect("still")
    terminal.close(force=True)


@pytest.mark.feature("Sessions: signals typed at a terminal")
@pytest.mark.parametrize("key,word", [("\x03", "INT"), ("\x1c", "QUIT"), ("\x1a", "TSTP")])
def test_a_signal_is_typed(client, key, word):
    terminal = client.pty(f"trap 'echo got {word}' {word}; echo ready; while :; do sleep 0.05; done")
    terminal.expect("ready")
    terminal.send(key)
    terminal.expect(f"got {word}")
    terminal.close(force=True)


@pytest.mark.feature("Sessions: XOFF and XON at a terminal")
def test_output_stops_and_goes_on(client):
    """XOFF and XON are for the node's terminal."""
    terminal = client.pty("echo ready; while :; do echo tick; sleep 0.01; done")
    terminal.expect("ready")
    terminal.send("\x13")
    with pytest.raises(pexpect.TIMEOUT):
        while True:  # what was on its way, and then nothing
            terminal.expect("tick", timeout=0.5)
    terminal.send("\x11")
    terminal.expect("tick")
    terminal.close(force=True)


@pytest.mark.feature("Sessions: a terminal, resized")
def test_an_interactive_shell_works(client):
    client.env["TERM"] = "dumb"  # no colours and brackets around the lines
    terminal = client.pty()
    terminal.sendline("PS1='%''%'")
    terminal.expect("\r\n%%")
    terminal.sendline("sh -c 'tty; exec sleep 1000'")
    terminal.expect("\r\n/dev/pts/[0-9]+\r\n")
    terminal.sendintr()
    terminal.expect("%%")
    terminal.sendline("echo $((6 * 7))")
    terminal.expect("42\r\n%%")
    terminal.sendline("exit 5")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 5


@pytest.mark.feature("Sessions: a terminal, resized")
def test_long_output_arrives_whole(client):
    text = whole_output(client.pty("stty -opost; seq 1 50000; echo end"))
    assert text.split("end")[0] == "".join(f"{i}\n" for i in range(1, 50001))


@pytest.mark.feature("Sessions: a terminal, resized")
def test_the_terminal_ends_with_the_connection(pool, client):
    terminal = client.pty("echo ready; sleep 1000")
    terminal.expect("ready")
    terminal.send("\r~.")
    terminal.expect(pexpect.EOF)
    terminal.close()
    pool.wait_user_gone(client.user)
