<?php

// The story of tests/hosts/story.txt, by the package. Arguments: its autoloader, a new database, a catalog.

declare(strict_types=1);

require $argv[1];

use Cotas\{CotasException, Decision, Engine};

const TENANT = 'padaria-são-joão';

function ms(string $text): int
{
    return (new DateTimeImmutable($text))->getTimestamp() * 1000;
}

function instant(int $at): string
{
    return gmdate('Y-m-d\TH:i:s\Z', intdiv($at, 1000));
}

function shown(Decision $decision): string
{
    if ($decision->allowed) {
        $session = $decision->sessionOpened ? 'opened' : 'goes on';
        $text = "allowed, session $session until " . instant($decision->sessionExpiresAt);
        return $decision->limit === null
            ? $text : "$text, $decision->available of $decision->limit left";
    }
    $reason = strtr($decision->reason, '_', ' ');
    $figures = "$decision->used of $decision->limit used, $decision->available left";
    return "denied, $reason, $figures, again at " . instant($decision->retryAt);
}

function say(string $line): void
{
    echo $line, "\n";
}

$engine = Engine::open($argv[2], now: ms('2026-05-19T12:00:00-03:00'));
say('catalog ' . $engine->loadCatalog(file_get_contents($argv[3]), 'help_desk.toml'));
$plan = ['name' => 'starter', 'first_due' => '2026-05-20', 'auto_renew' => true];
foreach ([1, 2] as $_) {
    say($engine->ensureTenant(form: ['name' => TENANT, 'plan' => $plan]) ? 'created' : 'there already');
}
try {
    $engine->tenant('açougue');
} catch (CotasException $error) {
    say("error {$error->getCode()}: {$error->getMessage()}");
}

$tenant = $engine->tenant(TENANT);
$receive = fn (int $number): Decision =>
    $tenant->perform('receive_message', channel: 'whatsapp', contact: "contact-$number");
$number = 1;
while ($receive($number)->allowed) {
    $number++;
}
say($number - 1 . ' contacts were admitted');
$engine->setTime(ms('2026-05-20T08:00:00-03:00'));
say("contact-$number: " . shown($receive($number)));
say('contact-1: ' . shown($receive(1)));

$sms = $tenant->perform('send_sms', quantity: 150, key: 'pedido-1');
$again = $tenant->perform('send_sms', quantity: 150, key: 'pedido-1');
say("sms: $sms->units units, $sms->available left");
$same = $again->receipt === $sms->receipt && $sms->receipt !== null ? 'the same' : 'another';
$once = $again->replayed ? 'the stored decision' : 'a new decision';
say("sms with the same key: $once, $same receipt, $again->available left");

$engine->setTime(ms('2026-05-20T23:59:59-03:00'));
say("contact-$number: " . shown($receive($number)));
$engine->setTime(ms('2026-05-21T00:00:00-03:00'));
say("contact-$number: " . shown($receive($number)));
$statement = $engine->statement(TENANT);
$sessions = array_column($statement['balances'], null, 'resource')['sessions'];
say("statement of {$statement['tenant']}: {$statement['plan']['title']}, "
    . "next due {$statement['plan']['next_due']}, "
    . "sessions {$sessions['available']} of {$sessions['contracted']}");
unset($receive, $tenant);
$engine->close();
try {
    $engine->statement(TENANT);
} catch (CotasException $error) {
    say("error {$error->getCode()}: {$error->getMessage()}");
}
