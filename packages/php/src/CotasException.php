<?php

declare(strict_types=1);

namespace Cotas;

/** Why a call did not do what was asked. A denied request is no error. */
class CotasException extends \RuntimeException
{
    /** @param string $error such as `unknown_tenant`: docs/errors.md lists them */
    public function __construct(public readonly string $error, string $message, int $number = 0)
    {
        parent::__construct($message, $number);
    }
}
