<?php

// A WhatsApp webhook that asks before it answers: POST /webhooks/<tenant>.
//
//   composer require cotas/cotas
//   export COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... WHATSAPP_VERIFY_TOKEN=...
//   PHP_CLI_SERVER_WORKERS=4 php -d ffi.enable=1 -S 127.0.0.1:8080 webhook.php
//
// Under PHP-FPM (php-fpm.conf, nginx.conf) it is the front controller, and ffi.preload spares each
// request the reading of the header (docs/packages.md). ../README.md makes the database.

declare(strict_types=1);

require __DIR__ . '/vendor/autoload.php';

/** What each kind of part that opens a session is in the catalog. */
const ACTIONS = [
    'message' => 'receive_message', 'call' => 'receive_call', 'template' => 'template_sent',
];

/** Why a message is not answered, with its figures; it is the platform's to show. */
function refusal(?string $message, Cotas\Decision $decision): array
{
    $retryAt = $decision->retryAt;
    return [
        'message' => $message,
        'reason' => $decision->reason,
        'used' => $decision->used,
        'limit' => $decision->limit,
        'retry_at' => $retryAt === null
            ? null : gmdate('Y-m-d\TH:i:s\Z', intdiv($retryAt, 1000)),
    ];
}

/** Decides about one part; null: it opens nothing. */
function decide(Cotas\Tenant $tenant, array $part): ?Cotas\Decision
{
    $contact = $part['contacts'][0] ?? '';
    foreach (array_slice($part['contacts'], 1) as $other) {
        $tenant->linkContact($contact, $other);
    }
    if (!$part['opens']) {
        return null;
    }
    $channel = $part['channel'] ?? '';
    $action = ACTIONS[$part['kind']];
    $received = $tenant->perform($action, $channel, $contact, at: $part['at_ms']);
    if (!$received->allowed || $part['kind'] !== 'message') {
        return $received;
    }
    return $tenant->perform('send_message', $channel, $contact, key: $part['id']);
}

/** Asks about each part, and answers each message once: Meta delivers some of them again. */
function answer(Cotas\Tenant $tenant, array $body): array
{
    $answers = $refused = [];
    foreach ($body['events'] as $part) {
        $decision = decide($tenant, $part);
        if ($decision !== null && !$decision->allowed) {
            // The message is kept; what is not done is the answer.
            $refused[] = refusal($part['id'], $decision);
        } elseif ($decision !== null && $part['kind'] === 'message' && !$decision->replayed) {
            // Here the platform sends it. This example reports what it would send.
            $text = [...array_filter([$decision->notice]), 'Olá! Já vamos atender você.'];
            $answers[] = ['message' => $part['id'], 'text' => implode("\n", $text)];
        }
    }
    $malformed = array_map(fn ($it) => "$it[path] $it[rule]", $body['malformed']);
    return [200, [], compact('answers', 'refused', 'malformed')];
}

function handle(string $tenant, string $body, string $signature): array
{
    $expected = 'sha256=' . hash_hmac('sha256', $body, getenv('WHATSAPP_APP_SECRET'));
    if (!hash_equals($expected, $signature)) {
        return [401, [], ['error' => 'the signature is wrong']];
    }
    try {
        $read = Cotas\whatsapp_events($body);
        if (!$read['known']) {
            return [400, [], ['error' => 'this is no webhook of WhatsApp']];
        }
        $engine = Cotas\Engine::open(getenv('COTAS_DB'));
        return answer($engine->tenant($tenant), $read);
    } catch (Cotas\CotasException $error) {
        error_log("cotas: {$error->getMessage()} ({$error->error})");
        return match ($error->error) {
            'unknown_tenant' => [404, [], ['error' => 'there is no such tenant']],
            'invalid_argument' => [400, [], ['error' => $error->getMessage()]],
            default => [503, ['Retry-After' => 1], ['error' => 'come again']],
        };
    }
}

/**
 * Meta asks once whether this is the right place: the token is agreed in its settings. PHP writes
 * underscores for the dots of a query's names.
 */
function subscribe(array $query): array
{
    $isRight = hash_equals(getenv('WHATSAPP_VERIFY_TOKEN'), $query['hub_verify_token'] ?? '');
    return $isRight && ($query['hub_mode'] ?? '') === 'subscribe'
        ? [200, $query['hub_challenge'] ?? ''] : [403, 'the token is wrong'];
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$isKnown = in_array($_SERVER['REQUEST_METHOD'], ['GET', 'POST'], true);
if (!$isKnown || !preg_match('#^/webhooks/([^/]+)$#', $path, $parts)) {
    http_response_code(404);
    return;
}
if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    parse_str(parse_url($_SERVER['REQUEST_URI'], PHP_URL_QUERY) ?? '', $query);
    [$status, $text] = subscribe($query);
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    echo $text;
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
