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
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// socket is how an operator's command reaches its instance.
type socket struct {
	Config string `short:"c" default:"${config}" env:"TREFOIL_CONFIG" type:"path" placeholder:"FILE" help:"Configuration, for its socket; without it trefoil.yaml."`
	Socket string `env:"TREFOIL_SOCKET" type:"path" placeholder:"FILE" help:"Unix socket of the instance; overrides --config."`
}

// connection is the same for commands that everybody runs: over HTTPS, too.
type connection struct {
	Config string `short:"c" default:"${config}" env:"TREFOIL_CONFIG" type:"path" placeholder:"FILE" help:"Configuration, for its socket; without it trefoil.yaml."`
	Socket string `env:"TREFOIL_SOCKET" type:"path" placeholder:"FILE" help:"Unix socket of the instance; overrides --config."`
	URL    string `env:"TREFOIL_URL" placeholder:"https://HOST:PORT" help:"HTTPS API of the instance; overrides the socket."`
	CA     string `env:"TREFOIL_CA" type:"path" placeholder:"FILE" help:"PEM file of the authority of the API's certificate."`
}

// person is who signs.
type person struct {
	Login string `env:"TREFOIL_LOGIN" default:"${env_user}" placeholder:"LOGIN" help:"Your login in the staff directory; without it your user name here."`
	Key   string `env:"TREFOIL_KEY" type:"path" placeholder:"FILE" help:"Your SSH key, enrolled for that login [~/.ssh/id_ed25519]."`
}

// callTimeout bounds one call; the longest waits 20 s for new entries.
const callTimeout = 2 * time.Minute

// client talks to one instance.
type client struct {
	base  string
	http  *http.Client
	serve string  // the command that starts what should answer; empty over HTTPS
	sign  *person // for calls that must be signed: over HTTPS
}

func (c *connection) open(p *person) (*client, error) {
	if c.URL == "" {
		return (&socket{Config: c.Config, Socket: c.Socket}).open()
	}
	if !strings.HasPrefix(c.URL, "https://") {
		return nil, fault.New(fault.BadInput, "--url %s does not begin with https://", c.URL)
	}
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
	return &client{base: strings.TrimSuffix(c.URL, "/"), http: &http.Client{Transport: t, Timeout: callTimeout}, sign: p}, nil
}

func (s *socket) open() (*client, error) {
	path, serve := s.Socket, "trefoil serve"
	if path == "" {
		cfg, err := app.LoadConfig(s.Config)
		if err != nil {
			return nil, err
		}
		path, serve = cfg.Socket(), shown([]string{"trefoil", "serve", "--config", s.Config})
	}
	// An instance that is just being started answers in a moment.
	patience := time.Now().Add(2 * time.Second)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		for {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
			if err == nil || time.Now().After(patience) || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
				return conn, err
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	return &client{base: "http://trefoil", serve: serve, http: &http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: callTimeout}}, nil
}

// away says why no instance could be asked, and what helps.
func (c *client) away(err error) error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return fault.New(fault.BadInput, "the certificate of %s is signed by nobody known here", c.base).WithHint("--ca FILE names the authority; of a self-signed certificate, the certificate itself")
	case errors.As(err, &host), errors.As(err, &invalid):
		return fault.New(fault.BadInput, "the certificate of %s does not fit: %s", c.base, err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "the socket is for the operator who runs the instance: %s", err).WithHint("staff reach the API with --url https://HOST:PORT")
	case c.serve != "":
		return fault.New(fault.Stopping, "no instance answers: %s", err).WithHint("%s", c.serve)
	}
	return fault.New(fault.Stopping, "no instance answers at %s: %s", c.base, err)
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
			return ctx.Err()
		}
		return c.away(errors.Unwrap(err)) // without method and URL
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
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		kind = fault.BadInput
	case http.StatusTooManyRequests:
		kind = fault.TooMany
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
	if p.Login == "" {
		return api.Signed{}, fault.New(fault.BadInput, "who are you?").WithHint("--login LOGIN, or set TREFOIL_LOGIN")
	}
	text, err := record.Canonical(doc)
	if err != nil {
		return api.Signed{}, err
	}
	key, err := p.keyFile()
	if err != nil {
		return api.Signed{}, err
	}
	cmd := exec.CommandContext(ctx, "ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", namespace)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), &stderr
	sig, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return api.Signed{}, fault.New(fault.BadInput, "ssh-keygen is not installed").WithHint("apt-get install openssh-client")
	}
	if err != nil {
		return api.Signed{}, fault.New(fault.BadInput, "ssh-keygen did not sign with %s: %s", key, strings.TrimSpace(stderr.String()))
	}
	return api.Signed{Document: text, Signature: sig}, nil
}

func (p *person) keyFile() (string, error) {
	key := p.Key
	if key == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fault.New(fault.BadInput, "%s", err).WithHint("name your key with --key, or set TREFOIL_KEY")
		}
		key = filepath.Join(home, ".ssh", "id_ed25519")
	}
	if _, err := os.Stat(key); err != nil {
		return "", fault.New(fault.BadInput, "there is no SSH key at %s", key).
			WithHint("%s, then the operator enrols it: %s; --key and TREFOIL_KEY name another",
				shown([]string{"ssh-keygen", "-t", "ed25519", "-f", key}), shown([]string{"trefoil", "enrol", p.Login, "--key", key + ".pub"}))
	}
	return key, nil
}
