"""Puts commands into a broker before the gateway is let loose on them. Run by the tests' Python, which has the brokers' clients.

bench_fill.py KIND PORT COUNT
"""

import asyncio
import json
import sys

TOPIC, PASSWORD = "sms", "bench-password"


def commands(count):
    for number in range(count):
        data = {"id": f"{number}", "receiver": f"0812{number:07}", "message": "Hello there"}
        yield json.dumps({"command": "send-sms", "data": data})


def redis_stream(port, count):
    import redis

    client = redis.Redis(port=port, password=PASSWORD)
    pipe = client.pipeline(transaction=False)
    for number, command in enumerate(commands(count)):
        pipe.xadd(TOPIC, {"message": command})
        if number % 1000 == 999:
            pipe.execute()
    pipe.execute()


def rabbitmq(port, count):
    import pika

    login = pika.PlainCredentials("bench", PASSWORD)
    channel = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, credentials=login)).channel()
    channel.queue_declare(TOPIC, durable=True)
    for command in commands(count):
        channel.basic_publish("", TOPIC, command, pika.BasicProperties(delivery_mode=2))
    channel.connection.close()


def mqtt(port, count):
    import paho.mqtt.client as paho

    session = paho.Client(paho.CallbackAPIVersion.VERSION2, "bench", clean_session=False)
    session.connect("127.0.0.1", port)
    session.loop_start()
    session.subscribe(TOPIC, 1)[1]
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    session.disconnect()
    session.loop_stop()
    client.loop_start()
    sent = [client.publish(TOPIC, command, 1) for command in commands(count)]
    for one in sent:
        one.wait_for_publish()
    client.disconnect()


def nats(port, count):
    import nats as library

    async def fill():
        client = await library.connect(f"nats://127.0.0.1:{port}")
        stream = client.jetstream(publish_async_max_pending=1000)
        await stream.add_stream(name="bench", subjects=[TOPIC], retention="workqueue")
        waiting = []
        for command in commands(count):
            waiting.append(await stream.publish_async(TOPIC, command.encode()))
        await asyncio.gather(*waiting)
        await client.close()

    asyncio.run(fill())


if __name__ == "__main__":
    {"redis": redis_stream, "rabbitmq": rabbitmq, "mqtt": mqtt, "nats": nats}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
