<?php

return [
    // The database, on a disk of this machine.
    'database' => env('COTAS_DB', storage_path('cotas/quotas.db')),
    // As Cotas\Engine::open takes them.
    'options' => [],
    // Whose request it is: the name of the tenant.
    'tenant' => fn ($request) => (string) $request->user()->company_id,
];
