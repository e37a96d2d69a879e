package proof_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/trefoil-dev/trefoil/proof"
)

// stored is a tree as tlog itself keeps it: the reference.
type stored []tlog.Hash

func (s *stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, (*s)[i])
	}
	return out, nil
}

func (s *stored) add(t testing.TB, n int64, data []byte) {
	t.Helper()
	hashes, err := tlog.StoredHashes(n, data, s)
	if err != nil {
		t.Fatal(err)
	}
	*s = append(*s, hashes...)
}

func (s *stored) root(t testing.TB, n int64) tlog.Hash {
	t.Helper()
	h, err := tlog.TreeHash(n, s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// files is a Source in memory.
type files map[string][]byte

func (f files) ReadFile(path string) ([]byte, error) {
	data, ok := f[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return data, nil
}

func TestFrontierIsTheTree(t *testing.T) {
	var ref stored
	var f proof.Frontier
	published := files{}
	f.Full = func(tile tlog.Tile, data []byte) { published[proof.TilePath(tile)] = data }
	edge := func(tile tlog.Tile, data []byte) error {
		published[proof.TilePath(tile)] = bytes.Clone(data)
		return nil
	}
	sizes := map[int64]bool{65_535: true, 65_536: true, 65_537: true, 65_792: true}
	for n := int64(0); n <= 65_792; n++ {
		if n <= 600 || sizes[n] {
			want := ref.root(t, n)
			if f.Root() != want || f.Size() != uint64(n) {
				t.Fatalf("of %d entries the root is %s, want %s", n, f.Root(), want)
			}
			f.Edge(edge)
			again, err := proof.OpenFrontier(published, tlog.Tree{N: n, Hash: want})
			if err != nil || again.Root() != want || again.Size() != uint64(n) {
				t.Fatalf("%d entries do not open again: %v", n, err)
			}
		}
		data := fmt.Appendf(nil, "entry %d", n)
		ref.add(t, n, data)
		f.Add(tlog.RecordHash(data))
	}
	// Every tile tlog asks for is there, and holds what tlog would have written.
	for _, tile := range tlog.NewTiles(proof.TileHeight, 0, 65_792) {
		want, err := tlog.ReadTileData(tile, &ref)
		if got := published[proof.TilePath(tile)]; err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", proof.TilePath(tile), len(got), err)
		}
	}
}

func TestFrontierRefusesOtherTiles(t *testing.T) {
	var f proof.Frontier
	for n := range 300 {
		f.Add(tlog.RecordHash([]byte{byte(n)}))
	}
	published := files{}
	f.Edge(func(tile tlog.Tile, data []byte) error {
		published[proof.TilePath(tile)] = bytes.Clone(data)
		return nil
	})
	tree := tlog.Tree{N: 300, Hash: f.Root()}
	published["tile/0/001.p/44"][5] ^= 1
	if _, err := proof.OpenFrontier(published, tree); err == nil {
		t.Error("an altered tile was taken")
	}
	published["tile/0/001.p/44"] = published["tile/0/001.p/44"][:32]
	if _, err := proof.OpenFrontier(published, tree); err == nil {
		t.Error("a tile that ends early was taken")
	}
	delete(published, "tile/0/001.p/44")
	if _, err := proof.OpenFrontier(published, tree); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the tile: %v", err)
	}
}

// The examples of c2sp.org/tlog-tiles.
func TestPathsAreThoseOfC2SP(t *testing.T) {
	for want, tile := range map[string]tlog.Tile{
		"tile/0/x001/x234/067":     {H: 8, L: 0, N: 1234067, W: 256},
		"tile/0/000":               {H: 8, L: 0, N: 0, W: 256},
		"tile/1/000.p/1":           {H: 8, L: 1, N: 0, W: 1},
		"tile/0/x001/x234/067.p/8": {H: 8, L: 0, N: 1234067, W: 8},
		"tile/entries/000.p/5":     {H: 8, L: -1, N: 0, W: 5},
		"tile/entries/x001/000":    {H: 8, L: -1, N: 1000, W: 256},
		"tile/63/999":              {H: 8, L: 63, N: 999, W: 256},
	} {
		if got := proof.TilePath(tile); got != want {
			t.Errorf("%+v: %s, want %s", tile, got, want)
		}
	}
	for _, c := range []struct {
		n, size uint64
		want    string
	}{{0, 1, "000.p/1"}, {0, 255, "000.p/255"}, {255, 256, "000"}, {256, 257, "001.p/1"}, {0, 257, "000"}, {256_000, 300_000, "x001/000"}} {
		if got := proof.TilePath(proof.EntryTile(c.n, c.size)); got != "tile/entries/"+c.want {
			t.Errorf("entry %d of %d: %s", c.n, c.size, got)
		}
	}
}

func TestBundles(t *testing.T) {
	var bundle []byte
	want := [][]byte{{}, []byte("a"), bytes.Repeat([]byte("b"), 65535), []byte("c")}
	for _, e := range want {
		bundle = proof.AppendEntry(bundle, e)
	}
	got, err := proof.SplitBundle(bundle, 4)
	if err != nil || len(got) != 4 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("entry %d has %d bytes", i, len(got[i]))
		}
	}
	for cut := range 5 {
		if some, err := proof.SplitBundle(bundle[:len(bundle)-1-cut], 4); err == nil || len(some) > 3 {
			t.Errorf("cut by %d bytes: %d entries, %v", cut+1, len(some), err)
		}
	}
}

