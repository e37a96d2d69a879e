package leak

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// script is what one session is asked, step by step; a session ends it as it began.
type script struct {
	steps []step
	state bool // leaves a transaction, settings or names behind
}

func (s script) String() string {
	var out strings.Builder
	for i, st := range s.steps {
		fmt.Fprintf(&out, "%d  %s\n", i+1, st)
	}
	return out.String()
}

// write gives the script of a seed: always the same.
func (l *language) write(seed uint64) script {
	g := &gen{language: l, r: rand.New(rand.NewPCG(seed, 0x1ea6))}
	g.risky = !l.orderless && g.chance(40)
	if l.orderless {
		width := make([]string, 1+g.r.IntN(4))
		for i := range width {
			width[i] = g.family()
		}
		st := step{sql: g.query(1+g.r.IntN(2), width), unordered: true, planned: true}
		if g.chance(50) {
			st.sql, st.unordered = "SELECT * FROM ("+st.sql+") q ORDER BY "+"1, 2, 3, 4"[:3*len(width)-2], false
		}
		return script{steps: []step{st}}
	}
	var s script
	add := func(sql ...string) {
		for _, q := range sql {
			s.steps = append(s.steps, step{sql: q})
		}
	}
	top := func() string {
		g.scope, g.keys, g.with = nil, nil, nil
		q := g.query(g.r.IntN(3), nil)
		if !strings.Contains(q, " LIMIT ") && g.chance(70) {
			q = "SELECT * FROM (" + q + ") q" + g.of(" LIMIT 30| LIMIT 30| LIMIT 30| OFFSET 2 LIMIT 50")
		}
		return q
	}
	if g.chance(4) {
		add(g.setting())
		s.state = true
	}
	switch k := g.r.IntN(100); {
	case k < 50:
		add(top())
	case k < 68:
		s.steps = append(s.steps, g.extended(top))
	case k < 73:
		add("COPY (" + top() + ") TO STDOUT" + g.of("| WITH (FORMAT csv)| WITH (FORMAT csv, HEADER, FORCE_QUOTE *)| WITH (FORMAT binary)| (DELIMITER ';', NULL 'nil')| (FORMAT xml)"))
	case k < 81:
		s.state = true
		name := g.name("k")
		add("BEGIN"+g.of("|| ISOLATION LEVEL REPEATABLE READ| READ ONLY| ISOLATION LEVEL SERIALIZABLE"),
			"DECLARE "+name+g.of("| SCROLL| SCROLL| SCROLL| NO SCROLL| BINARY| INSENSITIVE")+" CURSOR"+g.of("| WITH HOLD")+" FOR "+top())
		s.steps[len(s.steps)-1].must = true
		for range 1 + g.r.IntN(4) {
			add(g.of("FETCH|FETCH|FETCH|MOVE") + g.of(" NEXT| PRIOR| FIRST| LAST| ABSOLUTE 3| ABSOLUTE -1| RELATIVE 2| 5| ALL| FORWARD 3| BACKWARD 2| BACKWARD ALL| FORWARD ALL| 0") + " FROM " + name)
		}
		add(g.of("COMMIT|ROLLBACK|CLOSE " + name + "; COMMIT"))
		if g.chance(30) {
			add("FETCH 3 FROM " + name)
		}
	case k < 87:
		s.state = true
		name, family := g.name("p"), g.of("int|text|date|bool|inet|num")
		kind := map[string]string{"int": "bigint", "num": "numeric"}[family]
		if kind == "" {
			kind = family
		}
		g.scope = []column{{ref: "$1", family: family}, {ref: "$1", family: family}}
		add("PREPARE " + name + g.of("| ("+kind+")") + " AS " + g.query(1, nil))
		s.steps[len(s.steps)-1].must = true
		g.scope = nil
		for range 1 + g.r.IntN(3) {
			add("EXECUTE " + name + "(" + g.of(g.constant(family)+"|"+g.constant(family)+"|"+g.constant(family)+"|"+g.constant(family)+"|'x'|1, 2|NULL|7|1/0") + ")")
		}
		add("DEALLOCATE " + g.of(name+"|ALL|"+name+"|nobody"))
	case k < 93:
		s.state = true
		add("BEGIN"+g.of("| READ ONLY"), top(), "SAVEPOINT a")
		g.risky = true
		add(top(), g.of("ROLLBACK TO a|ROLLBACK TO a|RELEASE a|ROLLBACK TO b"), top(), g.of("COMMIT|ROLLBACK|COMMIT AND CHAIN"))
	case k < 95:
		s.state = true
		add(top() + "; " + top() + "; " + g.of("SELECT 1|SELECT 1/0|TABLE "+g.view().name))
	case k < 98:
		add(g.fill(g.one(documents), 1))
	default:
		add(g.fill(g.one(questions), 1))
	}
	return s
}

