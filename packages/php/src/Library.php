<?php

declare(strict_types=1);

namespace Cotas;

use FFI;
use FFI\CData;

/** The library: its functions, with errors as exceptions. Made once in a request. */
final class Library
{
    use LibraryCalls;

    private const ABI = 1;
    private const VERSION = '0.1.0';
    private const FILE = 'libcotas.so.1';
    private const INSTALL =
        'install the Debian package libcotas1, or name the file in COTAS_LIBRARY';
    private const SPACE = 16384;

    private static ?self $loaded = null;

    /** Space that each call uses again. */
    public readonly CData $error;
    public readonly CData $decision;
    public readonly CData $payment;
    public readonly CData $int32;
    public readonly CData $int32Place;
    public readonly CData $uint32;
    public readonly CData $uint32Place;
    public readonly CData $int64;
    public readonly CData $int64Place;
    public readonly CData $uint64;
    public readonly CData $uint64Place;
    /** @var array<int, string> */
    private array $reasons = [];

    private function __construct(public readonly FFI $ffi)
    {
        foreach (['error', 'decision', 'payment'] as $struct) {
            $made = $ffi->new("cotas_$struct", false);
            $made->struct_size = FFI::sizeof($made);
            $this->$struct = FFI::addr($made);
        }
        foreach (['int32', 'uint32', 'int64', 'uint64'] as $kind) {
            $this->$kind = $ffi->new("{$kind}_t");
            $this->{$kind . 'Place'} = FFI::addr($this->$kind);
        }
    }

    /** The library, which the first use loads. */
    public static function get(): self
    {
        return self::$loaded ??= self::load();
    }

    private static function load(): self
    {
        if (PHP_OS_FAMILY !== 'Linux') {
            throw new LibraryException('Cotas runs on Linux, not on ' . PHP_OS_FAMILY
                . ': open the database in a container or a virtual machine with Linux');
        }
        if (!\extension_loaded('ffi')) {
            throw new LibraryException("PHP's extension ffi is missing: install or enable it");
        }
        $library = new self(self::declared());
        $abi = $library->ffi->cotas_abi_version();
        $found = $library->ffi->cotas_version();
        if ($abi !== self::ABI || version_compare($found, self::VERSION, '<')) {
            throw new LibraryException(self::tooOld('the library', "$found (ABI $abi)"));
        }
        return $library;
    }

    /** By the declarations that PHP read when it was started (ffi.preload), else read now. */
    private static function declared(): FFI
    {
        try {
            return FFI::scope('cotas');
        } catch (FFI\Exception) {
        }
        $file = self::place();
        $header = \dirname(__DIR__) . '/native/cotas_ffi.h';
        try {
            return FFI::cdef(file_get_contents($header), $file);
        } catch (FFI\Exception $error) {
            throw new LibraryException(self::whyNot($file, $error->getMessage()));
        }
    }

    /** What COTAS_LIBRARY names, what the package brings, or the system's. */
    private static function place(): string
    {
        $named = getenv('COTAS_LIBRARY');
        if ($named !== false && $named !== '') {
            return $named;
        }
        $libc = str_contains((string) file_get_contents('/proc/self/maps'), 'ld-musl')
            ? 'musl' : 'gnu';
        $own = \dirname(__DIR__) . '/native/' . php_uname('m') . "-$libc/" . self::FILE;
        return is_file($own) ? $own : self::FILE;
    }

    private static function whyNot(string $file, string $message): string
    {
        if (str_contains($message, 'ffi.enable')) {
            return "PHP's FFI is switched off: set ffi.enable=1 in php.ini, "
                . 'or name the declarations in ffi.preload (docs/packages.md)';
        }
        // PHP says only that it failed: the file says why.
        $head = is_file($file) ? (string) file_get_contents($file, false, null, 0, 20) : '';
        $machines = ['x86_64' => 0x3e, 'aarch64' => 0xb7];
        if ($head !== '' && (!str_starts_with($head, "\x7fELF")
            || unpack('v', $head, 18)[1] !== ($machines[php_uname('m')] ?? -1))) {
            return "$file is not made for " . php_uname('m') . ': ' . self::INSTALL;
        }
        if (str_contains($message, 'Failed resolving C function')) {
            $found = FFI::cdef('const char *cotas_version(void);', $file)->cotas_version();
            return self::tooOld($file, $found);
        }
        return is_file($file)
            ? "$file cannot be loaded ($message): " . self::INSTALL
            : "$file was not found: " . self::INSTALL;
    }

    private static function tooOld(string $file, string $found): string
    {
        return "$file is version $found, and this package needs " . self::VERSION
            . ' (ABI ' . self::ABI . ') or later: ' . self::INSTALL;
    }

    public function check(int $code): void
    {
        if ($code !== 0) {
            $name = array_search($code, Names::CODE, true) ?: 'unknown';
            throw new CotasException($name, FFI::string($this->error[0]->message), $code);
        }
    }

    /** @param callable(int): string $resourceName */
    public function decided(int $code, callable $resourceName): Decision
    {
        $this->check($code);
        return Decision::of($this->decision[0], $resourceName);
    }

    /** What came of a payment event. */
    public function paid(int $code): array
    {
        $this->check($code);
        $from = $this->payment[0];
        $status = $from->invoice_status;
        return [
            'outcome' => Names::name(Names::OUTCOME, $from->outcome),
            'invoice' => $from->invoice ?: null,
            'subscription' => $from->subscription ?: null,
            'invoiceStatus' => $status === 0 ? null : Names::name(Names::INVOICE_STATUS, $status),
        ];
    }

    /** The text that `$write` puts into a buffer. */
    public function document(callable $write): string
    {
        $this->uint64->cdata = self::SPACE;
        do { // What is reported may have grown since its length was asked.
            $capacity = $this->uint64->cdata;
            $buffer = $this->ffi->new("char[$capacity]");
            $code = $write($buffer, $capacity, FFI::addr($this->uint64), $this->error);
        } while ($code === Names::CODE['buffer']);
        $this->check($code);
        return FFI::string($buffer, $this->uint64->cdata - 1);
    }

    /** The handle that `$take` puts at the place that it is given. */
    public function handle(string $type, callable $take): CData
    {
        $handle = $this->ffi->new("$type *");
        $this->check($take(FFI::addr($handle)));
        return $handle;
    }

    public function bytes(string $text): CData
    {
        $bytes = $this->ffi->new('uint8_t[' . max(1, \strlen($text)) . ']');
        FFI::memcpy($bytes, $text, \strlen($text));
        return $bytes;
    }

    public function reasonName(int $number): string
    {
        return $this->reasons[$number] ??= $this->ffi->cotas_reason_name($number) ?? 'unknown';
    }

    /** @return list<string> */
    public function reasonsIn(int $bits): array
    {
        $reasons = [];
        for ($number = 1; $bits >> $number !== 0; $number++) {
            if (($bits & 1 << $number) !== 0) {
                $reasons[] = $this->reasonName($number);
            }
        }
        return $reasons;
    }

    public static function json(string $kind, array $value): string
    {
        return json_encode(
            $kind === 'list' ? array_values($value) : (object) $value,
            JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES,
        );
    }

    public static function decoded(string $text): mixed
    {
        return json_decode($text, true, flags: JSON_THROW_ON_ERROR);
    }

    public static function whole(string $name, int $value): int
    {
        return $value >= 0 ? $value : throw new ArgumentException(
            "invalid $name: it must be a whole number from 0 on; found $value",
        );
    }

    public static function instant(int|\DateTimeInterface $at): int
    {
        return \is_int($at) ? $at : (int) $at->format('Uv');
    }
}
