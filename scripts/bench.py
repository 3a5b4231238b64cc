"""The benchmarks of product section 15, as far as they exist, against the release binaries.

Every row prints target, figure and ratio; durability rows print commits (one fsync each) per request. Standard library
only; wrk makes the load. Run through scripts/bench.
"""

import argparse
import base64
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tty
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target" / "release"
USER, PASSWORD = "bench", "bench-password"
LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Emulator:
    def __init__(self, modems, air_time="0ms"):
        self.dir = tempfile.TemporaryDirectory()
        self.file = Path(self.dir.name) / "transmissions.jsonl"
        self.process = subprocess.Popen(
            [RELEASE / "otp-pi-emulator", "--links", self.dir.name, "--modems", str(modems), "--air-time", air_time,
             "--transmissions", self.file],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = self.process.stdout.readline().split()
        if ready[:1] != ["ready"]:
            sys.exit(f"the emulator did not start: {ready}")
        self.modems = ready[1:]

    def transmissions(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def count(self):
        return self.file.read_bytes().count(b"\n") if self.file.exists() else 0

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.dir.cleanup()


class Gateway:
    def __init__(self, modems=(), extra=""):
        self.dir = tempfile.TemporaryDirectory(dir=os.environ.get("OTP_PI_BENCH_DIR"))
        config = Path(self.dir.name) / "otp-pi.toml"
        text = (f'data_dir = "{self.dir.name}/data"\n[limits]\nmode = "off"\n[api]\nhttp_listen = "127.0.0.1:0"\n'
                f'[sms]\ncountry_code = "62"\nmax_queue = 2000000\ndelivery_reports = false\n{extra}\n'
                f'[[api_user]]\nusername = "{USER}"\npassword = "{PASSWORD}"\n')
        for number, path in enumerate(modems):
            text += f'[[modem]]\nname = "m{number}"\nport = "{path}"\n'
        if not modems:
            # Accepting without sending: a modem that is not there.
            text += '[[modem]]\nname = "none"\nport = "/dev/does-not-exist"\n'
        config.write_text(text)
        self.config = config
        self.log = Path(self.dir.name) / "log"
        self.start()

    def start(self):
        begin = time.monotonic()
        with open(self.log, "ab") as log:
            offset = log.tell()
            self.process = subprocess.Popen([RELEASE / "otp-pi", "serve", "--config", self.config], stderr=log)
        while True:
            found = re.search(r"api\.address=(\S+?):(\d+)", self.log.read_text()[offset:])
            if found:
                self.host, self.number = found[1], int(found[2])
                try:
                    if self.get("/healthz") == 200:
                        break
                except OSError:
                    pass
            if self.process.poll() is not None:
                sys.exit(self.log.read_text())
            time.sleep(0.0005)
        self.start_seconds = time.monotonic() - begin

    def get(self, path):
        connection = http.client.HTTPConnection(self.host, self.number)
        connection.request("GET", path)
        return connection.getresponse().status

    def client(self):
        connection = http.client.HTTPConnection(self.host, self.number)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(command, data):
            connection.request("POST", "/api/otp", json.dumps({"command": command, "data": data}), {"Authorization": LOGIN})
            return json.loads(connection.getresponse().read())
        return ask

    def wait_for_modems(self, count):
        ask = self.client()
        while True:
            modems = ask("get-modem-list", {})["data"]["modem_list"].values()
            if sum(1 for modem in modems if modem["connected"]) == count:
                return
            time.sleep(0.01)

    def status(self, name):
        text = Path(f"/proc/{self.process.pid}/{name}").read_text()
        return {key: value.split()[0] for key, value in re.findall(r"(\w+):\s+(.*)", text)}

    def rss(self):
        return int(self.status("status")["VmRSS"]) / 1024

    def written(self):
        return int(self.status("io")["write_bytes"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def commits(self):
        found = re.findall(r"store\.commits=(\d+)", self.log.read_text())
        return int(found[-1]) if found else None

    def clean(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.dir.cleanup()


class TimedModem:
    """A modem that only keeps time: when `AT+CMGS` came, and when the final result of the one before had gone out."""

    ANSWERS = {"AT+CPIN?": "+CPIN: READY", "AT+CREG?": "+CREG: 1,1", "AT+CEREG?": "+CEREG: 0,1", "AT+CSQ": "+CSQ: 21,0", "AT+CGSN": "490154203237518",
               "AT+COPS?": '+COPS: 0,0,"BENCH"', "AT+CSCA?": '+CSCA: "+6281100000",145', "AT+CIMI": "510100000000001",
               "AT+CCID": "8962100000000000001", "AT+CMGF?": "+CMGF: 0", "AT+CMEE?": "+CMEE: 1", "AT+CGMI": "BENCH", "AT+CGMM": "BENCH"}

    def __init__(self, air_time):
        self.air_time, self.requests, self.gaps, self.ended = air_time, [], [], None
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.slave = slave
        threading.Thread(target=self.run, daemon=True).start()

    def say(self, text):
        os.write(self.master, f"\r\n{text}\r\n".encode())

    def run(self):
        buffer, reference = b"", 0
        while True:
            buffer += os.read(self.master, 4096)
            while b"\r" in buffer or b"\x1a" in buffer or b"\x1b" in buffer:
                end = min(place for place in (buffer.find(b"\r"), buffer.find(b"\x1a"), buffer.find(b"\x1b")) if place >= 0)
                line, stop, buffer = buffer[:end].decode().strip(), buffer[end], buffer[end + 1:]
                if stop == 0x1A:
                    time.sleep(self.air_time)
                    reference = (reference + 1) % 256
                    self.say(f"+CMGS: {reference}")
                    self.ended = time.monotonic()
                    self.say("OK")
                elif line.startswith("AT+CMGS="):
                    now = time.monotonic()
                    self.requests.append(now)
                    if self.ended:
                        self.gaps.append((now - self.ended) * 1000)
                    os.write(self.master, b"\r\n> ")
                elif line:
                    if line in self.ANSWERS:
                        self.say(self.ANSWERS[line])
                    self.say("OK")


def percentile(values, share):
    return sorted(values)[max(0, round(len(values) * share) - 1)]


LUA = """
local thread_number = 0
function setup(thread) thread:set("id", thread_number); thread_number = thread_number + 1 end
local count = 0
local head = {["Authorization"] = "%s", ["Content-Type"] = "application/json"}
function request()
  count = count + 1
  local key = id .. "-" .. count .. "-%s"
  return wrk.format("POST", "/api/otp", head, %s)
end
function response(status, headers, body)
  if status ~= 200 or not body:find('"response_code": ?"%s"') then bad = (bad or 0) + 1; sample = body end
end
local all = {}
local old = setup
function setup(thread) old(thread); table.insert(all, thread) end
function done(summary, latency, requests)
  local wrong = 0
  for _, thread in ipairs(all) do wrong = wrong + (thread:get("bad") or 0); local s = thread:get("sample"); if s then io.write("SAMPLE " .. s .. "\\n") end end
  io.write(string.format("RESULT %%d %%d %%.6f %%.3f %%.3f\\n", summary.requests, wrong, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


def wrk(gateway, body, code="000", connections=64, seconds=5, salt="a"):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % (LOGIN, salt, body, code))
        script.flush()
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name,
                              f"http://{gateway.host}:{gateway.number}"], capture_output=True, text=True).stdout
    sample = re.search(r"SAMPLE (.*)", out)
    found = re.search(r"RESULT (\d+) (\d+) (\S+) (\S+) (\S+)", out)
    if not found:
        sys.exit(out)
    requests, wrong, duration, p50, p99 = (float(value) for value in found.groups())
    if wrong:
        print(f"  {wrong:.0f} of {requests:.0f} answers were not {code}: {sample and sample[1][:300]}")
    return {"rate": (requests - wrong) / duration, "requests": requests - wrong, "p50": p50, "p99": p99}


CREATE = """'{"command":"create-otp","data":{"reference":"' .. key .. '","receiver":"0812' .. string.format("%07d", count % 10000000) .. '","message":"Your code is %s"}}'"""
SEND = """'{"command":"send-sms","data":{"id":"' .. key .. '","receiver":"0812' .. string.format("%07d", count % 10000000) .. '","message":"Hello there"}}'"""
VALIDATE = """'{"command":"validate-otp","data":{"reference":"' .. key .. '","receiver":"08126666666","otp":"123456"}}'"""

ROWS = []


def row(what, target, figure, ratio, more=""):
    ROWS.append((what, target, figure, ratio, more))
    print(f"{what:58} target {target:18} measured {figure:26} ratio {ratio:5} {more}", flush=True)


def accept():
    for name, body in (("create-otp", CREATE), ("send-sms", SEND)):
        gateway = Gateway()
        wrk(gateway, body, seconds=1, salt="warm")
        result = wrk(gateway, body)
        gateway.stop()
        commits = gateway.commits()
        total = result["requests"]
        fsyncs = f"commits/request {commits / total:.4f} (warm-up included)" if commits else ""
        row(f"durable accept, {name}, 64 connections", "10000/s, p99 20 ms",
            f"{result['rate']:.0f}/s, p99 {result['p99']:.1f} ms", f"{result['rate'] / 10000:.2f}", fsyncs)
        gateway.clean()


def validate():
    gateway = Gateway()
    wrk(gateway, VALIDATE, code="1202", seconds=1)
    unknown = wrk(gateway, VALIDATE, code="1202")
    gateway.clean()
    row("validate-otp, unknown reference", "10000/s", f"{unknown['rate']:.0f}/s, p99 {unknown['p99']:.1f} ms",
        f"{unknown['rate'] / 10000:.2f}")
    emulator = Emulator(8)
    gateway = Gateway(emulator.modems, 'drop_expired = false\n[otp]\nlifetime = "10m"\nmax_attempts = 100')
    gateway.wait_for_modems(8)
    created = 2000
    ask = gateway.client()
    for number in range(created):
        ask("create-otp", {"reference": f"r{number}", "receiver": "08126666666", "message": "%s"})
    while emulator.count() < created:
        time.sleep(0.05)
    wrong = VALIDATE.replace("' .. key .. '", f"r' .. (count % {created}) .. '")
    live = wrk(gateway, wrong, code="1202", seconds=4)
    gateway.stop()
    row("validate-otp, wrong guess at a live ticket", "10000/s", f"{live['rate']:.0f}/s, p99 {live['p99']:.1f} ms",
        f"{live['rate'] / 10000:.2f}", "the attempt is counted and fsynced before the answer")
    gateway.clean()
    emulator.stop()


def growth():
    gateway = Gateway()
    wrk(gateway, CREATE, seconds=1, salt="warm")
    first = wrk(gateway, CREATE, seconds=3, salt="first")["rate"]
    total, rounds = 0, 0
    while total < 300_000 and rounds < 20:
        rounds += 1
        total += wrk(gateway, CREATE, seconds=5, salt=f"fill{rounds}")["requests"]
    last = wrk(gateway, CREATE, seconds=4, salt="last")["rate"]
    row(f"cost per create-otp, from 10^4 to {total:.0f} live tickets", "1.3x", f"{first / last:.2f}x", f"{1.3 / (first / last):.2f}",
        f"{first:.0f}/s -> {last:.0f}/s; all of them also wait in the queue")
    gateway.clean()


def latency():
    modem = TimedModem(0.02)
    gateway = Gateway([modem.path])
    gateway.wait_for_modems(1)
    ask = gateway.client()
    taken = []
    for number in range(300):
        begin = time.monotonic()
        ask("create-otp", {"reference": f"l{number}", "receiver": "08126666666", "message": "Your code is %s"})
        while len(modem.requests) <= number:
            time.sleep(0.0001)
        taken.append((modem.requests[number] - begin) * 1000)
        time.sleep(0.05)
    p99 = percentile(taken, 0.99)
    row("idle: request written -> AT+CMGS on the line", "p99 10 ms", f"p50 {statistics.median(taken):.2f} p99 {p99:.2f} ms",
        f"{10 / p99:.2f}", "from before the HTTP request, so more than accepted -> AT+CMGS")
    modem.gaps.clear()
    before = len(modem.requests)
    for number in range(300):
        ask("send-sms", {"id": f"g{number}", "receiver": "08126666666", "message": "Hello there"})
    while len(modem.requests) < before + 300:
        time.sleep(0.01)
    gaps = modem.gaps[1:]
    p99 = percentile(gaps, 0.99)
    row("final result -> next AT+CMGS, 300 waiting", "p99 2 ms", f"p50 {statistics.median(gaps):.2f} p99 {p99:.2f} ms",
        f"{2 / p99:.2f}", "seen from the modem's side of the line")
    gateway.clean()


def utilisation():
    for modems, air, each in ((1, 2.5, 8), (64, 2.5, 8)):
        emulator = Emulator(modems, f"{int(air * 1000)}ms")
        gateway = Gateway(emulator.modems)
        gateway.wait_for_modems(modems)
        asks = gateway.client()
        total = modems * each
        begin = time.monotonic()
        for number in range(total):
            asks("send-sms", {"id": f"u{number}", "receiver": "08126666666", "message": "Hello there"})
        while emulator.count() < total:
            time.sleep(0.002)
        # The emulator writes a PDU down when its air time is over, so the last one is complete.
        elapsed = time.monotonic() - begin
        used = each * air / elapsed
        row(f"utilisation of a 2.5 s radio, {modems} modem(s)", "99 %", f"{used * 100:.2f} %", f"{used / 0.99:.3f}",
            f"{total} SMS in {elapsed:.2f} s, first acceptance included")
        gateway.clean()
        emulator.stop()


def start():
    gateway = Gateway()
    gateway.stop()
    taken = []
    for _ in range(5):
        gateway.start()
        taken.append(gateway.start_seconds)
        gateway.stop()
    gateway.clean()
    row("start -> first answer", "0.3 s", f"{statistics.median(taken):.3f} s", f"{0.3 / statistics.median(taken):.2f}")


def memory():
    emulator = Emulator(8)
    gateway = Gateway(emulator.modems)
    gateway.wait_for_modems(8)
    time.sleep(1)
    idle = gateway.rss()
    row("memory, idle with 8 modems", "30 MB", f"{idle:.1f} MB", f"{30 / idle:.2f}")
    gateway.clean()
    emulator.stop()
    gateway = Gateway()
    while True:
        result = wrk(gateway, SEND, seconds=3, salt=str(time.monotonic()))
        memory.total = getattr(memory, "total", 0) + result["requests"]
        if memory.total >= 100_000:
            break
    full = gateway.rss()
    per = 80 / (full * 100_000 / memory.total)
    row(f"memory, {memory.total:.0f} queued messages", "80 MB at 100,000", f"{full:.1f} MB", f"{per:.2f}", "ratio scaled to 100,000")
    gateway.clean()


def written():
    emulator = Emulator(16)
    gateway = Gateway(emulator.modems)
    gateway.wait_for_modems(16)
    for rate, seconds, target in ((10, 20, 48), (1000, 8, 12)):
        before, sent = gateway.written(), emulator.count()
        threads = []
        total = rate * seconds

        def work(part, parts):
            ask = gateway.client()
            begin = time.monotonic()
            for number in range(part, total, parts):
                wait = begin + number / rate - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                ask("create-otp", {"reference": f"w{rate}-{number}", "receiver": "08126666666", "message": "Your code is %s"})
        for part in range(4):
            threads.append(threading.Thread(target=work, args=(part, 4)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while emulator.count() < sent + total:
            time.sleep(0.05)
        time.sleep(3)
        kib = (gateway.written() - before) / total / 1024
        row(f"bytes written per OTP at {rate}/s, checkpoints included", f"{target} KiB", f"{kib:.1f} KiB", f"{target / kib:.2f}",
            "accept -> sent, without validation")
    gateway.clean()
    emulator.stop()


ALL = {"accept": accept, "validate": validate, "growth": growth, "latency": latency, "utilisation": utilisation, "start": start,
       "memory": memory, "written": written}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *ALL], help="which rows; all when none is named")
    for name in parser.parse_args().rows or ALL:
        ALL[name]()
    print("\n| what | target | measured | ratio | |\n|---|---|---|---|---|")
    for each in ROWS:
        print("| " + " | ".join(each) + " |")
