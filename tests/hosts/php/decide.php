<?php

// What a PHP worker does in every request: load the library, open, decide, and let the library go,
// since PHP keeps nothing. Answers which process decided, and what.
//
// With ?stay it leaves the engine open: its thread runs on while PHP lets go of the library.

declare(strict_types=1);

require __DIR__ . '/../../../examples/hosts/php/Cotas.php';

$library = new Cotas\Library(getenv('COTAS_HEADER'));
$loaded = WeakReference::create($library->ffi);
$engine = new Cotas\Engine($library, getenv('COTAS_DB'));
$decision = $engine->tenant('padaria-aurora')->perform('send_sms', quantity: 1);
if (!isset($_GET['stay'])) {
    $engine->close();
}
unset($engine, $library);
header('Content-Type: application/json');
echo json_encode([
    'process' => getmypid(),
    'allowed' => $decision->allowed,
    'used' => $decision->used,
    'let_go' => $loaded->get() === null,
]);
