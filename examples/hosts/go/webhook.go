// A WhatsApp Cloud API webhook that asks before it answers: POST /webhooks/<tenant>.
//
//	COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... PORT=8080 go run .
//
// Any goroutine may decide at any time; a decision is a short call into C. ../README.md makes the
// database.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/webhook/cotas"
)

const bodyBytesMax = 1 << 20

// webhook is what WhatsApp sends, as far as it matters here.
type webhook struct {
	Entry *[]struct {
		Changes []struct {
			Value struct {
				Metadata struct {
					Channel string `json:"phone_number_id"`
				}
				Messages []message
			}
		}
	}
}

type message struct {
	ID        string
	From      string
	Timestamp string
}

type answer struct {
	Message string `json:"message"`
	Text    string `json:"text"`
}

type refusal struct {
	Reason  string     `json:"reason"`
	Used    uint64     `json:"used"`
	Limit   *uint64    `json:"limit"`
	RetryAt *time.Time `json:"retry_at"`
}

type problem struct {
	Error string `json:"error"`
}

// server answers webhooks.
type server struct {
	engine *cotas.Engine
	secret []byte
}

func (s *server) ServeHTTP(to http.ResponseWriter, request *http.Request) {
	name := strings.TrimPrefix(request.URL.Path, "/webhooks/")
	if request.Method != http.MethodPost || name == request.URL.Path || name == "" {
		reply(to, http.StatusNotFound, problem{"there is nothing here"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(to, request.Body, bodyBytesMax))
	if err != nil {
		reply(to, http.StatusBadRequest, problem{"the body cannot be read"})
		return
	}
	if !s.isSigned(body, request.Header.Get("X-Hub-Signature-256")) {
		reply(to, http.StatusUnauthorized, problem{"the signature is wrong"})
		return
	}
	var from webhook
	if json.Unmarshal(body, &from) != nil || from.Entry == nil {
		reply(to, http.StatusBadRequest, problem{"this is no webhook of WhatsApp"})
		return
	}
	if err := s.answer(to, name, &from); err != nil {
		trouble(to, err)
	}
}

// answer asks, and answers each message once: Meta delivers some of them again.
func (s *server) answer(to http.ResponseWriter, name string, from *webhook) error {
	tenant, err := s.engine.Tenant(name)
	if err != nil {
		return err
	}
	defer tenant.Close()
	answers := []answer{}
	for _, entry := range *from.Entry {
		for _, change := range entry.Changes {
			for _, it := range change.Value.Messages {
				sent, err := ask(tenant, change.Value.Metadata.Channel, it)
				if err != nil {
					return err
				}
				if !sent.Allowed {
					refuse(to, sent)
					return nil
				}
				if !sent.Replayed {
					answers = append(answers, answer{Message: it.ID, Text: text(sent)})
				}
			}
		}
	}
	reply(to, http.StatusOK, map[string][]answer{"answers": answers})
	return nil
}

// ask asks whether a message may be received and, if so, answered.
func ask(tenant *cotas.Tenant, channel string, it message) (cotas.Decision, error) {
	seconds, err := strconv.ParseUint(it.Timestamp, 10, 63)
	if err != nil || len(it.Timestamp) > 11 || it.ID == "" || it.From == "" || channel == "" {
		return cotas.Decision{}, errMalformed
	}
	at := time.Unix(int64(seconds), 0)
	about := cotas.Details{Channel: channel, Contact: it.From, Quantity: 1, At: at}
	received, err := tenant.Perform("receive_message", about)
	if err != nil || !received.Allowed {
		return received, err
	}
	about.At, about.Key = time.Time{}, it.ID
	return tenant.Perform("send_message", about)
}

var errMalformed = errors.New("this is no webhook of WhatsApp")

// text is where the platform sends. This example tells what it would send.
func text(sent cotas.Decision) string {
	if sent.Notice != "" {
		return sent.Notice + "\nOlá! Já vamos atender você."
	}
	return "Olá! Já vamos atender você."
}

// refuse says what a refusal is over HTTP: to be paid, too fast, or forbidden; and when to come
// again.
func refuse(to http.ResponseWriter, decision cotas.Decision) {
	status := http.StatusForbidden
	switch decision.Reason {
	case cotas.RateExceeded:
		status = http.StatusTooManyRequests
	case cotas.QuotaExhausted, cotas.NotInPlan, cotas.PlanLapsed, cotas.NoSubscription,
		cotas.SubscriptionPending, cotas.DemoExpired:
		status = http.StatusPaymentRequired
	}
	document := refusal{Reason: decision.Reason.String(), Used: decision.Used}
	if decision.Finite {
		document.Limit = &decision.Limit
	}
	if !decision.RetryAt.IsZero() {
		wait := math.Max(1, math.Ceil(time.Until(decision.RetryAt).Seconds()))
		to.Header().Set("Retry-After", strconv.FormatInt(int64(wait), 10))
		at := decision.RetryAt.Truncate(time.Second)
		document.RetryAt = &at
	}
	reply(to, status, document)
}

// trouble says what an error is over HTTP.
func trouble(to http.ResponseWriter, err error) {
	var from *cotas.Error
	switch {
	case errors.Is(err, errMalformed):
		reply(to, http.StatusBadRequest, problem{err.Error()})
	case errors.As(err, &from) && from.Code == cotas.UnknownTenant:
		reply(to, http.StatusNotFound, problem{"there is no such tenant"})
	case errors.As(err, &from) && from.Code == cotas.InvalidArgument:
		reply(to, http.StatusBadRequest, problem{from.Message})
	default:
		log.Print(err)
		to.Header().Set("Retry-After", "1")
		reply(to, http.StatusServiceUnavailable, problem{"come again"})
	}
}

func (s *server) isSigned(body []byte, signature string) bool {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(body)
	expected := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	return hmac.Equal([]byte(expected), []byte(signature))
}

func reply(to http.ResponseWriter, status int, document any) {
	to.Header().Set("Content-Type", "application/json")
	to.WriteHeader(status)
	if err := json.NewEncoder(to).Encode(document); err != nil {
		log.Print(err)
	}
}

func main() {
	engine, err := cotas.Open(os.Getenv("COTAS_DB"))
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close() // It writes what is not on disk yet.
	web := &http.Server{
		Addr:              "127.0.0.1:" + os.Getenv("PORT"),
		Handler:           &server{engine, []byte(os.Getenv("WHATSAPP_APP_SECRET"))},
		ReadHeaderTimeout: 10 * time.Second,
	}
	ended, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		if err := web.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
			stop()
		}
	}()
	<-ended.Done()
	if err := web.Shutdown(context.Background()); err != nil {
		log.Print(err)
	}
}
