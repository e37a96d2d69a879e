package badinput

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	example "github.com/trefoil-dev/trefoil/examples/clips"
	"github.com/trefoil-dev/trefoil/internal/testbin"
)

var trefoil string

func TestMain(m *testing.M) { os.Exit(testbin.Main(m, &trefoil)) }

// instance is a directory made by `trefoil init`, with the example's rules.
type instance struct {
	t   *testing.T
	dir string
}

func newInstance(t *testing.T) *instance {
	t.Helper()
	i := &instance{t: t, dir: t.TempDir()}
	i.does(0, "", "init", i.dir)
	if err := os.RemoveAll(i.path("rules")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(i.path("rules"), example.Files); err != nil {
		t.Fatal(err)
	}
	i.edit("trefoil.yaml", "socket: data/api.sock", "socket: api.sock")
	i.edit("trefoil.yaml", "127.0.0.1:6432", "127.0.0.1:0")
	i.edit("trefoil.yaml", "127.0.0.1:6433", "127.0.0.1:0")
	return i
}

func (i *instance) path(name string) string { return filepath.Join(i.dir, name) }

func (i *instance) read(name string) string {
	i.t.Helper()
	text, err := os.ReadFile(i.path(name))
	if err != nil {
		i.t.Fatal(err)
	}
	return string(text)
}

func (i *instance) write(name, text string) {
	i.t.Helper()
	if err := os.WriteFile(i.path(name), []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
}

// edit replaces the first old by new.
func (i *instance) edit(name, old, new string) {
	i.t.Helper()
	text := i.read(name)
	if !strings.Contains(text, old) {
		i.t.Fatalf("%s holds no %q", name, old)
	}
	i.write(name, strings.Replace(text, old, new, 1))
}

// does runs a command and says whether it ended with this exit code and this
// text on its error stream.
func (i *instance) does(code int, text string, args ...string) {
	i.t.Helper()
	got, _, errs := testbin.Run(i.t, trefoil, args...)
	if got != code || !strings.Contains(errs, text) || code != 0 && len(errs) > 4000 {
		i.t.Errorf("trefoil %s: exit code %d instead of %d, and no %q in:\n%.4000s", strings.Join(args, " "), got, code, text, errs)
	}
}

func (i *instance) config() string { return "--config=" + i.path("trefoil.yaml") }

// nested is n pairs of parentheses around a condition.
func nested(n int) string {
	return "\n@id(\"deep\")\n@why(\"Nobody reads this.\")\npermit (principal, action, resource) when { " +
		strings.Repeat("(", n) + "true" + strings.Repeat(")", n) + " };\n"
}

func TestFiles(t *testing.T) {
	other := newInstance(t)
	for _, c := range []struct {
		name    string
		spoil   func(i *instance)
		command string
		code    int
		want    string // on the error stream; DIR is the instance's directory
	}{
		{"no configuration", func(i *instance) { os.Remove(i.path("trefoil.yaml")) }, "serve", 2, "hint: trefoil init"},
		{"configuration that is no YAML", func(i *instance) { i.write("trefoil.yaml", "zone: [eu\n") }, "check", 2, "trefoil.yaml: line "},
		{"unknown setting", func(i *instance) { i.edit("trefoil.yaml", "\nlease:", "\nleese:") }, "serve", 2, "field leese not found"},
		{"lease that cannot be", func(i *instance) { i.edit("trefoil.yaml", "lease: none", "lease: overseer") }, "serve", 2, `lease: must be "none"`},
		{"password in the configuration", func(i *instance) {
			i.edit("trefoil.yaml", "stores: {}", "stores: {one: {connect: \"host=h password=x\", password_file: p}}")
		}, "serve", 2, "stores.one: a password does not belong in the configuration"},

		{"catalogue that is no YAML", func(i *instance) { i.edit("rules/catalog.yaml", "zones:", "zones: [") }, "check", 2, "catalog.yaml:"},
		{"catalogue with an unknown mask", func(i *instance) { i.edit("rules/catalog.yaml", "contact/email", "contact/emial") }, "check", 2, "catalog.yaml:LINE:"},
		{"catalogue of nothing but brackets", func(i *instance) { i.write("rules/catalog.yaml", strings.Repeat("[", 1_000_000)) }, "check", 2, "catalog.yaml"},
		{"missing rules file", func(i *instance) { os.Remove(i.path("rules/rules.cedar")) }, "check", 2, "rules.policy: "},
		{"policy without a reason", func(i *instance) {
			i.write("rules/rules.cedar", i.read("rules/rules.cedar")+"\n@id(\"x\")\npermit (principal, action, resource);\n")
		}, "check", 2, "@why"},
		{"policy of a million parentheses", func(i *instance) { i.write("rules/rules.cedar", i.read("rules/rules.cedar")+nested(1_000_000)) }, "check", 2, "rules.cedar: the rules have "},
		{"policy of 100,000 parentheses", func(i *instance) { i.write("rules/rules.cedar", i.read("rules/rules.cedar")+nested(100_000)) }, "check", 2, "nested more than 64 deep"},

		{"key that others can read", func(i *instance) { os.Chmod(i.path("keys/gate.seed"), 0o644) }, "serve", 2, "hint: chmod 600 DIR/keys/gate.seed"},
		{"key file of rubbish", func(i *instance) { i.write("keys/gate.seed", "rubbish\n") }, "serve", 2, "gate.seed does not hold 32 bytes in base64"},
		{"another log's evidence key", func(i *instance) { i.write("keys/evidence.key", other.read("keys/evidence.key")) }, "serve", 2, "do not open with this evidence master key"},
		{"another log's signing key", func(i *instance) { i.write("keys/log.key", other.read("keys/log.key")) }, "serve", 2, "log.key is not the key this log was made with"},
		{"another certificate's key", func(i *instance) { i.write("keys/tls.key", other.read("keys/tls.key")) }, "serve", 2, "private key does not match public key"},
		{"expired certificate", (*instance).expire, "serve", 2, "which is not now"},
		{"no log", func(i *instance) { os.RemoveAll(i.path("data")) }, "serve", 2, "there is no log in DIR/data"},
		{"another zone's log", func(i *instance) { i.edit("trefoil.yaml", "zone: eu", "zone: uk") }, "serve", 2, "belongs to zone eu, not uk"},
		{"log that is not whole", func(i *instance) { i.write("data/log/checkpoint", "rubbish\n") }, "serve", 1, "checkpoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newInstance(t)
			c.spoil(i)
			want := strings.NewReplacer("DIR", i.dir, "LINE", i.lineOf("rules/catalog.yaml", "emial")).Replace(c.want)
			i.does(c.code, want, c.command, i.config())
		})
	}
	other.does(0, "", "check", other.config())
}

// lineOf gives the number of the first line with text.
func (i *instance) lineOf(name, text string) string {
	data, _ := os.ReadFile(i.path(name)) // some cases have none
	before, _, _ := strings.Cut(string(data), text)
	return big.NewInt(int64(strings.Count(before, "\n") + 1)).String()
}

// expire replaces the certificate by one that ended yesterday.
func (i *instance) expire() {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	tmpl := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(0, 0, -1)}
	cert, err := x509.CreateCertificate(rand.Reader, &tmpl, &tmpl, &key.PublicKey, key)
	if err != nil {
		i.t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		i.t.Fatal(err)
	}
	i.write("keys/tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	i.write("keys/tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs})))
}

