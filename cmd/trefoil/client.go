package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// connection says how a command reaches its instance: the operators' socket
// named in the configuration, or the HTTPS API.
type connection struct {
	Config string `short:"c" default:"${config}" env:"TREFOIL_CONFIG" type:"path" help:"Configuration, for its socket."`
	Socket string `env:"TREFOIL_SOCKET" help:"Unix socket of the instance; overrides --config."`
	URL    string `env:"TREFOIL_URL" placeholder:"https://HOST:PORT" help:"HTTPS API of the instance; overrides the socket."`
	CA     string `env:"TREFOIL_CA" type:"path" help:"PEM file of the authority of the API's certificate."`
}

// person is who signs.
type person struct {
	Login string `env:"TREFOIL_LOGIN" default:"${env_user}" help:"Your login in the staff directory."`
	Key   string `env:"TREFOIL_KEY" type:"path" help:"Your SSH key, enrolled for that login [~/.ssh/id_ed25519]."`
}

// client talks to one instance.
type client struct {
	base string
	http *http.Client
	sign *person // for calls that must be signed: over HTTPS
}

func (c *connection) open(p *person) (*client, error) {
	if c.URL != "" {
		pool, err := x509.SystemCertPool()
		if err != nil || c.CA != "" {
			pool = x509.NewCertPool()
		}
		if c.CA != "" {
			pem, err := os.ReadFile(c.CA)
			if err != nil || !pool.AppendCertsFromPEM(pem) {
				return nil, fault.New(fault.BadInput, "--ca %s holds no certificate", c.CA)
			}
		}
		t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
		return &client{base: strings.TrimSuffix(c.URL, "/"), http: &http.Client{Transport: t, Timeout: 2 * time.Minute}, sign: p}, nil
	}
	socket := c.Socket
	if socket == "" {
		cfg, err := app.LoadConfig(c.Config)
		if err != nil {
			return nil, err
		}
		socket = cfg.Socket()
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &client{base: "http://trefoil", http: &http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 2 * time.Minute}}, nil
}

// call sends in (nil: a GET) and decodes the answer into out.
func (c *client) call(ctx context.Context, path string, in, out any) error {
	method, body := http.MethodGet, io.Reader(nil)
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		method, body = http.MethodPost, bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if in == nil && c.sign != nil && path != "/v1/status" {
		if err := c.signCall(ctx, req, path); err != nil {
			return err
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fault.New(fault.Stopping, "no instance answers: %w", errors.Unwrap(err)).WithHint("is it running? trefoil serve")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return remoteError(resp)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// remoteError gives a failure the words the instance gave it.
func remoteError(resp *http.Response) error {
	var body struct{ Error api.Error }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&body); err != nil || body.Error.Message == "" {
		return fault.New(fault.Stopping, "the instance answers %s", resp.Status)
	}
	kind := fault.Denied
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusConflict:
		kind = fault.BadInput
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusInternalServerError:
		kind = fault.Stopping
	}
	return &fault.Error{Kind: kind, Message: body.Error.Message, Detail: body.Error.Detail, Hint: body.Error.Hint}
}

func (c *client) signCall(ctx context.Context, req *http.Request, path string) error {
	st, err := c.status(ctx)
	if err != nil {
		return err
	}
	s, err := c.sign.signed(ctx, access.CallNamespace, access.Call{Format: access.CallFormat, Login: c.sign.Login, Method: req.Method, Origin: st.Origin, Path: path, Time: st.Time})
	if err != nil {
		return err
	}
	raw, err := json.Marshal(s)
	req.Header.Set(api.CallHeader, base64.StdEncoding.EncodeToString(raw))
	return err
}

func (c *client) status(ctx context.Context) (st api.Status, err error) {
	err = c.call(ctx, "/v1/status", nil, &st)
	return st, err
}

// signed makes the canonical document and has ssh-keygen sign it, so that
// agents, passphrases and security keys work as they do for ssh.
func (p *person) signed(ctx context.Context, namespace string, doc any) (api.Signed, error) {
	text, err := record.Canonical(doc)
	if err != nil {
		return api.Signed{}, err
	}
	key := p.Key
	if key == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return api.Signed{}, err
		}
		key = filepath.Join(home, ".ssh", "id_ed25519")
	}
	if _, err := os.Stat(key); err != nil {
		return api.Signed{}, fault.New(fault.BadInput, "there is no SSH key at %s", key).
			WithHint("ssh-keygen -t ed25519, have the .pub enrolled, and name it with --key or TREFOIL_KEY")
	}
	cmd := exec.CommandContext(ctx, "ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", namespace)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), &stderr
	sig, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return api.Signed{}, fault.New(fault.BadInput, "ssh-keygen is not installed").WithHint("apt-get install openssh-client")
	}
	if err != nil {
		return api.Signed{}, fault.New(fault.BadInput, "ssh-keygen did not sign: %s", strings.TrimSpace(stderr.String()))
	}
	return api.Signed{Document: text, Signature: sig}, nil
}
