package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"cotas.local/cotas"
)

func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	return string(text)
}

func parsed(text string) (value any) {
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		log.Fatal(err)
	}
	return value
}

func showBoth[T any](gave T, err error) { show(gave, err) }

// show prints what a step gave, or the code of its error.
func show(gave any, err error) {
	line := map[string]any{"gives": plain(gave)}
	var from *cotas.Error
	if errors.As(err, &from) {
		line = map[string]any{"fails": codes[from.Code]}
	} else if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(line)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}

func plain(value any) any {
	switch it := value.(type) {
	case *cotas.Engine, *cotas.Tenant:
		return nil
	case time.Time:
		return ms(it)
	case cotas.DeliveryOutcome:
		return it.String()
	case cotas.Payment:
		return map[string]any{
			"outcome": it.Outcome.String(), "invoice": orNil(it.Invoice != 0, it.Invoice),
			"subscription":   orNil(it.Subscription != 0, it.Subscription),
			"invoice_status": orNil(it.InvoiceStatus != 0, it.InvoiceStatus.String()),
		}
	case cotas.Decision:
		return decision(it)
	}
	return value
}

func decision(it cotas.Decision) any {
	charges := []any{}
	for _, charge := range it.Charges {
		source := orNil(charge.Source != cotas.SourceNone, charge.Source.String())
		charges = append(charges, map[string]any{
			"resource": charge.Resource, "source": source, "units": charge.Units,
		})
	}
	return map[string]any{
		"allowed": it.Allowed, "reason": orNil(it.Reason != 0, it.Reason.String()),
		"reasons": names(it.Reasons), "shadowed": names(it.Shadowed),
		"resource": orNil(it.Resource != "", it.Resource), "mode": it.Mode.String(),
		"units": it.Units, "used": it.Used, "available": orNil(it.Finite, it.Available),
		"limit": orNil(it.Finite, it.Limit), "retry_at": ms(it.RetryAt),
		"session_expires_at": ms(it.SessionExpiresAt), "lease_expires_at": ms(it.LeaseExpiresAt),
		"fencing": it.Fencing, "reservation": orNil(it.Reservation != "", it.Reservation),
		"receipt": orNil(it.Receipt != "", it.Receipt), "charges": charges,
		"notice": orNil(it.Notice != "", it.Notice), "replayed": it.Replayed,
		"session_opened": it.SessionOpened, "lease_acquired": it.LeaseAcquired,
	}
}

func names(reasons []cotas.Reason) []string {
	named := []string{}
	for _, reason := range reasons {
		named = append(named, reason.String())
	}
	return named
}

func ms(at time.Time) any { return orNil(!at.IsZero(), at.UnixMilli()) }

func orNil(is bool, value any) any {
	if is {
		return value
	}
	return nil
}
