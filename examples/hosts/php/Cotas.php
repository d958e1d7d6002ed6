<?php

declare(strict_types=1);

namespace Cotas;

use FFI;
use FFI\CData;

/** Why a call did not do what was asked. A denied request is no error. */
final class Error extends \RuntimeException
{
    public const HANDLE = 4;
    public const UNKNOWN_TENANT = 400;
    public const INVALID_ARGUMENT = 406;
}

/** The answer to a request. A refusal says which rule failed, with its figures. */
final class Decision
{
    public function __construct(
        public readonly bool $allowed,
        public readonly ?string $reason,
        public readonly int $units,
        public readonly int $used,
        /** Null where there is no number: it is unlimited, or about no resource. */
        public readonly ?int $available,
        public readonly ?int $limit,
        /** Milliseconds since 1970, as all instants here; null: it cannot be foreseen. */
        public readonly ?int $retryAt,
        public readonly bool $sessionOpened,
        public readonly ?int $sessionExpiresAt,
        /** What the message must carry, on a demonstration account. */
        public readonly ?string $notice,
        /** It was made by an earlier call with the same idempotency key. */
        public readonly bool $replayed,
        public readonly string $receipt,
    ) {
    }

    public static function of(CData $from, FFI $ffi): self
    {
        $finite = $from->mode === $ffi->COTAS_MODE_FINITE;
        return new self(
            allowed: $from->allowed === 1,
            reason: $ffi->cotas_reason_name($from->reason),
            units: $from->units,
            used: $from->used,
            available: $finite ? $from->available : null,
            limit: $finite ? $from->limit : null,
            retryAt: $from->retry_at_ms ?: null,
            sessionOpened: ($from->flags & $ffi->COTAS_FLAG_SESSION_OPENED) !== 0,
            sessionExpiresAt: $from->session_expires_at_ms ?: null,
            notice: ($from->flags & $ffi->COTAS_FLAG_DEMO_NOTICE) !== 0
                ? $ffi->cotas_demo_notice() : null,
            replayed: ($from->flags & $ffi->COTAS_FLAG_REPLAYED) !== 0,
            receipt: FFI::string($from->receipt),
        );
    }
}

/** The library: its functions, with errors as exceptions. */
final class Library
{
    private readonly CData $error;

    private function __construct(public readonly FFI $ffi)
    {
        $this->error = $ffi->new('cotas_error');
        $this->error->struct_size = FFI::sizeof($this->error);
    }

    /** By the declarations of $header, where cotas_ffi.h was installed: half a millisecond. */
    public static function load(string $header, string $library = 'libcotas.so.1'): self
    {
        return new self(FFI::cdef(file_get_contents($header), $library));
    }

    /** By those that PHP has read when it was started (ffi.preload, docs/hosts.md): no time. */
    public static function preloaded(string $scope = 'cotas'): self
    {
        return new self(FFI::scope($scope));
    }

    /** Calls a function whose last parameter is the error. Returns COTAS_OK or COTAS_E_BUFFER. */
    public function call(string $name, mixed ...$arguments): int
    {
        $code = $this->ffi->$name(...$arguments, ...[FFI::addr($this->error)]);
        if ($code !== 0 && $code !== $this->ffi->COTAS_E_BUFFER) {
            throw new Error(FFI::string($this->error->message), $code);
        }
        return $code;
    }

    /** What a webhook's body says: the kind of each part, and which open a session. */
    public function whatsappEvents(string $body): array
    {
        $length = strlen($body);
        $bytes = $this->ffi->new('uint8_t[' . max(1, $length) . ']');
        FFI::memcpy($bytes, $body, $length);
        return json_decode($this->document(fn (...$space) => $this->call(
            'cotas_whatsapp_events', $bytes, $length, ...$space,
        )), true, flags: JSON_THROW_ON_ERROR);
    }

    /** The text that $write puts into a buffer, of which it is handed space and length. */
    public function document(callable $write): string
    {
        $needed = $this->ffi->new('size_t');
        $needed->cdata = 1;
        do { // What is reported may have grown since its length was asked.
            $capacity = $needed->cdata;
            $buffer = $this->ffi->new("char[$capacity]");
            $code = $write($buffer, $capacity, FFI::addr($needed));
        } while ($code !== 0);
        return FFI::string($buffer);
    }

