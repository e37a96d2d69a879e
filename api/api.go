package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/index"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// maxBody bounds a request: 1,000 people's keys and a set of rules fit.
const maxBody = 8 << 20

// Log is what the API reads of the ledger.
type Log interface {
	Origin() string
	Durable() uint64
	Published() uint64
	Read(seq uint64) (record.Entry, error)
	Wait(ctx context.Context, seq uint64) error
	Source() proof.Source
}

// Index answers what would otherwise need the whole log to be read.
type Index interface {
	Search(ctx context.Context, q index.Query) (index.Answer, error)
	Status() index.Status
	Rebuild(ctx context.Context) (index.Status, error)
}

// Config is what an API is made of.
type Config struct {
	Register *access.Register
	Log      Log
	Index    Index
	Secret   func(grant uint64) string
	Reach    func(access.Grant) []string // sites with a store here
	Sessions func() int
	Clock    func() time.Time
	Zone     string
	Postgres []string
	Logger   *slog.Logger
	Fatal    func(error) // a handler panicked: state can't be trusted, the instance must stop
}

// API serves the two handlers.
type API struct{ Config }

// New makes an API.
func New(c Config) *API { return &API{c} }

// caller is who makes a call: an operator by uid, or a person by signature.
type caller struct {
	uid   *int
	login string
	from  netip.Addr
}

func (c caller) actor() record.Actor {
	a := record.Actor{Login: c.login, UID: c.uid}
	if c.from.IsValid() {
		a.Address = c.from.String()
	}
	return a
}

type handler func(a *API, r *http.Request, c caller) (any, error)

// route is one call: its pattern, who may make it, and what answers.
type route struct {
	pattern string
	open    to
	do      handler
}

// to says who may make a call.
type to uint8

const (
	operator to = iota // over the unix socket alone
	staff              // operators too; over TLS signed by the person
	anybody            // without saying who
)

var routes = [...]route{
	{"GET /v1/status", anybody, (*API).status},
	{"POST /v1/requests", staff, (*API).request},
	{"GET /v1/requests", staff, (*API).requests},
	{"GET /v1/requests/{id}", staff, (*API).showRequest},
	{"POST /v1/verdicts", staff, (*API).verdict},
	{"GET /v1/grants", staff, (*API).grants},
	{"GET /v1/grants/{id}", staff, (*API).showGrant},
	{"POST /v1/grants/{id}/revoke", operator, (*API).revoke},
	{"POST /v1/secrets", staff, (*API).secret},
	{"GET /v1/rules", operator, (*API).rules},
	{"POST /v1/rules", operator, (*API).publish},
	{"POST /v1/keys", operator, (*API).enrol},
	{"POST /v1/keys/withdraw", operator, (*API).withdraw},
	{"GET /v1/entries", operator, (*API).entries},
	{"GET /v1/entries/{seq}", operator, (*API).entry},
	{"GET /v1/entries/{seq}/lines/{line}", operator, (*API).line},
	{"GET /v1/search", operator, (*API).search},
	{"GET /v1/index", operator, (*API).indexStatus},
	{"POST /v1/index/rebuild", operator, (*API).rebuild},
}

// Operator serves the unix socket.
func (a *API) Operator() http.Handler { return a.serve(operator, peerOf) }

// Staff serves TLS.
func (a *API) Staff() http.Handler { return a.serve(staff, a.signedCaller) }

// identify finds out who calls; reading says that the call itself must prove it.
type identify func(r *http.Request, reading bool) (caller, error)

// serve has the calls open to those who come this way, and the published log.
func (a *API) serve(from to, who identify) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		switch {
		case r.open == anybody:
			a.handle(mux, r.pattern, nobody, r.do)
		case r.open >= from:
			a.handle(mux, r.pattern, who, r.do)
		}
	}
	mux.HandleFunc("GET /log/{path...}", a.logFile)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, fault.New(fault.NotFound, "there is nothing at %s %s here", r.Method, r.URL.Path))
	})
	return mux
}

func nobody(r *http.Request, _ bool) (caller, error) { return caller{from: remote(r)}, nil }

func (a *API) handle(mux *http.ServeMux, pattern string, who identify, h handler) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				a.Fatal(fmt.Errorf("%s: %v\n%s", pattern, p, debug.Stack()))
				panic(http.ErrAbortHandler)
			}
		}()
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		c, err := who(r, r.Method == http.MethodGet)
		var out any
		if err == nil {
			out, err = h(a, r, c)
		}
		if err != nil {
			a.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // the caller is gone
	})
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.Public(err)
	if f.Kind == fault.Internal {
		a.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Kind.HTTPStatus())
	_ = json.NewEncoder(w).Encode(map[string]Error{"error": {Message: f.Message, Detail: f.Detail, Hint: f.Hint, SQLState: f.Kind.SQLState()}})
}

// decode reads a JSON body strictly.
func decode[T any](r *http.Request) (v T, err error) {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return v, fault.New(fault.TooLarge, "the request has more than %d bytes", maxBody)
		}
		return v, fault.New(fault.BadInput, "the request does not read: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return v, fault.New(fault.BadInput, "the request goes on after its value")
	}
	return v, nil
}

// logFile serves the published half of the log, as C2SP tlog-tiles lays it out.
func (a *API) logFile(w http.ResponseWriter, r *http.Request) {
	path := r.PathValue("path")
	if !fs.ValidPath(path) || strings.HasPrefix(path, ".") || strings.Contains(path, "/.") {
		a.fail(w, r, fault.New(fault.NotFound, "there is no such file of the log"))
		return
	}
	data, err := a.Log.Source().ReadFile(path)
	if err != nil {
		a.fail(w, r, fault.New(fault.NotFound, "there is no such file of the log"))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if path == "checkpoint" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
	}
	_, _ = w.Write(data) // the caller is gone
}

func remote(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap()
}
