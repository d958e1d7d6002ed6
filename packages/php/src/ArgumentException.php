<?php

declare(strict_types=1);

namespace Cotas;

/** An argument is wrong. */
final class ArgumentException extends CotasException
{
    public function __construct(string $message)
    {
        parent::__construct('invalid_argument', $message);
    }
}
