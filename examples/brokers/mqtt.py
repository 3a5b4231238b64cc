"""A code over MQTT, with paho-mqtt: the answer comes to a topic of our own.

    python3 examples/brokers/mqtt.py 08123456789

Needs paho-mqtt. Reads OTP_PI_BROKER (localhost:1883), OTP_PI_BROKER_USER, OTP_PI_BROKER_PASSWORD and OTP_PI_TOPIC (sms).
"""

import json
import os
import queue
import sys
import uuid

import paho.mqtt.client as mqtt

HOST, _, PORT = os.environ.get("OTP_PI_BROKER", "localhost:1883").rpartition(":")
USER, PASSWORD = os.environ.get("OTP_PI_BROKER_USER", ""), os.environ.get("OTP_PI_BROKER_PASSWORD", "")
TOPIC = os.environ.get("OTP_PI_TOPIC", "sms")
PATIENCE = 30  # seconds for an answer


def ask(command, data):
    answers, subscribed = queue.Queue(), queue.Queue()
    back = f"otp-answers/{uuid.uuid4().hex}"
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    if USER:
        client.username_pw_set(USER, PASSWORD)
    client.on_connect = lambda *_: client.subscribe(back, 1)
    client.on_subscribe = lambda *_: subscribed.put(True)
    client.on_message = lambda _client, _data, message: answers.put(message.payload)
    client.connect(HOST, int(PORT))
    client.loop_start()
    try:
        subscribed.get(timeout=PATIENCE)
        client.publish(TOPIC, json.dumps({"command": command, "callback_topic": back, "data": data}), 1)
        return json.loads(answers.get(timeout=PATIENCE))
    except queue.Empty:
        sys.exit("nobody answered")
    finally:
        client.disconnect()
        client.loop_stop()


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
