<?php
// A code over Redis' publish and subscribe, in plain PHP 8: RESP is spoken over a socket, no extension is needed.
//
//     php examples/brokers/redis.php 08123456789
//
// Reads OTP_PI_BROKER (localhost:6379), OTP_PI_BROKER_PASSWORD and OTP_PI_TOPIC (sms).

declare(strict_types=1);

const PATIENCE = 30; // seconds for an answer

/** A connection that speaks RESP2. */
final class Redis
{
    /** @var resource */
    private $socket;

    public function __construct()
    {
        $broker = getenv('OTP_PI_BROKER') ?: 'localhost:6379';
        $this->socket = @stream_socket_client("tcp://$broker", $number, $words, PATIENCE) ?: exit("$broker: $words\n");
        stream_set_timeout($this->socket, PATIENCE);
        $password = getenv('OTP_PI_BROKER_PASSWORD') ?: '';
        if ($password !== '') {
            $this->ask('AUTH', $password);
        }
    }

    public function ask(string ...$words): mixed
    {
        $command = '*' . count($words) . "\r\n";
        foreach ($words as $word) {
            $command .= '$' . strlen($word) . "\r\n$word\r\n";
        }
        fwrite($this->socket, $command);
        return $this->read();
    }

    public function read(): mixed
    {
        $line = fgets($this->socket);
        if ($line === false) {
            exit("nobody answered\n");
        }
        $rest = substr(rtrim($line, "\r\n"), 1);
        return match ($line[0]) {
            '+' => $rest,
            ':' => (int) $rest,
            '$' => (int) $rest < 0 ? null : substr((string) stream_get_contents($this->socket, (int) $rest + 2), 0, -2),
            '*' => array_map(fn () => $this->read(), array_fill(0, max(0, (int) $rest), null)),
            default => exit("Redis: $rest\n"),
        };
    }
}

function ask(string $command, array $data): array
{
    $topic = getenv('OTP_PI_TOPIC') ?: 'sms';
    $back = 'otp-answers:' . bin2hex(random_bytes(8));
    $answers = new Redis();
    $answers->ask('SUBSCRIBE', $back);
    $message = json_encode(['command' => $command, 'callback_topic' => $back, 'data' => $data]);
    if ((new Redis())->ask('PUBLISH', $topic, $message) === 0) {
        exit("no gateway listens\n");
    }
    return json_decode($answers->read()[2], true);
}

$phone = $argv[1] ?? exit("php redis.php PHONE\n");
$reference = bin2hex(random_bytes(16));
// The id makes a retry safe: the same again is sent once, whichever way it comes.
$data = ['id' => $reference, 'reference' => $reference, 'receiver' => $phone, 'message' => 'Your code is %s'];
$answer = ask('create-otp', $data);
if ($answer['response_code'] !== '000') {
    exit("no code was sent: {$answer['error']}\n");
}
while (true) {
    echo 'Code: ';
    $code = trim((string) fgets(STDIN));
    $answer = ask('validate-otp', ['reference' => $reference, 'receiver' => $phone, 'otp' => $code]);
    if ($answer['response_code'] === '000') {
        exit("right\n");
    }
    if ($answer['response_code'] !== '1202') {
        exit("over: {$answer['error']}\n");
    }
    echo "wrong, once more\n";
}
