"""Kannel beside the gateway: a C gateway that takes an SMS over HTTP and hands it to a fake SMSC, all in memory."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench_rig import Load

CONFIG = """
group = core
admin-port = {admin}
admin-password = bench
admin-interface = 127.0.0.1
smsbox-port = {box}
smsbox-interface = 127.0.0.1
log-level = 4
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"

group = smsc
smsc = fake
smsc-id = fake
port = {smsc}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
sendsms-interface = 127.0.0.1
global-sender = 123
log-level = 4

group = sendsms-user
username = bench
password = bench
user-allow-ip = "127.0.0.1"

group = sms-service
keyword = default
text = "x"
max-messages = 0
"""

# Debian keeps them out of an ordinary user's PATH.
PATH = os.environ["PATH"] + ":/usr/sbin"
SEND = """return "GET /cgi-bin/sendsms?username=bench&password=bench&to=0812" .. string.format("%07d", count % 10000000) ..
  "&text=Hello+there HTTP/1.1\\r\\nHost: bench\\r\\n\\r\\n" """


def is_installed():
    return bool(shutil.which("bearerbox", path=PATH) and shutil.which("smsbox", path=PATH))


def kannel(seconds):
    """The load that Kannel takes, and how many SMS came out at its other end meanwhile."""
    with tempfile.TemporaryDirectory() as directory:
        names = ("admin", "box", "smsc", "http")
        ports = dict(zip(names, free_ports(len(names))))
        config = Path(directory) / "kannel.conf"
        config.write_text(CONFIG.format(**ports))
        boxes = []
        try:
            for box, number in (("bearerbox", ports["smsc"]), ("smsbox", ports["http"])):
                boxes.append(subprocess.Popen([shutil.which(box, path=PATH), config], cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
                connection = connect(number, boxes[-1])
                if box == "bearerbox":
                    smsc = Smsc(connection)
            url, pids = f"http://127.0.0.1:{ports['http']}", [box.pid for box in boxes]
            Load(url, pids, SEND, "0: Accepted", 202, seconds=1)
            before = smsc.messages
            result = Load(url, pids, SEND, "0: Accepted", 202, seconds=seconds)
            return result, smsc.messages - before
        finally:
            for box in reversed(boxes):
                box.kill()
                box.wait()


class Smsc:
    """The far end of Kannel's fake SMSC: one line for each SMS."""

    def __init__(self, connection):
        self.connection, self.messages = connection, 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while some := self.connection.recv(1 << 20):
            self.messages += some.count(b"\n")


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def connect(number, process):
    while process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", number))
        except ConnectionRefusedError:
            time.sleep(0.02)
    sys.exit("Kannel did not start")