// TestPublishRefused: the running instance refuses what check refuses, and
// lives. The rules are sent as somebody would who does not use our command.
func TestPublishRefused(t *testing.T) {
	i := newInstance(t)
	serve := testbin.Serve(t, trefoil, "serve", i.config())
	i.does(0, "", "publish", i.config())
	before := i.inForce()
	for _, c := range []struct {
		kind, text string
		status     int
		want       string
	}{
		{"policy", nested(1_000_000), 413, "rules.cedar: the rules have "},
		{"policy", nested(100_000), 400, "nested more than 64 deep"},
		{"policy", nested(5_000_000), 413, "the request has more than 8388608 bytes"},
		{"duties", nested(100_000), 400, "nested more than 64 deep"},
		{"catalogue", strings.Repeat("[", 1_000_000), 400, "catalog.yaml"},
		{"directory", "people: [", 400, "directory.yaml"},
		{"countries", "ranges: {127.0.0.0/99: IE}", 400, "countries.yaml:1:"},
	} {
		if status, said := i.publish(c.kind, c.text); status != c.status || !strings.Contains(said, c.want) {
			t.Errorf("%s of %d bytes: status %d instead of %d, and no %q in %.400s", c.kind, len(c.text), status, c.status, c.want, said)
		}
	}
	i.write("rules/rules.cedar", nested(1_000_000))
	i.does(2, "rules.cedar: the rules have ", "publish", i.config())
	if after := i.inForce(); after != before || after == "" {
		t.Errorf("rules %s are in force, %s were", after, before)
	}
	if code := serve.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, serve.Said())
	}
}

func TestSecondServe(t *testing.T) {
	i := newInstance(t)
	first := testbin.Serve(t, trefoil, "serve", i.config())
	i.does(3, "is held by process "+big.NewInt(int64(first.Pid)).String(), "serve", i.config())
	i.does(0, "", "publish", i.config()) // the first goes on
	if code := first.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, first.Said())
	}
	i.does(3, "no instance answers", "publish", i.config())
	testbin.Serve(t, trefoil, "serve", i.config()).Stop() // a lock dies with its holder
}

func TestPortTaken(t *testing.T) {
	i, other := newInstance(t), newInstance(t)
	port := testbin.FreeAddr(t)
	i.edit("trefoil.yaml", `postgres: ["127.0.0.1:0"]`, `postgres: ["`+port+`"]`)
	other.edit("trefoil.yaml", `postgres: ["127.0.0.1:0"]`, `postgres: ["`+port+`"]`)
	testbin.Serve(t, trefoil, "serve", i.config())
	other.does(2, "listen.postgres: listen tcp "+port+": bind: address already in use", "serve", other.config())
	// What it did before it knew is in order.
	other.does(0, "", "log", "verify", "--dir", other.path("data"), other.config())
}
