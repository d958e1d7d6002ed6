<?php

declare(strict_types=1);

namespace Cotas\Laravel;

use Cotas\Engine;
use Illuminate\Support\ServiceProvider;

/** Makes the engine a singleton of the application, and `cotas:ACTION` a middleware of routes. */
final class CotasServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->mergeConfigFrom(\dirname(__DIR__, 2) . '/config/cotas.php', 'cotas');
        $this->app->singleton(Engine::class, function ($app) {
            $config = $app['config']['cotas'];
            return Engine::open($config['database'], ...$config['options']);
        });
    }

    public function boot(): void
    {
        $this->publishes(
            [\dirname(__DIR__, 2) . '/config/cotas.php' => $this->app->basePath('config/cotas.php')],
            'cotas',
        );
        $this->app['router']->aliasMiddleware('cotas', AskQuotas::class);
    }
}
