# A publisher and listener over Python's websockets: does what each line of JSON asks.
import asyncio, base64, json, ssl, sys
from websockets.asyncio.client import connect

options = json.loads(sys.argv[1])
kept = []


def say(**what):
    print(json.dumps(what), flush=True)


def at(topic):
    more = {}
    if "login" in options:
        more["additional_headers"] = {"Authorization": "Basic " + base64.b64encode(options["login"].encode()).decode()}
    scheme = "ws"
    if "ca" in options:
        scheme = "wss"
        more["ssl"] = ssl.create_default_context(cafile=options["ca"])
        more["ssl"].load_cert_chain(options["certificate"], options["key"])
        more["server_hostname"] = options["server_hostname"]
    return connect(f"{scheme}://127.0.0.1:{options['port']}/ws?topic={topic}", max_size=None, **more)


async def hear(socket, topic):
    try:
        async for body in socket:
            say(topic=topic, body=body if isinstance(body, str) else "null")
    except Exception:
        pass


async def do(it):
    if it["do"] == "listen":
        socket = await at(it["topic"])
        kept.append(asyncio.ensure_future(hear(socket, it["topic"])))
    elif it["do"] == "publish":
        async with at(it["topic"]) as socket:
            for body in it["bodies"]:
                await socket.send(body.encode() if it.get("binary") else body)
    return {}


async def main():
    say(ready=True)
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        it = json.loads(line)
        try:
            say(n=it["n"], **await do(it))
        except Exception as error:
            say(n=it["n"], error=repr(error))


asyncio.run(main())
