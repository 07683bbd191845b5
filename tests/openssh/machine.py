"""One of OpenSSH's scripts on a machine of its own: a network with nothing else on it, a node, and the broker before it.

Runs as root and as the first process of private network, mount and process namespaces: with it, all of that ends.  The
script runs on the node, as its author meant it: client and server see the same files.  Its sshd is sshd_program, which asks
us for a broker in front of each sshd that it starts.
"""
import fcntl
import getopt
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "scenario"))
from lib import keys, proc  # noqa: E402
from lib.broker import Broker  # noqa: E402
from lib.pool import User  # noqa: E402
from lib.sshd import HELPER, Sshd  # noqa: E402
import table  # noqa: E402

USER = "tester"
UID = 5001
NODE = "/run/node"  # the node's folder, as the node sees it
OBJ = f"{NODE}/obj"
SSHD = "/usr/sbin/sshd"
SSHD_OPTIONS = "46C:E:DQRTb:c:def:g:h:ik:o:p:qrtu:"
# sshd -i sees no address where a script runs it; behind the broker it sees one that no script knows.
BROKER_ADDRESS, NODE_ADDRESS = "192.0.2.1", "192.0.2.2"
PORT_SHIFT = 10000  # from a script's port, where the broker listens, to its sshd's own
PROGRAMS = ("netcat", "mkdtemp", "check-perm", "modpipe", "setuid-allowed")
BROKER_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-", "ssh-rsa")

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR = 0x8913, 0x8914, 0x8916
IFF_UP = 1


def set_up_network():
    """The loopback interface, with two addresses more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack_from("16sH", fcntl.ioctl(s, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
        for i, address in enumerate((BROKER_ADDRESS, NODE_ADDRESS), 1):
            fcntl.ioctl(s, SIOCSIFADDR, struct.pack("16sHH4s16x", f"lo:{i}".encode(), socket.AF_INET, 0,
                                                    socket.inet_aton(address)))


class Node(Sshd):
    """The machine that the script runs on."""

    def __init__(self, folder):
        super().__init__(folder, "node")
        self.first = str(proc.wait_for(lambda: proc.children(self.agent.pid), "the node's first process")[0])
        self.user = User(USER, UID, os.urandom(9).hex())
        self.add_user(self.user)
        self.write("/etc/hosts", "127.0.0.1 localhost node\n::1 localhost\n")
        self.write("/etc/sudoers", "Defaults !requiretty\nALL ALL=(ALL) NOPASSWD: ALL\n", mode=0o440)
        self.write("/etc/pam.d/sudo", "auth required pam_permit.so\naccount required pam_permit.so\n"
                   "session required pam_permit.so\n")
        for name in ("bin", "obj"):
            (self.folder / name).mkdir(mode=0o755)
        for name in ("init", "ssh", "sshd"):
            shutil.copy(HERE / f"{name}_program", self.folder / "bin" / name)
        for name in PROGRAMS:
            (self.folder / "obj" / name).symlink_to(table.REGRESS / name)
        os.chown(self.folder / "obj", UID, UID)
        # A script whose telnet is not there passes all the same.
        self.run("ln", "-s", table.REGRESS / "netcat", "/usr/local/bin/telnet")

    def enter(self, *argv):
        return ["nsenter", "--target", self.first, "--mount", "--pid", "--uts", "--", *map(str, argv)]

    def enter_as_user(self, *argv):
        return self.enter("setpriv", "--reuid", UID, "--regid", UID, "--init-groups", "--", *argv)

    def output(self, *argv):
        done = subprocess.run(self.enter(*argv), capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout



class ScriptBroker(Broker):
    """A broker with the host keys of the script's sshd, and that sshd as its only node."""

    def __init__(self, folder, ca, key_texts, listen, node_port):
        self.ca, self.key_texts, self.listen = ca, key_texts, listen
        side = SimpleNamespace(name="node", address=NODE_ADDRESS if listen == BROKER_ADDRESS else listen, port=node_port,
                               host_keys=[public for _, public in key_texts])
        super().__init__(folder, [side], roles={"gates": 1, "relays": 1})

    def make_keys(self):
        self.keys = []
        for i, (private, public) in enumerate(self.key_texts):
            if public.startswith(BROKER_KEY_TYPES):
                self.keys.append(self.folder / f"host_{i}")
                self.keys[-1].touch(0o600)
                self.keys[-1].write_bytes(private)

    def configuration(self, port):
        return super().configuration(port) | {"listen": [f"{self.listen}:{port}"]}


