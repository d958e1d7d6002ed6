<?php

// What a PHP worker does in every request: load the library, open, decide, close, and let the
// library go, since PHP keeps nothing. Answers which process decided, and what; and that in the
// end the process has the live file mapped all the same, and so need not open it again.

declare(strict_types=1);

require __DIR__ . '/../../../examples/hosts/php/Cotas.php';

$library = Cotas\Library::load(getenv('COTAS_HEADER'));
$loaded = WeakReference::create($library->ffi);
$engine = new Cotas\Engine($library, getenv('COTAS_DB'));
$decision = $engine->tenant('padaria-aurora')->perform('send_sms', quantity: 1);
$engine->close();
try {
    $engine->setTime(0);
    $closed = false;
} catch (Cotas\Error $error) {
    $closed = $error->getCode() === Cotas\Error::HANDLE;
}
unset($engine, $library);
header('Content-Type: application/json');
echo json_encode([
    'process' => getmypid(),
    'allowed' => $decision->allowed,
    'used' => $decision->used,
    'closed' => $closed,
    'let_go' => $loaded->get() === null,
    'attached' => str_contains(file_get_contents('/proc/self/maps'), getenv('COTAS_DB') . '-live'),
]);
