"""The benchmarks of product section 15 against the release binaries, and a C gateway beside them.

Every row prints target, figure and ratio (above 1 is better than the target); where something is made durable, fsyncs per
request. wrk makes the load. Run through scripts/bench.
"""

import argparse
import re
import shutil
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import bench_brokers
import bench_flood
import bench_peer
from bench_rig import Counters, Emulator, Gateway, Load, TimedModem, fill, fresh_directory, load


@dataclass
class Tier:
    seconds: int
    """Of one load."""
    tickets: list
    queues: list
    messages: int
    """For the latency of one."""
    sends: int
    """Of each modem for the utilisation."""
    slow_seconds: int
    fast_seconds: int
    """At 10 and at 1,000 codes a second."""


FULL = Tier(5, [10**3, 10**4, 10**5, 10**6], [10**2, 10**3, 10**4, 10**5], 300, 8, 20, 8)
QUICK = Tier(2, [10**3, 10**4], [10**2, 10**3, 10**4], 100, 3, 5, 3)
tier = FULL

CREATE = """'{"command":"create-otp","data":{"reference":"' .. key .. '","receiver":"0812' .. string.format("%07d", count % 10000000) .. '","message":"Your code is %s"}}'"""
SEND = """'{"command":"send-sms","data":{"id":"' .. key .. '","receiver":"0812' .. string.format("%07d", count % 10000000) .. '","message":"Hello there"}}'"""
UNKNOWN = """'{"command":"validate-otp","data":{"reference":"' .. key .. '","receiver":"08126666666","otp":"123456"}}'"""
WRONG = """'{"command":"validate-otp","data":{"reference":"s' .. math.random(0, %d) .. '","receiver":"08126666666","otp":"000000"}}'"""
REFUSED = '"response_code":"1202"'

ROWS = []


def row(what, target, figure, ratio, more=""):
    ratio = f"{ratio:.2f}" if ratio else ""
    ROWS.append((what, target, figure, ratio, more))
    print(f"{what:62} target {target:18} measured {figure:28} ratio {ratio:5} {more}", flush=True)


def rate_row(what, target, result, durable=True):
    fsyncs = result.counters.fsyncs_per(result.requests) + "; " if durable else ""
    row(what, f"{target}/s" if target else "", str(result), target and result.rate / target, fsyncs + result.used)


def percentile(values, share):
    return sorted(values)[max(0, round(len(values) * share) - 1)]


def count(number):
    return f"10^{len(str(number)) - 1}" if str(number).strip("0") == "1" else f"{number:,}"


def accept():
    for name, body in (("create-otp", CREATE), ("send-sms", SEND)):
        gateway = Gateway()
        load(gateway, body, seconds=1, salt="warm")
        result = load(gateway, body, seconds=tier.seconds)
        gateway.clean()
        rate_row(f"durable accept, {name}, 64 connections (p99 20 ms)", 10000, result)


def validate():
    gateway = Gateway()
    load(gateway, UNKNOWN, code=REFUSED, seconds=1)
    unknown = load(gateway, UNKNOWN, code=REFUSED, seconds=tier.seconds)
    gateway.clean()
    rate_row("validate-otp, unknown reference", 10000, unknown)
    with fresh_directory() as filled:
        data = Path(filled) / "data"
        fill(data, "tickets", 0, 2000)
        gateway = Gateway(data=data)
        body = WRONG % 1999
        load(gateway, body, code=REFUSED, seconds=1)
        live = load(gateway, body, code=REFUSED, seconds=tier.seconds)
        gateway.clean()
    rate_row("validate-otp, wrong guess at a live ticket", 10000, live)


def tls():
    gateway = Gateway(api='https_listen = "127.0.0.1:0"')
    load(gateway, CREATE, seconds=1, salt="warm")
    plain = load(gateway, CREATE, seconds=tier.seconds, salt="http")
    load(gateway, CREATE, seconds=1, salt="secure-warm", url=gateway.https_url)
    secure = load(gateway, CREATE, seconds=tier.seconds, salt="https", url=gateway.https_url)
    closing = """return "GET /healthz HTTP/1.1\\r\\nHost: bench\\r\\nConnection: close\\r\\n\\r\\n" """
    shakes = Load(gateway.https_url, [gateway.process.pid], closing, '"status":"ok"', seconds=tier.seconds)
    gateway.clean()
    rate_row("create-otp over HTTP, the same gateway", None, plain)
    rate_row(f"create-otp over HTTPS ({secure.rate / plain.rate:.2f} of HTTP)", None, secure)
    rate_row("new HTTPS connections, one request each (full handshakes)", None, shakes, durable=False)


