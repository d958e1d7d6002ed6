// Package cotas is libcotas for Go, by cgo. All of it may be used by any goroutine at any time.
// Decisions are made in memory; what may wait for the disk says so.
package cotas

import (
	"fmt"
	"time"
)

// Engine is the quota engine of one database.
type Engine struct{ handle uintptr }

// Tenant is a tenant, found once and used many times.
type Tenant struct{ handle uintptr }

// Codes of errors.
const (
	UnknownTenant   = 400
	InvalidArgument = 406
)

// Error says why a call did not do what was asked. A denied request is no error.
type Error struct {
	Code    int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("cotas: %s (%d)", e.Message, e.Code) }

// Details say what an action is about. What the action does not look at is ignored.
type Details struct {
	Channel, Contact string
	// Quantity is how many units are charged where the action charges by quantity.
	Quantity uint64
	// At is when the message was sent; zero: now.
	At time.Time
	// Key makes it take effect once; empty: no key.
	Key string
}

// Decision is the answer to a request. A refusal says which rule failed, with its figures.
type Decision struct {
	Allowed bool
	Reason  Reason
	Units   uint64
	Used    uint64
	// Finite: Available and Limit mean something.
	Finite           bool
	Available, Limit uint64
	// RetryAt is when it may succeed; zero: that cannot be foreseen.
	RetryAt          time.Time
	SessionOpened    bool
	SessionExpiresAt time.Time
	// Notice is what the message must carry on a demonstration account; else it is empty.
	Notice string
	// Replayed: it was made by an earlier call with the same key.
	Replayed bool
	Receipt  string
}

// Reason is the rule that denied a request.
type Reason int32

// Body is what a webhook's body says. Known: its form is known.
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
