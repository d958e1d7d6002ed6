// A WhatsApp webhook that asks before it answers: POST /webhooks/<tenant>.
//
//	COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... WHATSAPP_VERIFY_TOKEN=... PORT=8080 go run .
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
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"cotas.local/cotas"
)

const bodyBytesMax = 1 << 20

// What each kind of part that opens a session is in the catalog.
var actions = map[string]string{
	"message": "receive_message", "call": "receive_call", "template": "template_sent",
}

type answer struct {
	Message string `json:"message"`
	Text    string `json:"text"`
}

type refusal struct {
	Message string     `json:"message"`
	Reason  string     `json:"reason"`
	Used    uint64     `json:"used"`
	Limit   *uint64    `json:"limit"`
	RetryAt *time.Time `json:"retry_at"`
}

type outcome struct {
	Answers   []answer  `json:"answers"`
	Refused   []refusal `json:"refused"`
	Malformed []string  `json:"malformed"`
}

type problem struct {
	Error string `json:"error"`
}

// server answers webhooks.
type server struct {
	engine *cotas.Engine
	secret []byte
	token  []byte
}

func (s *server) ServeHTTP(to http.ResponseWriter, request *http.Request) {
	name := strings.TrimPrefix(request.URL.Path, "/webhooks/")
	isKnown := request.Method == http.MethodPost || request.Method == http.MethodGet
	if !isKnown || name == request.URL.Path || name == "" {
		reply(to, http.StatusNotFound, problem{"there is nothing here"})
		return
	}
	if request.Method == http.MethodGet {
		s.subscribe(to, request.URL.Query())
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
	read, err := cotas.ReadWhatsapp(body)
	if err == nil && !read.Known {
		err = errMalformed
	}
	if err == nil {
		err = s.answer(to, name, &read)
	}
	if err != nil {
		trouble(to, err)
	}
}

// subscribe: Meta asks once whether this is the right place. The token is agreed in its settings.
func (s *server) subscribe(to http.ResponseWriter, query url.Values) {
	isRight := hmac.Equal([]byte(query.Get("hub.verify_token")), s.token)
	if !isRight || query.Get("hub.mode") != "subscribe" {
		reply(to, http.StatusForbidden, problem{"the token is wrong"})
		return
	}
	to.Header().Set("Content-Type", "text/plain")
	if _, err := io.WriteString(to, query.Get("hub.challenge")); err != nil {
		log.Print(err)
	}
}

// answer asks about each part, and answers each message once: Meta delivers some of them again.
func (s *server) answer(to http.ResponseWriter, name string, body *cotas.Body) error {
	tenant, err := s.engine.Tenant(name)
	if err != nil {
		return err
	}
	defer tenant.Close()
	done := outcome{[]answer{}, []refusal{}, []string{}}
	for _, part := range body.Events {
		decision, err := ask(tenant, &part)
		switch {
		case err != nil:
			return err
		case !part.Opens:
		case !decision.Allowed:
			// The message is kept; what is not done is the answer.
			done.Refused = append(done.Refused, refuse(part.ID, decision))
		case part.Kind == "message" && !decision.Replayed:
			done.Answers = append(done.Answers, answer{part.ID, text(decision)})
		}
	}
	for _, it := range body.Malformed {
		done.Malformed = append(done.Malformed, it.Path+" "+it.Rule)
	}
	reply(to, http.StatusOK, done)
	return nil
}

// ask links the ids of a part's contact and decides about the part, where it opens a session.
func ask(tenant *cotas.Tenant, part *cotas.BodyPart) (decision cotas.Decision, err error) {
	for index := 1; index < len(part.Contacts); index++ {
		if err := tenant.LinkContact(part.Contacts[0], part.Contacts[index]); err != nil {
			return decision, err
		}
	}
	if !part.Opens {
		return decision, nil
	}
	at := time.UnixMilli(part.AtMs)
	about := cotas.Details{Channel: part.Channel, Contact: part.Contacts[0], Quantity: 1, At: at}
	decision, err = tenant.Perform(actions[part.Kind], about)
	if err != nil || !decision.Allowed || part.Kind != "message" {
		return decision, err
	}
	about.At, about.Key = time.Time{}, part.ID
	return tenant.Perform("send_message", about)
}

var errMalformed = errors.New("this is no webhook of WhatsApp")

// text is where the platform sends. This example reports what it would send.
func text(sent cotas.Decision) string {
	if sent.Notice != "" {
		return sent.Notice + "\nOlá! Já vamos atender você."
	}
	return "Olá! Já vamos atender você."
}

// refuse says why a message is not answered, with its figures; it is the platform's to show.
func refuse(message string, decision cotas.Decision) refusal {
	document := refusal{Message: message, Reason: decision.Reason.String(), Used: decision.Used}
	if decision.Finite {
		document.Limit = &decision.Limit
	}
	if !decision.RetryAt.IsZero() {
		at := decision.RetryAt.Truncate(time.Second)
		document.RetryAt = &at
	}
	return document
}

// trouble says what an error is over HTTP.
func trouble(to http.ResponseWriter, err error) {
	var from *cotas.Error
	switch {
	case errors.Is(err, errMalformed):
		reply(to, http.StatusBadRequest, problem{err.Error()})
	case errors.As(err, &from) && from.Code == cotas.CodeUnknownTenant:
		reply(to, http.StatusNotFound, problem{"there is no such tenant"})
	case errors.As(err, &from) && from.Code == cotas.CodeInvalidArgument:
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
		Addr: "127.0.0.1:" + os.Getenv("PORT"),
		Handler: &server{
			engine,
			[]byte(os.Getenv("WHATSAPP_APP_SECRET")),
			[]byte(os.Getenv("WHATSAPP_VERIFY_TOKEN")),
		},
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
