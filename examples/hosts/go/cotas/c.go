package cotas

/*
#cgo LDFLAGS: -lcotas
#include <cotas.h>

// Handles are numbers dressed as pointers. Go holds them as numbers, so that its collector never
// takes one for a pointer; and texts as they are, without a copy.

#define TEXT(it) _GoStringPtr(it), _GoStringLen(it)

static int32_t engine_open(_GoString_ path, int has_clock, int64_t now_ms, uintptr_t *engine,
                           cotas_error *error) {
	cotas_options *options = NULL;
	cotas_engine *opened = NULL;
	int32_t code = cotas_options_new(&options, error);
	if (code == COTAS_OK && has_clock) code = cotas_options_set_time(options, now_ms, error);
	if (code == COTAS_OK) code = cotas_engine_open(TEXT(path), options, &opened, error);
	cotas_options_close(options);
	*engine = (uintptr_t)opened;
	return code;
}

static int32_t engine_set_time(uintptr_t engine, int64_t now_ms, cotas_error *error) {
	return cotas_engine_set_time((cotas_engine *)engine, now_ms, error);
}

static void engine_close(uintptr_t engine) {
	cotas_engine_close((cotas_engine *)engine);
}

static int32_t load_catalog(uintptr_t engine, _GoString_ text, _GoString_ name, uint64_t *version,
                            cotas_error *error) {
	return cotas_load_catalog((cotas_engine *)engine, TEXT(text), TEXT(name), version, error);
}

static int32_t call(uintptr_t engine, _GoString_ operation, _GoString_ arguments, _GoString_ key,
                    char *buffer, size_t capacity, size_t *needed, cotas_error *error) {
	size_t key_len = _GoStringLen(key);
	return cotas_call((cotas_engine *)engine, TEXT(operation), TEXT(arguments),
	                  key_len == 0 ? NULL : _GoStringPtr(key), key_len, buffer, capacity, needed,
	                  error);
}

static int32_t tenant_open(uintptr_t engine, _GoString_ name, uintptr_t *tenant,
                           cotas_error *error) {
	cotas_tenant *opened = NULL;
	int32_t code = cotas_tenant_open((cotas_engine *)engine, TEXT(name), &opened, error);
	*tenant = (uintptr_t)opened;
	return code;
}

static void tenant_close(uintptr_t tenant) {
	cotas_tenant_close((cotas_tenant *)tenant);
}

static int32_t whatsapp_events(uint8_t *body, size_t body_len, char *buffer, size_t capacity,
                               size_t *needed, cotas_error *error) {
	return cotas_whatsapp_events(body, body_len, buffer, capacity, needed, error);
}

static int32_t link_contact(uintptr_t tenant, _GoString_ one, _GoString_ other,
                            cotas_error *error) {
	return cotas_link_contact((cotas_tenant *)tenant, TEXT(one), TEXT(other), error);
}

static int32_t perform(uintptr_t tenant, _GoString_ action, _GoString_ channel,
                       _GoString_ contact, uint64_t quantity, int64_t at_ms, _GoString_ key,
                       cotas_decision *decision, cotas_error *error) {
	const char *key_or_null = _GoStringLen(key) == 0 ? NULL : _GoStringPtr(key);
	return cotas_perform((cotas_tenant *)tenant, TEXT(action), TEXT(channel), TEXT(contact),
	                     quantity, at_ms, key_or_null, _GoStringLen(key), decision, error);
}
*/
import "C"

import (
	"bytes"
	"encoding/json"
	"time"
	"unsafe"
)

// The rules, in the order in which they are looked at.
const (
	None                Reason = C.COTAS_REASON_NONE
	StatusForbids       Reason = C.COTAS_REASON_STATUS_FORBIDS
	DemoExpired         Reason = C.COTAS_REASON_DEMO_EXPIRED
	NoSubscription      Reason = C.COTAS_REASON_NO_SUBSCRIPTION
	SubscriptionPending Reason = C.COTAS_REASON_SUBSCRIPTION_PENDING
	PlanLapsed          Reason = C.COTAS_REASON_PLAN_LAPSED
	FeatureMissing      Reason = C.COTAS_REASON_FEATURE_MISSING
	SessionRequired     Reason = C.COTAS_REASON_SESSION_REQUIRED
	NotInPlan           Reason = C.COTAS_REASON_NOT_IN_PLAN
	QuotaExhausted      Reason = C.COTAS_REASON_QUOTA_EXHAUSTED
	RateExceeded        Reason = C.COTAS_REASON_RATE_EXCEEDED
	Paused              Reason = C.COTAS_REASON_PAUSED
)

// String is the reason's name in documents; empty: None.
func (reason Reason) String() string {
	return C.GoString(C.cotas_reason_name(C.int32_t(reason)))
}

func newError() C.cotas_error {
	return C.cotas_error{struct_size: C.sizeof_cotas_error}
}

func failure(code C.int32_t, from *C.cotas_error) error {
	if code == C.COTAS_OK {
		return nil
	}
	return &Error{Code: int(code), Message: C.GoString(&from.message[0])}
}

// Open opens the database at path, making it if there is none. It reads and writes the disk.
func Open(path string) (*Engine, error) {
	return open(path, 0, 0)
}

// OpenAt is Open with a clock of its own, which SetTime moves: for tests.
func OpenAt(path string, now time.Time) (*Engine, error) {
	return open(path, 1, now.UnixMilli())
}

func open(path string, hasClock C.int, nowMs int64) (*Engine, error) {
	var handle C.uintptr_t
	from := newError()
	code := C.engine_open(path, hasClock, C.int64_t(nowMs), &handle, &from)
	if err := failure(code, &from); err != nil {
		return nil, err
	}
	return &Engine{handle: uintptr(handle)}, nil
}

