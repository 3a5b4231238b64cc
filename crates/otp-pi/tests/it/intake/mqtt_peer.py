"""A program that publishes and listens over MQTT as its lines of standard input say, and writes what it hears."""

import json
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

port, version = int(sys.argv[1]), sys.argv[2]
lock = threading.Lock()


def tell(**what):
    with lock:
        print(json.dumps(what), flush=True)


def heard(_client, _data, message):
    correlation = getattr(message.properties, "CorrelationData", None)
    tell(
        topic=message.topic,
        payload=message.payload.decode(),
        qos=message.qos,
        retain=message.retain,
        correlation=correlation and correlation.decode(),
    )


protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=protocol)
client.username_pw_set("otp", "mqtt-password")
client.reconnect_delay_set(1, 1)
client.max_inflight_messages_set(100)
client.on_message = heard
client.on_connect = lambda *_: tell(connected=True)
client.on_subscribe = lambda *_: tell(subscribed=True)
client.on_publish = lambda _client, _data, number, *_: tell(published=number)
client.connect("127.0.0.1", port)
client.loop_start()
for line in sys.stdin:
    wanted = json.loads(line)
    if "subscribe" in wanted:
        client.subscribe(wanted["subscribe"], wanted["qos"])
        continue
    properties = None
    if wanted.get("back"):
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = wanted["back"]
        properties.CorrelationData = b"which one"
    client.publish(wanted["publish"], wanted["payload"], wanted["qos"], wanted["retain"], properties=properties)