class Inetd:
    """Listens on the node and runs "sshd -i" for each connection of the broker, as the script told it last."""

    def __init__(self, node):
        self.node = node
        self.args, self.env = [], {}
        self.listener = socket.create_server((NODE_ADDRESS, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection = self.listener.accept()[0]
            with connection:
                p = subprocess.Popen(self.node.enter(SSHD, *self.args), stdin=connection, stdout=connection, env=self.env)
            threading.Thread(target=p.wait, daemon=True).start()


class Runner:
    """Answers what sshd_program asks."""

    def __init__(self, folder, node):
        self.folder, self.node = folder, node
        self.ca = keys.make_key(folder, "ca")
        self.brokers, self.inetds, self.n_brokers = {}, {}, 0
        node.write(HELPER, proc.program("sshbroker-principals").read_bytes(), mode=0o755)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(node.folder / "runner.sock"))
        (node.folder / "runner.sock").chmod(0o777)
        self.listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        """All in this one thread, which stays: a broker ends with the thread that started it."""
        while True:
            with self.listener.accept()[0] as s:
                request = json.loads(b"".join(iter(lambda: s.recv(65536), b"")))
                try:
                    answer = self._answer(**request)
                except Exception as e:  # told to the script, whose test then fails
                    answer = {"error": f"{type(e).__name__}: {e}"}
                s.sendall(json.dumps(answer).encode())

    def _answer(self, args, inetd, env):
        config = dict(getopt.getopt(args, SSHD_OPTIONS)[0])["-f"]
        options = [word for word in without(args, "-i", "-E") if word]
        values = self._values(options, BROKER_ADDRESS if inetd else "127.0.0.1")
        extra = self._helper_options(config, values)
        key_texts = self._host_keys(values)
        if not inetd:
            port = int(values["port"][0])
            self._broker(("daemon", port), key_texts, "127.0.0.1", port + PORT_SHIFT, port)
            return {"args": [*extra, "-p", str(port + PORT_SHIFT)]}
        if config not in self.inetds:
            self.inetds[config] = Inetd(self.node)
        server = self.inetds[config]
        server.args, server.env = [*args, *extra], env
        broker = self._broker(("inetd", config, keys_id(key_texts)), key_texts, BROKER_ADDRESS, server.port)
        return {"address": BROKER_ADDRESS, "port": broker.port}

    def _values(self, options, address):
        """The script's configuration as sshd reads it for our user: {keyword: [values]}."""
        text = self.node.output(SSHD, "-T", *options, "-C", f"user={USER},host={address},addr={address},"
                                f"laddr={address},lport=22").decode()
        values = {}
        for line in text.splitlines():
            keyword, _, value = line.partition(" ")
            values.setdefault(keyword, []).append(value)
        return values

    def _host_keys(self, values):
        """[(private, public)] of the configuration."""
        found = []
        for path in values.get("hostkey", []):
            public = self.node.output("ssh-keygen", "-y", "-f", path).decode()
            found.append((self.node.output("cat", path), " ".join(public.split()[:2])))
        return found

    def _helper_options(self, config, values):
        """What node-setup would put in front of this configuration."""
        name = f"/etc/ssh/sshbroker/{hashlib.sha256(config.encode()).hexdigest()[:16]}"
        self.node.write(f"{name}.conf", settings(values, keys.public(self.ca)))
        previous = values.get("trustedusercakeys", ["none"])[0]
        others = self.node.output("cat", previous).decode() if previous != "none" else ""
        self.node.write(f"{name}.ca", f"{others}\n{keys.public(self.ca)}\n")
        environment = values["permituserenvironment"][0]
        lines = {
            "TrustedUserCAKeys": f"{name}.ca",
            "AuthorizedPrincipalsFile": "none",
            "AuthorizedPrincipalsCommand": f"{HELPER} -f {name}.conf %u %h %i %F %k",
            "AuthorizedPrincipalsCommandUser": "%u",
            "PubkeyAcceptedAlgorithms": values["pubkeyacceptedalgorithms"][0] + ",ssh-ed25519-cert-v01@openssh.com",
            "PermitUserEnvironment": {"no": "SSHBROKER_*", "yes": "yes"}.get(environment, f"{environment},SSHBROKER_*"),
        }
        return [word for key, value in lines.items() for word in ("-o", f"{key}={value}")]

    def _broker(self, which, key_texts, listen, node_port, port=None):
        """The broker of this sshd; a new one if its host keys are others now."""
        broker = self.brokers.get(which)
        if broker and broker.key_texts != key_texts:
            self.brokers.pop(which).stop()
            broker = None
        if not broker:
            self.n_brokers += 1
            broker = self.brokers[which] = ScriptBroker(self.folder / f"b{self.n_brokers}", self.ca, key_texts, listen,
                                                        node_port)
            broker.start(port)
        return broker

    def stop(self):
        """Ends the brokers, and checks that all of them were well."""
        for broker in self.brokers.values():
            broker.stop()
        for log in self.folder.glob("b*/broker.log"):
            died = [line for line in log.read_text(errors="replace").splitlines() if "is started again" in line]
            assert not died, f"a process of the broker died: {died[0]}"


def without(args, flag, with_value):
    """args without a flag, and without an option and its value, however it is written."""
    found = []
    for option, value in getopt.getopt(args, SSHD_OPTIONS)[0]:
        if option not in (flag, with_value):
            found += [option, value]
    return found


def keys_id(key_texts):
    return hashlib.sha256(repr(key_texts).encode()).hexdigest()


def settings(values, ca):
    """The helper's settings for such a configuration."""
    lines = ["node node", f"ca_key {ca}"]
    lines += [f"authorized_keys_file {name}" for name in values.get("authorizedkeysfile", [""])[0].split()]
    for ours, theirs in (("authorized_keys_command", "authorizedkeyscommand"), ("revoked_keys", "revokedkeys"),
                         ("pubkey_algorithms", "pubkeyacceptedalgorithms"),
                         ("ca_algorithms", "casignaturealgorithms"), ("rsa_bits_min", "requiredrsasize"),
                         ("strict_modes", "strictmodes"), ("use_dns", "usedns"),
                         ("previous_ca_keys", "trustedusercakeys"),
                         ("previous_principals_file", "authorizedprincipalsfile"),
                         ("previous_principals_command", "authorizedprincipalscommand")):
        value = values.get(theirs, ["none"])[0]
        if value != "none":
            lines.append(f"{ours} {value}")
    options = values.get("pubkeyauthoptions", [""])[0]
    lines += [f"{ours} yes" for ours, theirs in (("touch_required", "touch-required"),
                                                 ("verify_required", "verify-required")) if theirs in options]
    return "\n".join(lines) + "\n"


def environment(via):
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": f"/home/{USER}", "USER": USER, "LOGNAME": USER,
        "SHELL": "/bin/bash", "TERM": "xterm",
        "BUILDDIR": str(table.REGRESS), "SUDO": "sudo", "TEST_SHELL": "sh", "TEST_SSH_UNSAFE_PERMISSIONS": "1",
        "TEST_SSH_SSH": f"{NODE}/bin/ssh", "TEST_SSH_SSHD": f"{NODE}/bin/sshd" if via == "broker" else SSHD,
        "TEST_SSH_SFTPSERVER": "/usr/lib/openssh/sftp-server", "TEST_SSH_PLINK": "plink",
        "TEST_SSH_PUTTYGEN": "puttygen", "TEST_SSH_CONCH": "conch3",
    }


