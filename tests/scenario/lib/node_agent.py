"""The first process of a node: makes the node's private view of the machine, then obeys requests from stdin.

It runs as root as process 1 of a pid namespace, inside private mount and UTS namespaces.  One JSON request a line, one
JSON answer a line.  When stdin ends, it ends, and the kernel ends all that runs on the node with it.
"""
import base64
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys

NODE = "/run/node"  # the node's folder, as seen from the node
PAM = """auth required pam_unix.so nodelay nullok
account required pam_nologin.so
account required pam_unix.so
password required pam_unix.so sha512
session required pam_env.so
session required pam_unix.so
"""


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def bind(source, target):
    os.makedirs(source, exist_ok=True)
    os.makedirs(target, exist_ok=True)
    mount("--bind", source, target)


def keep_system_accounts(path, id_field):
    """Only the machine's own system accounts exist on a node; the users of the test come on top."""
    with open(path) as f:
        lines = [x for x in f if x.count(":") > id_field and x.split(":")[id_field].isdigit()]
    kept = [x for x in lines if int(x.split(":")[id_field]) < 1000 or x.startswith("no")]
    with open(path, "w") as f:
        f.writelines(kept)
    return [x.split(":")[0] for x in kept]


def private_etc():
    shutil.copytree("/etc", "/run/etc", symlinks=True, ignore=lambda d, names: {"ssl", "apt"} & set(names),
                    ignore_dangling_symlinks=True)
    mount("--bind", "/run/etc", "/etc")
    names = keep_system_accounts("/etc/passwd", 2)
    keep_system_accounts("/etc/group", 2)
    with open("/etc/shadow", "w") as f:
        f.writelines(f"{name}:*:19000:0:99999:7:::\n" for name in names)
    os.chmod("/etc/shadow", 0o600)
    with open("/etc/pam.d/sshd", "w") as f:
        f.write(PAM)
    shutil.rmtree("/etc/ssh")
    os.makedirs("/etc/ssh/sshd_config.d")


def make_view(folder, name, home):
    os.umask(0o022)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    os.mkdir("/run/sshd", 0o755)
    bind(folder, NODE)
    bind(home, "/run/home")
    private_etc()
    bind("/run/home", "/home")
    bind(f"{NODE}/var-log", "/var/log")
    for record in ("/run/utmp", "/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog"):
        open(record, "a").close()
    os.makedirs("/usr/local", exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/usr/local")
    for sub in ("bin", "sbin", "lib", "libexec"):
        os.mkdir(f"/usr/local/{sub}")
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp")
    mount("-t", "tmpfs", "-o", "mode=700", "tmpfs", "/root")
    os.chdir("/")
    socket.sethostname(name)


class Agent:
    def __init__(self):
        self.sshd = None

    def start(self, argv):
        with open(f"{NODE}/sshd.log", "ab") as log:  # what its helpers say goes where its own log goes
            self.sshd = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                                         start_new_session=True,
                                         env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
        return self.sshd.pid

    def status(self):
        """The exit status of the listening sshd; None while it runs."""
        return self.sshd.poll() if self.sshd else 0

    def ps(self):
        found = []
        for pid in sorted(int(x) for x in os.listdir("/proc") if x.isdigit()):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    args = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
                with open(f"/proc/{pid}/stat") as f:
                    state, ppid = f.read().rpartition(")")[2].split()[:2]
                uid = os.stat(f"/proc/{pid}").st_uid
            except OSError:
                continue
            if pid != 1 and state != "Z":
                found.append({"pid": pid, "ppid": int(ppid), "uid": uid, "args": args})
            elif pid != 1 and int(ppid) == 1 and not (self.sshd and pid == self.sshd.pid):
                os.waitpid(pid, os.WNOHANG)
        return found

    def signal(self, number, pids=None):
        """Signal these processes, or all of the node but this one."""
        for pid in [-1] if pids is None else pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        if self.sshd and number == signal.SIGKILL and pids is None:
            self.sshd.wait()

    def run(self, argv, user=None, stdin=""):
        env = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}
        identity = {}
        if user:
            entry = pwd.getpwnam(user)
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": entry.pw_dir}
            env["HOME"] = entry.pw_dir
        p = subprocess.run(argv, input=base64.b64decode(stdin), capture_output=True, env=env, **identity)
        return {"status": p.returncode, "stdout": base64.b64encode(p.stdout).decode(),
                "stderr": base64.b64encode(p.stderr).decode()}

    def write(self, path, data, owner=None, mode=0o644):
        """Write a file in one step, making its folders (0700, the owner's) below a home."""
        uid, gid = (-1, -1) if owner is None else pwd.getpwnam(owner)[2:4]
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o700 if owner else 0o755)
            os.chown(folder, uid, gid)
        with open(path + ".new", "wb") as f:
            f.write(base64.b64decode(data))
        os.chown(path + ".new", uid, gid)
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)

    def add_user(self, name, uid, password_hash, days=19000):
        for path, line in (("/etc/passwd", f"{name}:x:{uid}:{uid}:{name}:/home/{name}:/bin/bash\n"),
                           ("/etc/group", f"{name}:x:{uid}:\n"),
                           ("/etc/shadow", f"{name}:{password_hash}:{days}:0:99999:7:::\n")):
            with open(path, "a") as f:
                f.write(line)
        if not os.path.isdir(f"/home/{name}"):  # a home that nodes share is there already
            os.mkdir(f"/home/{name}", 0o755)
            os.chown(f"/home/{name}", uid, uid)

    def clean(self):
        """Remove what belongs to other users; the rest is the caller's own."""
        self.signal(signal.SIGKILL)
        for folder in ("/run/home", f"{NODE}/var-log", f"{NODE}/asan"):
            for name in os.listdir(folder) if os.path.isdir(folder) else ():
                path = os.path.join(folder, name)
                shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.unlink(path)


def main():
    folder, name, home = sys.argv[1:]
    # Handled, not ignored: what is ignored here would be ignored in every session, too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    make_view(folder, name, home)
    agent = Agent()
    print(json.dumps({"ok": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": True, "value": getattr(agent, request.pop("do"))(**request)}
        except Exception as e:  # the caller decides what a failed request means
            answer = {"ok": False, "error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)
    agent.clean()


main()
