"""What the benchmarks run: gateway, emulated modems, load, and the counters beside them. Standard library only."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
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
TICK = os.sysconf("SC_CLK_TCK")


def fresh_directory():
    """A directory on the disk that is to be measured."""
    return tempfile.TemporaryDirectory(dir=os.environ.get("OTP_PI_BENCH_DIR"))


def fill(data, what, first, end):
    """Tickets or queued texts on disk, made by the store's own code."""
    subprocess.run([RELEASE / "examples" / "fill", data, what, str(first), str(end)], check=True)


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
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def count(self):
        return self.file.read_bytes().count(b"\n") if self.file.exists() else 0

    def wait_for(self, count):
        while self.count() < count:
            time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.dir.cleanup()


class Gateway:
    """The release binary with a configuration and a directory of its own; `data` is copied into it, if given.

    Without limits: one client would reach them at once. With limits="observe" everything is counted and nothing refused."""

    def __init__(self, modems=(), data=None, api="", extra="", limits="off"):
        self.dir = fresh_directory()
        self.data = Path(self.dir.name) / "data"
        if data:
            shutil.copytree(data, self.data)
        self.config = Path(self.dir.name) / "otp-pi.toml"
        self.log = Path(self.dir.name) / "log"
        # Accepting without sending: a modem that is not there.
        lines = list(modems) or ["/dev/does-not-exist"]
        self.config.write_text(
            f'data_dir = "{self.data}"\n[limits]\nmode = "{limits}"\n[api]\nhttp_listen = "127.0.0.1:0"\n{api}\n'
            f'[sms]\ncountry_code = "62"\nmax_queue = 2000000\ndelivery_reports = false\n{extra}\n'
            f'[[api_user]]\nusername = "{USER}"\npassword = "{PASSWORD}"\n'
            + "".join(f'[[modem]]\nname = "m{number}"\nport = "{path}"\n' for number, path in enumerate(lines)))
        self.config.chmod(0o600)
        self.start()

    def start(self):
        self.begin = time.monotonic()
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
        self.start_seconds = time.monotonic() - self.begin
        secure = re.search(r"api\.https_address=(\S+)", self.log.read_text()[offset:])
        self.url, self.https_url = f"http://{self.host}:{self.number}", secure and f"https://{secure[1]}"

    def get(self, path):
        connection = http.client.HTTPConnection(self.host, self.number)
        connection.request("GET", path)
        return connection.getresponse().status

    def client(self):
        return Client(self.host, self.number)

    def wait_for_modems(self, count):
        client = self.client()
        while True:
            modems = client.ask("get-modem-list", {})["data"]["modem_list"].values()
            if sum(1 for modem in modems if modem["connected"]) == count:
                return
            time.sleep(0.01)

    def wait_until_restored(self):
        """Ends when what was queued before the start is queued again: the API answers before that."""
        while "queue.recovered=" not in self.log.read_text():
            time.sleep(0.001)
        return time.monotonic() - self.begin

    def wait_until_folded(self):
        """Ends when the WAL has been copied into the database, so that what it costs is counted."""
        while (self.data / "otp-pi.db-wal").stat().st_size > 0:
            time.sleep(0.1)

    def status(self, name):
        text = Path(f"/proc/{self.process.pid}/{name}").read_text()
        return {key: value.split()[0] for key, value in re.findall(r"(\w+):\s+(.*)", text)}

    def memory(self):
        """Resident and anonymous memory in MB (of 1,024 KiB squared)."""
        status = self.status("status")
        return int(status["VmRSS"]) / 1024, int(status["RssAnon"]) / 1024

    def written(self):
        return int(self.status("io")["write_bytes"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def clean(self):
        if self.process.poll() is None:
            self.kill()
        self.dir.cleanup()


class Client:
    """One kept connection; as little work as Python allows, since it shares the processors with what it measures."""

    def __init__(self, host, number):
        self.socket = socket.create_connection((host, number))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def ask(self, command, data):
        body = json.dumps({"command": command, "data": data}).encode()
        head = f"POST /api/otp HTTP/1.1\r\nHost: bench\r\nAuthorization: {LOGIN}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)
        head = self.read_to(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(self.buffer) < length:
            self.more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return json.loads(body)

    def read_to(self, end):
        while end not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(end, 1)
        return head

    def more(self):
        some = self.socket.recv(65536)
        if not some:
            sys.exit("the gateway closed a connection")
        self.buffer += some


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


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Counters:
    """What processes use while something runs: fsyncs (of the first, by perf's tracepoints), processor time and written bytes.

    Where perf may not trace (no root, no linux-perf), fsyncs are None.
    """

    def __init__(self, *pids):
        self.pids, self.perf, self.fsyncs = pids, None, None

    def __enter__(self):
        self.attach()
        self.cpu = -sum(map(cpu_seconds, self.pids))
        self.bytes = -self.written()
        return self

    def __exit__(self, *_):
        self.cpu += sum(map(cpu_seconds, self.pids))
        self.bytes += self.written()
        self.detach()

    def written(self):
        try:
            return int(re.search(r"\nwrite_bytes: (\d+)", Path(f"/proc/{self.pids[0]}/io").read_text())[1])
        except PermissionError:
            sys.exit("the benchmarks need root: what a program writes that forbids core dumps is told to nobody else")

    def attach(self):
        if not shutil.which("perf"):
            return
        orders, self.order = os.pipe()
        self.done, done = os.pipe()
        self.perf = subprocess.Popen(
            ["perf", "stat", "-x,", "-e", "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync", "-p", str(self.pids[0]),
             "-D", "-1", "--control", f"fd:{orders},{done}"],
            pass_fds=(orders, done), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        os.close(orders)
        os.close(done)
        try:
            os.write(self.order, b"enable\n")
            started = os.read(self.done, 16)
        except BrokenPipeError:
            started = b""
        if not started:
            self.perf.communicate()
            self.perf = None

    def detach(self):
        if self.perf:
            self.perf.send_signal(signal.SIGINT)
            counts = re.findall(r"^(\d+),", self.perf.communicate()[1], re.MULTILINE)
            self.fsyncs = sum(map(int, counts)) if len(counts) == 2 else None

    def fsyncs_per(self, requests, noun="request"):
        if self.fsyncs is None:
            return "fsyncs not counted (perf)"
        return f"{self.fsyncs / requests:.4f} fsyncs/{noun}"


LUA = """
local identity, threads = 0, {}
function setup(thread) thread:set("id", identity); identity = identity + 1; table.insert(threads, thread) end
local count = 0
local head = "%(head)s"
function request()
  count = count + 1
  local key = id .. "-" .. count .. "-%(salt)s"
  %(make)s
end
function response(status, headers, body)
  if status ~= %(status)d or not body:find('%(code)s', 1, true) then bad = (bad or 0) + 1; sample = body end
end
function done(summary, latency, requests)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + (thread:get("bad") or 0); local s = thread:get("sample"); if s then io.write("SAMPLE " .. s .. "\\n") end end
  io.write(string.format("RESULT %%d %%d %%.6f %%.3f %%.3f\\n", summary.requests, wrong, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""

HEAD = f"POST /api/otp HTTP/1.1\\r\\nHost: bench\\r\\nAuthorization: {LOGIN}\\r\\nContent-Type: application/json\\r\\nContent-Length: "
OK = '"response_code":"000"'


class Load:
    """What wrk made and saw: rate, latencies in ms, and how many processors it and the program under load used."""

    def __init__(self, url, pids, make, code=OK, status=200, connections=64, seconds=5, salt="a"):
        """`make` is Lua that returns a request; it may use `key` and `count`, which differ each time, and `head`."""
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(LUA % {"head": HEAD, "salt": salt, "make": make, "code": code, "status": status})
            script.flush()
            with Counters(*pids) as self.counters:
                before = os.times()
                out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url],
                                     capture_output=True, text=True).stdout
                after = os.times()
        found = re.search(r"RESULT (\d+) (\d+) (\S+) (\S+) (\S+)", out)
        if not found:
            sys.exit(f"wrk: {out}")
        answers, wrong, duration, self.p50, self.p99 = (float(value) for value in found.groups())
        if wrong:
            sample = re.search(r"SAMPLE (.*)", out)
            print(f"  {wrong:.0f} of {answers:.0f} answers were not {status} {code}: {sample and sample[1][:300]}")
        self.requests = max(1, answers - wrong)
        self.rate = self.requests / duration
        self.cost = self.counters.cpu / self.requests * 1e6
        wrk = (after.children_user - before.children_user + after.children_system - before.children_system) / duration
        self.used = f"{self.cost:.0f} µs of processor each; server {self.counters.cpu / duration:.2f}, wrk {wrk:.2f} of {os.cpu_count()} processors"

    def __str__(self):
        return f"{self.rate:.0f}/s, p99 {self.p99:.1f} ms"


def load(gateway, body, **how):
    """A load of commands; `body` is a Lua expression."""
    make = f'local body = {body}; return head .. #body .. "\\r\\n\\r\\n" .. body'
    return Load(how.pop("url", gateway.url), [gateway.process.pid], make, **how)