    /** Calls a function that gives a handle through the pointer that $take is handed. */
    public function handle(string $type, callable $take): CData
    {
        $handle = $this->ffi->new("$type *");
        $take(FFI::addr($handle));
        return $handle;
    }
}

/**
 * The quota engine of one database. A request opens it and closes it, by its destructor; the
 * process keeps it open in between, so that only its first request touches the disk for that.
 */
final class Engine
{
    private CData $handle;

    /** @param ?int $now sets a clock of its own, for tests: milliseconds since 1970 */
    public function __construct(private readonly Library $library, string $path, ?int $now = null)
    {
        $options = $library->handle(
            'cotas_options', fn ($to) => $library->call('cotas_options_new', $to),
        );
        try {
            $library->call('cotas_options_set_keep_open', $options, 1);
            if ($now !== null) {
                $library->call('cotas_options_set_time', $options, $now);
            }
            $this->handle = $library->handle('cotas_engine', fn ($to) => $library->call(
                'cotas_engine_open', $path, strlen($path), $options, $to,
            ));
        } finally {
            $library->ffi->cotas_options_close($options);
        }
    }

    public function setTime(int $now): void
    {
        $this->library->call('cotas_engine_set_time', $this->handle, $now);
    }

    /** Puts a catalog in force and returns its number. */
    public function loadCatalog(string $text, string $name): int
    {
        $version = $this->library->ffi->new('uint64_t');
        $this->library->call(
            'cotas_load_catalog', $this->handle, $text, strlen($text), $name, strlen($name),
            FFI::addr($version),
        );
        return $version->cdata;
    }

    /** Calls an operation of the control plane (docs/operations.md); once under a key. */
    public function call(string $operation, array $arguments, ?string $key = null): mixed
    {
        $json = json_encode((object) $arguments, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
        return json_decode($this->library->document(fn (...$space) => $this->library->call(
            'cotas_call', $this->handle, $operation, strlen($operation), $json, strlen($json),
            $key, strlen($key ?? ''), ...$space,
        )), true, flags: JSON_THROW_ON_ERROR);
    }

    /** Creates a tenant. Returns false if there is one of that name already. */
    public function ensureTenant(array $document): bool
    {
        return $this->call('ensure_tenant', ['form' => $document]);
    }

    public function tenant(string $name): Tenant
    {
        return new Tenant($this->library, $this->library->handle('cotas_tenant', fn ($to) =>
            $this->library->call('cotas_tenant_open', $this->handle, $name, strlen($name), $to)));
    }

    /** What a tenant subscribed to, has left and owes. */
    public function statement(string $tenant): array
    {
        return $this->call('statement', ['tenant' => $tenant]);
    }

    public function close(): void
    {
        $this->library->ffi->cotas_engine_close($this->handle);
    }

    public function __destruct()
    {
        if (isset($this->handle)) { // Closing it twice does no harm.
            $this->close();
        }
    }
}

/** A tenant, found once and used many times. */
final class Tenant
{
    public function __construct(private readonly Library $library, private readonly CData $handle)
    {
    }

    /** May this tenant do an action of the catalog now? If so, what it charges is used up. */
    public function perform(
        string $action,
        string $channel = '',
        string $contact = '',
        int $quantity = 1,
        int $at = 0,
        ?string $key = null,
    ): Decision {
        $decision = $this->library->ffi->new('cotas_decision');
        $decision->struct_size = FFI::sizeof($decision);
        $this->library->call(
            'cotas_perform', $this->handle, $action, strlen($action), $channel, strlen($channel),
            $contact, strlen($contact), $quantity, $at, $key, strlen($key ?? ''),
            FFI::addr($decision),
        );
        return Decision::of($decision, $this->library->ffi);
    }

    /** Makes two ids one contact. */
    public function linkContact(string $one, string $other): void
    {
        $this->library->call(
            'cotas_link_contact', $this->handle, $one, strlen($one), $other, strlen($other),
        );
    }

    public function __destruct()
    {
        $this->library->ffi->cotas_tenant_close($this->handle);
    }
}
