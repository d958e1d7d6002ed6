package cotas

// #include <cotas.h>
import "C"

import (
	"encoding/json"
	"math"
	"time"
	"unsafe"
)

// Details say what an action is about. What the action does not look at is ignored.
type Details struct {
	Channel, Contact string
	// Quantity is how many units are charged where the action charges by quantity; zero: one.
	Quantity uint64
	// At is when the message was sent; zero: now.
	At time.Time
	// Key makes it take effect once; empty: no key.
	Key string
}

// Charge is units of one resource that came from one source.
type Charge struct {
	Resource string
	Source   Source
	Units    uint64
}

// Decision is the answer to a request. A refusal says which rule failed, with its figures.
type Decision struct {
	Allowed bool
	// Reason is the first failing rule, Reasons are all of them.
	Reason  Reason
	Reasons []Reason
	// Shadowed are rules that would have denied it, had their limits not been set only to watch.
	Shadowed []Reason
	// Resource is what the figures are about; empty: it is about none.
	Resource string
	Mode     Mode
	Units    uint64
	Used     uint64
	// Finite: Available and Limit mean something.
	Finite           bool
	Available, Limit uint64
	// RetryAt is when it may succeed; zero: that cannot be foreseen.
	RetryAt                          time.Time
	SessionExpiresAt, LeaseExpiresAt time.Time
	Fencing                          uint64
	Reservation                      string
	// Receipt is what a refund is asked with; decisions under a key have one.
	Receipt string
	Charges []Charge
	// MoreCharges: more was charged than Charges lists; ChargesOf has all of it.
	MoreCharges bool
	// Notice is what the message must carry on a demonstration account; else it is empty.
	Notice string
	// Replayed: it was made by an earlier call with the same key.
	Replayed                                       bool
	Overage, PastDue, SessionOpened, LeaseAcquired bool
	TooOld                                         bool
}

// Payment is what came of a payment event. Zero: no invoice, no subscription.
type Payment struct {
	Outcome               Outcome
	Invoice, Subscription int64
	InvoiceStatus         InvoiceStatus
}

// Body is what the body of a WhatsApp webhook says. Known: its form is known.
type Body struct {
	Known     bool       `json:"known"`
	Events    []BodyPart `json:"events"`
	Malformed []struct {
		Path string `json:"path"`
		Rule string `json:"rule"`
	} `json:"malformed"`
}

// BodyPart is one part of a body. Contacts are all ids of the one contact: decide with the first,
// and link the others to it.
type BodyPart struct {
	Kind     string   `json:"kind"`
	Opens    bool     `json:"opens"`
	Channel  string   `json:"channel"`
	Contacts []string `json:"contacts"`
	ID       string   `json:"id"`
	AtMs     int64    `json:"at_ms"`
}

// ReadWhatsapp is WhatsappEvents as a value. A body that is not JSON is an error.
func ReadWhatsapp(body []byte) (read Body, err error) {
	text, err := WhatsappEvents(body)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	return read, err
}

// String is the reason's name in documents; empty: ReasonNone.
func (reason Reason) String() string {
	return C.GoString(C.cotas_reason_name(C.int32_t(reason)))
}

// ABIVersion is the number of the ABI of the library that is loaded, Version its version.
func ABIVersion() uint32 { return uint32(C.cotas_abi_version()) }

// Version is the version of the library that is loaded.
func Version() string { return C.GoString(C.cotas_version()) }

// call is the memory of one decision.
type call struct {
	decision C.cotas_decision
	error    C.cotas_error
}

func (space *call) prepare() {
	space.decision.struct_size = C.sizeof_cotas_decision
	space.error.struct_size = C.sizeof_cotas_error
}

func newError() C.cotas_error { return C.cotas_error{struct_size: C.sizeof_cotas_error} }

func failure(code C.int32_t, from *C.cotas_error) error {
	if code == C.COTAS_OK {
		return nil
	}
	return &Error{Code: int(code), Message: C.GoString(&from.message[0])}
}

