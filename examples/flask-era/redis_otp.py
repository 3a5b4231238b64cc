#!/usr/bin/env python3
"""A client of the Flask + Redis OTP service: forms in, `status` and the HTTP status out. Nothing here knows OTP-Pi.

    SERVER=192.168.0.100:5000 PHONE=919876543210 python3 redis_otp.py
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request


def post(path, **form):
    request = urllib.request.Request(f"http://{os.environ['SERVER']}{path}", urllib.parse.urlencode(form).encode())
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


phone = os.environ["PHONE"]
status, answer = post("/generate_otp", phone_number=phone)
if status != 200:
    sys.exit(f"{status} {answer['message']}")
print("sent as", answer["message_uuid"], flush=True)

status, answer = post("/validate_otp", phone_number=phone)
print(status, answer["message"], flush=True)

status, answer = post("/verify_otp", phone_number=phone, otp=input("Code: ").strip())
print(status, answer["message"])
sys.exit(0 if answer["status"] == "success" else 1)
