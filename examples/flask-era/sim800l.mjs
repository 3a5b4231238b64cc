// The other kind of client that the SIM800L Flask server has: a web application that fetches. Nothing here knows OTP-Pi.
//
//   SERVER=192.168.0.100:5000 PHONE=+919876543210 node sim800l.mjs

import { createInterface } from "node:readline/promises";

const { SERVER, PHONE } = process.env;

async function post(path, data) {
  const response = await fetch(`http://${SERVER}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  });
  return { ok: response.ok, ...(await response.json()) };
}

const sent = await post("/send_otp", { phone: PHONE });
console.log(sent.ok ? sent.status : `Error: ${sent.error}`);
if (!sent.ok) process.exit(1);

const terminal = createInterface({ input: process.stdin, output: process.stdout });
const result = await post("/verify_otp", { phone: PHONE, otp: (await terminal.question("Code: ")).trim() });
console.log(result.valid ? "Logged in." : `Error: ${result.error}`);
process.exit(result.valid ? 0 : 1);