func (tenant *Tenant) decided(code C.int32_t, space *call) (Decision, error) {
	if code != C.COTAS_OK {
		return Decision{}, failure(code, &space.error)
	}
	return tenant.engine.decisionOf(&space.decision), nil
}

func (engine *Engine) decisionOf(from *C.cotas_decision) Decision {
	has := func(flag C.uint32_t) bool { return from.flags&flag != 0 }
	decision := Decision{
		Allowed:          from.allowed == 1,
		Reason:           Reason(from.reason),
		Reasons:          reasonsIn(uint32(from.reasons)),
		Shadowed:         reasonsIn(uint32(from.shadowed)),
		Resource:         engine.nameOf(uint32(from.resource)),
		Mode:             Mode(from.mode),
		Units:            uint64(from.units),
		Used:             uint64(from.used),
		RetryAt:          instant(from.retry_at_ms),
		SessionExpiresAt: instant(from.session_expires_at_ms),
		LeaseExpiresAt:   instant(from.lease_expires_at_ms),
		Fencing:          uint64(from.fencing),
		Reservation:      C.GoString(&from.reservation[0]),
		Receipt:          C.GoString(&from.receipt[0]),
		Overage:          has(C.COTAS_FLAG_OVERAGE),
		PastDue:          has(C.COTAS_FLAG_PAST_DUE),
		Replayed:         has(C.COTAS_FLAG_REPLAYED),
		SessionOpened:    has(C.COTAS_FLAG_SESSION_OPENED),
		LeaseAcquired:    has(C.COTAS_FLAG_LEASE_ACQUIRED),
		MoreCharges:      has(C.COTAS_FLAG_MORE_CHARGES),
		TooOld:           has(C.COTAS_FLAG_TOO_OLD),
	}
	if has(C.COTAS_FLAG_DEMO_NOTICE) {
		decision.Notice = C.GoString(C.cotas_demo_notice())
	}
	if decision.Mode == ModeFinite {
		decision.Finite = true
		decision.Available, decision.Limit = uint64(from.available), uint64(from.limit)
	}
	for _, it := range from.charges[:from.charge_count] {
		charge := Charge{engine.nameOf(uint32(it.resource)), Source(it.source), uint64(it.units)}
		decision.Charges = append(decision.Charges, charge)
	}
	return decision
}

func paymentOf(from *C.cotas_payment) Payment {
	return Payment{
		Outcome(from.outcome), int64(from.invoice), int64(from.subscription),
		InvoiceStatus(from.invoice_status),
	}
}

// nameOf is the name of the resource with a number, which is asked once; empty: there is none.
func (engine *Engine) nameOf(resource uint32) string {
	if resource == math.MaxUint32 {
		return ""
	}
	if name, found := engine.names.Load(resource); found {
		return name.(string)
	}
	name, err := engine.ResourceName(resource)
	if err == nil {
		engine.names.Store(resource, name)
	}
	return name
}

func reasonsIn(bits uint32) (reasons []Reason) {
	for number := Reason(1); bits>>number != 0; number++ {
		if bits&(1<<number) != 0 {
			reasons = append(reasons, number)
		}
	}
	return reasons
}

func instant(ms C.int64_t) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

// milliseconds are what an instant is to the library; zero: now.
func milliseconds(at time.Time) C.int64_t {
	if at.IsZero() {
		return 0
	}
	return C.int64_t(at.UnixMilli())
}

// oneUnless is a quantity: one, unless another one is given.
func oneUnless(given uint64) C.uint64_t {
	if given == 0 {
		return 1
	}
	return C.uint64_t(given)
}

func number(flag bool) C.int32_t {
	if flag {
		return 1
	}
	return 0
}

func pointer(bytes []byte) *C.uint8_t {
	if len(bytes) == 0 {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(&bytes[0]))
}

// encoded is a JSON object; of nothing, an empty one.
func encoded(value any) (string, error) {
	if value == nil {
		return "{}", nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}
