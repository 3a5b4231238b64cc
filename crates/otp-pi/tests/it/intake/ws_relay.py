# A relay over Python's websockets: what comes over a connection goes to all others of its topic.
import asyncio, base64, http, json, ssl, sys, urllib.parse
from websockets.asyncio.server import serve

options = json.loads(sys.argv[1])
clients = {}


def say(**what):
    print(json.dumps(what), flush=True)


def login(connection, request):
    told = {name: request.headers.get(name, "") for name in ("Host", "Authorization")}
    say(topic="requests", body=json.dumps({"path": request.path, **told}))
    wanted = options.get("login")
    if wanted and told["Authorization"] != "Basic " + base64.b64encode(wanted.encode()).decode():
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "no\n")


async def relay(connection):
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(connection.request.path).query)
    topic = query["topic"][0]
    clients[connection] = topic
    try:
        async for message in connection:
            # One relay that is in use gives everything to everybody, the sender too.
            to = [c for c, t in clients.items() if options.get("to_all") or (t == topic and c is not connection)]
            for other in to:
                await other.send(message)
    except Exception:
        pass
    finally:
        del clients[connection]


async def main():
    context = None
    if "certificate" in options:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options["certificate"], options["key"])
        context.load_verify_locations(options["ca"])
        context.verify_mode = ssl.CERT_REQUIRED
    pings = {"ping_interval": options.get("ping", 20), "ping_timeout": options.get("ping", 20)}
    async with serve(relay, "127.0.0.1", options["port"], process_request=login, ssl=context, max_size=None, **pings):
        say(ready=True)
        await asyncio.get_running_loop().create_future()


import logging
logging.getLogger("websockets").setLevel(logging.CRITICAL)
asyncio.run(main())