func keys(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func TestInclusionProof(t *testing.T) {
	signer, verifier := keys(t, "trefoil.example/eu")
	_, other := keys(t, "trefoil.example/eu")
	_, otherName := keys(t, "trefoil.example/us")
	var ref stored
	entry := func(n int64) []byte { return fmt.Appendf(nil, "entry %d", n) }
	const size = 300
	for n := range int64(size) {
		ref.add(t, n, entry(n))
	}
	checkpoint, err := proof.SignCheckpoint(size, ref.root(t, size), signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{0, 1, 255, 256, 299} {
		path, err := tlog.ProveRecord(size, n, &ref)
		if err != nil {
			t.Fatal(err)
		}
		text := (&proof.Inclusion{Extra: entry(n), Index: uint64(n), Path: path, Checkpoint: checkpoint}).Marshal()
		p, err := proof.ParseInclusion(text)
		if err != nil {
			t.Fatal(err)
		}
		if tree, err := p.Check(p.Extra, verifier); err != nil || tree.N != size || !bytes.Equal(p.Extra, entry(n)) || !bytes.Equal(p.Marshal(), text) {
			t.Errorf("entry %d: %+v, %v\n%s", n, tree, err, text)
		}
		if _, err := p.Check(entry(n+1), verifier); err == nil {
			t.Errorf("entry %d: the proof fits another entry", n)
		}
		if _, err := p.Check(p.Extra, other); err == nil {
			t.Errorf("entry %d: another key's log", n)
		}
		if _, err := p.Check(p.Extra, otherName); err == nil {
			t.Errorf("entry %d: another origin", n)
		}
		for name, bad := range map[string]string{
			"index":            strings.Replace(string(text), fmt.Sprintf("index %d\n", n), fmt.Sprintf("index %d\n", n+1), 1),
			"index beyond":     strings.Replace(string(text), fmt.Sprintf("index %d\n", n), "index 300\n", 1),
			"size":             strings.Replace(string(text), "\n300\n", "\n301\n", 1),
			"one hash":         strings.Replace(string(text), path[0].String(), tlog.RecordHash(nil).String(), 1),
			"a hash less":      strings.Replace(string(text), path[0].String()+"\n", "", 1),
			"a hash more":      strings.Replace(string(text), path[0].String()+"\n", path[0].String()+"\n"+path[0].String()+"\n", 1),
			"no checkpoint":    strings.SplitAfter(string(text), "\n\n")[0],
			"no signature":     string(text[:bytes.LastIndex(text, []byte("\n— "))]),
			"another version":  strings.Replace(string(text), "proof@v1", "proof@v2", 1),
			"index negative":   strings.Replace(string(text), fmt.Sprintf("index %d\n", n), "index -1\n", 1),
			"index of 63 bits": strings.Replace(string(text), fmt.Sprintf("index %d\n", n), "index 9223372036854775807\n", 1),
			"no index":         strings.Replace(string(text), fmt.Sprintf("index %d\n", n), "", 1),
			"not base64":       strings.Replace(string(text), path[0].String(), "x", 1),
			"nothing":          "",
		} {
			if bad == string(text) {
				t.Fatalf("%s: nothing changed", name)
			}
			if p, err := proof.ParseInclusion([]byte(bad)); err == nil {
				if _, err := p.Check(entry(n), verifier); err == nil {
					t.Errorf("entry %d: %s altered and still proven", n, name)
				}
			}
		}
	}
}

func FuzzParseInclusion(f *testing.F) {
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra YQ==\nindex 3\n" + tlog.RecordHash(nil).String() + "\n\norigin\n4\nAAAA\n\n— x y\n"))
	f.Add([]byte("c2sp.org/tlog-proof@v1\n\n"))
	_, verifier := keys(f, "trefoil.example/eu")
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := proof.ParseInclusion(text)
		if err != nil {
			return
		}
		if _, err := p.Check(p.Extra, verifier); err == nil {
			t.Fatal("proven without a signature")
		}
		if again, err := proof.ParseInclusion(p.Marshal()); err != nil || again.Index != p.Index || !bytes.Equal(again.Checkpoint, p.Checkpoint) {
			t.Fatalf("%q does not read back: %v", text, err)
		}
	})
}

