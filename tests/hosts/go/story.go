// The story of tests/hosts/story.txt, by the package. Arguments: a new database, a catalog.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"cotas.local/cotas"
)

const tenantName = "padaria-são-joão"

func at(text string) time.Time {
	it, err := time.Parse(time.RFC3339, text)
	must(err)
	return it
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func shown(decision cotas.Decision) string {
	if decision.Allowed {
		session := "goes on"
		if decision.SessionOpened {
			session = "opened"
		}
		until := decision.SessionExpiresAt.Format(time.RFC3339)
		text := fmt.Sprintf("allowed, session %s until %s", session, until)
		if !decision.Finite {
			return text
		}
		return fmt.Sprintf("%s, %d of %d left", text, decision.Available, decision.Limit)
	}
	return fmt.Sprintf(
		"denied, %s, %d of %d used, %d left, again at %s",
		strings.ReplaceAll(decision.Reason.String(), "_", " "), decision.Used, decision.Limit,
		decision.Available, decision.RetryAt.Format(time.RFC3339),
	)
}

func printError(err error) {
	var from *cotas.Error
	if errors.As(err, &from) {
		fmt.Printf("error %d: %s\n", from.Code, from.Message)
	}
}

// receive is a message of a contact's.
func receive(tenant *cotas.Tenant, number int) cotas.Decision {
	contact := fmt.Sprintf("contact-%d", number)
	about := cotas.Details{Channel: "whatsapp", Contact: contact, Quantity: 1}
	decision, err := tenant.Perform("receive_message", about)
	must(err)
	return decision
}

func sendSms(tenant *cotas.Tenant) cotas.Decision {
	decision, err := tenant.Perform("send_sms", cotas.Details{Quantity: 150, Key: "pedido-1"})
	must(err)
	return decision
}

func printSms(tenant *cotas.Tenant) {
	sms, again := sendSms(tenant), sendSms(tenant)
	fmt.Printf("sms: %d units, %d left\n", sms.Units, sms.Available)
	same, once := "another", "a new decision"
	if again.Receipt == sms.Receipt && sms.Receipt != "" {
		same = "the same"
	}
	if again.Replayed {
		once = "the stored decision"
	}
	fmt.Printf("sms with the same key: %s, %s receipt, %d left\n", once, same, again.Available)
}

func printStatement(engine *cotas.Engine) {
	document, err := engine.Statement(cotas.StatementArguments{Tenant: tenantName})
	must(err)
	var statement struct {
		Tenant string
		Plan   struct {
			Title   string
			NextDue string `json:"next_due"`
		}
		Balances []struct {
			Resource              string
			Available, Contracted uint64
		}
	}
	must(json.Unmarshal(document, &statement))
	for _, it := range statement.Balances {
		if it.Resource == "sessions" {
			fmt.Printf(
				"statement of %s: %s, next due %s, sessions %d of %d\n", statement.Tenant,
				statement.Plan.Title, statement.Plan.NextDue, it.Available, it.Contracted,
			)
		}
	}
}

func main() {
	options := cotas.Options{Now: at("2026-05-19T12:00:00-03:00")}
	engine, err := cotas.OpenWith(os.Args[1], options)
	must(err)
	catalog, err := os.ReadFile(os.Args[2])
	must(err)
	version, err := engine.LoadCatalog(string(catalog), "help_desk.toml")
	must(err)
	fmt.Printf("catalog %d\n", version)
	document := map[string]any{
		"name": tenantName,
		"plan": map[string]any{"name": "starter", "first_due": "2026-05-20", "auto_renew": true},
	}
	for range [2]int{} {
		created, err := engine.EnsureTenant(cotas.EnsureTenantArguments{Form: document}, "")
		must(err)
		fmt.Println(map[string]string{"true": "created", "false": "there already"}[string(created)])
	}
	_, err = engine.Tenant("açougue")
	printError(err)

	tenant, err := engine.Tenant(tenantName)
	must(err)
	number := 1
	for receive(tenant, number).Allowed {
		number++
	}
	fmt.Printf("%d contacts were admitted\n", number-1)
	must(engine.SetTime(at("2026-05-20T08:00:00-03:00")))
	fmt.Printf("contact-%d: %s\n", number, shown(receive(tenant, number)))
	fmt.Printf("contact-1: %s\n", shown(receive(tenant, 1)))

	printSms(tenant)

	for _, now := range []string{"2026-05-20T23:59:59-03:00", "2026-05-21T00:00:00-03:00"} {
		must(engine.SetTime(at(now)))
		fmt.Printf("contact-%d: %s\n", number, shown(receive(tenant, number)))
	}
	printStatement(engine)
	tenant.Close()
	engine.Close()
	_, err = engine.Statement(cotas.StatementArguments{Tenant: tenantName})
	printError(err)
}
