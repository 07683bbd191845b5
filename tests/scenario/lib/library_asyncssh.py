"""AsyncSSH: each action is a coroutine that runs to its end."""
import asyncio
import concurrent.futures as futures
import contextlib
import threading
import warnings

from . import proc
from .library import Denied, Done, Library

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of ciphers that nobody asks it for
    import asyncssh

# Names of login in its words; each stands for a list.
LISTS = {"kex": "kex_algs", "host_key": "server_host_key_algs", "cipher": "encryption_algs", "mac": "mac_algs",
         "compression": "compression_algs"}
CHOSEN = {"cipher": "send_cipher", "cipher_in": "recv_cipher", "mac": "send_mac", "mac_in": "recv_mac",
          "compression": "send_compression", "compression_in": "recv_compression"}


class AsyncSsh(Library):
    NAME = "AsyncSSH"

    def options(self):
        login = dict(self.login)
        options = {"username": self.user.name, "known_hosts": str(self.known_hosts), "config": None, "agent_path": None,
                   "client_keys": None, "login_timeout": proc.seconds(30)}
        for name, word in LISTS.items():
            if login.get(name):
                options[word] = [login[name]]
        if "key" in login:
            options["client_keys"] = [str(login["key"])]
        if "password" in login:
            options |= {"password": login["password"], "preferred_auth": "password"}
        if "answer" in login:
            options |= {"client_factory": lambda: Answering(login["answer"]),
                        "preferred_auth": "publickey,keyboard-interactive"}
        if "rekey_bytes" in login:
            options["rekey_bytes"] = login["rekey_bytes"]
        if "keepalive_s" in login:
            options |= {"keepalive_interval": login["keepalive_s"], "keepalive_count_max": 1}
        return options

    def act(self, action, **extra):
        """What action(connection) returns."""
        async def connected():
            try:
                c = await asyncssh.connect(self.endpoint.host, self.endpoint.port, **{**self.options(), **extra})
            except asyncssh.PermissionDenied as e:
                raise Denied(str(e)) from e
            async with c:
                self.chosen = {name: c.get_extra_info(word) for name, word in CHOSEN.items()}
                return await asyncio.wait_for(action(c), proc.seconds(60))
        return asyncio.run(connected())

    @staticmethod
    async def execute(c, command, stdin=b"", **options):
        p = await c.create_process(command, encoding=None, **options)
        out, err = await p.communicate(stdin)
        return done_of(p, out, err)

    def run(self, command, stdin=b"", env=None, signal=None):
        async def action(c):
            if not signal:
                return await self.execute(c, command, stdin, env=env or {})
            p = await c.create_process(command, encoding=None)
            first = await p.stdout.readline()
            p.send_signal(signal)
            out, err = await p.communicate()
            return done_of(p, first + out, err)
        return self.act(action)

    def run_all(self, commands):
        return self.act(lambda c: asyncio.gather(*(self.execute(c, command) for command in commands)))

    def terminal(self, command, size, new_size, modes=None):
        async def action(c):
            modes_by_number = {getattr(asyncssh, f"PTY_{name}"): value for name, value in (modes or {}).items()}
            p = await c.create_process(command, encoding=None, term_type="xterm", term_size=size,
                                       term_modes=modes_by_number)
            first = await p.stdout.read(1)
            p.change_terminal_size(*new_size)
            return first + await p.stdout.read()
        return self.act(action)

    def copy(self, local, remote, back):
        async def action(c):
            async with c.start_sftp_client() as sftp:
                await sftp.put(str(local), remote)
                await sftp.get(remote, str(back))
        self.act(action)

    def reach(self, address, data):
        async def action(c):
            if isinstance(address, tuple):
                reader, writer = await c.open_connection(*address)
            else:
                reader, writer = await c.open_unix_connection(str(address))
            writer.write(data)
            writer.write_eof()
            return await reader.read()
        return self.act(action)

    @contextlib.contextmanager
    def listen(self, port, n):
        """A port on the node leads to ours."""
        with self._forwarded(lambda c: c.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port)) as listener:
            yield listener.get_port()

    @contextlib.contextmanager
    def listen_unix(self, path, target):
        """A socket on the node leads to one of ours."""
        with self._forwarded(lambda c: c.forward_remote_path(str(path), str(target))):
            yield

    @contextlib.contextmanager
    def _forwarded(self, forward):
        """Forward in a thread, until the with-block ends."""
        listening, ended = futures.Future(), threading.Event()

        async def action(c):
            listener = await forward(c)
            listening.set_result(listener)
            await asyncio.to_thread(ended.wait)
            listener.close()
            await listener.wait_closed()

        with futures.ThreadPoolExecutor(1) as thread:
            running = thread.submit(self.act, action)
            try:
                futures.wait([listening, running], return_when=futures.FIRST_COMPLETED)
                yield listening.result() if listening.done() else running.result()
            finally:
                ended.set()
            running.result()

    def with_agent(self, command, socket):
        return self.act(lambda c: self.execute(c, command), agent_path=str(socket), agent_forwarding=True)

    def alive(self, seconds):
        """Ask for signs of life meanwhile; a missing one ends the connection."""
        done = self.run(f"sleep {seconds}")
        assert done.status == 0
        return int(seconds / self.login["keepalive_s"])


class Answering(asyncssh.SSHClient):
    """Every question gets the same answer."""

    def __init__(self, answer):
        self.answer, self.is_asked = answer, False

    def kbdint_auth_requested(self):
        """Once."""
        asked, self.is_asked = self.is_asked, True
        return None if asked else ""

    def kbdint_challenge_received(self, name, instructions, lang, prompts):
        return [self.answer] * len(prompts)


def done_of(process, out, err):
    signal = process.exit_signal
    return Done(None if signal else process.exit_status, signal and tuple(signal[:3]), out, err)