func TestCheckpoint(t *testing.T) {
	signer, verifier := keys(t, "trefoil.example/eu")
	root := tlog.RecordHash([]byte("x"))
	raw, err := proof.SignCheckpoint(1<<40, root, signer)
	if err != nil {
		t.Fatal(err)
	}
	if want := "trefoil.example/eu\n1099511627776\n" + root.String() + "\n\n— trefoil.example/eu "; !strings.HasPrefix(string(raw), want) {
		t.Errorf("%s", raw)
	}
	if tree, err := proof.OpenCheckpoint(raw, verifier); err != nil || tree.N != 1<<40 || tree.Hash != root {
		t.Errorf("%+v, %v", tree, err)
	}
	if raw, err = proof.SignCheckpoint(1<<63, root, signer); err != nil {
		t.Fatal(err)
	}
	if tree, err := proof.OpenCheckpoint(raw, verifier); err == nil {
		t.Errorf("a size that is none was taken: %+v", tree)
	}
}

// A log read over HTTP: what is there, what is not, and a server that misbehaves.
func TestHTTPSource(t *testing.T) {
	var f proof.Frontier
	dir := t.TempDir()
	put := func(path string, data []byte) {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.Full = func(tile tlog.Tile, data []byte) { put(proof.TilePath(tile), data) }
	for n := range 300 {
		f.Add(tlog.RecordHash(fmt.Appendf(nil, "entry %d", n)))
	}
	f.Edge(func(tile tlog.Tile, data []byte) error { put(proof.TilePath(tile), data); return nil })
	mux := http.NewServeMux()
	mux.Handle("/log/", http.StripPrefix("/log/", http.FileServerFS(os.DirFS(dir))))
	mux.HandleFunc("/broken/", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "out of order", 500) })
	mux.HandleFunc("/endless/", func(w http.ResponseWriter, r *http.Request) {
		for chunk := make([]byte, 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/short/", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 33)) })
	server := httptest.NewServer(mux)
	defer server.Close()

	for name, src := range map[string]proof.Source{"HTTP": proof.HTTP{URL: server.URL + "/log", Client: server.Client()}, "directory": proof.Dir(dir)} {
		tree := tlog.Tree{N: 300, Hash: f.Root()}
		path, err := tlog.ProveRecord(300, 77, tlog.TileHashReader(tree, proof.TileReader(src)))
		if err == nil {
			err = tlog.CheckRecord(path, 300, tree.Hash, 77, tlog.RecordHash([]byte("entry 77")))
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := src.ReadFile("tile/7/000"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a tile that is not there: %v", name, err)
		}
		// A partial tile that became full is found in the full one.
		if data, err := proof.ReadTile(src, tlog.Tile{H: 8, L: 0, N: 0, W: 9}); err != nil || len(data) != 9*32 {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
	client := server.Client()
	if _, err := (proof.HTTP{URL: server.URL + "/broken", Client: client}).ReadFile("checkpoint"); err == nil || !strings.Contains(err.Error(), "500") || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a server that fails: %v", err)
	}
	if data, err := (proof.HTTP{URL: server.URL + "/endless", Client: client}).ReadFile("checkpoint"); err == nil || len(data) > 32<<20 {
		t.Errorf("an endless file: %d bytes, %v", len(data), err)
	}
	if _, err := proof.ReadTile(proof.HTTP{URL: server.URL + "/short", Client: client}, tlog.Tile{H: 8, L: 0, N: 0, W: 2}); err == nil {
		t.Error("a tile that ends early was taken")
	}
	server.Close()
	if _, err := (proof.HTTP{URL: server.URL + "/log", Client: client}).ReadFile("checkpoint"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a server that is away: %v", err)
	}
}
