"""The steps of ./check: each builds or runs something, counts what passed, and all of them are summed up."""
import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build-check"
sys.path.insert(0, str(ROOT / "tests/scenario"))
from lib import proc  # noqa: E402

JOBS = os.cpu_count() or 1
WORKERS = min(JOBS + 1, 4)
TAIL = 20000  # characters of a log that are shown when its step fails
STEP_SECONDS = 1800


class Step:
    """What a step found.  A step without counts of its own is one test: it passed or it failed."""

    def __init__(self, name):
        self.name, self.seconds, self.lines = name, 0.0, []
        self.passed = self.failed = self.skipped = 0
        self.log = OUT / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")

    def run(self, argv, **env):
        """Run a command with its output in the step's log; its exit status."""
        with open(self.log, "ab") as f:
            f.write(f"$ {' '.join(map(str, argv))}\n".encode())
            f.flush()
            p = subprocess.Popen([str(a) for a in argv], stdout=f, stderr=f, stdin=subprocess.DEVNULL, cwd=ROOT,
                                 env={**os.environ, **env}, start_new_session=True)
            try:
                return p.wait(STEP_SECONDS)
            except BaseException as e:
                os.killpg(p.pid, signal.SIGTERM)
                if not isinstance(e, subprocess.TimeoutExpired):
                    raise
                f.write(f"\nended after {STEP_SECONDS} s\n".encode())
                return 124

    def text(self):
        return self.log.read_text(errors="replace")

    def count(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def one(self, good):
        self.count(int(good), int(not good))
        return good

    def say(self, line):
        self.lines.append(line)


def sources(*patterns):
    """Files of the project: in git, or new."""
    done = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-coz", "--exclude-standard", "--", *patterns], cwd=ROOT, check=True,
                          capture_output=True)
    return [ROOT / name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def check_format(step, _):
    files = sources("*.c", "*.h")
    step.one(step.run(["clang-format", "--dry-run", "-Werror", "--ferror-limit=1", *files]) == 0)


def is_shell(path):
    with open(path, "rb") as f:
        return re.match(rb"#!\s*/(usr/)?bin/(env )?(ba|da)?sh\b", f.readline()) is not None


def check_shell(step, _):
    files = [p for p in sources() if p.suffix == ".sh" or is_shell(p)]
    step.one(step.run(["shellcheck", "-x", *files]) == 0)


def build(step, name, compiler, *options):
    """Configure and build into build-check/NAME; False if that fails."""
    folder = OUT / name
    good = step.run(["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, *options], CC=compiler) == 0 \
        and step.run(["ninja", "-C", folder]) == 0
    step.one(good)
    return good


def run_ctest(step, folder, env):
    """Run the tests of a build; every Criterion test counts, a program that is none counts as one."""
    status = step.run(["ctest", "--test-dir", folder, "-j", JOBS, "--timeout", 300, "--output-on-failure"], **env)
    log = folder / "Testing/Temporary/LastTest.log"
    passed, failed = count_programs(log.read_text(errors="replace")) if log.exists() else (0, 0)
    if status != 0 and failed == 0:
        failed = 1
    step.count(passed, failed)
    step.say(f"unit tests and corpora ({step.name}): {passed} passed, {failed} failed, 0 skipped")


def count_programs(text):
    passed = failed = 0
    for part in re.split(r"^\d+/\d+ Testing: ", text, flags=re.M)[1:]:
        good = re.search(r"^Test Passed\.$", part, re.M) is not None
        sums = re.search(r"Synthesis: Tested: (\d+) \| Passing: (\d+)", part)
        tested, fine = map(int, sums.groups()) if sums else (1, int(good))
        passed += fine
        failed += tested - fine + int(not good and tested == fine)
    return passed, failed


def sanitizer_folder():
    """Below /tmp: the roles of the broker are users of their own, who may not pass through every home."""
    folder = Path(tempfile.mkdtemp(prefix="sb-asan-", dir="/tmp"))
    folder.chmod(0o1777)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def take_findings(folder):
    """What the sanitizers wrote, as {file: text}; the folder is gone afterwards."""
    found = proc.findings(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def count_findings(step, folder):
    """Whatever a sanitizer wrote is a failure, whatever the exit statuses said."""
    found = take_findings(folder)
    for name, text in found.items():
        step.log.open("a").write(f"\n--- {name}\n{text}\n")
    step.count(0, len(found))
    if found:
        step.say(f"sanitizers ({step.name}): {len(found)} findings in {step.log.relative_to(ROOT)}")


def check_leak_is_seen(step, build_folder):
    """A test that leaks on purpose, and passes: the checks above would see it."""
    folder = sanitizer_folder()
    step.run([build_folder / "leak/leak_test"], **proc.sanitizer_env(folder))
    if not step.one(any("LeakSanitizer" in text for text in take_findings(folder).values())):
        step.say("the deliberate leak was not seen: findings of the sanitizers cannot be trusted")


def check_gcc(step, _):
    if build(step, "gcc", "gcc", "-DCMAKE_BUILD_TYPE=Release"):
        run_ctest(step, OUT / "gcc", {})


def run_sanitized(step, name, compiler, *options):
    if build(step, name, compiler, "-DCMAKE_BUILD_TYPE=Debug", "-DSSHBROKER_SANITIZE=ON", *options):
        folder = sanitizer_folder()
        run_ctest(step, OUT / name, proc.sanitizer_env(folder))
        count_findings(step, folder)
        check_leak_is_seen(step, OUT / name)


def check_asan(step, _):
    """Clang's build is the sanitized one with the fuzz targets: one build less in every run."""
    run_sanitized(step, "clang-asan", "clang", "-DSSHBROKER_FUZZ=ON")


def check_gcc_asan(step, _):
    run_sanitized(step, "gcc-asan", "gcc")


def check_clang(step, _):
    if build(step, "clang", "clang", "-DCMAKE_BUILD_TYPE=Release"):
        run_ctest(step, OUT / "clang", {})


def run_scenarios(step, build_name, full, via, mib, tests="scenario"):
    folder = sanitizer_folder()
    status = step.run(["/usr/bin/python3", "-m", "pytest", "-q", "-n", WORKERS, "--durations=15",
                       "--timeout", 1800 if full else 300,
                       *([] if full else ["-m", "not slow"]), ROOT / "tests" / tests],
                      SSHBROKER_BUILD=str(OUT / build_name), SSHBROKER_ASAN_DIR=str(folder), SCENARIO_VIA=via,
                      SCENARIO_BIG_MIB=str(mib), PYTHONDONTWRITEBYTECODE="1")
    closing = re.findall(r"^(?=.*(?:passed|failed|skipped|error)).* in [\d.]+s.*$", step.text(), re.M)
    numbers = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", (closing or [""])[-1])}
    failed = numbers.get("failed", 0) + numbers.get("error", 0)
    step.count(numbers.get("passed", 0), failed or int(status != 0), numbers.get("skipped", 0))
    step.say(f"scenarios ({step.name}): {step.passed} passed, {step.failed} failed, {step.skipped} skipped")
    for line in re.findall(r"^figures: .*$", step.text(), re.M):
        step.say(line)
    count_findings(step, folder)


def check_scenarios(step, full):
    run_scenarios(step, "gcc", full, "broker", 1024 if full else 64)


def check_openssh_tests(step, full):
    """OpenSSH's own regression scripts, with the broker in front of their sshd."""
    run_scenarios(step, "gcc", full, "broker", 64, "openssh")


def check_asan_scenarios(step, full):
    run_scenarios(step, "clang-asan", full, "broker", 64 if full else 16)


def check_direct(step, full):
    """The same tests without the broker: a test that fails here is itself wrong."""
    run_scenarios(step, "gcc", full, "direct", 64)


def check_quickstart(step, _):
    """The demonstration, on the build that is there already."""
    if (OUT / "gcc/sshbrokerd").exists():
        step.one(step.run(["/usr/bin/python3", ROOT / "deploy/demo/demo.py", "--once"],
                          SSHBROKER_BUILD=str(OUT / "gcc")) == 0)
    else:
        step.count(0, 0, 1)


STEPS = {"format": check_format, "shell": check_shell, "gcc": check_gcc, "scenarios": check_scenarios,
         "openssh-tests": check_openssh_tests, "quickstart": check_quickstart, "asan": check_asan, "asan-scenarios": check_asan_scenarios}
SLOW_STEPS = {"clang": check_clang, "gcc-asan": check_gcc_asan, "direct": check_direct}
ALL_STEPS = STEPS | SLOW_STEPS


def run_step(name, full):
    step = Step(name)
    print(f"{name} ...", flush=True)
    begin = time.monotonic()
    try:
        ALL_STEPS[name](step, full)
    except Exception as e:
        step.one(False)
        step.say(f"{name}: {type(e).__name__}: {e}")
    step.seconds = time.monotonic() - begin
    if step.failed:
        print(f"--- {name} failed; the end of {step.log.relative_to(ROOT)}:\n{step.text()[-TAIL:]}\n---")
    return step


def summary(steps):
    print(f"\n{'step':<16}{'seconds':>8}{'passed':>8}{'failed':>8}{'skipped':>8}")
    for s in steps:
        print(f"{s.name:<16}{s.seconds:>8.0f}{s.passed:>8}{s.failed:>8}{s.skipped:>8}")
    total = [sum(getattr(s, what) for s in steps) for what in ("seconds", "passed", "failed", "skipped")]
    print(f"{'total':<16}{total[0]:>8.0f}{total[1]:>8}{total[2]:>8}{total[3]:>8}\n")
    for line in (x for s in steps for x in s.lines):
        print(line)
    print("{1} passed, {2} failed, {3} skipped".format(*total))


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))  # the step's processes are ended on the way out
    full = "--full" in sys.argv[1:]
    names = [word for word in sys.argv[1:] if word != "--full"]
    unknown = [name for name in names if name not in ALL_STEPS]
    if unknown:
        sys.exit(f"check: no such step: {unknown[0]} (steps: {', '.join(ALL_STEPS)})")
    steps = [run_step(name, full) for name in names or (ALL_STEPS if full else STEPS)]
    summary(steps)
    sys.exit(1 if any(s.failed for s in steps) else 0)


main()
