"""Paramiko: threads and blocking calls."""
import contextlib
import os
import socket
import threading
import warnings

from . import proc, tunnel
from .library import Denied, Done, Library

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of ciphers that nobody asks it for
    import paramiko
    from paramiko.agent import AgentRequestHandler

CHUNK = 32768
NO_SIGNALS = "it does not tell its user of exit-signal"
NO_UNIX = "it knows no channels for unix sockets"
NO_AEAD = "its 2.12 has no AEAD cipher"
# Names of login, and what lists them in its security options.
LISTS = {"kex": "kex", "host_key": "key_types", "cipher": "ciphers", "mac": "digests"}
KEY_TYPES = {"ed25519": "Ed25519Key", "ecdsa": "ECDSAKey", "rsa": "RSAKey"}


class Paramiko(Library):
    NAME = "Paramiko"
    LACKS = {
        "exit signals": NO_SIGNALS,
        "signals": "it has no way to send a signal",
        "terminal modes": "it sends no modes with a terminal",
        "a goodbye": "it closes the socket without a word",
        "unix sockets": NO_UNIX,
        "remote unix sockets": NO_UNIX,
        "chacha20-poly1305@openssh.com": NO_AEAD,
        "aes128-gcm@openssh.com": NO_AEAD,
        "aes256-gcm@openssh.com": NO_AEAD,
        "curve25519-sha256": "it knows this method by the name curve25519-sha256@libssh.org alone",
    }

    @contextlib.contextmanager
    def connected(self):
        t = paramiko.Transport(socket.create_connection(self.endpoint[:2], proc.seconds(20)))
        try:
            self._set_up(t)
            t.start_client(timeout=proc.seconds(20))
            key = t.get_remote_server_key()
            assert f"{key.get_name()} {key.get_base64()}" in self.endpoint.host_keys, "another host key"
            self._log_in(t)
            self.chosen = {"host_key": t.host_key_type, "cipher": t.local_cipher, "cipher_in": t.remote_cipher,
                           "mac": t.local_mac, "mac_in": t.remote_mac, "compression": t.local_compression,
                           "compression_in": t.remote_compression}
            yield t
        finally:
            t.close()

    def _set_up(self, t):
        options = t.get_security_options()
        for name, word in LISTS.items():
            if self.login.get(name):
                setattr(options, word, (self.login[name],))
        if self.login.get("compression"):
            options.compression = (self.login["compression"],)
        if "rekey_bytes" in self.login:
            t.packetizer.REKEY_BYTES = self.login["rekey_bytes"]

    def _log_in(self, t):
        login, name = self.login, self.user.name
        try:
            more = t.auth_publickey(name, self._key(login["key"])) if "key" in login else True
            if more and "password" in login:
                t.auth_password(name, login["password"], fallback=False)
            elif more:
                t.auth_interactive(name, lambda title, words, prompts: [login["answer"]] * len(prompts))
        except paramiko.AuthenticationException as e:
            raise Denied(str(e)) from e
        if "keepalive_s" in login:
            t.set_keepalive(login["keepalive_s"])

    @staticmethod
    def _key(path):
        name = open(f"{path}.pub").read().split()[0]
        kind, = [k for k in KEY_TYPES if k in name]
        return getattr(paramiko, KEY_TYPES[kind]).from_private_key_file(str(path))

    @staticmethod
    def finish(channel, stdin=b""):
        """Send all, and read both outputs, to the end."""
        def send():
            with contextlib.suppress(OSError):
                channel.sendall(stdin)
                channel.shutdown_write()

        def read(receive, to):
            while data := receive(CHUNK):
                to.append(data)

        out, err = [], []
        threads = [threading.Thread(target=send), threading.Thread(target=read, args=(channel.recv_stderr, err))]
        for t in threads:
            t.start()
        read(channel.recv, out)
        for t in threads:
            t.join(proc.seconds(60))
        return b"".join(out), b"".join(err)

    def run(self, command, stdin=b"", env=None, signal=None):
        with self.connected() as t:
            channel = t.open_session()
            for name, value in (env or {}).items():
                channel.set_environment_variable(name, value)
            channel.exec_command(command)
            out, err = self.finish(channel, stdin)
            return Done(channel.recv_exit_status(), None, out, err)

    def run_all(self, commands):
        with self.connected() as t:
            channels = [t.open_session() for _ in commands]
            for channel, command in zip(channels, commands):
                channel.exec_command(command)
            return [Done(c.recv_exit_status(), None, *self.finish(c)) for c in channels]

    def terminal(self, command, size, new_size, modes=None):
        with self.connected() as t:
            channel = t.open_session()
            channel.get_pty("xterm", *size)
            channel.exec_command(command)
            first = channel.recv(1)
            channel.resize_pty(*new_size)
            return first + b"".join(iter(lambda: channel.recv(CHUNK), b""))

    def copy(self, local, remote, back):
        with self.connected() as t:
            sftp = paramiko.SFTPClient.from_transport(t)
            sftp.put(str(local), remote)
            sftp.get(remote, str(back))

    def reach(self, address, data):
        with self.connected() as t:
            return self.finish(t.open_channel("direct-tcpip", address, ("127.0.0.1", 4711)), data)[0]

    @contextlib.contextmanager
    def listen(self, port, n):
        """A port on the node leads to ours."""
        threads = []

        def handle(channel, origin, server):
            threads.append(threading.Thread(target=self._serve, args=(channel, port)))
            threads[-1].start()

        with self.connected() as t:
            listening = t.request_port_forward("127.0.0.1", 0, handle)
            yield listening
            for thread in threads:
                thread.join(proc.seconds(20))
            t.cancel_port_forward("127.0.0.1", listening)

    @staticmethod
    def _serve(channel, port):
        """Carry what somebody says to a port of ours, and the answer back."""
        with tunnel.connect(("127.0.0.1", port)) as near:
            near.sendall(tunnel.read_all(channel))
            near.shutdown(socket.SHUT_WR)
            channel.sendall(tunnel.read_all(near))
        channel.close()

    def with_agent(self, command, path):
        """It finds the agent by SSH_AUTH_SOCK alone, which must be there already."""
        assert os.environ["SSH_AUTH_SOCK"] == str(path)
        with self.connected() as t:
            channel = t.open_session()
            handler = AgentRequestHandler(channel)
            channel.exec_command(command)
            out, err = self.finish(channel)
            handler.close()
            return Done(channel.recv_exit_status(), None, out, err)

    def alive(self, seconds):
        """Ask for signs of life meanwhile; it does not wait for them."""
        with self.connected() as t:
            channel = t.open_session()
            channel.exec_command(f"sleep {seconds}")
            assert channel.recv_exit_status() == 0
            return int(seconds / self.login["keepalive_s"])
