"""What a flood of hostile clients costs: the answers of others meanwhile, and memory. Each kind comes from an address of its own."""

import re
import resource
import socket

from bench_rig import LOGIN, Gateway, load

HEAD = f"POST /api/otp HTTP/1.1\r\nHost: bench\r\nAuthorization: {LOGIN}\r\n".encode()
MANY = 'https_listen = "127.0.0.1:0"\nmax_connections = 4096\nmax_connections_per_address = 1024'


def connect(gateway, source, secure=False):
    host, number = re.match(r"https?://(.+):(\d+)", gateway.https_url if secure else gateway.url).groups()
    client = socket.create_connection((host, int(number)), source_address=(f"127.0.0.{source}", 0))
    client.setblocking(False)
    return client


def clients(gateway, count, source, said, secure=False):
    opened = [connect(gateway, source, secure) for _ in range(count)]
    for client in opened:
        pour(client, said)
    return opened


def pour(client, said):
    """Sends as much as the gateway takes."""
    try:
        while said:
            said = said[client.send(said):]
    except (BlockingIOError, ConnectionError):
        pass


def stall(gateway):
    """3,000 clients: heads, bodies and TLS handshakes that do not end."""
    return (clients(gateway, 1000, 2, b"POST /api/otp HTTP/1.1\r\nX-A: ")
            + clients(gateway, 1000, 3, HEAD + b'Content-Length: 500\r\n\r\n{"command":')
            + clients(gateway, 1000, 4, b"\x16\x03\x01", secure=True))


def bodies(gateway):
    return clients(gateway, 64, 2, HEAD + b"Content-Length: 65537\r\n\r\n" + b"x" * 65535) + clients(
        gateway, 64, 3, HEAD + b"Content-Length: 65536\r\n\r\n" + b"x" * 65535) + clients(
        gateway, 64, 4, HEAD + b"Content-Length: 1048576\r\n\r\n" + b"x" * 1048575)


def unread(gateway):
    return clients(gateway, 1000, 2, b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n" * 20000)


def headers(gateway):
    return clients(gateway, 1000, 2, b"GET /healthz HTTP/1.1\r\nHost: bench\r\n" + b"X-A: a\r\n" * 2000) + clients(
        gateway, 1000, 3, b"GET /healthz HTTP/1.1\r\nHost: bench\r\nX-A: " + b"a" * 100000)


FLOODS = [
    ("1,000 heads, 1,000 bodies and 1,000 TLS handshakes that stall", stall),
    ("192 clients with bodies of 64 KiB and 1 MiB, all but the last byte", bodies),
    ("1,000 clients with 20,000 requests each that read no answer", unread),
    ("2,000 clients with header floods", headers),
]


def run(row, rate_row, body, code, seconds):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for name, flood in FLOODS:
        gateway = Gateway(api=MANY)
        load(gateway, body, code=code, seconds=1, salt="warm")
        alone, before = load(gateway, body, code=code, seconds=seconds, salt="alone"), gateway.memory()[0]
        hostile = flood(gateway)
        # Shorter than what stalls is given: 10 s.
        meanwhile = load(gateway, body, code=code, seconds=min(seconds, 5), salt="flood")
        most = int(gateway.status("status")["VmHWM"]) / 1024
        rate_row(f"validate-otp while {name}", None, meanwhile)
        row("  the same gateway before", "", str(alone), None)
        row("  its memory: before, and the most since", "", f"{before:.1f} MB, {most:.1f} MB", None)
        for client in hostile:
            client.close()
        gateway.clean()
