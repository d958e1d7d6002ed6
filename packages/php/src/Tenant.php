<?php

declare(strict_types=1);

namespace Cotas;

use FFI\CData;

/** A tenant, found once and used many times. */
final class Tenant
{
    use TenantCalls;

    private readonly Library $library;
    private readonly \Closure $resourceName;

    /** Made by Engine::tenant. */
    public function __construct(
        private readonly Engine $engine,
        public readonly string $name,
        private readonly CData $handle,
    ) {
        $this->library = Library::get();
        $this->resourceName = $engine->nameOf(...);
    }

    private function names(): \Closure
    {
        return $this->resourceName;
    }

    /** The same tenant, whose idempotency keys are kept for so many milliseconds. */
    public function withKeyLifetime(int $lifetime): self
    {
        $lifetime = Library::whole('lifetime', $lifetime);
        return new self($this->engine, $this->name, $this->library->handle(
            'cotas_tenant',
            fn ($to) => $this->library->ffi->cotas_tenant_with_key_lifetime(
                $this->handle, $lifetime, $to, $this->library->error),
        ));
    }

    public function close(): void
    {
        $this->library->ffi->cotas_tenant_close($this->handle);
    }

    public function __destruct()
    {
        $this->close();
    }
}
