<?php

// What a PHP worker does in every request: load the library, open, decide and close, since PHP keeps
// nothing. Answers which process decided, and what; and that in the end the process has the live
// file mapped all the same, and so need not open it again.

declare(strict_types=1);

require getenv('COTAS_AUTOLOAD');

$engine = Cotas\Engine::open(getenv('COTAS_DB'));
$decision = $engine->tenant('padaria-aurora')->perform('send_sms', quantity: 1);
$engine->close();
try {
    $engine->setTime(0);
    $closed = false;
} catch (Cotas\CotasException $error) {
    $closed = $error->error === 'handle';
}
header('Content-Type: application/json');
echo json_encode([
    'process' => getmypid(),
    'allowed' => $decision->allowed,
    'used' => $decision->used,
    'closed' => $closed,
    'attached' => str_contains(file_get_contents('/proc/self/maps'), getenv('COTAS_DB') . '-live'),
]);
