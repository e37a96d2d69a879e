package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

// tap puts a listener between the commands that follow and the instance's
// socket. It keeps the last document that was posted.
func tap(ts *testscript.TestScript, _ bool, _ []string) {
	path := ts.MkAbs("tap.sock")
	ln, err := net.Listen("unix", path)
	ts.Check(err)
	in := of(ts)
	real := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "trefoil"})
	real.Transport = toSocket(ts)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			in.last = append([]byte(r.URL.Path+"\n"), body...)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		real.ServeHTTP(w, r)
	})}
	go func() { _ = srv.Serve(ln) }() // ends with the script
	ts.Defer(func() { srv.Close() })
	ts.Setenv("TREFOIL_SOCKET", path)
}

// replay sends what tap kept once more; the answer is the output.
func replay(ts *testscript.TestScript, _ bool, _ []string) {
	path, body, ok := bytes.Cut(of(ts).last, []byte("\n"))
	if !ok {
		ts.Fatalf("nothing was tapped")
	}
	client := http.Client{Transport: toSocket(ts)}
	resp, err := client.Post("http://trefoil"+string(path), "application/json", bytes.NewReader(body))
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s\n%s", resp.Status, answer)
}

func toSocket(ts *testscript.TestScript) *http.Transport {
	socket := ts.MkAbs("zone/data/api.sock")
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
}

// admin connects to a database of the store until the script ends.
func admin(ts *testscript.TestScript, db string) (context.Context, *pgx.Conn) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, shared.DSN(db))
	ts.Check(err)
	ts.Defer(func() { conn.Close(ctx) })
	return ctx, conn
}

func parseDSN(db string) (*pgx.ConnConfig, error) { return pgx.ParseConfig(shared.DSN(db)) }
