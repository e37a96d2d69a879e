package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func model(t *testing.T) *kong.Application {
	t.Helper()
	p, err := newParser(io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return p.Model
}

// Every command is typed in a script, and tells what it and each of its
// arguments is for.
func TestEveryCommand(t *testing.T) {
	scripts := ""
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		scripts += string(text)
	}
	for _, leaf := range model(t).Leaves(false) {
		name := leaf.FullPath()
		if !regexp.MustCompile(`(?m)^(exec|exit \d) ` + name + `\b`).MatchString(scripts) {
			t.Errorf("no script runs %s", name)
		}
		if !strings.HasSuffix(leaf.Help, ".") {
			t.Errorf("%s: help is %q", name, leaf.Help)
		}
		for _, arg := range leaf.Positional {
			if !strings.Contains(arg.Help, ".") && !strings.HasSuffix(arg.Help, "].") {
				t.Errorf("%s <%s>: help is %q", name, arg.Name, arg.Help)
			}
		}
		for _, flag := range leaf.Flags {
			if !strings.HasSuffix(flag.Help, ".") {
				t.Errorf("%s --%s: help is %q", name, flag.Name, flag.Help)
			}
		}
	}
}

// inText finds commands in sentences: the words after "trefoil", up to what can
// be no word of a command line.
var inText = regexp.MustCompile(`\btrefoil((?: (?:--?[a-z][a-z-]*|[^ \n;,:'"()#|&\x60]+))+)`)

// An error or page that names a command names one there is, with its flags.
func TestCommandsThatAreNamed(t *testing.T) {
	app := model(t)
	named := 0
	for where, text := range texts(t, "../..") {
		for _, m := range inText.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[1])
			if !slices.ContainsFunc(app.Children, func(n *kong.Node) bool { return n.Name == words[0] }) {
				if strings.HasPrefix(text, "trefoil ") && regexp.MustCompile(`^[a-z]+$`).MatchString(words[0]) && len(words) > 1 {
					t.Errorf("%s: there is no command %q", where, m[0])
				}
				continue // the product, not the command
			}
			named++
			if fault := misnamed(app.Node, words); fault != "" {
				t.Errorf("%s: %q: %s", where, m[0], fault)
			}
		}
	}
	if named < 40 {
		t.Errorf("only %d commands were found in the sources", named)
	}
}

// misnamed says what is wrong with a command line, as far as it can be told
// without its values.
func misnamed(node *kong.Node, words []string) string {
	for len(words) > 0 && len(node.Children) > 0 {
		i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == words[0] })
		switch {
		case i < 0 && regexp.MustCompile(`^[a-z]{3,}$`).MatchString(words[0]):
			return "there is no " + words[0]
		case i < 0:
			return ""
		}
		node, words = node.Children[i], words[1:]
	}
	for _, w := range words {
		flag, _, _ := strings.Cut(strings.TrimRight(w, ".…"), "=")
		name, long := strings.CutPrefix(flag, "--")
		if long && !slices.ContainsFunc(node.Flags, func(f *kong.Flag) bool { return f.Name == name }) && name != "help" {
			return "there is no --" + name
		}
	}
	return ""
}

// texts gives every string of the sources that ship and every page, by place.
func texts(t *testing.T, root string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && path != root && (strings.HasPrefix(base, ".") || base == "testdata" || base == "test" || base == "tools" || base == "bin") {
			return fs.SkipDir
		}
		switch {
		case strings.HasSuffix(path, ".md"), strings.HasSuffix(path, ".yaml"):
			text, err := os.ReadFile(path)
			for i, line := range strings.Split(string(text), "\n") {
				out[path+":"+strconv.Itoa(i+1)] = line
			}
			return err
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil {
						out[fset.Position(lit.Pos()).String()] = s
					}
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
