"""OpenSSH's own regression scripts, as Debian's package openssh-tests has them, with the broker in front of their sshd."""
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

import table
from lib import proc
from lib.broker import Broker
from lib.keys import make_key, public


MACHINE = Path(__file__).with_name("machine.py")
SCRIPTS = table.load()
LOG_TAIL = 40000
UNPROVED = re.compile(r"skipp(ed|ing)|not enabled", re.I)
LISTS = r"(?:KEX algorithms|host key algorithms|ciphers ctos|MACs ctos|compression ctos): (\S+)"


def test_every_script_stands_in_the_table():
    """A new version of the package brings new scripts: somebody has to decide about them."""
    assert table.REGRESS.is_dir(), "Debian's package openssh-tests is not installed"
    names = table.installed()
    assert not names - set(SCRIPTS), f"not in {table.FILE.name}: {sorted(names - set(SCRIPTS))}"
    assert not set(SCRIPTS) - names, f"{table.FILE.name} has what the package has not: {sorted(set(SCRIPTS) - names)}"


@pytest.mark.parametrize("text", ["a", "a sometimes", "a never", "a pending limit=3", "a quick\na full", "but 1 words -- why",
                                  "a quick\n\tbut words -- why", "a quick\n\tbut 1 words"])
def test_a_line_that_says_too_little_is_refused(text):
    with pytest.raises(table.TableError):
        table.parse(text)


@pytest.fixture(scope="session")
def algorithms(temp):
    """What the broker has, in its own words to a client: {"user": [names], "host": [names]}."""
    node = SimpleNamespace(name="node", address="127.0.0.1", port=1, host_keys=[public(make_key(temp, "of-no-node"))])
    broker = Broker(temp / "names", [node])
    broker.start()
    try:
        done = subprocess.run(["ssh", "-vv", "-F", "none", "-p", str(broker.port), "-o", "BatchMode=yes", "-o",
                               "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "nobody@127.0.0.1"],
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=proc.seconds(30))
    finally:
        broker.stop()
    words = done.stderr.decode(errors="replace")
    theirs = words.partition("peer server KEXINIT proposal")[2]
    names = {name for found in re.findall(LISTS, theirs) for name in found.split(",")}
    signatures = set(re.search(r"server-sig-algs=<(\S+)>", words).group(1).split(","))
    if not any(name.endswith("-ctr") for name in names):
        names = {name for name in names if not name.startswith("hmac-")}  # it has none that would need one
    if any(name.startswith("rsa-sha2-") for name in signatures):
        names.add("ssh-rsa")  # a type of key; as an algorithm no script asks for it
    return {"host": sorted(names), "user": sorted(names | signatures)}


def marks(script):
    return {"quick": [], "full": [pytest.mark.slow], "pending": [pytest.mark.pending]}[script.when]


def run(folder, script, via, names):
    """(its status, what it said); all that it started is gone afterwards."""
    folder.mkdir()
    build = os.environ.get("SSHBROKER_BUILD", "")
    argv = proc.as_root(["env", f"SSHBROKER_BUILD={build and Path(build).resolve()}",
                         f"SSHBROKER_ASAN_DIR={proc.sanitizer_folder() if proc.is_sanitized() else ''}",
                         "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation",
                         "private", "/usr/bin/python3", MACHINE, folder, script.name, str(proc.seconds(script.limit)), via,
                         " ".join(names)])
    log = folder.with_suffix(".out")
    p = proc.spawn(argv, log=log, stdin=subprocess.PIPE)
    try:
        status = p.wait(proc.seconds(script.limit) + 60)
    finally:
        p.stdin.close()
        proc.stop(p)
    return status, log.read_text(errors="replace")


def logs(folder):
    """The ends of what ssh, sshd and the broker have logged."""
    found = []
    for pattern in ("n/obj/failed-*.log", "n/obj/ssh.log", "n/obj/sshd.log", "b*/broker.log"):
        for path in sorted(folder.glob(pattern)):
            found.append((str(path), path.read_text(errors="replace")[-LOG_TAIL:]))
    return found


def complaints(folder):
    """What the script found wrong, in its own words."""
    log = folder / "n/obj/failed-regress.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return {line.partition(": ")[2] for line in lines if line.startswith(("FAIL: ", "FATAL: "))}


def what_is_wrong(script, folder, status, words, via):
    """Words, or nothing."""
    expected = script.complaints if via == "broker" else ()
    for c in expected:
        times = len([line for line in words.splitlines() if line.startswith(c.text)])
        if times != c.times:
            return f"it says {times} times, not {c.times}: {c.text}"
    others = [x for x in complaints(folder) if not any(x.startswith(c.text) for c in expected)]
    if others or status != (1 if expected else 0):
        return f"it failed (status {status}): {others}"
    skips = [line for line in words.splitlines() if UNPROVED.search(line)]
    return f"it proved nothing: {skips[0]}" if skips else None


def params():
    """Those that take longest come first: they end with the others."""
    scripts = sorted(SCRIPTS.values(), key=lambda s: -s.limit)
    return [pytest.param(s, id=s.name, marks=marks(s)) for s in scripts if s.when != "never"]


@pytest.mark.parametrize("script", params())
def test_script(script, via, temp, algorithms, request):
    folder = temp / f"{script.name}-{via}"
    names = algorithms[script.keys]
    status, words = run(folder, script, via, names)
    wrong = what_is_wrong(script, folder, status, words, via)
    if wrong:
        request.node.logs = [("what it said", words[-LOG_TAIL:]), *logs(folder)]
        if via == "broker":
            wrong += without_broker(temp, script, names)
    proc.run_as_root(["rm", "-rf", folder])
    assert not wrong, wrong


def without_broker(temp, script, names):
    folder = temp / f"{script.name}-again"
    status, words = run(folder, script, "direct", names)
    wrong = what_is_wrong(script, folder, status, words, "direct")
    if wrong:
        return f"; without the broker it fails as well, so this machine is not able to run it: {wrong}"
    return "; without the broker it passes"
