<?php

declare(strict_types=1);

namespace Cotas;

/** The library cannot be loaded: one sentence says why, and what to do. */
final class LibraryException extends CotasException
{
    public function __construct(string $message)
    {
        parent::__construct('library', $message);
    }
}
