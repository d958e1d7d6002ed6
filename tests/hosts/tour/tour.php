<?php

declare(strict_types=1);

// The tour of every function, by the package. Arguments: its autoloader, the steps, a new database,
// a catalog. Each step prints a line: what it gave, or the code of its error.

require $argv[1];

use Cotas\{CotasException, Decision, Engine, Tenant};

function camel(string $name): string
{
    return lcfirst(str_replace('_', '', ucwords($name, '_')));
}

function plain(mixed $value): mixed
{
    if ($value instanceof Engine || $value instanceof Tenant) {
        return null;
    }
    if ($value instanceof Decision) {
        $value = $value->jsonSerialize();
    }
    if (!is_array($value)) {
        return $value;
    }
    $plain = [];
    foreach ($value as $name => $it) {
        $named = is_int($name) ? $name : strtolower(preg_replace('/[A-Z]/', '_$0', $name));
        $plain[$named] = plain($it);
    }
    return $plain;
}

/** A member of a step with what stands for its $names. */
function whole(mixed $value, array $objects): mixed
{
    if (is_array($value)) {
        return array_map(fn ($it) => whole($it, $objects), $value);
    }
    if (!is_string($value) || !str_contains($value, '$')) {
        return $value;
    }
    [$name, $rest] = [ltrim(strtok($value, './'), '$'), strpbrk($value, './')];
    if ($rest === false) {
        return $objects[$name];
    }
    return $rest[0] === '.' ? $objects[$name]->{substr($rest, 1)} : $objects[$name] . $rest;
}

[, , $steps, $database, $catalog] = $argv;
$objects = [
    'database' => $database, 'directory' => dirname($database),
    'catalog' => file_get_contents($catalog),
];
foreach (json_decode(file_get_contents($steps), true, flags: JSON_THROW_ON_ERROR) as $step) {
    $places = whole($step['given'] ?? [], $objects);
    $isOperation = $step['on'] === 'engine' && is_array($places[0] ?? null);
    $places = $isOperation ? $places[0] : $places;
    foreach ($step['options'] ?? [] as $name => $value) {
        $places[$name] = whole($value, $objects);
    }
    foreach ($places as $name => $value) {
        if (is_string($name) && $name !== camel($name)) {
            $places[camel($name)] = $value;
            unset($places[$name]);
        }
    }
    $function = match ($step['on']) {
        'library' => 'Cotas\\' . $step['call'],
        'Engine' => [Engine::class, camel($step['call'])],
        default => [$objects[$step['on']], camel($step['call'])],
    };
    try {
        $gave = $function(...$places);
        if (isset($step['as'])) {
            $objects[$step['as']] = $gave;
        }
        $line = ['gives' => plain($gave)];
    } catch (CotasException $error) {
        $line = ['fails' => $error->error];
    }
    echo json_encode($line, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE), "\n";
}
