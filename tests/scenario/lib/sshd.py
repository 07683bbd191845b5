"""A node: a real sshd with real PAM and ptys, on a machine of its own as far as it can see.

The node runs as root (through sudo where needed) in private mount, pid and UTS namespaces: its own /etc, /run, /home,
/root, /tmp, /var/log and /usr/local.  Nothing of it is left when it stops or when the process that started it dies.
"""
import base64
import contextlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from . import proc
from .endpoint import Endpoint

AGENT = Path(__file__).with_name("node_agent.py")
HELPER = "/usr/local/libexec/sshbroker/sshbroker-principals"
CONFIG = """Include /etc/ssh/sshd_config.d/*.conf
ListenAddress {address}
Port {port}
HostKey /etc/ssh/ssh_host_ed25519_key
HostKey /etc/ssh/ssh_host_ecdsa_key
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
PidFile none
LogLevel DEBUG1
MaxStartups 300
MaxSessions 100
MaxAuthTries 10
Subsystem sftp /usr/lib/openssh/sftp-server
AcceptEnv LANG LC_* SCENARIO_*
"""
SETUP = "/run/node/node-setup"
# The helper lets nobody look into it, the leak check neither; its unit tests have that check.
NO_LEAKS = {"ASAN_OPTIONS": "log_path=/run/node/asan/asan:exitcode=99:detect_leaks=0:abort_on_error=0"}



class NodeError(Exception):
    """A request that the node refused."""


