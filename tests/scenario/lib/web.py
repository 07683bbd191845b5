"""A browser's or an editor's side of lib/web_server.py: requests and messages through any socket that leads there."""
import asyncio
import http.client
from pathlib import Path

import websockets

from . import proc

SERVER = Path(__file__).with_name("web_server.py")


def get(s, path):
    """The body of the answer to one request over this socket."""
    c = http.client.HTTPConnection("localhost")
    c.sock = s
    c.request("GET", path)
    answer = c.getresponse()
    assert answer.status == 200
    return answer.read()


def talk(s, *messages):
    """A websocket over this socket: all messages are sent, some before the answers to others are read; the answers."""
    async def run():
        async with websockets.connect("ws://localhost/", sock=s, max_size=1 << 25, open_timeout=proc.seconds(20)) as w:
            async def send():
                for m in messages:
                    await w.send(m)

            sending = asyncio.create_task(send())
            got = [await asyncio.wait_for(w.recv(), proc.seconds(60)) for _ in messages]
            await sending
            return got

    s.setblocking(False)
    return asyncio.run(run())
