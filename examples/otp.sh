#!/bin/sh
# Sends a code to a phone, reads it from the user and checks it. Needs a shell, curl and sed.
#
#   OTP_PI_PASSWORD=… sh otp.sh 08123456789
set -eu

url=${OTP_PI_URL:-http://127.0.0.1:8899/api/otp}
user=${OTP_PI_USER:-shop}
receiver=$1

fail() { echo "$*" >&2; exit 1; }

# member NAME: one member of the last answer, without its quotes.
member() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$answer"; }

# ask COMMAND DATA: asks once; while the gateway has no room, again when it says so: then nothing had happened.
ask() {
  for _ in 1 2 3 4 5; do
    # The login goes in by a pipe: a command line can be read by everybody on the machine.
    status=$(printf 'user = "%s:%s"\n' "$user" "$OTP_PI_PASSWORD" |
      curl -sS -K - -m 40 -o "$answer" -w '%{http_code}' "$url" -d "{\"command\":\"$1\",\"data\":$2}") || status=000
    code=$(member response_code)
    case $status:$code in
      200:1501 | 429:* | 503:*) sleep "$(member retry_after | grep . || echo 1)" ;;
      # The same create-otp again is answered as the first one was; a guess that was lost may have been counted.
      000:*) [ "$1" = create-otp ] || fail "The gateway does not answer."; sleep 1 ;;
      200:*) return ;;
      *) fail "HTTP $status: $(cat "$answer")" ;;
    esac
  done
  fail "The gateway is busy or away: try again later."
}

# send: sends a new code under a new reference.
send() {
  reference=login-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  ask create-otp "{\"reference\":\"$reference\",\"receiver\":\"$receiver\",\"message\":\"Your code is %s\"}"
  case $code in
    000 | 0000) echo "A code is on its way." ;;
    1302) fail "Too many codes: try again in $(member retry_after) s." ;;
    *) fail "Not sent ($code): $(member error)" ;;
  esac
}

case $receiver in *[!0-9+]*) fail "That is no phone number." ;; esac
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

send
while printf 'Code: ' && read -r guess; do
  case $guess in '' | *[!0-9]*) continue ;; esac
  ask validate-otp "{\"reference\":\"$reference\",\"receiver\":\"$receiver\",\"otp\":\"$guess\"}"
  case $code in
    000 | 0000) echo "Right."; exit 0 ;;
    1202) echo "Wrong, try again." ;;
    1203 | 1204) echo "That code is worth nothing any more."; send ;; # too late, too many tries
    *) fail "Not checked ($code): $(member error)" ;;
  esac
done
exit 1