class Sshd:
    """One node.  Made, it exists; start() makes its sshd listen; kill(), freeze(), start() are its fate; stop() ends it."""

    def __init__(self, folder, name, home=None, address=None, port=None):
        self.folder = Path(folder).absolute()
        self.name = name
        self.home = Path(home).absolute() if home else self.folder / "home"  # nodes may share one
        self.address = address or proc.own_address()
        self.port = port or proc.free_port(self.address)
        self.log = self.folder / "sshd.log"
        self.helper = None  # what node-setup is told, once there is a helper
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        for sub in (self.home, self.folder / "var-log"):
            sub.mkdir(exist_ok=True)
        self.log.touch(0o644)
        self._enter()
        self._host_keys()

    def _enter(self):
        argv = proc.as_root(["unshare", "--mount", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child",
                             "--propagation", "private", "/usr/bin/python3", "-I", AGENT, self.folder, self.name, self.home])
        self.agent = proc.spawn(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr)
        self._answer()

    def _answer(self):
        line = self.agent.stdout.readline()
        if not line:
            raise NodeError(f"{self.name}: the node did not start or is gone")
        answer = json.loads(line)
        if not answer["ok"]:
            raise NodeError(f"{self.name}: {answer['error']}")
        return answer.get("value")

    def ask(self, do, **request):
        self.agent.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
        self.agent.stdin.flush()
        return self._answer()

    def _host_keys(self):
        self.host_keys = []
        for kind in ("ed25519", "ecdsa"):
            path = f"/etc/ssh/ssh_host_{kind}_key"
            self.run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", self.name, "-f", path)
            self.host_keys.append(" ".join(self.run("cat", path + ".pub").decode().split()[:2]))

    # What an administrator does on the node.

    def run(self, *argv, user=None, stdin=b"", check=True):
        """Run a command on the node, as root unless told otherwise; returns its stdout."""
        done = self.ask("run", argv=[str(a) for a in argv], user=user, stdin=base64.b64encode(stdin).decode())
        if check and done["status"] != 0:
            words = base64.b64decode(done["stderr"]).decode(errors="replace")
            raise NodeError(f"{self.name}: {' '.join(map(str, argv))}: status {done['status']}: {words}")
        return base64.b64decode(done["stdout"])

    def write(self, path, text, owner=None, mode=0o644):
        data = text.encode() if isinstance(text, str) else text
        self.ask("write", path=path, data=base64.b64encode(data).decode(), owner=owner, mode=mode)

    def add_user(self, user):
        """Make the account, with its home."""
        self.ask("add_user", name=user.name, uid=user.uid, password_hash=user.password_hash,
                 days=0 if user.must_change_password else 19000)

    def authorize(self, user, *lines):
        """These lines, and no others, are the user's authorized_keys from now on."""
        self.write(f"/home/{user.name}/.ssh/authorized_keys", "".join(f"{x}\n" for x in lines), user.name, 0o600)

    def configure(self, text):
        """These lines stand before the rest of sshd_config from the next start() or restart()."""
        self.write("/etc/ssh/sshd_config.d/10-scenario.conf", text)

    def install_helper(self, program, ca, *flags):
        """Trust the broker's user CA, as node-setup arranges it, from the next start() or restart() on."""
        shutil.copy(program, self.folder / "sshbroker-principals")
        shutil.copy(proc.ROOT / "deploy/node/node-setup", self.folder / "node-setup")
        self.write("/etc/ssh/broker_ca.pub", ca)
        if proc.is_sanitized():
            self._wrap_helper()
        self.helper = ["--ca", "/etc/ssh/broker_ca.pub", "--node", self.name, "--broker", "127.0.0.1", "--helper-stderr",
                       *flags]

    def remove_helper(self):
        """No helper is installed any more; what it has left there stays."""
        self.helper = None

    def setup(self, *argv):
        """Run node-setup; its status, and what it says."""
        done = self.ask("run", argv=["sh", SETUP, *map(str, argv)], user=None)
        return done["status"], "".join(base64.b64decode(done[x]).decode() for x in ("stdout", "stderr"))

    def _wrap_helper(self):
        """sshd gives the helper a bare environment; the sanitizers' options come from a wrapper."""
        self.run("mkdir", "-m", "1777", "-p", "/run/node/asan")
        self.run("install", "-D", "-m", "711", "/run/node/sshbroker-principals", HELPER + ".real")
        options = "".join(f"export {k}='{v}'\n" for k, v in (proc.sanitizer_env("/run/node/asan") | NO_LEAKS).items())
        self.write("/run/node/sshbroker-principals", f"#!/bin/sh\n{options}exec {HELPER}.real \"$@\"\n", mode=0o755)

    def _setup_helper(self):
        status, words = self.setup(*self.helper)
        if status != 0:
            raise NodeError(f"{self.name}: node-setup: {words}")
        if proc.is_sanitized():
            self.run("chmod", "755", HELPER)  # a script is read, not only run

    # Its life.

    def start(self):
        for attempt in range(5):
            self.write("/etc/ssh/sshd_config", CONFIG.format(**vars(self)))
            if self.helper:
                self._setup_helper()
            offset = self.log.stat().st_size
            self.ask("start", argv=["/usr/sbin/sshd", "-D", "-E", "/run/node/sshd.log"])
            proc.wait_for(lambda: self._settled(offset), f"{self.name} listens", 20)
            if self.ask("status") is None:
                return self
            if "Address already in use" not in self.log_since(offset):
                break
            self.port = proc.free_port(self.address)
        raise NodeError(f"{self.name}: sshd does not start: {self.log_since(offset)}")

    def _settled(self, offset):
        return "Server listening on" in self.log_since(offset) or self.ask("status") is not None

    def restart(self):
        """A new listener with the configuration of now; sessions stay."""
        self.signal_listener(signal.SIGTERM)
        proc.wait_for(lambda: self.ask("status") is not None, f"{self.name}'s listener ends")
        return self.start()

    def kill(self):
        """Everything on the node dies at once."""
        self.ask("signal", number=signal.SIGKILL)

    def freeze(self):
        self.ask("signal", number=signal.SIGSTOP)

    def thaw(self):
        self.ask("signal", number=signal.SIGCONT)

    def signal_listener(self, number):
        listener = [p["pid"] for p in self.ps() if p["ppid"] == 1 and "[listener]" in p["args"]]
        self.ask("signal", number=number, pids=listener)

    def stop(self):
        """End the node and what it left; its log stays.  A second call does nothing."""
        if not self.agent.stdin.closed and (self.folder / "asan").exists():
            self.run("chmod", "-R", "a+rX", "/run/node/asan")
            for file in (self.folder / "asan").iterdir():
                shutil.copy(file, proc.sanitizer_folder() / f"{file.name}.{self.name}")
        with contextlib.suppress(BrokenPipeError):
            self.agent.stdin.close()
        try:
            self.agent.wait(proc.seconds(20))
        finally:
            proc.stop(self.agent)

    # What can be seen of it.

    def endpoint(self):
        return Endpoint(self.address, self.port, self.host_keys)

    def ps(self, user=None, word=""):
        """The processes on the node: of a user, or with a word in their command line."""
        return [p for p in self.ask("ps") if (user is None or p["uid"] == user.uid) and word in p["args"]]

    def sessions(self):
        """The sshd processes of connections, logged in or not."""
        return [p for p in self.ps(word="sshd: ") if "[listener]" not in p["args"]]

    def log_since(self, offset=0):
        with open(self.log, "rb") as f:
            f.seek(offset)
            return f.read().decode(errors="replace")
