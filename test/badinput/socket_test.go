package badinput

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"

	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/app"
)

// call sends a request to the operators' socket; a nil body makes it a GET.
func (i *instance) call(path string, body any) (status int, answer string) {
	i.t.Helper()
	socket := i.path("api.sock")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	data, err := json.Marshal(body)
	if err != nil {
		i.t.Fatal(err)
	}
	method := http.MethodPost
	if body == nil {
		method = http.MethodGet
	}
	req, err := http.NewRequest(method, "http://trefoil"+path, bytes.NewReader(data))
	if err != nil {
		i.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		i.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// publish sends the rules of the instance's files, with one source replaced; to
// a policy the text is added.
func (i *instance) publish(kind, text string) (status int, answer string) {
	i.t.Helper()
	cfg, err := app.LoadConfig(i.path("trefoil.yaml"))
	if err != nil {
		i.t.Fatal(err)
	}
	sources, err := cfg.Sources()
	if err != nil {
		i.t.Fatal(err)
	}
	for n := range sources {
		switch {
		case sources[n].Kind == kind && (kind == "policy" || kind == "duties"):
			sources[n].Text += text
		case sources[n].Kind == kind:
			sources[n].Text = text
		}
	}
	return i.call("/v1/rules", api.Rules{Sources: sources})
}

// inForce is the digest of the rules in force.
func (i *instance) inForce() string {
	i.t.Helper()
	_, answer := i.call("/v1/status", nil)
	var st api.Status
	if err := json.Unmarshal([]byte(answer), &st); err != nil {
		i.t.Fatal(err)
	}
	return st.Rules
}
