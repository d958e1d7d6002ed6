// Package cotas is libcotas for Go, by cgo. All of it may be used by any goroutine at any time.
// Decisions are made in memory; what may wait for the disk says so.
package cotas

/*
#include <stdlib.h>
#include <cotas.h>

#define TEXT(it) _GoStringPtr(it), _GoStringLen(it)

static int32_t open_engine(_GoString_ path, uintptr_t options, uintptr_t *engine,
                           cotas_error *error) {
    return cotas_engine_open(TEXT(path), (cotas_options *)options, (cotas_engine **)engine, error);
}

static int32_t open_in_memory(uintptr_t options, uintptr_t *engine, cotas_error *error) {
    return cotas_engine_open_in_memory((cotas_options *)options, (cotas_engine **)engine, error);
}

static int32_t options_new(uintptr_t *options, cotas_error *error) {
    return cotas_options_new((cotas_options **)options, error);
}

static void options_close(uintptr_t options) { cotas_options_close((cotas_options *)options); }

static int32_t set_durability(uintptr_t o, int32_t it, cotas_error *error) {
    return cotas_options_set_durability((cotas_options *)o, it, error);
}

static int32_t set_maintenance(uintptr_t o, int32_t it, cotas_error *error) {
    return cotas_options_set_maintenance((cotas_options *)o, it, error);
}

static int32_t set_interval(uintptr_t o, uint64_t it, cotas_error *error) {
    return cotas_options_set_checkpoint_interval_ms((cotas_options *)o, it, error);
}

static int32_t set_timeout(uintptr_t o, uint64_t it, cotas_error *error) {
    return cotas_options_set_disk_timeout_ms((cotas_options *)o, it, error);
}

static int32_t set_lag_max(uintptr_t o, uint64_t it, cotas_error *error) {
    return cotas_options_set_lag_max_ms((cotas_options *)o, it, error);
}

static int32_t set_directory(uintptr_t o, _GoString_ it, cotas_error *error) {
    return cotas_options_set_live_directory((cotas_options *)o, TEXT(it), error);
}

static int32_t set_network(uintptr_t o, int32_t it, cotas_error *error) {
    return cotas_options_set_allow_network_file_system((cotas_options *)o, it, error);
}

static int32_t set_keep_open(uintptr_t o, int32_t it, cotas_error *error) {
    return cotas_options_set_keep_open((cotas_options *)o, it, error);
}

static int32_t set_time(uintptr_t o, int64_t it, cotas_error *error) {
    return cotas_options_set_time((cotas_options *)o, it, error);
}

static int32_t with_durability(uintptr_t self, int32_t it, uintptr_t *other, cotas_error *error) {
    return cotas_engine_with_durability((cotas_engine *)self, it, (cotas_engine **)other, error);
}

static int32_t without_waiting(uintptr_t self, uintptr_t *other, cotas_error *error) {
    return cotas_engine_without_waiting((cotas_engine *)self, (cotas_engine **)other, error);
}

static void close_engine(uintptr_t self) { cotas_engine_close((cotas_engine *)self); }

static int32_t open_tenant(uintptr_t self, _GoString_ name, uintptr_t *tenant, cotas_error *error) {
    return cotas_tenant_open((cotas_engine *)self, TEXT(name), (cotas_tenant **)tenant, error);
}

static int32_t with_key_lifetime(uintptr_t self, uint64_t it, uintptr_t *other,
                                 cotas_error *error) {
    return cotas_tenant_with_key_lifetime((cotas_tenant *)self, it, (cotas_tenant **)other, error);
}

static void close_tenant(uintptr_t self) { cotas_tenant_close((cotas_tenant *)self); }

static int32_t call_operation(uintptr_t self, _GoString_ name, _GoString_ arguments, _GoString_ key,
                              char *buffer, size_t capacity, size_t *needed, cotas_error *error) {
    size_t key_len = _GoStringLen(key);
    return cotas_call((cotas_engine *)self, TEXT(name), TEXT(arguments),
                      key_len == 0 ? NULL : _GoStringPtr(key), key_len, buffer, capacity, needed,
                      error);
}

static int32_t doctor(_GoString_ path, uintptr_t options, char *buffer, size_t capacity,
                      size_t *needed, cotas_error *error) {
    return cotas_doctor(TEXT(path), (cotas_options *)options, buffer, capacity, needed, error);
}

static int32_t restore(_GoString_ path, uintptr_t options, _GoString_ backup, cotas_error *error) {
    return cotas_restore(TEXT(path), (cotas_options *)options, TEXT(backup), error);
}
*/
import "C"

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
	"unsafe"
)

