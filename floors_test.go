// Package trefoil has no code of its own: this file keeps the architecture. The
// folders are the layers, a package imports downwards only, and what is allowed
// stands in the tables below, so that a new folder or a new dependency is a line
// somebody wrote and somebody read.
package trefoil

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/trefoil-dev/trefoil"

// house says on which floor each folder stands. A folder imports what stands
// lower. "/*" speaks of every folder below.
var house = map[string]int{
	"record":             0,
	"proof":              0,
	"catalog":            1,
	"catalog/scan":       1,
	"identity":           1,
	"lens":               2,
	"policy":             2,
	"access":             3,
	"index":              3,
	"ledger":             3,
	"gate":               4,
	"gate/pggate":        4,
	"gate/pggate/sqllex": 4,
	"api":                5,
	"app":                6,
	"cmd/*":              7,
	"examples/*":         basement, // files to embed
	"docs/*":             basement, // the same
	"internal/*":         basement,
	"test/*":             garden,
}

const (
	basement = -1 // anybody imports it; it imports nothing that stands above
	garden   = 99 // imports anything; nobody imports it
)

// sameFloor lists the imports between folders of one floor.
var sameFloor = map[string][]string{
	"catalog/scan": {"catalog"},
	"gate":         {"gate/pggate"},
	"gate/pggate":  {"gate/pggate/sqllex"},
	"internal/*":   {"internal/*", "examples/*"},
}

// testOnly are the folders that only tests import.
var testOnly = []string{"internal/pgtest", "internal/mmdbtest", "internal/readme"}

// strangers never reach the folders named, not even through others: what the
// overseer runs links nothing that writes, enforces or serves.
var strangers = map[string][]string{
	"witness":             {"ledger", "gate", "index", "lens", "api", "app"},
	"cmd/trefoil-witness": {"ledger", "gate", "index", "lens", "api", "app"},
}

// libraries says who may import which module. Tests are free, and so is test/.
var libraries = map[string][]string{
	"github.com/alecthomas/kong":          {"cmd/*"},
	"github.com/cedar-policy/cedar-go":    {"policy"},
	"github.com/jackc/pgx/v5":             {"catalog/scan", "lens", "gate", "gate/pggate", "app", "cmd/*", "internal/*"},
	"github.com/transparency-dev/formats": {"proof"},
	"go.yaml.in/yaml/v3":                  {"catalog", "identity", "app", "cmd/*"},
	"golang.org/x/crypto":                 {"identity", "access", "gate", "api", "app", "cmd/*"},
	"golang.org/x/mod":                    {"record", "proof", "ledger", "app", "cmd/*"},
	"golang.org/x/sys":                    {"ledger", "gate/pggate", "api", "app", "cmd/*", "internal/*"},
	"modernc.org/sqlite":                  {"index", "ledger"},
	"github.com/rogpeppe/go-internal":     {}, // testscript
	"github.com/pganalyze/pg_query_go/v6": {}, // PostgreSQL's own parser, the lexer's oracle; cgo
	"github.com/transparency-dev/tessera": {}, // another reader of our tiles
	"github.com/transparency-dev/merkle":  {}, // another hand at the tree

	"github.com/oschwald/maxminddb-golang/v2":  {"identity"},
	"github.com/maxmind/mmdbwriter":            {"internal/*"}, // makes databases for tests
	"github.com/santhosh-tekuri/jsonschema/v6": {},             // judges our schemas, as an editor would
}

const maxLines = 500

// folder is one package's sources.
type folder struct {
	path    string
	doc     bool
	imports map[string]bool // of the files that ship
	faults  []string
}

func TestFloors(t *testing.T) {
	folders := readFolders(t, ".")
	if len(folders) < 10 {
		t.Fatalf("only %d packages found", len(folders))
	}
	for _, p := range slices.Sorted(maps.Keys(folders)) {
		for _, fault := range folders[p].faults {
			t.Error(fault)
		}
	}
	for _, fault := range inspect(folders) {
		t.Error(fault)
	}
}

// TestFloorsNoticeABreach keeps the rules from being vacuous: each line is a
// house with one fault.
func TestFloorsNoticeABreach(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"record", module + "/ledger", "record (floor 0) imports ledger (floor 3)"},
		{"lens", module + "/policy", "lens (floor 2) imports policy (floor 2)"},
		{"gate/pggate", module + "/gate", "gate/pggate (floor 4) imports gate (floor 4)"},
		{"internal/durable", module + "/record", "internal/durable (floor -1) imports record (floor 0)"},
		{"app", module + "/internal/pgtest", "app imports internal/pgtest, which is for tests"},
		{"cmd/trefoil", module + "/test/naive", "cmd/trefoil (floor 7) imports test/naive (floor 99)"},
		{"cmd/trefoil-witness", module + "/ledger", "cmd/trefoil-witness reaches ledger"},
		{"cmd/trefoil-witness", module + "/access", "cmd/trefoil-witness reaches ledger"},
		{"gossip", "strings", "gossip stands on no floor"},
		{"gate", "modernc.org/sqlite/lib", "gate imports modernc.org/sqlite/lib"},
		{"policy", "github.com/lib/pq", "policy imports github.com/lib/pq"},
	} {
		folders := map[string]*folder{}
		for _, p := range []string{"record", "ledger", "policy", "lens", "gate", "internal/pgtest", "test/naive", "access", c.from} {
			folders[p] = &folder{path: p, doc: true, imports: map[string]bool{}}
		}
		folders["access"].imports[module+"/ledger"] = c.to == module+"/access"
		folders[c.from].imports[c.to] = true
		faults := inspect(folders)
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, c.want) }) {
			t.Errorf("%s imports %s: got %q, want %q", c.from, c.to, faults, c.want)
		}
	}
}

