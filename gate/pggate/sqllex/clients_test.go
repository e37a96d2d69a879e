package sqllex

import (
	"os"
	"strings"
	"testing"
)

// clients holds what ordinary clients send on their own account, by client.
// psql's are in testdata/psql-15.sql, as a server logged them for every \d
// command, tab completion, \gdesc, \copy, FETCH_COUNT and ON_ERROR_ROLLBACK.
var clients = map[string][]string{
	"pgx": {
		"-- ping", ";", "begin", "begin isolation level repeatable read read only deferrable", "commit", "rollback",
		"savepoint sp_1", "release savepoint sp_1", "rollback to savepoint sp_1", "deallocate \"stmtcache_3f9a\"", "deallocate all",
		"select oid, typname from pg_type where typtype='d'", "select $1::int8, $2::text", "copy (select * from users) to stdout with (format binary)",
		"declare c_1 cursor for select * from users", "fetch forward 100 from c_1", "close c_1",
	},
	"jdbc": {
		"SET extra_float_digits = 3", "SET application_name = 'PostgreSQL JDBC Driver'", "BEGIN", "BEGIN READ ONLY", "COMMIT", "ROLLBACK",
		"SAVEPOINT PGJDBC_AUTOSAVE", "RELEASE SAVEPOINT PGJDBC_AUTOSAVE", "ROLLBACK TO SAVEPOINT PGJDBC_AUTOSAVE",
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
		"SHOW TRANSACTION ISOLATION LEVEL", "SELECT current_schema()", "SHOW standard_conforming_strings", "DEALLOCATE ALL",
		"SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME,  CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema'  WHEN true THEN CASE  WHEN n.nspname = 'pg_catalog' OR n.nspname = 'information_schema' THEN CASE c.relkind   WHEN 'r' THEN 'SYSTEM TABLE'   ELSE NULL   END  ELSE NULL  END  AS TABLE_TYPE, d.description AS REMARKS  FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c  LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0  and d.classoid = 'pg_class'::regclass)  WHERE c.relnamespace = n.oid  AND c.relname LIKE E'users\\\\_x'  ORDER BY TABLE_TYPE,TABLE_SCHEM,TABLE_NAME",
		"SELECT e.typdelim FROM pg_catalog.pg_type t, pg_catalog.pg_type e WHERE t.oid = $1 and t.typelem = e.oid",
	},
	"psycopg": {
		"BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", "COMMIT", "ROLLBACK", `SAVEPOINT "_pg3_1"`, `RELEASE "_pg3_1"`, `ROLLBACK TO "_pg3_1"; RELEASE "_pg3_1"`,
		"SET datestyle TO 'ISO'", "SET client_encoding TO 'UTF8'", "SET TIME ZONE 'UTC'", "DEALLOCATE ALL", `DEALLOCATE "_pg3_0"`,
		`DECLARE "staff" CURSOR FOR SELECT 1`, `DECLARE "staff" SCROLL CURSOR WITH HOLD FOR SELECT 1`, `FETCH FORWARD ALL FROM "staff"`, `MOVE ABSOLUTE 3 FROM "staff"`, `CLOSE "staff"`,
		"SELECT gid, prepared, owner, database FROM pg_prepared_xacts", "select pg_catalog.version()", "show standard_conforming_strings", "show transaction isolation level",
	},
	"dbeaver": {
		"SET application_name = 'DBeaver 24.2.0 - Main <clips>'", "SHOW search_path", "select version()", "SELECT current_schema(),session_user",
		"SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datname=$1", "select * from pg_catalog.pg_settings where name=$1", "select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> ALL ('{a,abs}'::text[])",
		"SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n\r\nLEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass\r\n ORDER BY nspname",
		"SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr,  pg_catalog.pg_get_partkeydef(c.oid) as partition_key \nFROM pg_catalog.pg_class c\nWHERE c.relnamespace=$1 AND c.relkind not in ('i','I','c')",
		"SET statement_timeout = 0", "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED", "SHOW TRANSACTION ISOLATION LEVEL",
	},
	"metabase": {
		"SET SESSION TIMEZONE TO 'Europe/Dublin';", "-- Metabase\nSELECT \"public\".\"users\".\"id\" AS \"id\", DATE_TRUNC('month', \"public\".\"users\".\"created_at\") AS \"created_at\" FROM \"public\".\"users\" GROUP BY 2 LIMIT 1048575",
		"with table_privileges as (select NULL as role, t.schemaname as schema, t.objectname as table, pg_catalog.has_any_column_privilege(current_user, '\"' || t.schemaname || '\"' || '.' || '\"' || t.objectname || '\"',  'update') as update, pg_catalog.has_table_privilege(current_user, 'x', 'INSERT') as insert, pg_catalog.has_table_privilege(current_user, 'x', 'DELETE') AS DELETE from (select schemaname, tablename as objectname from pg_catalog.pg_tables) t) select t.* from table_privileges t",
		"SELECT SUBSTRING(\"source\".\"name\" FROM 1 FOR 1234) AS \"substring1\" FROM t",
	},
	"others": {
		// psqlODBC, Tableau
		"SET DateStyle = 'ISO';SET extra_float_digits = 2;show transaction_isolation", "SAVEPOINT _EXEC_SVP_0x55d;select 1;RELEASE _EXEC_SVP_0x55d", `DEALLOCATE "_PLAN0x55d"`,
		// Npgsql and its pool
		"DISCARD ALL", "DISCARD SEQUENCES", "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED",
		// asyncpg's pool
		"SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;",
		// Rails
		"SET client_min_messages TO 'warning'", "SET standard_conforming_strings = on", "SET SESSION timezone TO 'UTC'", "SET SESSION intervalstyle TO 'iso_8601'",
		// node-postgres, R, PHP, sqlcommenter
		"SET NAMES 'utf8'", "SET client_encoding = 'UTF8'", "select * from users where id=$1 /*application='x',traceparent='00-5bd6-01'*/",
	},
	"people": {
		"(select 1) union all (select 2) order by 1", "((select 1))", "table users", "values (1, 'a'), (2, 'b')", "select", "select 'O''Brien'", "select 'C:\\dir\\file'", "select E'a\\tb\\'c'",
		"select E'\\\\'", "select E'caf\u00e9 \\n'", "select 'caf\u00e9'", "select \"na\u00efve\" from \"t\u00e9\"", "select na\u00efve from t\u00e9", "select $$it's; -- fine$$, $q$a$$b$q$", "select U&'d\\0061t' , U&\"d\\0061t\"",
		"select N'x', B'0101', X'1F', 0x1F, 1_000, 1e-3, .5, 1., a[1:2]", "select 'a'\n  'b' -- c\n  'c'", "select E'a\\n'\n'b\\n'", "select 1 /* a /* nested */ ; */ + 2", "select 1 -- '\n", "select a.update, t.insert, x.into from t a",
		"select substring(x for 3), overlay(x placing 'y' from 1 for 2), position('a' in b)", "select * from t order by 1 for read only", "select a->>'b', a#>>'{x,y}', a ? 'k', a @> '{}', -1, 2--1\n", "select interval '1 day', date '2020-01-01', timestamp with time zone 'now'",
		"with recursive t(n) as (values (1) union all select n+1 from t where n < 5) select * from t", "with a as materialized (select 1), b as (table a) select * from b", "select count(*) filter (where x) over (partition by y rows between unbounded preceding and current row) from t",
		"select * from users where name = 'insert into x; delete from y'", "copy (select * from users) to stdout", "COPY (WITH a AS (SELECT ')' AS b) SELECT * FROM a) TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';')", "copy ((select 1) union (select 2)) to stdout csv",
		"prepare p as select $1::int", "prepare p (int, numeric(10,2), text[]) as with a as (select 1) select * from a", "execute p(1, 2, 'x')", "execute p", "deallocate prepare p",
		"declare c binary insensitive no scroll cursor without hold for (select 1)", "declare cursor cursor for values (1)", "fetch next in c", "move backward all in c", "close all", "fetch c",
		"start transaction isolation level serializable, read only, deferrable", "begin; select 1; end", "abort", "commit and chain", "rollback work and no chain", "rollback transaction to x", "release x",
		"set local statement_timeout = '5s'", "set lock_timeout to 1000", "set \"DateStyle\" = 'German'", "set time zone interval '+01:00' hour to minute", "set local time zone local", "set xml option document", "set extra_float_digits=-15",
		"set transaction isolation level repeatable read", "set default_transaction_read_only to off", "set bytea_output = 'escape'", "set client_encoding to default", "set client_encoding = utf8", "set names", "set client_min_messages = error",
		"reset all", "reset datestyle", "reset time zone", "reset search_path", "reset application_name", "reset transaction isolation level", "show all", "show time zone", "show session authorization", "discard plans", "discard temp",
		"", " \n\t", "-- nothing", "/* nothing */;", ";;", "select 1;;select 2;",
	},
}

// everyStatement gives each text of clients and of testdata.
func everyStatement(tb testing.TB) []string {
	tb.Helper()
	data, err := os.ReadFile("testdata/psql-15.sql")
	if err != nil {
		tb.Fatal(err)
	}
	all := strings.Split(string(data), "\n-- ----\n")
	for _, c := range []string{"pgx", "jdbc", "psycopg", "dbeaver", "metabase", "others", "people"} {
		all = append(all, clients[c]...)
	}
	for _, r := range append(attacks[:len(attacks):len(attacks)], refused...) {
		all = append(all, r.sql)
	}
	return all
}

func TestClientsArePermitted(t *testing.T) {
	data, err := os.ReadFile("testdata/psql-15.sql")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string][]string{"psql": strings.Split(string(data), "\n-- ----\n")}
	if len(texts["psql"]) < 100 {
		t.Errorf("psql's statements were not split: %d", len(texts["psql"]))
	}
	for c, list := range clients {
		texts[c] = list
	}
	var v Verdict
	for client, list := range texts {
		for _, sql := range list {
			if !Check([]byte(sql), &v) {
				t.Errorf("%s: %q is refused at byte %d: %v", client, sql, v.Refusal.Pos, v.Err())
			}
		}
	}
}
