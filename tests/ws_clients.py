"""What clients written with `websockets` see of a WebSocket broker.

usage: ws_clients.py SCENARIO URL USER PASSWORD [CA]

URL is ws://HOST:PORT or wss://HOST:PORT. Ends with 0 when the scenario went as its name says. Where order alone would show that
something was not received, a second message behind it is awaited: no scenario waits for time.
"""

import asyncio
import base64
import resource
import socket
import ssl
import struct
import sys
import urllib.parse

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

scenario, url, user, password = sys.argv[1:5]
tls = ssl.create_default_context(cafile=sys.argv[5]) if len(sys.argv) > 5 else None
PATIENCE = 30


def login(name=user, word=password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{word}".encode()).decode()}


def client(query="topic=sms", headers=None, path="/ws", **more):
    if headers is None:
        headers = login()
    if tls:
        more["ssl"] = tls
    return connect(f"{url}{path}?{query}", additional_headers=headers, open_timeout=PATIENCE, proxy=None, **more)


async def hear(connection):
    return await asyncio.wait_for(connection.recv(), PATIENCE)


async def close_code(connection):
    try:
        while True:
            await hear(connection)
    except ConnectionClosed:
        return connection.close_code


async def status(headers, **more):
    try:
        async with client(headers=headers, **more):
            return 101, {}
    except InvalidStatus as refusal:
        return refusal.response.status_code, refusal.response.headers


async def relay():
    """To all of the topic except the sender; topics apart; `channel` is `topic`; any path."""
    async with client() as one, client("channel=sms") as two, client(path="/") as three, client("topic=mail") as other:
        for text in ["first", "täxt ☎", "x" * 65_000, ""]:
            await one.send(text)
            assert await hear(two) == text
            assert await hear(three) == text
        await two.send("answer")
        # The first that each hears: neither its own text nor another topic's came before.
        assert await hear(one) == "answer"
        async with client("topic=mail") as sender:
            await sender.send("of mail")
        assert await hear(other) == "of mail"


async def once():
    """A reply over a new connection that sends one text and closes, as the original does."""
    async with client("topic=callback") as waiting:
        for number in range(20):
            async with client("topic=callback") as passing:
                await passing.send(f"reply {number}")
            assert await hear(waiting) == f"reply {number}"


async def refused():
    assert (await status({}))[0] == 401
    for bad in [login(word="wrong"), login(name="nobody"), {"Authorization": "Bearer x"}]:
        code, headers = await status(bad)
        assert code == 401 and headers["WWW-Authenticate"].startswith("Basic realm="), code


async def strict():
    """What our own broker says to what it does not take."""
    assert (await status(None, query=""))[0] == 400
    assert (await status(None, query="topic="))[0] == 400
    assert (await status({}, query=""))[0] == 401
    async with client() as bad:
        await bad.send("x" * 65_537)
        assert await close_code(bad) == 1009
    async with client() as bad:
        await bad.send(b"bytes")
        assert await close_code(bad) == 1003
    async with client() as bad:
        await bad.send(["x" * 40_000, "x" * 40_000])
        assert await close_code(bad) == 1009


def raw():
    """A connection that answers nothing by itself."""
    parts = urllib.parse.urlsplit(url)
    peer = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.sendall(
        f"GET /ws?topic=sms HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: {login()['Authorization']}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += peer.recv(1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
    return peer


def frame(opcode, payload):
    """A masked frame with a mask of zeros (RFC 6455 section 5.2)."""
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


def read_exactly(peer, count):
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        assert more, "the connection ended without a close"
        data += more
    return data


def raw_close_code(peer):
    while True:
        first, length = read_exactly(peer, 2)
        if length == 126:
            length = struct.unpack("!H", read_exactly(peer, 2))[0]
        payload = read_exactly(peer, length)
        if first & 0x0F == 8:
            return struct.unpack("!H", payload[:2])[0]


async def broken():
    for bytes_, code in [
        (frame(1, b"\xff\xfe"), 1007),
        (frame(3, b"?"), 1002),
        (bytes([0x81, 1]) + b"x", 1002),
    ]:
        peer = raw()
        peer.sendall(bytes_)
        assert raw_close_code(peer) == code, code
    # Half a frame and gone: nobody else notices.
    peer = raw()
    peer.sendall(frame(1, b"whole")[:-2])
    peer.close()
    await relay()


async def dead():
    """A peer that answers no ping is closed; one beside it that does is not."""
    async with client() as alive:
        peer = raw()
        assert await asyncio.to_thread(raw_close_code, peer) == 1008
        async with client() as sender:
            await sender.send("still there")
            assert await hear(alive) == "still there"


async def slow():
    """One that does not read is given up; one beside it hears everything, in order."""
    peer = raw()
    async with client(max_queue=None) as quick, client() as sender:
        for number in range(2000):
            text = f"{number} " + "x" * 10_000
            await sender.send(text)
            assert await hear(quick) == text
    peer.close()


async def thousand():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    connections = []
    for _ in range(10):
        connections += await asyncio.gather(*(client(ping_interval=None) for _ in range(100)))
    async with connections[0] as sender:
        for number in range(3):
            await sender.send(f"to all {number}")
            assert all(text == f"to all {number}" for text in await asyncio.gather(*map(hear, connections[1:])))
    await asyncio.gather(*(connection.close() for connection in connections))


async def full():
    """One more than there is room for is answered 503, and has room when another has gone."""
    async with client(), client():
        assert (await status(None))[0] == 503
    for _ in range(1000):
        if (await status(None))[0] == 101:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no room came back")


async def stopped():
    """Says that it is connected, and awaits the broker's end."""
    async with client() as one, client("topic=mail") as two:
        print("connected", flush=True)
        assert await close_code(one) == 1001
        assert await close_code(two) == 1001


async def throttled():
    """Guessing is slowed."""
    codes = [(await status(login(word=f"guess {number}")))[0] for number in range(25)]
    assert 429 in codes and codes[0] == 401, codes


asyncio.run(globals()[scenario]())
