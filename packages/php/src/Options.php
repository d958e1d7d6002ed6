<?php

declare(strict_types=1);

namespace Cotas;

use FFI;
use FFI\CData;

/** How an engine is opened. */
final class Options
{
    /** Makes options, calls `$run` with them, and closes them. */
    public static function with(array $options, callable $run): mixed
    {
        $c = Library::get();
        $handle = $c->handle(
            'cotas_options', fn ($to) => $c->ffi->cotas_options_new($to, $c->error),
        );
        try {
            foreach ($options as $name => $value) {
                if ($value !== null) {
                    self::set($c, $handle, (string) $name, $value);
                }
            }
            return $run($handle);
        } finally {
            $c->ffi->cotas_options_close($handle);
        }
    }

    private static function set(Library $c, CData $options, string $name, mixed $value): void
    {
        $ffi = $c->ffi;
        $c->check(match ($name) {
            'durability' => $ffi->cotas_options_set_durability(
                $options, Names::number($name, Names::DURABILITY, $value), $c->error),
            'maintenance' => $ffi->cotas_options_set_maintenance(
                $options, Names::number($name, Names::MAINTENANCE, $value), $c->error),
            'checkpointInterval' => $ffi->cotas_options_set_checkpoint_interval_ms(
                $options, Library::whole($name, $value), $c->error),
            'diskTimeout' => $ffi->cotas_options_set_disk_timeout_ms(
                $options, Library::whole($name, $value), $c->error),
            'lagMax' => $ffi->cotas_options_set_lag_max_ms(
                $options, Library::whole($name, $value), $c->error),
            'liveDirectory' => $ffi->cotas_options_set_live_directory(
                $options, $value, \strlen($value), $c->error),
            'allowNetworkFileSystem' => $ffi->cotas_options_set_allow_network_file_system(
                $options, (int) $value, $c->error),
            'keepOpen' => $ffi->cotas_options_set_keep_open($options, (int) $value, $c->error),
            'now' => $ffi->cotas_options_set_time($options, Library::instant($value), $c->error),
            default => throw new ArgumentException("unknown option $name (there are durability, "
                . 'maintenance, checkpointInterval, diskTimeout, lagMax, liveDirectory, '
                . 'allowNetworkFileSystem, keepOpen, now)'),
        });
    }
}