const (
	version    = "0.1.0"
	abiVersion = 1
)

// Error says why a call did not do what was asked. A denied request is no error.
type Error struct {
	Code    int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("cotas: %s (%d)", e.Message, e.Code) }

// Engine is the quota engine of one database.
type Engine struct {
	handle uintptr
	names  *sync.Map
}

// Tenant is a tenant, found once and used many times.
type Tenant struct {
	handle uintptr
	engine *Engine
}

// Options say how an engine is opened; what is zero is as it is without.
type Options struct {
	Durability             Durability
	Maintenance            Maintenance
	CheckpointInterval     time.Duration
	DiskTimeout            time.Duration
	LagMax                 time.Duration
	LiveDirectory          string
	AllowNetworkFileSystem bool
	KeepOpen               bool
	// Now gives the engine a clock of its own, which SetTime moves: for tests.
	Now time.Time
}

var (
	checking sync.Once
	unfit    error
)

// checked says whether the library that is loaded will do, which is looked at once.
func checked() error {
	checking.Do(func() { unfit = fitness(Version(), ABIVersion()) })
	return unfit
}

func fitness(found string, abi uint32) error {
	if abi == abiVersion && !older(found, version) {
		return nil
	}
	return fmt.Errorf("libcotas.so.1 is version %s (ABI %d), and this package needs %s (ABI %d) "+
		"or later: install the Debian package libcotas1", found, abi, version, abiVersion)
}

// older: the one version comes before the other.
func older(one, other string) bool {
	var left, right [3]int
	fmt.Sscanf(one, "%d.%d.%d", &left[0], &left[1], &left[2])
	fmt.Sscanf(other, "%d.%d.%d", &right[0], &right[1], &right[2])
	for index := range left {
		if left[index] != right[index] {
			return left[index] < right[index]
		}
	}
	return false
}

func (options Options) with(run func(C.uintptr_t, *C.cotas_error) C.int32_t) error {
	if err := checked(); err != nil {
		return err
	}
	var handle C.uintptr_t
	from := newError()
	if err := failure(C.options_new(&handle, &from), &from); err != nil {
		return err
	}
	defer C.options_close(handle)
	for _, set := range options.setters(handle, &from) {
		if err := failure(set(), &from); err != nil {
			return err
		}
	}
	return failure(run(handle, &from), &from)
}

// setters are what sets each option that is not zero.
func (options Options) setters(o C.uintptr_t, from *C.cotas_error) (setters []func() C.int32_t) {
	add := func(wanted bool, set func() C.int32_t) {
		if wanted {
			setters = append(setters, set)
		}
	}
	milliseconds := func(it time.Duration) C.uint64_t { return C.uint64_t(it.Milliseconds()) }
	add(options.Durability != 0, func() C.int32_t {
		return C.set_durability(o, C.int32_t(options.Durability), from)
	})
	add(options.Maintenance != 0, func() C.int32_t {
		return C.set_maintenance(o, C.int32_t(options.Maintenance), from)
	})
	add(options.CheckpointInterval != 0, func() C.int32_t {
		return C.set_interval(o, milliseconds(options.CheckpointInterval), from)
	})
	add(options.DiskTimeout != 0, func() C.int32_t {
		return C.set_timeout(o, milliseconds(options.DiskTimeout), from)
	})
	add(options.LagMax != 0, func() C.int32_t {
		return C.set_lag_max(o, milliseconds(options.LagMax), from)
	})
	add(options.LiveDirectory != "", func() C.int32_t {
		return C.set_directory(o, options.LiveDirectory, from)
	})
	add(options.AllowNetworkFileSystem, func() C.int32_t { return C.set_network(o, 1, from) })
	add(options.KeepOpen, func() C.int32_t { return C.set_keep_open(o, 1, from) })
	add(!options.Now.IsZero(), func() C.int32_t {
		return C.set_time(o, C.int64_t(options.Now.UnixMilli()), from)
	})
	return setters
}

// Open opens the database at path, making it if there is none. It reads and writes the disk.
func Open(path string) (*Engine, error) { return OpenWith(path, Options{}) }

// OpenWith is Open with options.
func OpenWith(path string, options Options) (*Engine, error) {
	var handle C.uintptr_t
	err := options.with(func(o C.uintptr_t, from *C.cotas_error) C.int32_t {
		return C.open_engine(path, o, &handle, from)
	})
	return engineOf(handle, err)
}

