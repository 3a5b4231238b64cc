"""A code over a WebSocket broker, with websockets: the answer comes to a topic of our own.

    python3 examples/brokers/websocket_relay.py 08123456789

Needs websockets. Reads OTP_PI_BROKER (localhost:8890), OTP_PI_BROKER_USER, OTP_PI_BROKER_PASSWORD and OTP_PI_TOPIC (sms).
"""

import base64
import json
import os
import sys
import uuid

from websockets.sync.client import connect

HOST, _, PORT = os.environ.get("OTP_PI_BROKER", "localhost:8890").rpartition(":")
USER, PASSWORD = os.environ.get("OTP_PI_BROKER_USER", ""), os.environ.get("OTP_PI_BROKER_PASSWORD", "")
TOPIC = os.environ.get("OTP_PI_TOPIC", "sms")
PATIENCE = 30  # seconds for an answer


def ask(command, data):
    back = f"otp-answers-{uuid.uuid4().hex}"
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    head = {"Authorization": f"Basic {login}"}
    place = f"ws://{HOST}:{PORT}/ws?topic="
    with connect(place + back, additional_headers=head) as answers, connect(place + TOPIC, additional_headers=head) as commands:
        commands.send(json.dumps({"command": command, "callback_topic": back, "data": data}))
        try:
            return json.loads(answers.recv(timeout=PATIENCE))
        except TimeoutError:
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
