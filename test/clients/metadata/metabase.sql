-- What Metabase asks of PostgreSQL when a database is added and its tables are
-- synchronised, scanned and queried. Written anew from what it needs to know. See
-- tools_test.go for the lines that begin with --.

-- connect: name
SET application_name = 'Metabase v0.50'

-- connect: test
SELECT 1

-- connect: isolation
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED

-- connect: read-only
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY

-- connect: time zone
SET SESSION TIMEZONE TO 'UTC'

-- time zone? UTC
SHOW timezone

-- schemas? {schema}
SELECT nspname AS table_schem, NULL AS table_catalog FROM pg_catalog.pg_namespace
WHERE nspname <> 'pg_toast' AND nspname !~ '^pg_temp_' AND nspname !~ '^pg_toast_temp_' ORDER BY 1

-- enums
SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)

-- tables, with live row counts! 42501
SELECT n.nspname AS "schema", c.relname AS "name", CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' END AS "type",
	d.description AS "description", stat.n_live_tup AS "estimated_row_count"
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
LEFT JOIN pg_catalog.pg_description AS d ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
LEFT JOIN pg_stat_user_tables AS stat ON n.nspname = stat.schemaname AND c.relname = stat.relname
WHERE c.relnamespace = n.oid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'f', 'm') AND n.nspname IN ('{schema}')
ORDER BY 3, 1, 2

-- what one may read? {views}
WITH table_privileges AS (
	SELECT NULL AS role, t.schemaname AS schema, t.objectname AS table,
		pg_catalog.has_any_column_privilege(current_user, quote_ident(t.schemaname) || '.' || quote_ident(t.objectname), 'update') AS update,
		pg_catalog.has_any_column_privilege(current_user, quote_ident(t.schemaname) || '.' || quote_ident(t.objectname), 'select') AS select,
		pg_catalog.has_any_column_privilege(current_user, quote_ident(t.schemaname) || '.' || quote_ident(t.objectname), 'insert') AS insert,
		pg_catalog.has_table_privilege(current_user, quote_ident(t.schemaname) || '.' || quote_ident(t.objectname), 'delete') AS delete
	FROM (
		SELECT schemaname, tablename AS objectname FROM pg_catalog.pg_tables
		UNION SELECT schemaname, viewname AS objectname FROM pg_catalog.pg_views
		UNION SELECT schemaname, matviewname AS objectname FROM pg_catalog.pg_matviews
	) t
	WHERE t.schemaname !~ '^pg_' AND t.schemaname <> 'information_schema' AND pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')
)
SELECT t.* FROM table_privileges t

-- fields? {columns}
SELECT c.column_name AS "name", CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN format('%s', c.udt_name) ELSE format('"%s"."%s"', c.udt_schema, c.udt_name) END AS "database-type",
	c.ordinal_position - 1 AS "database-position", c.table_schema AS "table-schema", c.table_name AS "table-name", pk.column_name IS NOT NULL AS "pk?",
	col_description(CAST(CAST(format('%I.%I', CAST(c.table_schema AS text), CAST(c.table_name AS text)) AS regclass) AS oid), c.ordinal_position) AS "field-comment",
	(column_default IS NULL OR lower(column_default) = 'null') AND is_nullable = 'NO' AS "database-required", is_identity <> 'NO' AS "database-is-auto-increment"
FROM information_schema.columns AS c
LEFT JOIN (
	SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc
	INNER JOIN information_schema.key_column_usage AS kc ON tc.constraint_name = kc.constraint_name AND tc.table_schema = kc.table_schema AND tc.table_name = kc.table_name
	WHERE tc.constraint_type = 'PRIMARY KEY'
) AS pk ON c.table_schema = pk.table_schema AND c.table_name = pk.table_name AND c.column_name = pk.column_name
WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_schema IN ('{schema}')
UNION ALL
SELECT pa.attname, format('%s', pt.typname), pa.attnum - 1, pn.nspname, pc.relname, FALSE, NULL, FALSE, FALSE
FROM pg_catalog.pg_class AS pc INNER JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace INNER JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = pc.oid
	INNER JOIN pg_catalog.pg_type AS pt ON pt.oid = pa.atttypid
WHERE pc.relkind = 'm' AND pa.attnum >= 1 AND pn.nspname IN ('{schema}')
ORDER BY 4, 5, 3

-- foreign keys
SELECT fk_ns.nspname AS "fk-table-schema", fk_table.relname AS "fk-table-name", fk_column.attname AS "fk-column-name", pk_ns.nspname AS "pk-table-schema", pk_table.relname AS "pk-table-name", pk_column.attname AS "pk-column-name"
FROM pg_constraint AS c
INNER JOIN pg_class AS fk_table ON c.conrelid = fk_table.oid INNER JOIN pg_namespace AS fk_ns ON c.connamespace = fk_ns.oid INNER JOIN pg_attribute AS fk_column ON c.conrelid = fk_column.attrelid
INNER JOIN pg_class AS pk_table ON c.confrelid = pk_table.oid INNER JOIN pg_namespace AS pk_ns ON pk_table.relnamespace = pk_ns.oid INNER JOIN pg_attribute AS pk_column ON c.confrelid = pk_column.attrelid
WHERE fk_ns.nspname !~ '^information_schema|catalog_history|pg_' AND c.contype = 'f'::char AND fk_column.attnum = ANY(c.conkey) AND pk_column.attnum = ANY(c.confkey) AND fk_ns.nspname IN ('{schema}')
ORDER BY 1, 2

-- indexes
SELECT tmp."table-schema", tmp."table-name", trim(BOTH '"' FROM pg_catalog.pg_get_indexdef(tmp.ci_oid, tmp.pos, FALSE)) AS "field-name"
FROM (
	SELECT n.nspname AS "table-schema", ct.relname AS "table-name", ci.oid AS ci_oid, (information_schema._pg_expandarray(i.indkey)).n AS pos
	FROM pg_catalog.pg_class AS ct INNER JOIN pg_catalog.pg_namespace AS n ON ct.relnamespace = n.oid INNER JOIN pg_catalog.pg_index AS i ON ct.oid = i.indrelid INNER JOIN pg_catalog.pg_class AS ci ON ci.oid = i.indexrelid
	WHERE pg_catalog.pg_get_expr(i.indpred, i.indrelid) IS NULL AND n.nspname !~ '^information_schema|catalog_history|pg_' AND n.nspname IN ('{schema}')
) AS tmp WHERE tmp.pos = 1

-- fingerprint of a table's fields
SELECT "substring".* FROM (SELECT id, SUBSTRING(full_name, 1, 1234) AS substring1, SUBSTRING(email, 1, 1234) AS substring2, born, created_at FROM "{schema}"."users" LIMIT 10000) AS "substring"

-- values of a field? IE
SELECT "{schema}"."users"."country" AS "country" FROM "{schema}"."users" GROUP BY "{schema}"."users"."country" ORDER BY "{schema}"."users"."country" ASC LIMIT 1000

-- a question by month
SELECT CAST(DATE_TRUNC('month', "{schema}"."users"."created_at") AS DATE) AS "created_at", COUNT(*) AS "count" FROM "{schema}"."users"
GROUP BY CAST(DATE_TRUNC('month', "{schema}"."users"."created_at") AS DATE) ORDER BY 1 ASC

-- a question, remarked
-- Metabase:: userID: 1 queryType: MBQL queryHash: 0123
SELECT "source"."id" AS "id", "source"."country" AS "country" FROM (SELECT "{schema}"."users"."id", "{schema}"."users"."country" FROM "{schema}"."users") AS "source" LIMIT 2000
