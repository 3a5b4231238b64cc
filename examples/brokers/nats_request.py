"""A code over NATS, with nats-py: the answer comes back to the request.

    python3 examples/brokers/nats_request.py 08123456789

Needs nats-py. Reads OTP_PI_BROKER (localhost:4222), OTP_PI_BROKER_USER, OTP_PI_BROKER_PASSWORD and OTP_PI_TOPIC (sms).
"""

import asyncio
import json
import os
import sys
import uuid

import nats

HOST, _, PORT = os.environ.get("OTP_PI_BROKER", "localhost:4222").rpartition(":")
USER, PASSWORD = os.environ.get("OTP_PI_BROKER_USER", ""), os.environ.get("OTP_PI_BROKER_PASSWORD", "")
TOPIC = os.environ.get("OTP_PI_TOPIC", "sms")
PATIENCE = 30  # seconds for an answer


def ask(command, data):
    async def request():
        client = await nats.connect(f"nats://{HOST}:{PORT}", user=USER or None, password=PASSWORD or None)
        try:
            answer = await client.request(TOPIC, json.dumps({"command": command, "data": data}).encode(), timeout=PATIENCE)
            return json.loads(answer.data)
        finally:
            await client.close()

    try:
        return asyncio.run(request())
    except nats.errors.NoRespondersError:
        sys.exit("no gateway listens")
    except nats.errors.TimeoutError:
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
