"""A code over a Redis stream, with redis-py: nothing is lost while the gateway is away.

    python3 examples/brokers/redis_stream.py 08123456789

Needs redis. Reads OTP_PI_BROKER (localhost:6379), OTP_PI_BROKER_USER, OTP_PI_BROKER_PASSWORD and OTP_PI_TOPIC (sms).
"""

import json
import os
import sys
import uuid

import redis

HOST, _, PORT = os.environ.get("OTP_PI_BROKER", "localhost:6379").rpartition(":")
USER, PASSWORD = os.environ.get("OTP_PI_BROKER_USER", ""), os.environ.get("OTP_PI_BROKER_PASSWORD", "")
TOPIC = os.environ.get("OTP_PI_TOPIC", "sms")
PATIENCE = 30  # seconds for an answer


def ask(command, data):
    server = redis.Redis(HOST, int(PORT), username=USER or None, password=PASSWORD or None, decode_responses=True)
    back = f"otp-answers:{uuid.uuid4().hex}"
    server.xadd(TOPIC, {"message": json.dumps({"command": command, "callback_topic": back, "data": data})})
    found = server.xread({back: "0"}, count=1, block=PATIENCE * 1000)
    if not found:
        sys.exit("nobody answered")
    server.delete(back)
    answers = found[0][1] if isinstance(found, list) else next(iter(found.values()))
    while isinstance(answers[0], list):
        answers = answers[0]
    return json.loads(answers[0][1]["message"])


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
