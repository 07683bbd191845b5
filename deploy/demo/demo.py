"""The demonstration of ./quickstart: three nodes, the broker in front of them, logins through it, and words about it."""
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/scenario"))
from lib import keys, proc  # noqa: E402
from lib.broker import Broker  # noqa: E402
from lib.pool import User  # noqa: E402
from lib.sshd import Sshd  # noqa: E402

NODES = ("node1", "node2", "node3")
USER = "demo"
UID = 64290


class DemoError(Exception):
    """What went wrong, in words for the person at the terminal."""


class DemoBroker(Broker):
    """The broker as "sshbrokerd init" sets it up, with the nodes put in."""

    def make_keys(self):
        done = subprocess.run([proc.program("sshbrokerd"), "init", self.folder / "etc"], capture_output=True)
        if done.returncode != 0:
            raise DemoError(f"sshbrokerd init failed:\n{(done.stdout + done.stderr).decode()}")
        written = json.loads(without_comments((self.folder / "etc/sshbroker.json").read_text()))
        self.ca = self.folder / "etc" / written["user_ca_key"]
        self.keys = [self.folder / "etc" / key for key in written["host_keys"]]


def without_comments(text):
    """JSON of JSON with comments."""
    out, rest = [], text
    while rest:
        if rest[0] == '"':
            end = 1
            while rest[end] != '"':
                end += 2 if rest[end] == "\\" else 1
            out.append(rest[:end + 1])
            rest = rest[end + 1:]
        elif rest.startswith("//"):
            rest = rest[rest.index("\n"):]
        elif rest.startswith("/*"):
            rest = rest[rest.index("*/") + 2:]
        else:
            out.append(rest[0])
            rest = rest[1:]
    return "".join(out)


class Demo:
    def __init__(self):
        self.nodes, self.broker = [], None
        self.key = DEMO / "id_ed25519"
        self.known_hosts = DEMO / "known_hosts"

    def start(self):
        print(f"Starting {len(NODES)} OpenSSH servers as nodes, and the broker in front of them", flush=True)
        keys.make_key(DEMO, self.key.name)
        user = User(USER, UID, os.urandom(9).hex())
        for name in NODES:
            self.nodes.append(Sshd(DEMO / name, name, home=DEMO / "home"))
            self.nodes[-1].add_user(user)
            self.nodes[-1].authorize(user, keys.public(self.key))
        self.broker = DemoBroker(DEMO / "broker", self.nodes, log={"level": "info"})
        for node in self.nodes:
            node.install_helper(proc.program("sshbroker-principals"), keys.public(self.broker.ca) + "\n")
            node.start()
        self.broker.start()
        self.endpoint = self.broker.endpoint()
        self.known_hosts.write_text("".join(
            f"[{self.endpoint.host}]:{self.endpoint.port} {key}\n" for key in self.endpoint.host_keys))

    def stop(self):
        try:
            if self.broker:
                self.broker.stop()
        finally:
            for node in self.nodes:
                node.stop()

    # Commands as a person would type them.

    def options(self):
        """ssh reads quotes and percent signs in the values of its options, and percent signs in what -i names."""
        hosts, key = (f'"{path}"'.replace("%", "%%") for path in (self.known_hosts, self.key))
        identity = ["-o", f"IdentityFile={key}"] if "%" in key else ["-i", str(self.key)]
        return [*identity, "-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={hosts}"]

    def ssh(self, *command):
        return ["ssh", *self.options(), "-p", str(self.endpoint.port), f"{USER}@{self.endpoint.host}", *command]

    def scp(self, *files):
        target = f"{USER}@{self.endpoint.host}:"
        return ["scp", "-q", *self.options(), "-P", str(self.endpoint.port),
                *[f.replace("POOL:", target) for f in map(str, files)]]

    def ctl(self, *words):
        return [str(proc.program("sshbrokerctl")), "--socket", str(self.broker.socket), *words]

    def logs(self):
        return [n.log for n in self.nodes] + ([self.broker.log] if self.broker else [])