def level(data, tickets, round_):
    """One gateway on a copy of `data`: what it holds in memory, and its rates."""
    gateway = Gateway(data=data)
    start, idle = gateway.start_seconds, gateway.memory()
    load(gateway, UNKNOWN, code=REFUSED, seconds=1)
    checked = load(gateway, WRONG % (tickets - 1), code=REFUSED, seconds=tier.seconds, salt=round_)
    used = gateway.memory()
    created = load(gateway, CREATE, seconds=tier.seconds, salt=round_)
    gateway.clean()
    return {"validate-otp": checked, "create-otp": created, "start": start, "idle": idle, "used": used}


def growth():
    most = tier.tickets[-1]
    with fresh_directory() as filled:
        data, first, levels = Path(filled) / "data", 0, []
        few = Path(filled) / "few"
        for tickets in tier.tickets:
            fill(data, "tickets", first, tickets)
            first = tickets
            levels.append(level(data, tickets, count(tickets)))
            if tickets == tier.tickets[0]:
                shutil.copytree(data, few)
        # Once more at the end: what the machine does meanwhile must not count for growth.
        again = level(few, tier.tickets[0], "again")
        for command in ("create-otp", "validate-otp"):
            for tickets, found in zip(tier.tickets, levels):
                rate_row(f"{command} with {count(tickets)} live tickets on disk", 10000, found[command])
            rate_row(f"{command} with {count(tier.tickets[0])} once more", 10000, again[command])
            before, after = (levels[0][command].rate + again[command].rate) / 2, levels[-1][command].rate
            cost = levels[-1][command].cost / (levels[0][command].cost + again[command].cost) * 2
            row(f"cost per {command}, {count(tier.tickets[0])} -> {count(most)} live tickets", "1.3x",
                f"{before / after:.2f}x in time", 1.3 / (before / after), f"{cost:.2f}x in processor time")
        idle, used, start = levels[-1]["idle"], levels[-1]["used"], levels[-1]["start"]
        row(f"memory, {count(most)} live tickets on disk, just started", "60 MB", f"{idle[0]:.1f} MB", 60 / idle[0], f"anonymous {idle[1]:.1f} MB")
        row(f"memory, {count(most)} live tickets, after {tier.seconds} s of guesses", "60 MB", f"{used[0]:.1f} MB", 60 / used[0],
            f"anonymous {used[1]:.1f} MB")
        row(f"start -> first answer, {count(most)} live tickets", "0.3 s", f"{start:.3f} s", 0.3 / start)
        queued = tier.queues[-1]
        fill(data, "queue", most, most + queued)
        gateway = Gateway(data=data)
        row(f"start -> first answer, {count(most)} tickets and {count(queued)} queued", "0.3 s", f"{gateway.start_seconds:.3f} s",
            0.3 / gateway.start_seconds, f"the queue is read after {gateway.wait_until_restored():.3f} s")
        gateway.clean()


def latency():
    modem = TimedModem(0.02)
    gateway = Gateway([modem.path])
    gateway.wait_for_modems(1)
    client = gateway.client()
    taken = []
    with Counters(gateway.process.pid) as counters:
        for number in range(tier.messages):
            begin = time.monotonic()
            client.ask("create-otp", {"reference": f"l{number}", "receiver": "08126666666", "message": "Your code is %s"})
            while len(modem.requests) <= number:
                time.sleep(0.0001)
            taken.append((modem.requests[number] - begin) * 1000)
            time.sleep(0.05)
    p99 = percentile(taken, 0.99)
    row("idle: request written -> AT+CMGS on the line", "p99 10 ms", f"p50 {statistics.median(taken):.2f} p99 {p99:.2f} ms", 10 / p99,
        f"includes the HTTP request; {counters.fsyncs_per(tier.messages)}, accepted to sent")
    modem.gaps.clear()
    before = len(modem.requests)
    for number in range(tier.messages):
        client.ask("send-sms", {"id": f"g{number}", "receiver": "08126666666", "message": "Hello there"})
    while len(modem.requests) < before + tier.messages:
        time.sleep(0.01)
    gaps = modem.gaps[1:]
    p99 = percentile(gaps, 0.99)
    row("final result -> next AT+CMGS", "p99 2 ms", f"p50 {statistics.median(gaps):.2f} p99 {p99:.2f} ms", 2 / p99,
        f"{tier.messages} waiting; seen from the modem's side of the line")
    gateway.clean()


