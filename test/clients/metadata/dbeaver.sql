-- What DBeaver asks of the catalogues of PostgreSQL: when it connects, and as
-- somebody opens one folder of its tree after the other. Written anew from what
-- it needs to know. See tools_test.go for the lines that begin with --.

-- connect: startup
SET extra_float_digits = 3

-- connect: its name
SET application_name = 'DBeaver 24.1.0 - Main <clips>'

-- connect: where am I? {schema}
SELECT current_schema(), session_user

-- connect: search path? {schema}
SHOW search_path

-- connect: version? PostgreSQL
SELECT version()

-- connect: encoding and time zone
SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('TimeZone', 'server_encoding', 'standard_conforming_strings')

-- connect: words to colour? select
SELECT word, catcode FROM pg_catalog.pg_get_keywords()

-- databases? {database}
SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate ORDER BY db.datname

-- schemas? {schema}
SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass
ORDER BY nspname

-- types? int8
SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_type_name, d.description
FROM pg_catalog.pg_type t
LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem
LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid
WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C')

-- enum labels
SELECT e.oid, e.* FROM pg_catalog.pg_enum e ORDER BY e.enumtypid, e.enumsortorder

-- tables and views? {views}
SELECT c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr, pg_catalog.pg_get_partkeydef(c.oid) AS partition_key
FROM pg_catalog.pg_class c
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
WHERE c.relnamespace = {schema_oid} AND c.relkind NOT IN ('i', 'I', 'c')

-- columns of a view? {columns}
SELECT c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dsc.description, dep.objid
FROM pg_catalog.pg_attribute a
INNER JOIN pg_catalog.pg_class c ON a.attrelid = c.oid
LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
LEFT OUTER JOIN pg_catalog.pg_description dsc ON c.oid = dsc.objoid AND a.attnum = dsc.objsubid
LEFT OUTER JOIN pg_catalog.pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum AND dep.classid = dep.refclassid
WHERE NOT a.attisdropped AND c.relkind NOT IN ('i', 'I', 'c') AND c.oid = {users_oid}
ORDER BY a.attnum

-- constraints
SELECT c.oid, c.*, t.relname AS tabrelname, rt.relnamespace AS refnamespace, d.description, pg_catalog.pg_get_constraintdef(c.oid, true) AS definition
FROM pg_catalog.pg_constraint c
INNER JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_constraint'::regclass
WHERE t.relnamespace = {schema_oid} ORDER BY c.oid

-- rules of a view? _RETURN
SELECT r.oid, r.rulename, r.ev_type, r.is_instead, pg_catalog.pg_get_ruledef(r.oid) AS definition FROM pg_catalog.pg_rewrite r WHERE r.ev_class = {users_oid}

-- triggers of a view
SELECT x.oid, x.*, p.pronamespace AS func_schema_id, d.description FROM pg_catalog.pg_trigger x
LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid = x.tgfoid
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = x.oid AND d.objsubid = 0
WHERE x.tgrelid = {users_oid} AND NOT x.tgisinternal

-- source of a view? SELECT
SELECT pg_catalog.pg_get_viewdef({users_oid}, true)

-- parents of a table
SELECT i.*, c.relnamespace FROM pg_catalog.pg_inherits i, pg_catalog.pg_class c WHERE i.inhrelid = {users_oid} AND c.oid = i.inhparent ORDER BY i.inhseqno

-- permissions of a view? trefoil_l_
SELECT c.relname, c.relacl, c.relowner::regrole FROM pg_catalog.pg_class c WHERE c.oid = {users_oid}

-- sequences
SELECT c.oid, c.*, s.* FROM pg_catalog.pg_class c JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid WHERE c.relnamespace = {schema_oid}

-- roles? postgres
SELECT a.oid, a.*, pd.description FROM pg_catalog.pg_roles a LEFT JOIN pg_catalog.pg_shdescription pd ON a.oid = pd.objoid ORDER BY a.rolname

-- members of roles
SELECT * FROM pg_catalog.pg_auth_members

-- tablespaces? pg_default
SELECT t.oid, t.*, pg_catalog.pg_tablespace_location(t.oid) AS loc FROM pg_catalog.pg_tablespace t

-- extensions
SELECT e.oid, e.*, n.nspname AS schema_name FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace

-- extensions to be had
SELECT * FROM pg_catalog.pg_available_extensions ORDER BY name

-- access methods? btree
SELECT am.oid, am.* FROM pg_catalog.pg_am am ORDER BY am.oid

-- languages? plpgsql
SELECT l.oid, l.* FROM pg_catalog.pg_language l

-- foreign servers and wrappers
SELECT l.oid, l.*, p.pronamespace AS handler_schema_id FROM pg_catalog.pg_foreign_data_wrapper l LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid = l.fdwhandler

-- event triggers
SELECT t.oid, t.evtname, t.evtevent, t.evtenabled FROM pg_catalog.pg_event_trigger t

-- encodings? UTF8
SELECT DISTINCT conforencoding AS encid, pg_catalog.pg_encoding_to_char(conforencoding) AS encname FROM pg_catalog.pg_conversion ORDER BY 2

-- settings? search_path
SELECT * FROM pg_catalog.pg_settings

-- data of a view? 200 rows
SELECT * FROM {schema}.users LIMIT 200

-- indexes, with their sizes! 42501
SELECT i.*, c.relname, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS pred_expr, pg_catalog.pg_relation_size(i.indexrelid) AS index_rel_size
FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = {users_oid}

-- statistics of tables! 42501
SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid) AS total_rel_size, pg_catalog.pg_relation_size(c.oid) AS rel_size
FROM pg_catalog.pg_class c WHERE c.relnamespace = {schema_oid}

-- procedures, with their sources! 42501
SELECT p.oid AS poid, p.*, pg_catalog.pg_get_expr(p.proargdefaults, 0) AS arg_defaults, d.description
FROM pg_catalog.pg_proc p LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = p.oid AND d.objsubid = 0
WHERE p.pronamespace = {schema_oid}

-- sessions! 42501
SELECT sa.* FROM pg_catalog.pg_stat_activity sa

-- locks! 42501
SELECT * FROM pg_catalog.pg_locks

-- plan of a query! 0A000
EXPLAIN (FORMAT XML, ANALYZE) SELECT * FROM users
