package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/proof"
)

var grantID = regexp.MustCompile(`\bg-[a-z2-7]+\b`)
var requestID = regexp.MustCompile(`\br-[a-z2-7]+\b`)

// story is told with real commands; each is checked.
func (w *world) story(ctx context.Context) error {
	w.env.printf(`
Everybody below has a shell with their own TREFOIL_LOGIN, TREFOIL_KEY and PGPASSFILE, and TREFOIL_CONFIG, PGPORT, PGSSLMODE and PGSSLROOTCERT set: for the gate of zone eu, and after @us for that of zone us.
Loopback addresses stand for countries: 127.1.0.1 is the office in Dublin, 127.2.0.1 in Hamar, 127.3.0.1 in Ashburn, 127.9.0.1 abroad.
`)
	for _, chapter := range []func(context.Context) error{w.support, w.engineer, w.audit, w.ambiguous, w.otherZone, w.tamper} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ask requests access in zone eu and gives the id of the grant.
func (w *world) ask(ctx context.Context, who string, args ...string) (grant string, err error) {
	return w.askIn(ctx, nil, who, args...)
}

func (w *world) askIn(ctx context.Context, z *zone, who string, args ...string) (grant string, err error) {
	out, err := w.do(ctx, step{who: who, zone: z, command: append([]string{"trefoil", "access", "request", "clips"}, args...)})
	if err != nil {
		return "", err
	}
	grant = grantID.FindString(out)
	_, err = w.do(ctx, step{who: who, zone: z, command: []string{"trefoil", "access", "show", grant, "--secret", "--passfile", w.key(who) + ".pgpass"}})
	return grant, err
}

func (w *world) psql(who, office, grant, site, sql string) step {
	return psql(who, office, fmt.Sprintf("user=%s~%s dbname=clips.%s", who, grant, site), sql)
}

// psql connects to a target, which is user= and dbname=.
func psql(who, office, target, sql string) step {
	return step{who: who, command: []string{"psql", fmt.Sprintf("host=%s %s", offices[office], target), "-c", sql}}
}

func (w *world) support(ctx context.Context) error {
	user := clips.CaseUser()
	id := strconv.FormatInt(user.ID, 10)
	w.say("1. Jonas, support in Dublin, has a case about one person. He sees her rows, masked; nobody else's.")
	grant, err := w.ask(ctx, "jonas", "--purpose", "support", "--case", "4711", "--subject", id)
	if err != nil {
		return err
	}
	s := w.psql("jonas", "Dublin", grant, "dublin-1", "SELECT id, handle, full_name, email, phone, born, country FROM users")
	s.want, s.absent = []string{id, "(1 row)"}, []string{user.Name, user.Email}
	if _, err := w.do(ctx, s); err != nil {
		return err
	}
	s = w.psql("jonas", "Dublin", grant, "dublin-1", "SELECT s.at, s.ip, s.lat, s.lon, d.model FROM signins s JOIN devices d ON d.id = s.device_id ORDER BY s.at DESC LIMIT 3")
	s.want = []string{".0/24"}
	if _, err := w.do(ctx, s); err != nil {
		return err
	}
	w.say("   What PostgreSQL cannot forbid, the gate refuses; what was asked is recorded either way.")
	s = w.psql("jonas", "Dublin", grant, "dublin-1", "EXPLAIN ANALYZE SELECT * FROM users")
	s.code, s.want = 1, []string{"EXPLAIN"}
	_, err = w.do(ctx, s)
	return err
}

func (w *world) engineer(ctx context.Context) error {
	id := strconv.FormatInt(clips.CaseUser().ID, 10)
	w.say("2. Mei, an engineer in a third country, asks for the same person in clear. She is told why not, and what she may have.")
	if _, err := w.do(ctx, step{who: "mei", code: 1, want: []string{"third-country-law", "masked"},
		command: []string{"trefoil", "access", "request", "clips", "--lens", "clear", "--purpose", "engineering", "--case", "BUG-7", "--subject", id}}); err != nil {
		return err
	}
	grant, err := w.ask(ctx, "mei", "--purpose", "engineering", "--case", "BUG-7", "--subject", id)
	if err != nil {
		return err
	}
	s := w.psql("mei", "abroad", grant, "dublin-1", "SELECT id, email, born FROM users")
	s.want, s.absent = []string{id, "(1 row)"}, []string{clips.CaseUser().Email}
	_, err = w.do(ctx, s)
	return err
}

func (w *world) audit(ctx context.Context) error {
	id := strconv.FormatInt(clips.Journalist().ID, 10)
	w.say("3. Viktor, internal audit, wants a journalist's sign-in addresses. His own manager approves. That counts for nothing.")
	out, err := w.do(ctx, step{who: "viktor", code: 1, want: []string{"approver-outside-hierarchy"},
		command: []string{"trefoil", "access", "request", "clips", "--purpose", "audit", "--case", "LEAK-1", "--subject", id}})
	if err != nil {
		return err
	}
	request := requestID.FindString(out)
	if _, err := w.do(ctx, step{who: "diana", code: 1, want: []string{"still refused", "approver-outside-hierarchy"},
		command: []string{"trefoil", "access", "approve", request}}); err != nil {
		return err
	}
	w.say("   The attempt is in the log, with who asked and who approved.")
	cl, err := (&connection{Config: w.eu.config()}).open(nil)
	if err != nil {
		return err
	}
	st, err := cl.status(ctx)
	if err != nil {
		return err
	}
	_, err = w.do(ctx, step{who: "operator", want: []string{"viktor", "diana", "refusal"},
		command: []string{"trefoil", "log", "tail", "--once", "--from", strconv.FormatUint(st.Durable-4, 10)}})
	return err
}

func (w *world) ambiguous(ctx context.Context) error {
	user := clips.Londoner()
	id := strconv.FormatInt(user.ID, 10)
	w.say("4. Jonas gets a second case, about a man whose rows lie in Hamar. With two grants and three sites, nothing is guessed:\n   he is told the exact strings, and uses one.")
	grant, err := w.ask(ctx, "jonas", "--purpose", "support", "--case", "4712", "--subject", id, "--site", "hamar")
	if err != nil {
		return err
	}
	s := psql("jonas", "Dublin", "user=jonas dbname=clips", "SELECT id FROM users")
	s.code, s.want = 2, []string{"could mean 4 things", "dbname=clips.dublin-1", "dbname=clips.dublin-2"}
	if s.secret, err = w.secret("jonas", grant); err != nil {
		return err
	}
	out, err := w.do(ctx, s)
	if err != nil {
		return err
	}
	offered := regexp.MustCompile("user=jonas~" + grant + ` dbname=clips\.hamar`).FindString(out)
	s = psql("jonas", "Dublin", offered, "SELECT id, full_name, country FROM users")
	s.want, s.absent = []string{id, user.Country, "(1 row)"}, []string{user.Name}
	_, err = w.do(ctx, s)
	return err
}

// secret reads a grant's password where 'access show' has put it.
func (w *world) secret(who, grant string) (string, error) {
	text, err := os.ReadFile(w.key(who) + ".pgpass")
	for _, line := range strings.Split(string(text), "\n") {
		if _, secret, ok := strings.Cut(line, "~"+grant+":"); ok {
			return secret, nil
		}
	}
	return "", errors.Join(err, fmt.Errorf("%s.pgpass has no password of %s", w.key(who), grant))
}

func (w *world) otherZone(ctx context.Context) error {
	user := clips.NewYorker()
	id := strconv.FormatInt(user.ID, 10)
	w.say("5. Whoever lives elsewhere is in zone us, with a gate, a log and rules of its own: vetted staff only. Jonas is not; Ruth in Ashburn is.")
	if _, err := w.do(ctx, step{who: "jonas", zone: w.us, code: 1, want: []string{"vetted-staff"},
		command: []string{"trefoil", "access", "request", "clips", "--purpose", "support", "--case", "4713", "--subject", id}}); err != nil {
		return err
	}
	grant, err := w.askIn(ctx, w.us, "ruth", "--purpose", "support", "--case", "4713", "--subject", id)
	if err != nil {
		return err
	}
	s := psql("ruth", "Ashburn", "user=ruth~"+grant+" dbname=clips", "SELECT id, full_name, email, country FROM users")
	s.zone, s.want, s.absent = w.us, []string{id, user.Country, "(1 row)"}, []string{user.Name, user.Email}
	_, err = w.do(ctx, s)
	return err
}

func (w *world) tamper(ctx context.Context) (err error) {
	w.say("6. The log is whole. Then somebody edits an old entry, and verification names it.")
	if err := w.allPublished(ctx); err != nil {
		return err
	}
	data := filepath.Join(w.eu.instance(), "data")
	verify := step{who: "auditor", command: []string{"trefoil", "log", "verify", "--dir", data}, want: []string{"is whole"}}
	verify.command[4] = w.relative(data)
	if _, err := w.do(ctx, verify); err != nil {
		return err
	}
	path, err := w.bundle()
	if err != nil {
		return err
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, before, 0o644)) }() // the instance goes on
	if _, err := w.do(ctx, step{who: "operator", command: []string{"sed", "-i", "0,/purpose audit/s//purpose other/", w.relative(path)}}); err != nil {
		return err
	}
	verify.code, verify.want = 1, []string{"does not verify: entry ", "altered"}
	_, err = w.do(ctx, verify)
	return err
}