def utilisation():
    air = 2.5
    for modems in (1, 64):
        emulator = Emulator(modems, f"{int(air * 1000)}ms")
        gateway = Gateway(emulator.modems)
        gateway.wait_for_modems(modems)
        client = gateway.client()
        total = modems * tier.sends
        begin = time.monotonic()
        for number in range(total):
            client.ask("send-sms", {"id": f"u{number}", "receiver": "08126666666", "message": "Hello there"})
        emulator.wait_for(total)
        elapsed = time.monotonic() - begin
        ends = {}
        for sent in emulator.transmissions():
            ends.setdefault(sent["modem"], []).append(sent["at_millis"] / 1000)
        # Of each radio from the end of its first SMS to the end of its last.
        shares = [(len(times) - 1) * air / (times[-1] - times[0]) for times in ends.values()]
        used = statistics.mean(shares)
        row(f"utilisation of a 2.5 s radio, {modems} modem(s)", "99 %", f"{used * 100:.2f} %", used / 0.99,
            f"worst {min(shares) * 100:.2f} %; {total} SMS in {elapsed:.2f} s, first acceptance included")
        gateway.clean()
        emulator.stop()


def start():
    gateway = Gateway()
    row("start -> first answer, the very first", "0.3 s", f"{gateway.start_seconds:.3f} s", 0.3 / gateway.start_seconds, "makes keys and database")
    gateway.stop()
    taken = []
    for _ in range(5):
        gateway.start()
        taken.append(gateway.start_seconds)
        gateway.stop()
    median = statistics.median(taken)
    row("start -> first answer", "0.3 s", f"{median:.3f} s", 0.3 / median, "median of 5")
    gateway.start()
    accepted = load(gateway, CREATE, seconds=1)
    gateway.kill()
    gateway.start()
    row(f"start -> first answer after SIGKILL, {accepted.requests:,.0f} queued", "0.3 s", f"{gateway.start_seconds:.3f} s",
        0.3 / gateway.start_seconds, "the WAL is recovered")
    gateway.clean()


def memory():
    emulator = Emulator(8)
    gateway = Gateway(emulator.modems)
    gateway.wait_for_modems(8)
    time.sleep(1)
    resident, anonymous = gateway.memory()
    row("memory, idle with 8 modems", "30 MB", f"{resident:.1f} MB", 30 / resident, f"anonymous {anonymous:.1f} MB")
    gateway.clean()
    emulator.stop()
    with fresh_directory() as filled:
        data, first = Path(filled) / "data", 0
        for queued in tier.queues:
            fill(data, "queue", first, queued)
            first = queued
            gateway = Gateway(data=data)
            restored = gateway.wait_until_restored()
            resident, anonymous = gateway.memory()
            target = 80 if queued == 10**5 else None
            row(f"memory, {count(queued)} queued messages, read at a start", target and "80 MB" or "", f"{resident:.1f} MB", target and target / resident,
                f"anonymous {anonymous:.1f} MB; first answer after {gateway.start_seconds:.3f} s, queue read after {restored:.3f} s")
            gateway.clean()
    gateway, total = Gateway(), 0
    while total < tier.queues[-1]:
        total += load(gateway, SEND, seconds=2, salt=f"round{total:.0f}").requests
    resident, anonymous = gateway.memory()
    row(f"memory, {total:,.0f} queued messages, as they came", "80 MB at 10^5", f"{resident:.1f} MB",
        80 / (resident * 1e5 / total) if total >= 1e5 else None, f"anonymous {anonymous:.1f} MB; ratio scaled to 10^5")
    gateway.clean()


def written(limits="off"):
    emulator = Emulator(16)
    gateway = Gateway(emulator.modems, limits=limits)
    gateway.wait_for_modems(16)
    for rate, seconds, target in ((10, tier.slow_seconds, 48), (1000, tier.fast_seconds, 12)):
        gateway.wait_until_folded()
        with Counters(gateway.process.pid) as counters:
            begin = time.monotonic()
            total = live(gateway, emulator, rate, seconds)
            took = time.monotonic() - begin
            gateway.wait_until_folded()
        kib = counters.bytes / total / 1024
        counted = "" if limits == "off" else ", limits counted"
        row(f"bytes written per OTP at {rate:,}/s, checkpoints included{counted}", f"{target} KiB", f"{kib:.1f} KiB", target / kib,
            f"accepted, sent, validated; {total / took:.0f}/s reached; {counters.fsyncs_per(total, 'OTP')}")
    gateway.clean()
    emulator.stop()


