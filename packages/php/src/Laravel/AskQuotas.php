<?php

declare(strict_types=1);

namespace Cotas\Laravel;

use Closure;
use Cotas\Decision;
use Cotas\Engine;
use Cotas\QuotaExceeded;
use Illuminate\Contracts\Config\Repository;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;

/**
 * Lets a request through where its tenant may do an action of the catalog:
 *
 *     Route::post('/sms', ...)->middleware('cotas:send_sms');
 *
 * A denial is answered with 402, or 429 where it came too fast, the decision as JSON and
 * `Retry-After`; so is a QuotaExceeded that the handler throws. Whose request it is says
 * `config('cotas.tenant')`. The decision is the request's attribute `cotas.decision`.
 */
final class AskQuotas
{
    public function __construct(
        private readonly Engine $engine,
        private readonly Repository $config,
    ) {
    }

    public function handle(Request $request, Closure $next, string $action): mixed
    {
        $tenant = ($this->config->get('cotas.tenant'))($request);
        $key = $request->header('Idempotency-Key');
        $decision = $this->engine->tenant($tenant)->perform($action, key: $key);
        if (!$decision->allowed) {
            return self::answer($decision);
        }
        $request->attributes->set('cotas.decision', $decision);
        try {
            return $next($request);
        } catch (QuotaExceeded $error) {
            return self::answer($error->decision);
        }
    }

    private static function answer(Decision $decision): JsonResponse
    {
        $document = $decision->jsonSerialize();
        unset($document['receipt'], $document['reservation']); // They are the host's.
        $headers = [];
        if ($decision->retryAt !== null) {
            $headers['Retry-After'] = max(0, (int) ceil($decision->retryAt / 1000 - time()));
        }
        $status = $decision->reason === 'rate_exceeded' ? 429 : 402;
        return new JsonResponse($document, $status, $headers);
    }
}