// extended sends a query by Parse, Bind and Execute.
func (g *gen) extended(top func() string) step {
	st := step{extended: true, binary: g.chance(40)}
	switch g.r.IntN(5) {
	case 0:
		st.fetch = []uint32{2, 1, 4}
	case 1:
		st.fetch = []uint32{uint32(1 + g.r.IntN(9)), 3}
	}
	if g.chance(50) {
		st.sql = top()
		return st
	}
	g.keys, g.with = nil, nil
	family := g.of("int|text|date|inet|bool|uuid")
	g.scope = []column{{ref: "$1", family: family}, {ref: "$1", family: family}, {ref: "$1", family: family}}
	st.sql = g.query(1, nil)
	if g.chance(60) {
		st.types = []uint32{map[string]uint32{"int": 20, "text": 25, "date": 1082, "inet": 869, "bool": 16, "uuid": 2950}[family]}
	}
	st.params = []string{g.of("7|1005|a|2025-01-01|10.0.0.1|true|x y|00000000-0000-4000-8000-000000000000||-1")}
	if strings.Count(st.sql, "$1") == 0 && g.chance(80) {
		st.params, st.types = nil, nil
	}
	return st
}

func (g *gen) setting() string {
	return g.of("SET TimeZone = 'Asia/Tokyo'|SET DateStyle = 'German'|SET IntervalStyle = 'iso_8601'|SET bytea_output = 'escape'|SET extra_float_digits = -3|SET xmloption = 'document'|SET client_min_messages = 'error'|SET work_mem = '64kB'|RESET ALL|SET lc_monetary = 'C'|SET jit = on|SET enable_hashjoin = off|SET standard_conforming_strings = off|SET LOCAL TimeZone = 'UTC'")
}

// documents turn whole queries and views into one.
var documents = []string{
	"SELECT query_to_xml({quoted}, true, false, '')",
	"SELECT query_to_xml({quoted}, false, true, 'u')",
	"SELECT query_to_xml_and_xmlschema({quoted}, true, true, '')",
	"SELECT query_to_xmlschema({quoted}, true, false, '')",
	"SELECT table_to_xml('{table}', true, false, '')",
	"SELECT table_to_xml_and_xmlschema('{table}', true, false, '')",
	"SELECT table_to_xml('public.users', true, false, '')",
	"SELECT schema_to_xml(current_schema(), true, false, '')",
	"SELECT row_to_json(x) FROM {table} x",
	"SELECT json_agg(x) FROM {table} x",
	"SELECT to_jsonb(x) - 'id' FROM {table} x",
	"SELECT x::text FROM {table} x",
	"SELECT (x).* FROM {table} x",
	"SELECT hashtext(x::text), pg_column_size(x) FROM {table} x",
	"SELECT md5(string_agg(x::text, '')) FROM {table} x",
	"SELECT * FROM json_populate_recordset(NULL::{table}, (SELECT json_agg(x) FROM {table} x))",
	"SELECT count(*), count(x), count(DISTINCT x::text) FROM {table} x",
	"SELECT x = y FROM {table} x JOIN {table} y ON x::text = y::text",
	"SELECT xpath('//row', query_to_xml({quoted}, true, true, ''))",
	"SELECT * FROM ts_stat('SELECT to_tsvector(''simple'', x::text) FROM {table} x')",
	"SELECT ts_rewrite('a & b', 'SELECT ''a''::tsquery, x::text::tsquery FROM {table} x')",
	"BEGIN; DECLARE k CURSOR FOR {query}; SELECT cursor_to_xml('k', 5, true, false, ''); ROLLBACK",
	"TABLE {table}",
	"VALUES ({int}, {text}), ({one:int}, {one:text})",
	"SELECT * FROM {table} TABLESAMPLE SYSTEM (50)",
	"SELECT * FROM {table} FOR UPDATE",
	"SELECT ctid, xmin, tableoid FROM {table}",
	"SELECT DISTINCT x FROM {table} x",
	"SELECT DISTINCT ON (x.id) x.* FROM {table} x ORDER BY x.id, {int}",
	"SELECT array_agg(x) FROM {table} x GROUP BY x.id",
	"SELECT 1 FROM {table} HAVING count(*) > {n} OR 1 / (count(*) - {n}) = 0",
}

