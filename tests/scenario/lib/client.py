"""A user at home: the stock ssh, scp, sftp, rsync and git with a configuration of their own."""
import contextlib
import os
import subprocess
from pathlib import Path

from . import proc

CONFIG = """Host pool
  {options}
  HostName {host}
  Port {port}
  User {user}
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  IdentitiesOnly yes
  IdentityAgent none
  {identity}
  BatchMode yes
  ConnectTimeout {timeout}
  LogLevel INFO
"""


def quoted(word):
    """As one word of ssh_config."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Client:
    """Names the destination `pool`.  options is ssh_config text, e.g. "RekeyLimit 1M"; key None means no key."""

    def __init__(self, folder, endpoint, user, key=None, options=""):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.user, self.key = user, key
        self.config = self.folder / "ssh_config"
        self.config.write_text(CONFIG.format(
            host=endpoint.host, port=endpoint.port, user=quoted(user.name), folder=self.folder,
            identity=f"IdentityFile {key}" if key else "IdentityFile none\n  PubkeyAuthentication no",
            timeout=proc.seconds(30), options=options))
        lines = [f"[{endpoint.host}]:{endpoint.port} {key}\n" for key in endpoint.host_keys]
        (self.folder / "known_hosts").write_text("".join(lines))
        self.ssh = ["ssh", "-F", str(self.config)]
        self.env = {**os.environ, "HOME": str(self.folder), "GIT_SSH_COMMAND": " ".join(self.ssh), "TERM": "xterm",
                    "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        self.env.pop("SSH_AUTH_SOCK", None)

    def also_knows(self, name, endpoint):
        """From now on `name` is a destination, too: the same user with the same key there."""
        with open(self.config, "a") as f:
            f.write(f"Host {name}\n" + CONFIG.split("\n", 1)[1].format(
                host=endpoint.host, port=endpoint.port, user=quoted(self.user.name), folder=self.folder,
                identity=f"IdentityFile {self.key}", timeout=proc.seconds(30), options=""))
        with open(self.folder / "known_hosts", "a") as f:
            f.writelines(f"[{endpoint.host}]:{endpoint.port} {key}\n" for key in endpoint.host_keys)

    def local(self, argv, stdin=b"", timeout=60, check=False):
        """Run any program as this user at home; stdout and stderr as bytes."""
        done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, env=self.env, cwd=self.folder,
                              timeout=proc.seconds(timeout))
        if check and done.returncode != 0:
            raise AssertionError(f"{argv}: status {done.returncode}: {done.stderr.decode(errors='replace')}")
        return done

    def run(self, command="", *options, **kwargs):
        """ssh [options] pool command."""
        return self.local([*self.ssh, *options, "pool", *([command] if command else [])], **kwargs)

    def out(self, command, *options, **kwargs):
        """The stdout of a command that must succeed, as text."""
        return self.run(command, *options, check=True, **kwargs).stdout.decode()

    def popen(self, command="", *options, **kwargs):
        """ssh [options] pool command in the background; its pipes are open."""
        for pipe in ("stdin", "stdout", "stderr"):
            kwargs.setdefault(pipe, subprocess.PIPE)
        return proc.spawn([*self.ssh, *options, "pool", *([command] if command else [])], env=self.env, **kwargs)

    def pty(self, command="", *options, dimensions=(24, 80), modes=None):
        """ssh -tt at a terminal of its own, as pexpect shows it; modes() may set that terminal's modes before."""
        import pexpect
        return pexpect.spawn(self.ssh[0], [*self.ssh[1:], "-tt", *options, "pool", *([command] if command else [])],
                             env=self.env, dimensions=dimensions, timeout=proc.seconds(30), preexec_fn=modes)

    def answer(self, answers, command, *options, prompt="[Pp]ass[^\r\n:]*: ?$", timeout=60):
        """ssh that asks at its terminal; each prompt gets the next answer.  (status, what it printed)"""
        import pexpect
        p = pexpect.spawn(self.ssh[0], [*self.ssh[1:], "-oBatchMode=no", *options, "pool", command], env=self.env,
                          timeout=proc.seconds(timeout))
        try:
            text = b""
            for answer in [*answers, None]:
                prompted = p.expect([prompt, pexpect.EOF]) == 0
                text += p.before + (p.after if prompted else b"")
                if not prompted or answer is None:
                    break
                p.sendline(answer)
        finally:
            p.close(force=True)
        return p.exitstatus, text.decode(errors="replace")

    def scp(self, *argv, **kwargs):
        return self.local(["scp", "-F", self.config, *argv], check=True, **{"timeout": 180, **kwargs})

    def sftp(self, batch, *options, **kwargs):
        return self.local(["sftp", "-F", self.config, *options, "-b", "-", "pool"], stdin=batch.encode(), check=True,
                          **{"timeout": 180, **kwargs})

    def rsync(self, *argv, **kwargs):
        return self.local(["rsync", "-e", " ".join(self.ssh), *argv], check=True, **{"timeout": 180, **kwargs})

    def git(self, *argv, **kwargs):
        return self.local(["git", "-c", "user.name=u", "-c", "user.email=u@example.org", "-c", "init.defaultBranch=main",
                           "-c", "protocol.ext.allow=never", *argv], check=True, **{"timeout": 180, **kwargs})

    @contextlib.contextmanager
    def master(self):
        """A ControlMaster; within, every run() is one more channel of its connection."""
        plain = self.ssh
        path = self.folder / "ctl"
        p = self.popen("", "-M", "-N", "-S", path, stdin=subprocess.DEVNULL)
        try:
            proc.wait_for(lambda: path.exists() or p.poll() is not None, "the master's socket")
            assert p.poll() is None, p.stderr.read()
            self.ssh = [*plain, "-S", str(path)]
            yield p
        finally:
            self.ssh = plain
            # Asked, not told by a signal: one that comes just before ssh's poll() is seen at the next packet only.
            self.local([*plain, "-S", path, "-O", "exit", "pool"])
            proc.stop(p)