// InMemory opens a database in memory, for tests.
func InMemory(options Options) (*Engine, error) {
	var handle C.uintptr_t
	err := options.with(func(o C.uintptr_t, from *C.cotas_error) C.int32_t {
		return C.open_in_memory(o, &handle, from)
	})
	return engineOf(handle, err)
}

func engineOf(handle C.uintptr_t, err error) (*Engine, error) {
	if err != nil {
		return nil, err
	}
	return &Engine{uintptr(handle), new(sync.Map)}, nil
}

// WithDurability is the same engine, whose calls have another durability. Close both.
func (engine *Engine) WithDurability(durability Durability) (*Engine, error) {
	var other C.uintptr_t
	from := newError()
	code := C.with_durability(C.uintptr_t(engine.handle), C.int32_t(durability), &other, &from)
	return engineOf(other, failure(code, &from))
}

// WithoutWaiting is the same engine, whose decisions never wait: one that would have to is an error
// of CodeBusy. Close both.
func (engine *Engine) WithoutWaiting() (*Engine, error) {
	var other C.uintptr_t
	from := newError()
	return engineOf(other, failure(C.without_waiting(C.uintptr_t(engine.handle), &other, &from), &from))
}

// Call calls an operation of the control plane (docs/operations.md), once under a key that is not
// empty. The arguments become a JSON object; the result is a JSON document.
func (engine *Engine) Call(operation string, arguments any, key string) (json.RawMessage, error) {
	given, err := encoded(arguments)
	if err != nil {
		return nil, err
	}
	handle := C.uintptr_t(engine.handle)
	return document(func(to *C.char, space C.size_t, needed *C.size_t, from *C.cotas_error) C.int32_t {
		return C.call_operation(handle, operation, given, key, to, space, needed, from)
	})
}

// Tenant finds a tenant by its name. Keep it: deciding by it is the fast way.
func (engine *Engine) Tenant(name string) (*Tenant, error) {
	var handle C.uintptr_t
	from := newError()
	code := C.open_tenant(C.uintptr_t(engine.handle), name, &handle, &from)
	if err := failure(code, &from); err != nil {
		return nil, err
	}
	return &Tenant{uintptr(handle), engine}, nil
}

// Close closes the engine. Closing it twice does no harm.
func (engine *Engine) Close() { C.close_engine(C.uintptr_t(engine.handle)) }

// WithKeyLifetime is the same tenant, whose idempotency keys are kept for so long. Close both.
func (tenant *Tenant) WithKeyLifetime(lifetime time.Duration) (*Tenant, error) {
	var other C.uintptr_t
	from := newError()
	given := C.uint64_t(lifetime.Milliseconds())
	code := C.with_key_lifetime(C.uintptr_t(tenant.handle), given, &other, &from)
	if err := failure(code, &from); err != nil {
		return nil, err
	}
	return &Tenant{uintptr(other), tenant.engine}, nil
}

// Close closes the handle; the tenant stays.
func (tenant *Tenant) Close() { C.close_tenant(C.uintptr_t(tenant.handle)) }

// Doctor reports what a database looks like from outside; it answers also where opening does not.
func Doctor(path string, options Options) (report json.RawMessage, err error) {
	failed := options.with(func(o C.uintptr_t, _ *C.cotas_error) C.int32_t {
		report, err = document(func(to *C.char, space C.size_t, needed *C.size_t, from *C.cotas_error) C.int32_t {
			return C.doctor(path, o, to, space, needed, from)
		})
		return C.COTAS_OK
	})
	if failed != nil {
		return nil, failed
	}
	return report, err
}

// Restore puts a copy of a backup in the place of a database.
func Restore(path, backup string, options Options) error {
	return options.with(func(o C.uintptr_t, from *C.cotas_error) C.int32_t {
		return C.restore(path, o, backup, from)
	})
}

// document is what a function writes into a buffer.
func document(write func(*C.char, C.size_t, *C.size_t, *C.cotas_error) C.int32_t) ([]byte, error) {
	// What is reported may have grown since its length was asked.
	for capacity := C.size_t(16384); ; {
		buffer := make([]byte, capacity)
		var needed C.size_t
		from := newError()
		code := write((*C.char)(unsafe.Pointer(&buffer[0])), capacity, &needed, &from)
		if code == C.COTAS_E_BUFFER {
			capacity = needed
			continue
		}
		if err := failure(code, &from); err != nil {
			return nil, err
		}
		return buffer[:needed-1], nil
	}
}
