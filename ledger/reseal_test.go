package ledger

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// The operator holds the evidence key: a part of theirs, sealed anew under the
// hash of the true one, opens without an error. Its hash tells.
func TestVerifyOpensWhatTheOperatorSealedAgain(t *testing.T) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "trefoil.example/eu")
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Dir: t.TempDir(), Gate: "eu-1", Clock: time.Now, Master: NewSeed()}
	if opt.Signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	if opt.Verifier, err = note.NewVerifier(vkey); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(opt, record.Genesis{Zone: "eu", LogKey: vkey, Overseers: []string{}}); err != nil {
		t.Fatal(err)
	}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var d record.Draft
		d.Reset(record.KindStatement, record.Allowed, "support")
		d.Add(record.PartStatement, []byte("select true"))
		if _, err := l.Append(&d); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	resealThird(t, opt)
	_, err = Verify(VerifyOptions{Source: proof.Dir(filepath.Join(opt.Dir, "log")), Dir: opt.Dir, Master: &opt.Master})
	var f *record.Fault
	if !errors.As(err, &f) || f.Seq != 2 {
		t.Errorf("another part under the same hash: %v, want entry 2 named", err)
	}
}

// resealThird replaces the one part of entry 2 in evidence and keys.db.
func resealThird(t *testing.T, opt Options) {
	t.Helper()
	keys, err := openKeys(filepath.Join(opt.Dir, "keys.db"), opt.Master, false)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.close()
	bundle, err := keys.bundle(0)
	if err != nil {
		t.Fatal(err)
	}
	path := evidencePath(opt.Dir, 0)
	rest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for len(rest) > 0 {
		before := rest
		var seq uint64
		var parts []sealed
		if seq, parts, rest, err = splitSealed(rest); err != nil {
			t.Fatal(err)
		}
		if seq != 2 {
			out = append(out, before[:len(before)-len(rest)]...)
			continue
		}
		p, err := record.Open(seq, bundle[seq], parts[0].data)
		if err != nil {
			t.Fatal(err)
		}
		p.Data = []byte("select false")
		var again []byte
		again, bundle[seq] = record.Seal(nil, seq, &p)
		body := binary.BigEndian.AppendUint64(nil, seq)
		body = binary.BigEndian.AppendUint16(body, 1)
		body = append(body, parts[0].hash[:]...)
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(again))), again...)
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(body))), body...)
	}
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.put(map[uint64][]record.Key{0: bundle}); err != nil {
		t.Fatal(err)
	}
}