// inspect compares the folders with the tables and gives a sentence for each fault.
func inspect(folders map[string]*folder) (faults []string) {
	for _, from := range slices.Sorted(maps.Keys(folders)) {
		here, ok := lookup(house, from)
		if !ok {
			faults = append(faults, from+" stands on no floor: give it a line in the table house of floors_test.go")
			continue
		}
		if !folders[from].doc {
			faults = append(faults, from+" has no package comment: explain it to somebody who has never seen it")
		}
		for _, imp := range slices.Sorted(maps.Keys(folders[from].imports)) {
			to, ours := strings.CutPrefix(imp, module+"/")
			switch {
			case !folders[from].imports[imp]:
			case ours:
				there, _ := lookup(house, to)
				if there >= here && !isSameFloor(from, to) {
					faults = append(faults, from+" (floor "+strconv.Itoa(here)+") imports "+to+" (floor "+strconv.Itoa(there)+"): imports go downwards only")
				}
				if here != garden && slices.Contains(testOnly, to) && !slices.Contains(testOnly, from) {
					faults = append(faults, from+" imports "+to+", which is for tests")
				}
			case strings.Contains(strings.Split(imp, "/")[0], "."):
				if here != garden && !mayUse(from, imp) {
					faults = append(faults, from+" imports "+imp+": the table libraries of floors_test.go does not allow it")
				}
			}
		}
	}
	for _, s := range slices.Sorted(maps.Keys(strangers)) {
		reached := reach(folders, s, map[string]bool{})
		for _, no := range strangers[s] {
			for _, r := range slices.Sorted(maps.Keys(reached)) {
				if r == no || strings.HasPrefix(r, no+"/") {
					faults = append(faults, s+" reaches "+r+", to which it must stay a stranger")
				}
			}
		}
	}
	return faults
}

// lookup finds a folder's own line or that of the folders it is one of.
func lookup[V any](table map[string]V, folder string) (v V, ok bool) {
	if v, ok = table[folder]; !ok {
		v, ok = table[top(folder)]
	}
	return v, ok
}

func top(folder string) string {
	first, _, _ := strings.Cut(folder, "/")
	return first + "/*"
}

func isSameFloor(from, to string) bool {
	list, _ := lookup(sameFloor, from)
	return slices.Contains(list, to) || slices.Contains(list, top(to))
}

func mayUse(from, imp string) bool {
	for lib, who := range libraries {
		if (imp == lib || strings.HasPrefix(imp, lib+"/")) && (slices.Contains(who, from) || slices.Contains(who, top(from))) {
			return true
		}
	}
	return false
}

func reach(folders map[string]*folder, from string, seen map[string]bool) map[string]bool {
	f := folders[from]
	if f == nil {
		return seen
	}
	for imp, used := range f.imports {
		if to, ours := strings.CutPrefix(imp, module+"/"); ours && used && !seen[to] {
			seen[to] = true
			reach(folders, to, seen)
		}
	}
	return seen
}

// readFolders parses every Go file of the module, whatever its build tags.
func readFolders(t *testing.T, root string) map[string]*folder {
	folders := map[string]*folder{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != root && (strings.HasPrefix(base, ".") || base == "testdata" || base == "tools" || base == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		dir := path.Dir(filepath.ToSlash(name))
		if path.Ext(name) != ".go" || dir == "." {
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f := folders[dir]
		if f == nil {
			f = &folder{path: dir, imports: map[string]bool{}}
			folders[dir] = f
		}
		f.add(fset, file, strings.HasSuffix(name, "_test.go"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

// add reads one file for what the house rules say about files.
func (f *folder) add(fset *token.FileSet, file *ast.File, isTest bool) {
	say := func(pos token.Pos, what string) { f.faults = append(f.faults, fset.Position(pos).String()+": "+what) }
	f.doc = f.doc || file.Doc.Text() != ""
	if isTest {
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isSkip(call) {
				say(call.Pos(), "a test that skips itself hides what it does not check: fail with the command that installs what is missing")
			}
			return true
		})
		return
	}
	for _, imp := range file.Imports {
		if p, err := strconv.Unquote(imp.Path.Value); err == nil {
			f.imports[p] = true
		}
	}
	if n := fset.File(file.Pos()).LineCount(); n > maxLines {
		say(file.Pos(), strconv.Itoa(n)+" lines; a file has at most "+strconv.Itoa(maxLines))
	}
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			say(fn.Pos(), "func init: app.New wires, so that two instances live in one process")
		}
	}
}

func isSkip(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && slices.Contains([]string{"t", "tb", "b", "f"}, x.Name) &&
		slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name)
}
