"""Processes, ports, waits and sanitizer logs: what every actor needs."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# A build with sanitizers is several times slower; a deadline only costs time when something is broken.
SLOW = 1
# Stands in the environment of every process of ours, so that one that stayed behind is found.
MARK = f"scenario-of-{os.getpid()}"


def build_dir():
    """The build under test, or None."""
    path = os.environ.get("SSHBROKER_BUILD")
    return Path(path).resolve() if path else None


def program(name):
    """The path of a built program, or None while it does not exist."""
    build = build_dir()
    for folder in ("", "deploy/node", "bin"):
        path = build / folder / name if build else None
        if path and path.is_file():
            return path
    return None


def is_sanitized(build=None):
    build = build or build_dir()
    cache = build / "CMakeCache.txt" if build else None
    return bool(cache and cache.exists() and "SSHBROKER_SANITIZE:BOOL=ON" in cache.read_text())


if is_sanitized():
    SLOW = 4


def seconds(n):
    """A deadline of n seconds on an ordinary build."""
    return n * SLOW


def sanitizer_env(folder):
    """Environment that makes every sanitizer write its finding into folder and fail the process."""
    log = f"log_path={folder}/asan"
    return {
        "ASAN_OPTIONS": f"{log}:exitcode=99:detect_leaks=1:abort_on_error=0",
        "UBSAN_OPTIONS": f"{log}:print_stacktrace=1",
        "LSAN_OPTIONS": f"{log}:exitcode=99",
    }


def sanitizer_folder():
    """Where the findings of this run go; writable for all, since the roles of the broker are users of their own."""
    folder = Path(os.environ.get("SSHBROKER_ASAN_DIR") or f"/tmp/sb-{os.getpid()}-asan")
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(PermissionError):
        folder.chmod(0o1777)
    return folder


def findings(folder):
    """The findings that lie in folder, as {file: text}."""
    return {p.name: p.read_text(errors="replace") for p in sorted(Path(folder).glob("asan.*"))}


def make_temp(mode=0o755):
    """A folder with a short path (a socket's path ends at 107 bytes) that every user may pass through."""
    path = Path(tempfile.mkdtemp(prefix=f"sb-{os.getpid()}-", dir="/tmp"))
    path.chmod(mode)
    return path


def remove_temp(path):
    """What a killed node left belongs to its users."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        run_as_root(["rm", "-rf", path])


# Folders of runs, and sockets of Criterion, by the process whose they are.
OWNED = re.compile(r"sb-(\d+)-\w+|criterion_(\d+)\.sock")


def sweep():
    """Remove what killed processes of this user left in /tmp."""
    for path in Path("/tmp").iterdir():
        named = OWNED.fullmatch(path.name)
        with contextlib.suppress(FileNotFoundError):
            if named and path.lstat().st_uid == os.geteuid() and not is_alive(named[1] or named[2]):
                remove_temp(path) if path.is_dir() else path.unlink()


def free_port(address="127.0.0.1"):
    """A port that was free a moment ago; who binds it must be ready to try another one."""
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


_next_address = 0


def own_address():
    """A loopback address that no other process of ours uses, so that its ports do not meet others."""
    global _next_address
    _next_address += 1
    pid = os.getpid()
    return f"127.{64 + (pid >> 12) % 128}.{(pid >> 4) % 256}.{((pid % 16) * 16 + _next_address) % 254 + 1}"


def wait_for(condition, what, timeout=30.0, step=0.02):
    """Wait until condition() is true and return it; fails with words."""
    deadline = time.monotonic() + seconds(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds(timeout):.0f} s for: {what}")
        time.sleep(step)


def as_root(argv):
    """A sudo that wants a password says so; in the background it would stop at the terminal and wait for ever."""
    return list(argv) if os.geteuid() == 0 else ["sudo", "-n", *argv]


def run_as_root(argv):
    subprocess.run([str(a) for a in as_root(argv)], check=True)


_processes = []


def spawn(argv, log=None, env=None, findings=None, **kwargs):
    """Start a process in a group of its own (Ctrl-C is ours to handle); stop() ends it.  findings: a folder for them."""
    full = dict(os.environ if env is None else env)
    full.pop("SSH_AUTH_SOCK", None)
    full["SCENARIO_OWNER"] = MARK
    if is_sanitized():
        full.update(sanitizer_env(findings or sanitizer_folder()))
    with contextlib.ExitStack() as stack:
        if log:
            file = stack.enter_context(open(log, "ab"))
            kwargs.setdefault("stdout", file)
            kwargs.setdefault("stderr", file)
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        p = subprocess.Popen([str(a) for a in argv], env=full, process_group=0, **kwargs)
    _processes.append(p)
    return p


def stop(p, timeout=20.0):
    """End a process that spawn() started: politely, then not.  Returns its exit status."""
    if p.poll() is None:
        with contextlib.suppress(PermissionError):  # a sudo: it ends with what it runs
            p.send_signal(signal.SIGCONT)
            p.terminate()
    try:
        p.wait(seconds(timeout))
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
    if p in _processes:
        _processes.remove(p)
    return p.returncode


def stop_all():
    for p in list(_processes):
        stop(p, 5)


def any_in_environment(entry, texts):
    with contextlib.suppress(PermissionError):
        environment = (entry / "environ").read_bytes()
        return any(t.encode() in environment for t in texts)
    return False


def processes_with(*texts):
    """Processes of the machine whose command line or environment has one of these: [(pid, words)]."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            named = any(t in words for t in texts) or any_in_environment(entry, texts)
        except OSError:
            continue
        if named and words:
            found.append((int(entry.name), words))
    return found


def children(pid):
    """The living child processes of pid."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            after = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(after[1]) == pid and after[0] != "Z":
                found.append(int(entry.name))
    return found


def argv_of(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    return []


def is_alive(pid):
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def kill_if_there(pid):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def resident_kib(pid):
    """Memory that belongs to this process alone and is in use (anonymous pages), in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0
