<?php

declare(strict_types=1);

namespace Cotas;

use FFI;
use FFI\CData;

/** The answer to a request. A refusal says which rule failed, with its figures. */
final class Decision implements \JsonSerializable
{
    private function __construct(
        public readonly bool $allowed,
        /** The first failing rule; null where it is allowed. */
        public readonly ?string $reason,
        /** @var list<string> */
        public readonly array $reasons,
        /** Rules that would have denied it, had their limits not been set only to watch. */
        public readonly array $shadowed,
        public readonly ?string $resource,
        public readonly string $mode,
        public readonly int $units,
        public readonly int $used,
        /** Null where there is no number: it is unlimited, or about no resource. */
        public readonly ?int $available,
        public readonly ?int $limit,
        /** Milliseconds since 1970, as all instants here; null: it cannot be foreseen. */
        public readonly ?int $retryAt,
        public readonly ?int $sessionExpiresAt,
        public readonly ?int $leaseExpiresAt,
        public readonly int $fencing,
        public readonly ?string $reservation,
        /** What a refund is asked with; decisions under a key have one. */
        public readonly ?string $receipt,
        /** @var list<array{resource: string, source: ?string, units: int}> */
        public readonly array $charges,
        /** What the message must carry on a demonstration account. */
        public readonly ?string $notice,
        public readonly bool $overage,
        public readonly bool $pastDue,
        /** It is the stored decision of an earlier call with the same key. */
        public readonly bool $replayed,
        public readonly bool $sessionOpened,
        public readonly bool $leaseAcquired,
        /** More was charged than charges lists: chargesOf has all of it. */
        public readonly bool $moreCharges,
        public readonly bool $tooOld,
    ) {
    }

    /** @param callable(int): string $resourceName */
    public static function of(CData $from, callable $resourceName): self
    {
        $c = Library::get();
        $finite = $from->mode === Names::MODE['finite'];
        $flags = $from->flags;
        $charges = [];
        for ($index = 0; $index < $from->charge_count; $index++) {
            $charge = $from->charges[$index];
            $source = $charge->source;
            $charges[] = [
                'resource' => $resourceName($charge->resource),
                'source' => $source === 0 ? null : Names::name(Names::SOURCE, $source),
                'units' => $charge->units,
            ];
        }
        return new self(
            $from->allowed === 1,
            $from->reason === 0 ? null : $c->reasonName($from->reason),
            $from->reasons === 0 ? [] : $c->reasonsIn($from->reasons),
            $from->shadowed === 0 ? [] : $c->reasonsIn($from->shadowed),
            $from->resource === 0xffffffff ? null : $resourceName($from->resource),
            Names::name(Names::MODE, $from->mode),
            $from->units,
            $from->used,
            $finite ? $from->available : null,
            $finite ? $from->limit : null,
            $from->retry_at_ms ?: null,
            $from->session_expires_at_ms ?: null,
            $from->lease_expires_at_ms ?: null,
            $from->fencing,
            $from->reservation[0] === "\0" ? null : FFI::string($from->reservation),
            $from->receipt[0] === "\0" ? null : FFI::string($from->receipt),
            $charges,
            ($flags & Names::FLAG['demo_notice']) === 0 ? null : $c->ffi->cotas_demo_notice(),
            ($flags & Names::FLAG['overage']) !== 0,
            ($flags & Names::FLAG['past_due']) !== 0,
            ($flags & Names::FLAG['replayed']) !== 0,
            ($flags & Names::FLAG['session_opened']) !== 0,
            ($flags & Names::FLAG['lease_acquired']) !== 0,
            ($flags & Names::FLAG['more_charges']) !== 0,
            ($flags & Names::FLAG['too_old']) !== 0,
        );
    }

    /** Itself where it is allowed; else it throws QuotaExceeded. */
    public function orThrow(): self
    {
        return $this->allowed ? $this : throw new QuotaExceeded($this);
    }

    public function jsonSerialize(): array
    {
        return get_object_vars($this);
    }
}
