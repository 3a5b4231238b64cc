# A publisher and listener over nats-py: does what each line of JSON asks.
import asyncio, json, ssl, sys
import nats
from nats.js.api import ConsumerConfig


def say(**what):
    print(json.dumps(what), flush=True)


async def hear(message):
    say(topic=message.subject, body=message.data.decode())


async def do(nc, js, it):
    what = it["do"]
    if what == "listen":
        await nc.subscribe(it["topic"], cb=hear)
        await nc.flush()
    elif what == "publish":
        for body in it["bodies"] * it.get("times", 1):
            await nc.publish(it["topic"], body.encode() + b" " * it.get("padding", 0))
        await nc.flush()
    elif what == "request":
        answer = await nc.request(it["topic"], it["body"].encode(), timeout=20)
        return {"body": answer.data.decode()}
    elif what == "store":
        for body in it["bodies"]:
            await js.publish(it["topic"], body.encode())
    elif what == "stream":
        info = await js.stream_info(it["stream"])
        return {"messages": info.state.messages, "subjects": info.config.subjects, "retention": str(info.config.retention)}
    elif what == "consumer":
        info = await js.consumer_info(it["stream"], it["name"])
        return {"in_hand": info.num_ack_pending, "left": info.num_pending, "again": info.num_redelivered}
    elif what == "make_stream":
        await js.add_stream(name=it["stream"], subjects=it["subjects"])
    elif what == "make_consumer":
        await js.add_consumer(it["stream"], ConsumerConfig(durable_name=it["name"], **it["config"]))
    return {}


async def main():
    options = json.loads(sys.argv[1])
    ca = options.pop("ca", None)
    if ca:
        options["tls"] = ssl.create_default_context(cafile=ca)
        options["tls"].load_cert_chain(options.pop("certificate"), options.pop("key"))
    async def quiet(_):
        pass
    nc = await nats.connect(max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=quiet, **options)
    js = nc.jetstream()
    say(ready=True)
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        it = json.loads(line)
        try:
            say(n=it["n"], **await do(nc, js, it))
        except Exception as error:
            say(n=it["n"], error=repr(error))


asyncio.run(main())
