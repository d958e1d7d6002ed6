<?php

// A WhatsApp Cloud API webhook that asks before it answers: POST /webhooks/<tenant>.
//
//   export COTAS_DB=quotas.db COTAS_HEADER=/usr/include/cotas_ffi.h WHATSAPP_APP_SECRET=...
//   PHP_CLI_SERVER_WORKERS=4 php -d ffi.enable=1 -S 127.0.0.1:8080 webhook.php
//
// Under PHP-FPM (php-fpm.conf, nginx.conf) it is the front controller, and ffi.preload spares each
// request the reading of the header (docs/hosts.md). ../README.md makes the database.

declare(strict_types=1);

require __DIR__ . '/Cotas.php';

const TO_BE_PAID = [
    'quota_exhausted', 'not_in_plan', 'plan_lapsed', 'no_subscription', 'subscription_pending',
    'demo_expired',
];

/** The list under a key of a document; empty where the key may be absent, and is. */
function items(mixed $document, string $key, bool $optional = false): array
{
    $items = $document[$key] ?? ($optional ? [] : null);
    return is_array($items) ? $items : throw new UnexpectedValueException("$key is no list");
}

function text(array $document, string $key): string
{
    $text = $document[$key] ?? null;
    return is_string($text) ? $text : throw new UnexpectedValueException("$key is no text");
}

/** A timestamp of WhatsApp's, seconds since 1970 as text, in milliseconds. */
function instant(string $seconds): int
{
    return preg_match('/^[0-9]{1,11}$/D', $seconds) === 1
        ? 1000 * (int) $seconds : throw new UnexpectedValueException('timestamp');
}

/** The messages of a webhook's body, whatever else is in it: id, channel, contact, time. */
function messages(mixed $body): Generator
{
    foreach (items($body, 'entry') as $entry) {
        foreach (items($entry, 'changes') as $change) {
            $value = items($change, 'value');
            foreach (items($value, 'messages', optional: true) as $message) {
                yield [
                    text($message, 'id'),
                    text(items($value, 'metadata'), 'phone_number_id'),
                    text($message, 'from'),
                    instant(text($message, 'timestamp')),
                ];
            }
        }
    }
}

/** What a refusal is over HTTP: to be paid, too fast, or forbidden; and when to come again. */
function refusal(Cotas\Decision $decision): array
{
    $status = match (true) {
        $decision->reason === 'rate_exceeded' => 429,
        in_array($decision->reason, TO_BE_PAID, true) => 402,
        default => 403,
    };
    $retryAt = $decision->retryAt;
    $headers = $retryAt === null
        ? [] : ['Retry-After' => max(1, (int) ceil($retryAt / 1000 - microtime(true)))];
    return [$status, $headers, [
        'reason' => $decision->reason,
        'used' => $decision->used,
        'limit' => $decision->limit,
        'retry_at' => $retryAt === null
            ? null : gmdate('Y-m-d\TH:i:s\Z', intdiv($retryAt, 1000)),
    ]];
}

/** Asks, and answers each message once: Meta delivers some of them again. */
function answer(Cotas\Tenant $tenant, iterable $messages): array
{
    $answers = [];
    foreach ($messages as [$id, $channel, $contact, $at]) {
        $received = $tenant->perform('receive_message', $channel, $contact, at: $at);
        if (!$received->allowed) {
            return refusal($received);
        }
        $sent = $tenant->perform('send_message', $channel, $contact, key: $id);
        if (!$sent->allowed) {
            return refusal($sent);
        }
        if (!$sent->replayed) {
            // Here the platform sends it. This example tells what it would send.
            $text = [...array_filter([$sent->notice]), 'Olá! Já vamos atender você.'];
            $answers[] = ['message' => $id, 'text' => implode("\n", $text)];
        }
    }
    return [200, [], ['answers' => $answers]];
}

function handle(string $tenant, string $body, string $signature): array
{
    $expected = 'sha256=' . hash_hmac('sha256', $body, getenv('WHATSAPP_APP_SECRET'));
    if (!hash_equals($expected, $signature)) {
        return [401, [], ['error' => 'the signature is wrong']];
    }
    try {
        $messages = iterator_to_array(
            messages(json_decode($body, true, flags: JSON_THROW_ON_ERROR)), false,
        );
        $library = ini_get('ffi.preload')
            ? Cotas\Library::preloaded() : Cotas\Library::load(getenv('COTAS_HEADER'));
        $engine = new Cotas\Engine($library, getenv('COTAS_DB'));
        return answer($engine->tenant($tenant), $messages);
    } catch (JsonException | UnexpectedValueException | TypeError) {
        return [400, [], ['error' => 'this is no webhook of WhatsApp']];
    } catch (Cotas\Error $error) {
        error_log("cotas: {$error->getMessage()} ({$error->getCode()})");
        return match ($error->getCode()) {
            Cotas\Error::UNKNOWN_TENANT => [404, [], ['error' => 'there is no such tenant']],
            Cotas\Error::INVALID_ARGUMENT => [400, [], ['error' => $error->getMessage()]],
            default => [503, ['Retry-After' => 1], ['error' => 'come again']],
        };
    }
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($_SERVER['REQUEST_METHOD'] !== 'POST' || !preg_match('#^/webhooks/([^/]+)$#', $path, $parts)) {
    http_response_code(404);
    return;
}
[$status, $headers, $document] = handle(
    rawurldecode($parts[1]),
    file_get_contents('php://input'),
    $_SERVER['HTTP_X_HUB_SIGNATURE_256'] ?? '',
);
http_response_code($status);
header('Content-Type: application/json');
foreach ($headers as $name => $value) {
    header("$name: $value");
}
echo json_encode($document, JSON_UNESCAPED_UNICODE);
