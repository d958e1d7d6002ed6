<?php

declare(strict_types=1);

namespace Cotas;

/** What `orThrow` makes of a denied request; `error` is the reason. */
final class QuotaExceeded extends CotasException
{
    public function __construct(public readonly Decision $decision)
    {
        parent::__construct((string) $decision->reason, "denied: $decision->reason");
    }
}
