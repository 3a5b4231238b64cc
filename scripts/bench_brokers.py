"""How fast commands are taken from brokers that are full of them, and what a connected intake costs in memory."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench_rig import ROOT, USER, Counters, Gateway

PASSWORD = "bench-password"
PYTHON = os.environ.get("OTP_PI_TEST_PYTHON", ROOT / ".venv" / "bin" / "python")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Server:
    """A broker of our own in a directory of its own."""

    def __init__(self, kind):
        self.dir = tempfile.TemporaryDirectory()
        self.port, self.processes, where = free_port(), [], Path(self.dir.name)
        os.chmod(where, 0o755)
        getattr(self, kind)(where)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)

    def run(self, *command, **options):
        self.processes.append(subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options))

    def redis(self, where):
        self.run("redis-server", "--port", self.port, "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", "",
                 "--appendonly", "yes", "--dir", where)

    def mqtt(self, where):
        config = where / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n")
        self.run("mosquitto", "-c", config)

    def nats(self, where):
        self.run("nats-server", "-a", "127.0.0.1", "-p", self.port, "-js", "-sd", where)

    def rabbitmq(self, where):
        mapper = free_port()
        config = where / "rabbitmq.conf"
        config.write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\ndefault_user = bench\ndefault_pass = {PASSWORD}\nlog.console = false\n")
        (where / "plugins").write_text("[].\n")
        self.run("epmd", "-port", mapper, env={**os.environ, "ERL_EPMD_ADDRESS": "127.0.0.1"})
        time.sleep(0.3)
        self.run("/usr/lib/rabbitmq/bin/rabbitmq-server", env={
            **os.environ, "HOME": str(where), "ERL_EPMD_PORT": str(mapper), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"bench{self.port}@localhost", "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(where / "mnesia"), "RABBITMQ_LOG_BASE": str(where / "log"),
            "RABBITMQ_CONFIG_FILE": str(config), "RABBITMQ_ENABLED_PLUGINS_FILE": str(where / "plugins"), "RABBITMQ_CONF_ENV_FILE": "/dev/null"})

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT if "nats" in process.args[0] else signal.SIGTERM)
            process.wait()
        self.dir.cleanup()


KINDS = {
    "redis": f'mode = "stream"\npassword = "{PASSWORD}"',
    "rabbitmq": f'durable = true\nusername = "bench"\npassword = "{PASSWORD}"',
    "mqtt": 'client_id = "bench"',
    "nats": 'mode = "jetstream"\nstream = "bench"',
}


def accepted(gateway):
    text = urllib.request.urlopen(f"{gateway.url}/metrics").read().decode()
    found = re.search(r'otp_pi_subscriber_messages_total\{[^}]*outcome="accepted"\} (\d+)', text)
    return int(found[1]) if found else 0


def run(row, count):
    """One row per broker."""
    if not Path(PYTHON).exists():
        sys.exit("scripts/test makes the Python that fills brokers: run it first, or set OTP_PI_TEST_PYTHON")
    for kind, lines in KINDS.items():
        server = Server(kind)
        if kind == "rabbitmq":
            time.sleep(2)
        subprocess.run([PYTHON, ROOT / "scripts" / "bench_fill.py", kind, str(server.port), str(count)], check=True)
        extra = f'[subscriber.{kind}]\nenabled = true\nhost = "127.0.0.1"\nport = {server.port}\napi_user = "{USER}"\n{lines}\n'
        gateway = Gateway(extra=extra)
        begin = time.monotonic()
        with Counters(gateway.process.pid) as counters:
            while accepted(gateway) < count:
                time.sleep(0.02)
            seconds = time.monotonic() - begin
        row(f"intake from {kind}, durable before it is acknowledged", "5000/s", f"{count / seconds:.0f}/s", count / seconds / 5000,
            f"{count:,} waiting, 64 unacknowledged; {counters.fsyncs_per(count)}")
        idle = gateway.memory()
        gateway.stop()
        # The same data, with and without the intake: what a connection costs.
        gateway.start()
        time.sleep(1)
        connected = gateway.memory()
        gateway.stop()
        gateway.config.write_text(gateway.config.read_text().replace("enabled = true", "enabled = false"))
        gateway.start()
        time.sleep(1)
        without = gateway.memory()
        row(f"memory of the connected intake, {kind}", "3 MB", f"{connected[0] - without[0]:.1f} MB", 3 / max(connected[0] - without[0], 0.1),
            f"{connected[0]:.1f} MB with it, {without[0]:.1f} MB without; {idle[0]:.1f} MB after the flood")
        gateway.clean()
        server.stop()