def run_script(node, name, limit, via):
    """Its status; what it says goes to our standard output."""
    argv = node.enter_as_user("env", "-i", *(f"{k}={v}" for k, v in environment(via).items()),
                              f"{NODE}/bin/init", "sh", "-c", f"cd {OBJ} && exec timeout -k 5 {limit} sh {table.REGRESS}/test-exec.sh {OBJ} "
                              f"{table.REGRESS}/{name}.sh 2>&1")
    with open("/dev/zero", "rb") as zero:  # as Debian runs them: some clients end their session at the end of input
        return subprocess.run(argv, stdin=zero).returncode


def end_with_standard_input():
    """With us ends all that we started, however those who started us ended."""
    while os.read(0, 1):
        pass
    os._exit(1)


def main():
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    folder, name, limit, via, algorithms = sys.argv[1:]
    folder = Path(folder)
    set_up_network()
    node = Node(folder / "n")
    (node.folder / "bin/algorithms").write_text(algorithms.replace(" ", "\n") + "\n")
    runner = Runner(folder, node) if via == "broker" else None
    try:
        status = run_script(node, name, int(limit), via)
        print(f"status {status}", flush=True)
        if runner:
            runner.stop()
    finally:
        node.stop()
    sys.exit(status != 0)


if __name__ == "__main__":
    main()
