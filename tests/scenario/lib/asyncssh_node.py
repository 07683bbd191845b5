"""A node that is not OpenSSH: AsyncSSH's server, which runs the same programs."""
import asyncio
import subprocess
import threading

from . import keys, proc
from .library_asyncssh import LISTS, asyncssh


class AsyncSshNode:
    """Its users are all who come with a certificate of the broker's CA; use() says which algorithms it has from then on."""

    def __init__(self, folder, name):
        self.folder, self.name, self.address = folder, name, proc.own_address()
        folder.mkdir(parents=True)
        self.key_paths = [keys.host_key(folder, f"host_{kind}", kind) for kind in ("ed25519", "ecdsa-256")]
        self.host_keys = [keys.public(path) for path in self.key_paths]
        self.port = proc.free_port(self.address)
        self.seen = []  # what each connection used, after its login
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def start(self, ca):
        """Listen; ca is the public key whose certificates are taken."""
        (self.folder / "authorized").write_text(f'cert-authority,principals="sshbroker-v1" {ca}\n')
        self.thread.start()
        self.acceptor = self.run(self.listen())

    async def listen(self):
        return await asyncssh.listen(
            self.address, self.port, server_host_keys=[str(p) for p in self.key_paths],
            authorized_client_keys=str(self.folder / "authorized"), process_factory=self.serve, encoding=None,
            config=None)

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(proc.seconds(30))

    def use(self, **algorithms):
        async def update():
            self.acceptor.update(**{word: [algorithms[name]] if name in algorithms else () for name, word in LISTS.items()
                                    if name != "host_key"}, rekey_bytes=1 << 17)
        self.run(update())

    async def serve(self, process):
        self.seen.append({name: process.get_extra_info(name) for name in
                          ("recv_cipher", "send_cipher", "recv_mac", "send_mac", "recv_compression", "client_version")})
        child = subprocess.Popen(process.command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
        await process.stdout.drain()
        status = await asyncio.to_thread(child.wait)
        process.exit(status)

    def stop(self):
        async def close():
            self.acceptor.close()
            await self.acceptor.wait_closed()
        self.run(close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
