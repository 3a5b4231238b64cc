"""A code over RabbitMQ, with pika: the answer comes to a queue of our own, told apart by its correlation id.

    python3 examples/brokers/amqp.py 08123456789

Needs pika. Reads OTP_PI_BROKER (localhost:5672), OTP_PI_BROKER_USER, OTP_PI_BROKER_PASSWORD and OTP_PI_TOPIC (sms).
"""

import json
import os
import sys
import uuid

import pika

HOST, _, PORT = os.environ.get("OTP_PI_BROKER", "localhost:5672").rpartition(":")
USER, PASSWORD = os.environ.get("OTP_PI_BROKER_USER", ""), os.environ.get("OTP_PI_BROKER_PASSWORD", "")
TOPIC = os.environ.get("OTP_PI_TOPIC", "sms")
PATIENCE = 30  # seconds for an answer


def ask(command, data):
    login = pika.PlainCredentials(USER, PASSWORD)
    connection = pika.BlockingConnection(pika.ConnectionParameters(HOST, int(PORT), credentials=login))
    channel = connection.channel()
    back = channel.queue_declare("", exclusive=True).method.queue
    mine = uuid.uuid4().hex
    # The queue is declared by the gateway; this fails where it is not there yet, instead of losing the message.
    channel.queue_declare(TOPIC, passive=True)
    channel.confirm_delivery()
    properties = pika.BasicProperties(reply_to=back, correlation_id=mine, delivery_mode=2)
    channel.basic_publish("", TOPIC, json.dumps({"command": command, "data": data}), properties, mandatory=True)
    try:
        for _, got, body in channel.consume(back, auto_ack=True, inactivity_timeout=PATIENCE):
            if got is None:
                sys.exit("nobody answered")
            if got.correlation_id == mine:
                return json.loads(body)
    finally:
        connection.close()


def main():
    phone = sys.argv[1]
    reference = uuid.uuid4().hex
    # The id makes a retry safe: the same again is sent once, whichever way it comes.
    data = {"id": reference, "reference": reference, "receiver": phone, "message": "Your code is %s"}
    answer = ask("create-otp", data)
    if answer["response_code"] != "000":
        sys.exit(f"no code was sent: {answer.get('error')}")
    while True:
        code = input("Code: ")
        answer = ask("validate-otp", {"reference": reference, "receiver": phone, "otp": code})
        if answer["response_code"] == "000":
            print("right")
            return
        if answer["response_code"] != "1202":
            sys.exit(f"over: {answer.get('error')}")
        print("wrong, once more")


if __name__ == "__main__":
    main()
