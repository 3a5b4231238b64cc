#!/bin/bash
# A client of the SIM800L Flask server, with the requests as its README prints them. Nothing here knows OTP-Pi.
#
#   SERVER=192.168.0.100:5000 PHONE=+919876543210 bash sim800l.sh
set -eu

curl -sS http://$SERVER/health
curl -sS -X POST http://$SERVER/send_otp \
  -H "Content-Type: application/json" \
  -d '{"phone": "'$PHONE'"}'

read -r -p "Code: " OTP

curl -sS -X POST http://$SERVER/verify_otp \
-H "Content-Type: application/json" \
-d '{"phone": "'$PHONE'", "otp": "'$OTP'"}'