// SetTime sets the clock of an engine that was opened with OpenAt.
func (engine *Engine) SetTime(now time.Time) error {
	from := newError()
	code := C.engine_set_time(C.uintptr_t(engine.handle), C.int64_t(now.UnixMilli()), &from)
	return failure(code, &from)
}

// LoadCatalog puts a catalog in force and returns its number.
func (engine *Engine) LoadCatalog(text, name string) (uint64, error) {
	var version C.uint64_t
	from := newError()
	code := C.load_catalog(C.uintptr_t(engine.handle), text, name, &version, &from)
	return uint64(version), failure(code, &from)
}

// EnsureTenant creates a tenant, and says whether it was not there already. The document becomes
// JSON.
func (engine *Engine) EnsureTenant(document any) (created bool, err error) {
	result, err := engine.Call("ensure_tenant", map[string]any{"form": document}, "")
	return string(result) == "true", err
}

// Call calls an operation of the control plane (docs/operations.md), once under a key that is not
// empty. The arguments become a JSON object; the result is a JSON document.
func (engine *Engine) Call(operation string, arguments any, key string) ([]byte, error) {
	text, err := json.Marshal(arguments)
	if err != nil {
		return nil, err
	}
	handle := C.uintptr_t(engine.handle)
	return document(func(to *C.char, space C.size_t, needed *C.size_t, from *C.cotas_error) C.int32_t {
		return C.call(handle, operation, string(text), key, to, space, needed, from)
	})
}

// Statement reads what a tenant subscribed to, has left and owes: a JSON document.
func (engine *Engine) Statement(tenant string) ([]byte, error) {
	return engine.Call("statement", map[string]any{"tenant": tenant}, "")
}

// WhatsappEvents reads what a webhook's body says: the kind of each part, and which open a
// session. A body that is not JSON is an error.
func WhatsappEvents(body []byte) (read Body, err error) {
	var first *C.uint8_t
	if len(body) > 0 {
		first = (*C.uint8_t)(unsafe.Pointer(&body[0]))
	}
	text, err := document(func(to *C.char, space C.size_t, needed *C.size_t, from *C.cotas_error) C.int32_t {
		return C.whatsapp_events(first, C.size_t(len(body)), to, space, needed, from)
	})
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	return read, err
}

// document is the JSON document that a function writes into a buffer.
func document(write func(*C.char, C.size_t, *C.size_t, *C.cotas_error) C.int32_t) ([]byte, error) {
	// What is reported may have grown since its length was asked.
	for capacity := C.size_t(4096); ; {
		buffer := make([]byte, capacity)
		var needed C.size_t
		from := newError()
		code := write((*C.char)(unsafe.Pointer(&buffer[0])), capacity, &needed, &from)
		if code != C.COTAS_E_BUFFER {
			return bytes.TrimRight(buffer, "\x00"), failure(code, &from)
		}
		capacity = needed
	}
}

// Tenant finds a tenant by its name. Keep it: deciding by it is the fast way.
func (engine *Engine) Tenant(name string) (*Tenant, error) {
	var handle C.uintptr_t
	from := newError()
	code := C.tenant_open(C.uintptr_t(engine.handle), name, &handle, &from)
	if err := failure(code, &from); err != nil {
		return nil, err
	}
	return &Tenant{handle: uintptr(handle)}, nil
}

// Close closes the engine. Closing it twice does no harm.
func (engine *Engine) Close() {
	C.engine_close(C.uintptr_t(engine.handle))
}

// Perform asks whether this tenant may do an action of the catalog now. If so, what it charges is
// used up.
func (tenant *Tenant) Perform(action string, about Details) (Decision, error) {
	from, decision := newError(), C.cotas_decision{struct_size: C.sizeof_cotas_decision}
	var atMs int64
	if !about.At.IsZero() {
		atMs = about.At.UnixMilli()
	}
	code := C.perform(
		C.uintptr_t(tenant.handle), action, about.Channel, about.Contact,
		C.uint64_t(about.Quantity), C.int64_t(atMs), about.Key, &decision, &from,
	)
	return decisionOf(&decision), failure(code, &from)
}

// LinkContact makes two ids one contact.
func (tenant *Tenant) LinkContact(one, other string) error {
	from := newError()
	return failure(C.link_contact(C.uintptr_t(tenant.handle), one, other, &from), &from)
}

// Close closes the handle; the tenant stays.
func (tenant *Tenant) Close() {
	C.tenant_close(C.uintptr_t(tenant.handle))
}

func decisionOf(from *C.cotas_decision) Decision {
	decision := Decision{
		Allowed:          from.allowed == 1,
		Reason:           Reason(from.reason),
		Units:            uint64(from.units),
		Used:             uint64(from.used),
		RetryAt:          instant(from.retry_at_ms),
		SessionOpened:    from.flags&C.COTAS_FLAG_SESSION_OPENED != 0,
		SessionExpiresAt: instant(from.session_expires_at_ms),
		Replayed:         from.flags&C.COTAS_FLAG_REPLAYED != 0,
		Receipt:          C.GoString(&from.receipt[0]),
	}
	if from.flags&C.COTAS_FLAG_DEMO_NOTICE != 0 {
		decision.Notice = C.GoString(C.cotas_demo_notice())
	}
	if from.mode == C.COTAS_MODE_FINITE {
		decision.Finite = true
		decision.Available, decision.Limit = uint64(from.available), uint64(from.limit)
	}
	return decision
}

func instant(ms C.int64_t) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}
