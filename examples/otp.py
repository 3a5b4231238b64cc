#!/usr/bin/env python3
"""Sends a code to a phone, reads it from the user and checks it. Needs nothing but Python 3.

    OTP_PI_PASSWORD=… python3 otp.py 08123456789
"""

import base64
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request

URL = os.environ.get("OTP_PI_URL", "http://127.0.0.1:8899/api/otp")
LOGIN = os.environ.get("OTP_PI_USER", "shop") + ":" + os.environ["OTP_PI_PASSWORD"]
SUCCESS = ("000", "0000")


def ask(command, data):
    """Asks once; while the gateway has no room, again when it says so: then nothing had happened."""
    request = urllib.request.Request(URL, json.dumps({"command": command, "data": data}).encode())
    request.add_header("Authorization", "Basic " + base64.b64encode(LOGIN.encode()).decode())
    for _ in range(5):
        wait = 1
        try:
            with urllib.request.urlopen(request, timeout=40) as response:
                answer = json.load(response)
            if answer["response_code"] != "1501":
                return answer
            wait = answer.get("retry_after", 1)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                sys.exit(f"HTTP {error.code}: {error.read().decode()}")
            wait = int(error.headers.get("Retry-After", 1))
        except OSError as error:
            # The same create-otp again is answered as the first one was; a guess that was lost may have been counted.
            if command != "create-otp":
                sys.exit(f"The gateway does not answer: {error}")
        time.sleep(wait)
    sys.exit("The gateway is busy or away: try again later.")


def send(receiver):
    """Sends a new code; answers the reference by which it is checked."""
    reference = "login-" + secrets.token_hex(8)
    answer = ask("create-otp", {"reference": reference, "receiver": receiver, "message": "Your code is %s"})
    code = answer["response_code"]
    if code == "1302":
        sys.exit(f"Too many codes: try again in {answer['retry_after']} s.")
    if code not in SUCCESS:
        sys.exit(f"Not sent ({code}): {answer['error']}")
    print("A code is on its way.", flush=True)
    return reference


def main():
    receiver = sys.argv[1]
    reference = send(receiver)
    while True:
        guess = input("Code: ").strip()
        if not guess:
            continue
        answer = ask("validate-otp", {"reference": reference, "receiver": receiver, "otp": guess})
        code = answer["response_code"]
        if code in SUCCESS:
            print("Right.")
            return
        if code == "1202":
            print("Wrong, try again.")
        elif code in ("1203", "1204"):  # too late, too many tries
            print("That code is worth nothing any more.")
            reference = send(receiver)
        else:
            sys.exit(f"Not checked ({code}): {answer['error']}")


if __name__ == "__main__":
    main()