// allPublished waits until the checkpoint covers the story so far.
func (w *world) allPublished(ctx context.Context) error {
	cl, err := (&connection{Config: w.eu.config()}).open(nil)
	if err != nil {
		return err
	}
	st, err := cl.status(ctx)
	if err != nil {
		return err
	}
	return cl.published(ctx, st.Durable-1)
}

// bundle is the file of published entries the story took place in.
func (w *world) bundle() (string, error) {
	dir := filepath.Join(w.eu.instance(), "data", "log")
	cp, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return "", err
	}
	lines := strings.Split(string(cp), "\n")
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, proof.TilePath(proof.EntryTile(size-1, size))), nil
}

func (w *world) relative(path string) string {
	if r, err := filepath.Rel(w.dir, path); err == nil {
		return r
	}
	return path
}

// invite prints what to try while everything is up.
func (w *world) invite() {
	w.env.printf(`
Everything stays up until Ctrl-C. In another shell:

  export PATH=%s:$PATH
  export TREFOIL_CONFIG=%s TREFOIL_LOGIN=jonas TREFOIL_KEY=%s
  export PGPASSFILE=%s.pgpass PGSSLMODE=verify-full PGSSLROOTCERT=%s PGPORT=%d
  trefoil access list
  trefoil log tail --from 0
  trefoil access request clips --purpose support --case 4714 --subject 100801 --site dublin-2
  trefoil access show g-…  --secret --passfile $PGPASSFILE
  psql "host=%s user=jonas~g-… dbname=clips.dublin-2"

The store itself, as its administrator would reach it:

  PGSSLMODE=disable PGPASSWORD=$(cat %s/dublin-1/superuser) psql "host=127.0.0.1 port=%d dbname=clips user=postgres"
`, filepath.Dir(w.self), w.eu.config(), w.key("jonas"), w.key("jonas"), filepath.Join(w.eu.instance(), "keys", "tls.crt"), w.eu.port,
		offices["Dublin"], w.dir, w.eu.stores[0].Port)
}
