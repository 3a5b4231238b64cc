<?php
// Sends a code to a phone, reads it from the user and checks it. Needs nothing but PHP 8.
//
//   OTP_PI_PASSWORD=… php otp.php 08123456789

declare(strict_types=1);

const SUCCESS = ['000', '0000'];

function fail(string $words): never
{
    fwrite(STDERR, "$words\n");
    exit(1);
}

/** Asks once; while the gateway has no room, again when it says so: then nothing had happened. */
function ask(string $command, array $data): array
{
    $login = (getenv('OTP_PI_USER') ?: 'shop') . ':' . getenv('OTP_PI_PASSWORD');
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => ['Authorization: Basic ' . base64_encode($login), 'Content-Type: application/json'],
        'content' => json_encode(['command' => $command, 'data' => $data]),
        'timeout' => 40,
        'ignore_errors' => true, // the body of a refusal is wanted too
    ]]);
    for ($try = 0; $try < 5; $try++) {
        $http_response_header = [];
        $body = @file_get_contents(getenv('OTP_PI_URL') ?: 'http://127.0.0.1:8899/api/otp', false, $context);
        $status = (int) (explode(' ', $http_response_header[0] ?? '')[1] ?? 0);
        $answer = json_decode((string) $body, true) ?? [];
        if ($body === false) {
            // The same create-otp again is answered as the first one was; a guess that was lost may have been counted.
            if ($command !== 'create-otp') {
                fail('The gateway does not answer.');
            }
        } elseif ($status === 200 && $answer['response_code'] !== '1501') {
            return $answer;
        } elseif (!in_array($status, [200, 429, 503], true)) {
            fail("HTTP $status: $body");
        }
        $header = current(preg_grep('/^Retry-After:/i', $http_response_header)) ?: ':1';
        sleep($answer['retry_after'] ?? (int) explode(':', $header)[1]);
    }
    fail('The gateway is busy or away: try again later.');
}

/** Sends a new code; answers the reference by which it is checked. */
function send(string $receiver): string
{
    $reference = 'login-' . bin2hex(random_bytes(8));
    $answer = ask('create-otp', ['reference' => $reference, 'receiver' => $receiver, 'message' => 'Your code is %s']);
    $code = $answer['response_code'];
    if ($code === '1302') {
        fail("Too many codes: try again in {$answer['retry_after']} s.");
    }
    if (!in_array($code, SUCCESS, true)) {
        fail("Not sent ($code): {$answer['error']}");
    }
    echo "A code is on its way.\n";
    return $reference;
}

$receiver = $argv[1] ?? fail('Whose phone?');
$reference = send($receiver);
while (true) {
    echo 'Code: ';
    $line = fgets(STDIN);
    if ($line === false) {
        exit(1);
    }
    if (trim($line) === '') {
        continue;
    }
    $answer = ask('validate-otp', ['reference' => $reference, 'receiver' => $receiver, 'otp' => trim($line)]);
    $code = $answer['response_code'];
    if (in_array($code, SUCCESS, true)) {
        echo "Right.\n";
        exit(0);
    }
    if ($code === '1202') {
        echo "Wrong, try again.\n";
    } elseif ($code === '1203' || $code === '1204') { // too late, too many tries
        echo "That code is worth nothing any more.\n";
        $reference = send($receiver);
    } else {
        fail("Not checked ($code): {$answer['error']}");
    }
}
