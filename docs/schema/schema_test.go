package schema_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/docs/schema"
)

func compile(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json") // against the metaschema
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate checks YAML as an editor does.
func validate(t *testing.T, s *jsonschema.Schema, src string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(src), &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestExamplesFit(t *testing.T) {
	list, err := filepath.Glob("../../examples/*/catalog.yaml")
	list = append(list, "../../examples/clips/us/catalog.yaml")
	if err != nil || len(list) < 3 {
		t.Fatal(list, err)
	}
	for _, name := range list {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, compile(t, schema.Catalog), string(src)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	text := strings.NewReplacer("ZONE", "eu", "GATE", "eu-1").Replace(app.Template)
	for _, src := range []string{text, strings.Replace(text, "stores: {}", "stores: {a: {connect: x, password_file: y}}", 1)} {
		if err := validate(t, compile(t, schema.Config), src); err != nil {
			t.Errorf("trefoil.yaml: %v", err)
		}
	}
}

func TestMistakesDoNotFit(t *testing.T) {
	example, err := os.ReadFile("../../examples/clips/catalog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ schema, src, from, to string }{
		{schema.Catalog, string(example), "contact/email", "contact/emial"},
		{schema.Catalog, string(example), "home: country", "hoem: country"},
		{schema.Catalog, string(example), "reference: true", "reference: false"},
		{schema.Catalog, string(example), "  clips:\n", "  clips:\n    rows: all\n"},
		{schema.Catalog, string(example), "subject: id", "subject: id\n        reference: true"},
		{schema.Catalog, string(example), "country: NO, store", "country: Norway, store"},
		{schema.Config, app.Template, "lease: none", "lease: some"},
		{schema.Config, app.Template, "client_auth: none", "client_auth: always"},
		{schema.Config, app.Template, "  sessions: 0", "  sesions: 0"},
	} {
		src := strings.NewReplacer("ZONE", "eu", "GATE", "eu-1").Replace(c.src)
		changed := strings.Replace(src, c.from, c.to, 1)
		if changed == src {
			t.Errorf("%q is nowhere", c.from)
		}
		if err := validate(t, compile(t, c.schema), changed); err == nil {
			t.Errorf("%q fits the schema", c.to)
		}
	}
}

// object is what the tests need of a schema.
type object struct {
	Properties map[string]*object
	Additional json.RawMessage `json:"additionalProperties"`
	Pattern    string
	Defs       map[string]*object `json:"$defs"`
}

func parse(t *testing.T, text string) *object {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return &o
}

// keys are the properties, of an object that has no others.
func (o *object) keys(t *testing.T, where string) []string {
	t.Helper()
	if o == nil || string(o.Additional) != "false" {
		t.Fatalf("%s: the schema lets other keys in", where)
	}
	return slices.Sorted(maps.Keys(o.Properties))
}

// TestConfigKeys compares the struct that decodes trefoil.yaml with its schema.
func TestConfigKeys(t *testing.T) {
	root := parse(t, schema.Config)
	var walk func(typ reflect.Type, o *object, where string)
	walk = func(typ reflect.Type, o *object, where string) {
		var names []string
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !f.IsExported() || name == "-" {
				continue
			}
			names = append(names, name)
			switch f.Type.Kind() {
			case reflect.Struct:
				walk(f.Type, o.Properties[name], where+"."+name)
			case reflect.Map:
				walk(f.Type.Elem(), root.Defs[strings.TrimSuffix(name, "s")], where+"."+name)
			}
		}
		slices.Sort(names)
		if got := o.keys(t, where); !slices.Equal(got, names) {
			t.Errorf("%s: the schema has %v, the decoder %v", where, got, names)
		}
	}
	walk(reflect.TypeOf(app.Config{}), root, "trefoil.yaml")
}

// TestCatalogKeys asks the catalogue's reader which keys it knows, by giving it
// one that it does not.
func TestCatalogKeys(t *testing.T) {
	root := parse(t, schema.Catalog)
	known := regexp.MustCompile(`has no key "zzz"; known are (.*)`)
	for _, c := range []struct {
		where string
		o     *object
		src   string
	}{
		{"catalogue", root, "zzz: 1"},
		{"zone", root.Defs["zone"], "zones: {z: {zzz: 1}}"},
		{"authority", root.Defs["authority"], "zones: {z: {authorities: [{zzz: 1}]}}"},
		{"site", root.Defs["site"], "zones: {z: {sites: {s: {zzz: 1}}}}"},
		{"dataset", root.Defs["dataset"], "datasets: {d: {zzz: 1}}"},
		{"table", root.Defs["table"], "datasets: {d: {tables: {t: {zzz: 1}}}}"},
	} {
		_, err := catalog.Parse("c", []byte(c.src))
		m := known.FindStringSubmatch(fmt.Sprint(err))
		if m == nil {
			t.Fatalf("%s: the reader does not complain: %v", c.where, err)
		}
		if got := c.o.keys(t, c.where); strings.Join(got, ", ") != m[1] {
			t.Errorf("%s: the schema has %v, the reader %s", c.where, got, m[1])
		}
	}
}

// TestColumnWords compares every combination of words that a column may have.
func TestColumnWords(t *testing.T) {
	pattern := regexp.MustCompile(parse(t, schema.Catalog).Defs["column"].Pattern)
	masks := []string{"", "keep", "hide", "pseudonym", "email", "phone", "name", "ip", "date", "coordinate", "text", "other"}
	tried, fit := 0, 0
	for _, category := range append(catalog.Categories(), "other") {
		for _, mask := range masks {
			for _, widest := range []string{"", "clear", "masked", "pseudonymous"} {
				word := string(category)
				if mask != "" {
					word += "/" + mask
				} else if widest != "" {
					continue
				}
				if widest != "" {
					word += "/" + widest
				}
				src := "zones: {z: {residents: [IE], sites: {s: {country: IE, store: s}}}}\n" +
					"datasets: {d: {zone: z, sites: [s], tables: {p: {subject: id, columns: {id: subject}}, t: {child: p -> p.id, columns: {p: subject, c: \"" + word + "\"}}}}}"
				_, err := catalog.Parse("c", []byte(src))
				reads := err == nil || !strings.Contains(err.Error(), "column c of")
				if reads != pattern.MatchString(word) {
					t.Errorf("%s: the reader takes it: %t (%v); the schema: %t", word, reads, err, !reads)
				}
				tried++
				if reads {
					fit++
				}
			}
		}
	}
	if fit < 50 || fit > tried/2 {
		t.Errorf("%d of %d fit", fit, tried)
	}
}
