"""A small web server with a websocket, as notebooks and editors start on a node: says its port, serves, ends when told.

GET /host is the name of the node, GET /zeros/N is N bytes.  A websocket says each message again; "end" ends the server.
"""
import asyncio
import http
import socket

import websockets


async def answer(path, _):
    """To what is no websocket."""
    words = path.strip("/").split("/")
    if words[0] == "host":
        return http.HTTPStatus.OK, [], socket.gethostname().encode()
    if words[0] == "zeros":
        return http.HTTPStatus.OK, [], bytes(int(words[1]))
    return None


async def main():
    ended = asyncio.Event()

    async def talk(s):
        async for message in s:
            if message == "end":
                ended.set()
            await s.send(message)

    async with websockets.serve(talk, "127.0.0.1", 0, process_request=answer, max_size=1 << 25) as server:
        print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
        await ended.wait()


asyncio.run(main())
