"""A code over Redis' publish and subscribe, with redis-py: what is published while the gateway is away is lost.

    python3 examples/brokers/redis_pubsub.py 08123456789

Needs redis. Reads OTP_PI_BROKER (localhost:6379), OTP_PI_BROKER_USER, OTP_PI_BROKER_PASSWORD and OTP_PI_TOPIC (sms).
"""

import json
import os
import sys
import time
import uuid

import redis

HOST, _, PORT = os.environ.get("OTP_PI_BROKER", "localhost:6379").rpartition(":")
USER, PASSWORD = os.environ.get("OTP_PI_BROKER_USER", ""), os.environ.get("OTP_PI_BROKER_PASSWORD", "")
TOPIC = os.environ.get("OTP_PI_TOPIC", "sms")
PATIENCE = 30  # seconds for an answer


def ask(command, data):
    server = redis.Redis(HOST, int(PORT), username=USER or None, password=PASSWORD or None, decode_responses=True)
    back = f"otp-answers:{uuid.uuid4().hex}"
    answers = server.pubsub(ignore_subscribe_messages=True)
    answers.subscribe(back)
    answers.get_message(timeout=PATIENCE)
    message = json.dumps({"command": command, "callback_topic": back, "data": data})
    # How many have heard it: nobody keeps it for those who have not.
    if server.publish(TOPIC, message) == 0:
        sys.exit("no gateway listens")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = answers.get_message(timeout=1)
        if found:
            return json.loads(found["data"])
    sys.exit("nobody answered")


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
