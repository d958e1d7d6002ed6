<?php

declare(strict_types=1);

// The provider and the middleware of Laravel, with the framework's own container, router and
// requests. Arguments: the package's autoloader, a new database, a catalog.

foreach (['Config', 'Events', 'Http', 'Routing'] as $part) {
    require "/usr/share/php/Illuminate/$part/autoload.php";
}
require $argv[1];

use Cotas\Engine;
use Cotas\Laravel\CotasServiceProvider;
use Illuminate\Config\Repository;
use Illuminate\Container\Container;
use Illuminate\Events\Dispatcher;
use Illuminate\Http\Request;
use Illuminate\Routing\Router;

/** What of an application the provider asks for. */
final class Application extends Container
{
    public function basePath(string $path): string
    {
        return __DIR__ . "/$path";
    }

    public function configurationIsCached(): bool
    {
        return false;
    }
}

/** As Laravel defines them. */
function env(string $name, mixed $default = null): mixed
{
    return getenv($name) ?: $default;
}

function storage_path(string $path): string
{
    return sys_get_temp_dir() . "/$path";
}

putenv("COTAS_DB=$argv[2]");
$app = new Application();
Container::setInstance($app);
$app->instance(Container::class, $app);
$app->instance('config', new Repository());
$app->instance(Illuminate\Contracts\Config\Repository::class, $app['config']);
$app->instance('router', new Router(new Dispatcher($app), $app));
$provider = new CotasServiceProvider($app);
$provider->register();
$provider->boot();
$app['config']->set('cotas.tenant', fn (Request $request) => $request->header('X-Company'));

$engine = $app[Engine::class];
$engine->loadCatalog(file_get_contents($argv[3]));
$plan = ['name' => 'starter', 'first_due' => '2099-12-10', 'auto_renew' => true];
$limits = ['notification_credits' => 2];
$engine->ensureTenant(form: ['name' => 'padaria-aurora', 'plan' => $plan, 'limits' => $limits]);
$app['router']->post('/sms', fn (Request $request) =>
    "sent, {$request->attributes->get('cotas.decision')->available} left")->middleware('cotas:send_sms');

foreach (['a', 'b', 'b', 'c'] as $key) {
    $request = Request::create('/sms', 'POST');
    $request->headers->add(['X-Company' => 'padaria-aurora', 'Idempotency-Key' => $key]);
    $app->instance(Request::class, $request);
    $answer = $app['router']->dispatch($request);
    $said = json_decode($answer->getContent(), true)['reason'] ?? $answer->getContent();
    $again = $answer->headers->has('Retry-After') ? ', with Retry-After' : '';
    echo $answer->getStatusCode(), " $said$again\n";
}