def typed(argv):
    return " ".join(shlex.quote(word) for word in argv)


def say(argv, shown):
    """Run a command through the shell, as pasted, and show it with what it prints; its stdout."""
    print(f"\n$ {shown}", flush=True)
    environment = {k: v for k, v in os.environ.items() if k != "SSH_AUTH_SOCK"}
    if argv[0] in ("ssh", "scp"):
        argv = [argv[0], "-o", "BatchMode=yes", *argv[1:]]
    done = subprocess.run(typed(argv), shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, env=environment)
    print(done.stdout.decode(errors="replace"), end="", flush=True)
    if done.returncode != 0:
        raise DemoError(f"that ended with status {done.returncode}")
    return done.stdout


def transcript(demo):
    """Log in, and show where that led and why."""
    target = f"ssh {USER}@pool"
    greeting = 'echo "Hello from $(hostname), $(whoami)."'
    first = say(demo.ssh(greeting), f"{target} {shlex.quote(greeting)}")
    if not any(name.encode() in first for name in NODES):
        raise DemoError("no node answered")
    held = proc.spawn(demo.ssh("echo up; exec cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if held.stdout.readline() != b"up\n":
            raise DemoError("a session that stays does not start")
        print("\nWhile a session is open, the broker tells who is where, and why:", flush=True)
        for view in ("nodes", "users", "connections"):
            say(demo.ctl(view), f"sshbrokerctl {view}")
        print("\nEverything else that the user does goes to the same node:", flush=True)
        copy_there_and_back(demo)
    finally:
        held.stdin.close()
        proc.stop(held)


def copy_there_and_back(demo):
    there, back = DEMO / "file", DEMO / "file-that-came-back"
    there.write_bytes(os.urandom(8 << 20))
    say(demo.scp(there, "POOL:copy"), f"scp file {USER}@pool:copy")
    told = say(demo.ssh("hostname; sha256sum copy"), f"ssh {USER}@pool 'hostname; sha256sum copy'").decode().split()
    say(demo.scp("POOL:copy", back), f"scp {USER}@pool:copy file-that-came-back")
    sums = {hashlib.sha256(f.read_bytes()).hexdigest() for f in (there, back)} | {told[1]}
    if len(sums) != 1:
        raise DemoError("the file was changed on its way")


def stay(demo):
    print(f"\nTry it:\n\n  {typed(demo.ssh())}\n\n  {typed(demo.ctl('connections'))}\n")
    print("Ctrl-C ends the demonstration and all that it started.", flush=True)
    while True:
        time.sleep(1)
        if demo.broker.process.poll() is not None:
            raise DemoError("the broker has ended")


def run(once):
    demo = Demo()
    try:
        demo.start()
        transcript(demo)
        if once:
            print("\nIt works.  Without --once, it stays, for you to log in.", flush=True)
        else:
            stay(demo)
    except KeyboardInterrupt:
        print("\nEnding.", flush=True)
    except Exception as e:
        for log in demo.logs():
            if log.exists():
                print(f"--- {log}\n{log.read_text(errors='replace')[-4000:]}", file=sys.stderr)
        print(f"quickstart: {e}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        demo.stop()
        proc.stop_all()
    return 0


def main():
    missing = [name for name in ("sshbrokerd", "sshbrokerctl", "sshbroker-principals") if not proc.program(name)]
    if missing:
        print(f"quickstart: the build has no {', '.join(missing)}", file=sys.stderr)
        return 1
    DEMO.mkdir(exist_ok=True)
    lock = open(DEMO / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("quickstart: another one runs in this folder", file=sys.stderr)
        return 1
    for left in DEMO.iterdir():
        if left.name != "lock":
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    status = run("--once" in sys.argv[1:])
    if status == 0:
        shutil.rmtree(DEMO)
    return status


sys.exit(main())
