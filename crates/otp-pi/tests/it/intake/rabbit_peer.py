"""A publisher and reader of RabbitMQ that is none of ours. A line of JSON asks, a line of JSON answers."""
import json
import sys
import time

import pika

PATIENCE = 30


def connect(port):
    login = pika.PlainCredentials("otp", "pw")
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, credentials=login))


def properties_of(job):
    return pika.BasicProperties(**job["properties"]) if job.get("properties") else None


def read(channel, queue, count):
    found = []
    until = time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < until:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            time.sleep(0.005)
            continue
        found.append(
            {
                "body": body.decode(),
                "correlation_id": properties.correlation_id,
                "content_type": properties.content_type,
                "delivery_mode": properties.delivery_mode,
            }
        )
    return found


def declare(channel, job):
    channel.queue_declare(
        job["queue"],
        passive=job.get("passive", False),
        durable=job.get("durable", False),
        arguments=job.get("arguments"),
    )


def publish(channel, job):
    for body in job["bodies"]:
        channel.basic_publish("", job["queue"], body.encode(), properties_of(job), mandatory=True)


def publish_confirmed(channel, job):
    channel.confirm_delivery()
    publish(channel, job)


def count(channel, job):
    return channel.queue_declare(job["queue"], passive=True).method.message_count


def php(channel, job):
    """As the PHP publisher does it: its callback queue is made last."""
    channel.queue_declare(job["queue"], passive=True)
    channel.basic_publish("", job["queue"], job["body"].encode())
    channel.queue_declare(job["callback"], passive=False, durable=True, exclusive=False, auto_delete=False)
    return read(channel, job["callback"], 1)


def call(channel, job):
    """A question with RabbitMQ's own way back, or with a queue of ours."""
    found = []

    def take(channel, method, properties, body):
        found.append({"body": body.decode(), "correlation_id": properties.correlation_id})

    back = job.get("reply_to", "amq.rabbitmq.reply-to")
    channel.basic_consume(back, take, auto_ack=True)
    properties = pika.BasicProperties(reply_to=back, correlation_id=job["correlation_id"])
    channel.basic_publish("", job["queue"], job["body"].encode(), properties)
    until = time.monotonic() + PATIENCE
    while not found and time.monotonic() < until:
        channel.connection.process_data_events(0.1)
    return found


JOBS = {
    "declare": declare,
    "publish": publish_confirmed,
    "count": count,
    "read": lambda channel, job: read(channel, job["queue"], job["count"]),
    "delete": lambda channel, job: channel.queue_delete(job["queue"]),
    "php": php,
    "call": call,
}


def main():
    for line in sys.stdin:
        job = json.loads(line)
        try:
            connection = connect(int(sys.argv[1]))
            answer = {"ok": JOBS[job["do"]](connection.channel(), job)}
            connection.close()
        except Exception as error:  # whatever the broker says is the answer
            answer = {"error": repr(error)}
        print(json.dumps(answer, default=str), flush=True)


main()
