"""Puts one of the modems of python-gsmmodem-new's test/fakemodems.py behind a pseudo terminal.

Usage: serve.py DIRECTORY CLASS [--pin] [--sim-busy N] [--device-busy N]. DIRECTORY holds fakemodems.py. Prints the path
of the terminal, then every command line it takes, then `pdu HEX` for every message. Ends when its standard input does.

The tables know what a modem answers to a line; everything they do not know they answer with OK. Added here is what is
no line of a table: the prompt of AT+CMGS, its ESC, and that whatever does not begin with AT is not answered.
"""

import argparse
import os
import sys
import threading
import time
import tty

arguments = argparse.ArgumentParser()
arguments.add_argument("directory")
arguments.add_argument("modem")
arguments.add_argument("--pin", action="store_true")
arguments.add_argument("--sim-busy", type=int, default=0)
arguments.add_argument("--device-busy", type=int, default=0)
arguments = arguments.parse_args()
sys.path.insert(0, arguments.directory)
sys.dont_write_bytecode = True
import fakemodems  # noqa: E402

modem = getattr(fakemodems, arguments.modem)()
modem.pinLock = arguments.pin
modem.simBusyErrorCounter = arguments.sim_busy
modem.deviceBusyErrorCounter = arguments.device_busy
# The one line of the tables that a busy SIM can strike is the question for the SMSC; most modems need the SIM for these.
modem.commandsSimBusy = ["AT+CSCA?\r", "AT+CNMI=2,1,2,1,0\r", "AT+CPMS?\r"]

line, terminal = os.openpty()
tty.setraw(terminal)


def end_with_standard_input():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_standard_input, daemon=True).start()
print(os.ttyname(terminal), flush=True)


def say(text):
    os.write(line, b"\r\n" + text.encode())


waiting, is_prompted, reference = b"", False, 0
while True:
    waiting += os.read(line, 4096)
    while waiting:
        if is_prompted:
            end = next((at for at, byte in enumerate(waiting) if byte in b"\x1a\x1b"), None)
            if end is None:
                break
            message, mark, waiting = waiting[:end], waiting[end : end + 1], waiting[end + 1 :]
            is_prompted = False
            if mark == b"\x1a":
                reference += 1
                print("pdu", message.decode(), flush=True)
                say(f"+CMGS: {reference}\r\n")
            say("OK\r\n")
            continue
        end = waiting.find(b"\r")
        if end < 0:
            break
        command, waiting = waiting[:end].replace(b"\x1b", b"").decode(), waiting[end + 1 :]
        if not command.startswith("AT"):
            continue
        print(command, flush=True)
        answer = modem.getResponse(command + "\r")
        if command.startswith("AT+CMGS=") and answer == ["OK\r\n"]:
            is_prompted = True
            say("> ")
            continue
        for part in answer:
            if isinstance(part, (int, float)):
                time.sleep(part)
            else:
                say(part)
