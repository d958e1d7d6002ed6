<?php

declare(strict_types=1);

namespace Cotas;

use FFI\CData;

/**
 * The quota engine of one database. A request opens it and drops it; the process keeps it open in
 * between, so that only its first request touches the disk for that.
 */
final class Engine
{
    use EngineCalls;

    private readonly Library $library;
    /** @var array<int, string> */
    private array $resourceNames = [];

    private function __construct(private readonly CData $handle)
    {
        $this->library = Library::get();
    }

    /**
     * Opens the database at a path, making it if there is none.
     *
     * Options: durability (process, disk), maintenance (thread, inline, external),
     * checkpointInterval, diskTimeout and lagMax (milliseconds), liveDirectory,
     * allowNetworkFileSystem, keepOpen (true unless given), now (a clock of its own, for tests).
     */
    public static function open(string $path, mixed ...$options): self
    {
        $c = Library::get();
        $opened = Options::with($options + ['keepOpen' => true], fn ($how) => $c->handle(
            'cotas_engine',
            fn ($to) => $c->ffi->cotas_engine_open($path, \strlen($path), $how, $to, $c->error),
        ));
        return new self($opened);
    }

    /** Opens a database in memory, for tests. */
    public static function inMemory(mixed ...$options): self
    {
        $c = Library::get();
        return new self(Options::with($options, fn ($how) => $c->handle(
            'cotas_engine', fn ($to) => $c->ffi->cotas_engine_open_in_memory($how, $to, $c->error),
        )));
    }

    /** Calls an operation of the control plane by its name; once under a key. */
    public function call(string $operation, array $arguments = [], ?string $key = null): mixed
    {
        $json = Library::json('object', $arguments);
        return Library::decoded($this->library->document(
            fn (...$space) => $this->library->ffi->cotas_call(
                $this->handle, $operation, \strlen($operation), $json, \strlen($json), $key,
                \strlen($key ?? ''), ...$space,
            ),
        ));
    }

    /** What was given, without what was left out. */
    private static function given(array $optional): array
    {
        return array_filter($optional, fn ($value) => $value !== null);
    }

    /** Finds a tenant. Keep it: deciding by it is the fast way. */
    public function tenant(string $name): Tenant
    {
        return new Tenant($this, $name, $this->library->handle('cotas_tenant', fn ($to) =>
            $this->library->ffi->cotas_tenant_open(
                $this->handle, $name, \strlen($name), $to, $this->library->error)));
    }

    /** The same engine, whose calls have another durability. */
    public function withDurability(string $durability): self
    {
        $number = Names::number('durability', Names::DURABILITY, $durability);
        return $this->other(fn ($to) => $this->library->ffi->cotas_engine_with_durability(
            $this->handle, $number, $to, $this->library->error));
    }

    /** The same engine, whose decisions never wait: one that would have to is an error, `busy`. */
    public function withoutWaiting(): self
    {
        return $this->other(fn ($to) => $this->library->ffi->cotas_engine_without_waiting(
            $this->handle, $to, $this->library->error));
    }

    private function other(callable $take): self
    {
        return new self($this->library->handle('cotas_engine', $take));
    }

    /** The name of the resource with a number, which is asked once. */
    public function nameOf(int $resource): string
    {
        return $this->resourceNames[$resource] ??= $this->resourceName($resource);
    }

    public function close(): void
    {
        $this->library->ffi->cotas_engine_close($this->handle);
    }

    public function __destruct()
    {
        $this->close(); // Closing it twice does no harm.
    }
}