// questions are about what stands in the catalogues of the store, and what a
// session has no right to.
var questions = []string{
	"SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = '{table}'::regclass ORDER BY attnum",
	"SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = '{table}' ORDER BY 1, 2",
	"SELECT definition FROM pg_views WHERE viewname = '{table}' ORDER BY 1",
	"SELECT pg_get_viewdef('{table}'::regclass, true)",
	"SELECT tablename, attname, null_frac, n_distinct, most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE schemaname <> 'pg_catalog' ORDER BY 1, 2",
	"SELECT statistics_name, expr, most_common_vals::text FROM pg_stats_ext_exprs ORDER BY 1",
	"SELECT stxname FROM pg_statistic_ext",
	"SELECT * FROM pg_statistic",
	"SELECT * FROM pg_stat_user_tables",
	"SELECT * FROM pg_statio_all_indexes",
	"SELECT * FROM pg_stat_activity",
	"SELECT * FROM pg_locks",
	"SELECT * FROM pg_prepared_xacts",
	"SELECT pg_relation_size('public.{table}')",
	"SELECT pg_total_relation_size('{table}')",
	"SELECT pg_stat_get_live_tuples('public.{table}'::regclass)",
	"SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2",
	"SELECT pg_sequence_last_value('public.orders_id_seq')",
	"SELECT last_value FROM public.orders_id_seq",
	"SELECT currval('public.orders_id_seq')",
	"SELECT lastval()",
	"SELECT * FROM public.{table}",
	"SELECT count(*) FROM public.{table}",
	"SELECT has_table_privilege('public.{table}', 'SELECT'), has_any_column_privilege('public.{table}', 'SELECT')",
	"SELECT * FROM trefoil.scope",
	"SELECT pads FROM trefoil.session",
	"SELECT * FROM trefoil.lens",
	"SELECT relname, relkind, relrowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
	"SELECT indexrelid::regclass::text, indisunique FROM pg_index WHERE indrelid = 'public.{table}'::regclass ORDER BY 1",
	"SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1, 2",
	"SELECT enumlabel FROM pg_enum ORDER BY enumsortorder",
	"SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'trefoil'::regnamespace ORDER BY 1",
	"SELECT pg_get_functiondef('trefoil.session_open'::regproc)",
	"SELECT obj_description('{table}'::regclass), col_description('{table}'::regclass, 1)",
	"SELECT brin_summarize_new_values('public.{table}'::regclass)",
	"SELECT * FROM pg_largeobject",
	"SELECT pg_read_file('PG_VERSION')",
	"SELECT relid::text, isleaf FROM pg_partition_tree('public.payments')",
	"SELECT txid_status(7)",
	"EXPLAIN {query}",
	"EXPLAIN (ANALYZE, BUFFERS) {query}",
	"DO 'BEGIN END'",
	"CREATE TEMP TABLE x AS {query}",
	"LISTEN a",
	"INSERT INTO {table} SELECT * FROM {table}",
	"SHOW search_path",
	"SHOW TimeZone",
	"SELECT name, setting FROM pg_settings WHERE name ~ '^(enable|lc_|search)' ORDER BY 1",
	"SELECT no_such FROM {table}",
	"SELECT no_such({int})",
	"SELECT {table}.nosuch, id FROM {table}",
	"SELECT * FROM no_such",
	"SELEC {int}",
	"SELECT {query}",
}
