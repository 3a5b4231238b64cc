"""An independent WebSocket relay, to hold clients and `otp-pi ws-broker` against.

usage: ws_relay.py USER PASSWORD

Listens on a free port of 127.0.0.1, prints it, and relays every text to all other connections of the same topic until it is killed.
The topic is `?topic=` or `?channel=`; HTTP Basic is required.
"""

import asyncio
import collections
import sys
import urllib.parse

from websockets.asyncio.server import basic_auth, serve

topics = collections.defaultdict(set)


def topic_of(path):
    fields = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
    return (fields.get("topic") or fields.get("channel") or [None])[0]


async def relay(connection):
    topic = topic_of(connection.request.path)
    if topic is None:
        await connection.close(1008, "no topic")
        return
    topics[topic].add(connection)
    try:
        async for message in connection:
            for other in topics[topic] - {connection}:
                await other.send(message)
    finally:
        topics[topic].discard(connection)


async def main(user, password):
    login = basic_auth(realm="relay", credentials=(user, password))
    async with serve(relay, "127.0.0.1", 0, process_request=login) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main(*sys.argv[1:]))