def limits():
    """What it costs to count: nothing is refused, everything is counted and written behind."""
    gateway = Gateway(limits="observe")
    load(gateway, CREATE, seconds=1, salt="warm")
    result = load(gateway, CREATE, seconds=tier.seconds)
    rate_row("durable accept, create-otp, limits counted", 10000, result)
    guesses = load(gateway, UNKNOWN, code=REFUSED, seconds=tier.seconds)
    rate_row("validate-otp of unknown references, limits counted", 10000, guesses)
    gateway.clean()
    written("observe")


def live(gateway, emulator, rate, seconds):
    """OTPs over their whole life: asked for at an even pace, sent, read by their receivers, entered."""
    total, askers, done = rate * seconds, 24, []
    sent = emulator.count()

    def work(part):
        client = gateway.client()
        begin = time.monotonic()
        for number in range(part, total, askers):
            time.sleep(max(0, begin + number / rate - time.monotonic()))
            client.ask("create-otp", {"reference": f"w{rate}-{number}", "receiver": f"0812{number:07d}", "message": "Your code is %s"})

    def enter(codes):
        client = gateway.client()
        for receiver, code in codes:
            number = int(receiver[-7:])
            answer = client.ask("validate-otp", {"reference": f"w{rate}-{number}", "receiver": f"0812{number:07d}", "otp": code})
            done.append(answer["response_code"])

    askers_at_work = [threading.Thread(target=work, args=(part,)) for part in range(askers)]
    for thread in askers_at_work:
        thread.start()
    entering = []
    with open(emulator.file) as file:
        for _ in range(sent):
            file.readline()
        seen, rest = 0, ""
        while seen < total:
            *lines, rest = (rest + file.read()).split("\n")
            codes = [re.search(r'"receiver":"(\d+)".*?"text":"\D*(\d+)', line).groups() for line in lines]
            seen += len(codes)
            # A phone each would be one connection each; a few do.
            for part in range(min(8, len(codes))):
                entering.append(threading.Thread(target=enter, args=(codes[part::8],)))
                entering[-1].start()
            time.sleep(0.02)
    for thread in askers_at_work + entering:
        thread.join()
    wrong = [code for code in done if code != "000"]
    if wrong or len(done) != total:
        print(f"  {len(wrong)} of {len(done)} codes were refused, for example {wrong[:1]}")
    return total


def flood():
    bench_flood.run(row, rate_row, UNKNOWN, REFUSED, tier.seconds)


def brokers():
    bench_brokers.run(row, 50_000 if tier is FULL else 10_000)


def peer():
    """The gateway takes texts durably; Kannel takes them into memory."""
    if not bench_peer.is_installed():
        row("peer: Kannel", "", "not run: apt-get install kannel", None)
        return
    gateway = Gateway()
    load(gateway, SEND, seconds=1, salt="warm")
    ours = load(gateway, SEND, seconds=tier.seconds)
    gateway.clean()
    theirs, delivered = bench_peer.kannel(tier.seconds)
    row("peer: Kannel, HTTP -> its fake SMSC, nothing durable", "", str(theirs), None, f"{delivered} handed on; {theirs.used}")
    row("send-sms beside it, durable before the answer", "", str(ours), ours.rate / theirs.rate,
        f"ratio to Kannel; {ours.counters.fsyncs_per(ours.requests)}; {ours.used}")


ALL = {"accept": accept, "validate": validate, "limits": limits, "tls": tls, "growth": growth, "latency": latency, "utilisation": utilisation, "start": start,
       "memory": memory, "written": written, "flood": flood, "brokers": brokers, "peer": peer}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter, in under two minutes")
    parser.add_argument("rows", nargs="*", choices=[[], *ALL], help="which rows; all when none is named")
    arguments = parser.parse_args()
    tier = QUICK if arguments.quick else FULL
    for name in arguments.rows or ALL:
        ALL[name]()
    print("\n| what | target | measured | ratio | |\n|---|---|---|---|---|")
    for each in ROWS:
        print("| " + " | ".join(each) + " |")
