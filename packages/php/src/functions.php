<?php

declare(strict_types=1);

namespace Cotas;

/** What a database looks like from outside; it answers also where opening does not. */
function doctor(string $path, mixed ...$options): mixed
{
    $c = Library::get();
    return Options::with($options, fn ($opened) => Library::decoded($c->document(
        fn (...$space) => $c->ffi->cotas_doctor($path, \strlen($path), $opened, ...$space),
    )));
}

/** Puts a copy of a backup in the place of a database. */
function restore(string $path, string $backup, mixed ...$options): void
{
    $c = Library::get();
    Options::with($options, fn ($opened) => $c->check($c->ffi->cotas_restore(
        $path, \strlen($path), $opened, $backup, \strlen($backup), $c->error,
    )));
}

/** What the body of a WhatsApp webhook says. */
function whatsapp_events(string $body): array
{
    return Library::whatsappEvents($body);
}
