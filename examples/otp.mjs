// Sends a code to a phone, reads it from the user and checks it. Needs nothing but Node.js 18 or newer.
//
//   OTP_PI_PASSWORD=… node otp.mjs 08123456789

import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const url = process.env.OTP_PI_URL ?? "http://127.0.0.1:8899/api/otp";
const login = `${process.env.OTP_PI_USER ?? "shop"}:${process.env.OTP_PI_PASSWORD}`;
const success = ["000", "0000"];

function fail(words) {
  console.error(words);
  process.exit(1);
}

/** Asks once; while the gateway has no room, again when it says so: then nothing had happened. */
async function ask(command, data) {
  const request = {
    method: "POST",
    headers: { Authorization: `Basic ${Buffer.from(login).toString("base64")}` },
    body: JSON.stringify({ command, data }),
  };
  for (let attempt = 0; attempt < 5; attempt++) {
    let wait = 1;
    try {
      const response = await fetch(url, { ...request, signal: AbortSignal.timeout(40_000) });
      const body = await response.text();
      if (response.status === 200) {
        const answer = JSON.parse(body);
        if (answer.response_code !== "1501") return answer;
        wait = answer.retry_after ?? 1;
      } else if (response.status === 429 || response.status === 503) {
        wait = Number(response.headers.get("Retry-After") ?? 1);
      } else {
        fail(`HTTP ${response.status}: ${body}`);
      }
    } catch (error) {
      // The same create-otp again is answered as the first one was; a guess that was lost may have been counted.
      if (command !== "create-otp") fail(`The gateway does not answer: ${error.message}`);
    }
    await sleep(wait * 1000);
  }
  fail("The gateway is busy or away: try again later.");
}

/** Sends a new code; answers the reference by which it is checked. */
async function send(receiver) {
  const reference = `login-${randomBytes(8).toString("hex")}`;
  const answer = await ask("create-otp", { reference, receiver, message: "Your code is %s" });
  const code = answer.response_code;
  if (code === "1302") fail(`Too many codes: try again in ${answer.retry_after} s.`);
  if (!success.includes(code)) fail(`Not sent (${code}): ${answer.error}`);
  console.log("A code is on its way.");
  return reference;
}

const receiver = process.argv[2] ?? fail("Whose phone?");
let reference = await send(receiver);
const lines = createInterface({ input: process.stdin });
process.stdout.write("Code: ");
for await (const line of lines) {
  if (line.trim() !== "") {
    const answer = await ask("validate-otp", { reference, receiver, otp: line.trim() });
    const code = answer.response_code;
    if (success.includes(code)) {
      console.log("Right.");
      process.exit(0);
    } else if (code === "1202") {
      console.log("Wrong, try again.");
    } else if (code === "1203" || code === "1204") { // too late, too many tries
      console.log("That code is worth nothing any more.");
      reference = await send(receiver);
    } else {
      fail(`Not checked (${code}): ${answer.error}`);
    }
  }
  process.stdout.write("Code: ");
}
process.exit(1);
