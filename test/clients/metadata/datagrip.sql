-- What DataGrip's introspection asks of PostgreSQL, in its order: the server, its
-- databases and roles, then one schema at a time by the objects' state numbers.
-- Written anew from what it needs to know. See tools_test.go for the lines that
-- begin with --.

-- connect: startup
SET extra_float_digits = 3; SET application_name = 'DataGrip 2024.1'

-- connect: version? PostgreSQL
SELECT version()

-- connect: isolation
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED

-- connect: read-only
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY

-- keep alive
SELECT 'keep alive'

-- where am I? {schema}
SELECT current_database() AS a, current_schemas(false) AS b

-- when the server started
SELECT round(extract(epoch FROM pg_postmaster_start_time() AT TIME ZONE 'UTC')) AS startup_time

-- current transaction
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE (pg_catalog.txid_current() % (2^32)::bigint)::varchar::bigint END AS current_txid

-- databases? {database}
SELECT n.oid::bigint AS id, datname AS name, d.description, datistemplate AS is_template, datallowconn AS allow_connections, pg_catalog.pg_get_userbyid(n.datdba) AS "owner"
FROM pg_catalog.pg_database n LEFT JOIN pg_catalog.pg_shdescription d ON n.oid = d.objoid
ORDER BY CASE WHEN datname = pg_catalog.current_database() THEN -1::bigint ELSE n.oid::bigint END

-- schemas? {schema}
SELECT n.oid::bigint AS id, n.xmin AS state_number, nspname AS name, d.description, pg_catalog.pg_get_userbyid(n.nspowner) AS "owner"
FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_description d ON n.oid = d.objoid
ORDER BY CASE WHEN nspname = pg_catalog.current_schema() THEN -1::bigint ELSE n.oid::bigint END

-- roles? postgres
SELECT r.oid::bigint AS role_id, rolname AS role_name, rolsuper AS is_super, rolinherit AS is_inherit, rolcreaterole AS can_createrole, rolcreatedb AS can_createdb,
	rolcanlogin AS can_login, rolreplication AS is_replication, rolconnlimit AS conn_limit, rolvaliduntil AS valid_until, rolbypassrls AS bypass_rls, rolconfig AS config, d.description
FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_shdescription d ON d.objoid = r.oid

-- members of roles
SELECT member AS id, roleid AS role_id, admin_option FROM pg_catalog.pg_auth_members ORDER BY id, roleid::text

-- tablespaces? pg_default
SELECT t.oid::bigint AS id, t.spcname AS name, t.xmin AS state_number, pg_catalog.pg_get_userbyid(t.spcowner) AS owner, pg_catalog.pg_tablespace_location(t.oid) AS location, t.spcoptions AS options
FROM pg_catalog.pg_tablespace t

-- access methods? btree
SELECT a.oid::bigint AS access_method_id, a.xmin AS state_number, a.amname AS access_method_name, a.amhandler::oid AS handler_id, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname) AS handler_name, a.amtype
FROM pg_catalog.pg_am a JOIN pg_catalog.pg_proc p ON a.amhandler::oid = p.oid JOIN pg_catalog.pg_namespace n ON p.pronamespace = n.oid

-- extensions
SELECT e.oid AS id, e.xmin AS state_number, extname AS name, extversion AS version, extnamespace AS schema_id, nspname AS schema_name,
	array(SELECT unnest FROM unnest(available_versions.versions) WHERE unnest > extversion) AS available_updates
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON e.extnamespace = n.oid
	LEFT JOIN (SELECT name, array_agg(version) AS versions FROM pg_catalog.pg_available_extension_versions() GROUP BY name) available_versions ON e.extname = available_versions.name

-- languages? plpgsql
SELECT l.oid AS id, l.xmin AS state_number, lanname AS name, lanpltrusted AS trusted, h.proname AS handler FROM pg_catalog.pg_language l LEFT JOIN pg_catalog.pg_proc h ON h.oid = l.lanplcallfoid

-- casts
SELECT c.oid, c.xmin AS state_number, c.castsource AS castsource_id, c.casttarget AS casttarget_id, c.castfunc AS castfunc_id, c.castcontext, c.castmethod FROM pg_catalog.pg_cast c

-- state numbers of a schema
SELECT l.oid::bigint AS id, l.xmin::varchar::bigint AS state_number FROM pg_catalog.pg_class l WHERE l.relnamespace = {schema_oid} ORDER BY 1

-- relations? {views}
SELECT t.relkind AS table_kind, t.relname AS table_name, t.oid AS table_id, t.xmin AS table_state_number, t.reltablespace AS tablespace_id, t.reloptions AS options, t.relpersistence AS persistence,
	(SELECT array_agg(inhparent::bigint ORDER BY inhseqno)::varchar FROM pg_catalog.pg_inherits WHERE t.oid = inhrelid) AS ancestors,
	(SELECT array_agg(inhrelid::bigint ORDER BY inhrelid)::varchar FROM pg_catalog.pg_inherits WHERE t.oid = inhparent) AS successors,
	t.relispartition AS is_partition, pg_catalog.pg_get_partkeydef(t.oid) AS partition_key, pg_catalog.pg_get_expr(t.relpartbound, t.oid) AS partition_expression,
	t.relam AS am_id, pg_catalog.pg_get_userbyid(t.relowner) AS "owner"
FROM pg_catalog.pg_class t WHERE relnamespace = {schema_oid}::oid AND t.relkind IN ('r', 'm', 'v', 'f', 'p') ORDER BY table_kind, table_id

-- columns? {columns}
WITH t AS (
	SELECT DISTINCT t.oid AS table_id, t.relname AS table_name FROM pg_catalog.pg_class t, pg_catalog.pg_attribute a
	WHERE t.relnamespace = {schema_oid}::oid AND t.relkind IN ('r', 'm', 'v', 'f', 'p', 'c') AND a.attrelid = t.oid
)
SELECT t.table_id, c.attnum AS column_position, c.attname AS column_name, c.xmin AS column_state_number, c.atttypmod AS type_mod, c.attndims AS dimensions_number,
	pg_catalog.format_type(c.atttypid, c.atttypmod) AS type_spec, c.atttypid AS type_id, c.attnotnull AS mandatory, pg_catalog.pg_get_expr(d.adbin, t.table_id) AS column_default_expression,
	NOT c.attislocal AS column_is_inherited, c.attfdwoptions AS options, c.attisdropped AS column_is_dropped, c.attidentity AS identity_kind, c.attgenerated AS generated
FROM t JOIN pg_catalog.pg_attribute c ON t.table_id = c.attrelid LEFT JOIN pg_catalog.pg_attrdef d ON (c.attrelid, c.attnum) = (d.adrelid, d.adnum)
WHERE attnum > 0 ORDER BY table_id, attnum

-- types of the schema? users
SELECT t.oid::bigint AS type_id, t.xmin AS type_state_number, t.typname AS type_name, t.typtype AS type_sub_kind, t.typcategory AS type_category, t.typrelid AS class_id, t.typbasetype AS base_type_id
FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_class c ON t.typrelid = c.oid
WHERE t.typnamespace = {schema_oid}::oid ORDER BY 1

-- existent objects of the schema, for what was dropped
SELECT oid::bigint FROM pg_catalog.pg_class WHERE relnamespace = {schema_oid}::oid UNION SELECT oid::bigint FROM pg_catalog.pg_proc WHERE pronamespace = {schema_oid}::oid

-- constraints
SELECT t.oid AS table_id, t.relkind AS table_kind, c.oid::bigint AS con_id, c.xmin::varchar::bigint AS con_state_id, conname AS con_name, contype AS con_kind, conkey AS con_columns,
	conindid AS index_id, confrelid AS ref_table_id, condeferrable AS is_deferrable, confupdtype AS on_update, confdeltype AS on_delete, pg_catalog.pg_get_expr(conbin, conrelid) AS con_expression, confkey AS ref_columns
FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class t ON c.conrelid = t.oid WHERE t.relnamespace = {schema_oid}::oid

-- indices
SELECT tab.oid AS table_id, tab.relkind AS table_kind, ind_stor.relname AS index_name, ind_head.indexrelid AS index_id, ind_stor.xmin AS state_number, ind_head.indisunique AS is_unique,
	pg_catalog.pg_get_expr(ind_head.indpred, ind_head.indrelid) AS condition, opcmethod AS access_method_id
FROM pg_catalog.pg_class tab JOIN pg_catalog.pg_index ind_head ON ind_head.indrelid = tab.oid JOIN pg_catalog.pg_class ind_stor ON tab.relnamespace = ind_stor.relnamespace AND ind_stor.oid = ind_head.indexrelid
	LEFT JOIN pg_catalog.pg_opclass ON pg_opclass.oid = any(ind_head.indclass)
WHERE tab.relnamespace = {schema_oid}::oid

-- rules
SELECT r.ev_class AS table_id, r.oid AS rule_id, r.xmin AS rule_state_number, r.rulename AS rule_name, pg_catalog.translate(ev_type, '1234', 'SUID') AS rule_event_code, r.ev_enabled AS rule_fire_mode, r.is_instead
FROM pg_catalog.pg_rewrite r WHERE r.ev_class IN (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = {schema_oid}::oid) AND r.rulename != '_RETURN'::name

-- triggers
SELECT t.tgrelid AS table_id, t.oid AS trigger_id, t.xmin AS trigger_state_number, t.tgname AS trigger_name, t.tgfoid AS function_id, pg_catalog.encode(t.tgargs, 'escape') AS function_args, pg_catalog.pg_get_triggerdef(t.oid) AS source
FROM pg_catalog.pg_trigger t WHERE t.tgrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = {schema_oid}::oid) AND NOT t.tgisinternal

-- routines, without their sources
SELECT p.proname AS r_name, p.prolang AS lang_oid, p.oid AS r_id, p.xmin AS r_state_number, p.proargnames AS arg_names, p.proargmodes AS arg_modes, p.proargtypes::int[] AS in_arg_types,
	p.proallargtypes::int[] AS all_arg_types, pg_catalog.pg_get_expr(p.proargdefaults, 0) AS arg_defaults, p.provariadic AS arg_variadic_id, p.prorettype AS ret_type_id, p.proretset AS ret_set, p.prokind AS kind, p.provolatile AS volatile_kind,
	p.proisstrict AS is_strict, p.prosecdef AS is_security_definer, p.proconfig AS configuration_parameters, p.procost AS cost, pg_catalog.pg_get_userbyid(p.proowner) AS "owner", p.prorows AS rows, p.proleakproof AS is_leakproof, p.proparallel AS concurrency_kind
FROM pg_catalog.pg_proc p WHERE p.pronamespace = {schema_oid}::oid

-- descriptions
SELECT t.relkind AS kind, t.oid AS id, d.objsubid AS column_position, d.description FROM pg_catalog.pg_class t JOIN pg_catalog.pg_description d ON t.oid = d.objoid WHERE t.relnamespace = {schema_oid}::oid

-- sources of views? SELECT
SELECT t.relkind AS view_kind, t.oid AS view_id, pg_catalog.pg_get_viewdef(t.oid, true) AS source_text
FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON t.relnamespace = n.oid WHERE n.oid = {schema_oid}::oid AND t.relkind IN ('m', 'v')

-- permissions? trefoil_l_
SELECT t.oid AS object_id, t.relacl AS acl FROM pg_catalog.pg_class t WHERE t.relnamespace = {schema_oid}::oid AND t.relacl IS NOT NULL

-- dependencies
SELECT d.objid AS dependent_id, d.refobjid AS owner_id, d.refobjsubid AS owner_subobject_id FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid
WHERE c.relnamespace = {schema_oid}::oid AND d.deptype IN ('a', 'i', 'n')

-- time zones? UTC
SELECT name, is_dst FROM pg_catalog.pg_timezone_names UNION DISTINCT SELECT abbrev AS name, is_dst FROM pg_catalog.pg_timezone_abbrevs

-- dates of transactions! 42501
SELECT l.transactionid::varchar::bigint AS transaction_id FROM pg_catalog.pg_locks l WHERE l.transactionid IS NOT NULL ORDER BY pg_catalog.age(l.transactionid) DESC LIMIT 1

-- sources of routines! 42501
SELECT p.oid AS id, pg_catalog.pg_get_function_arguments(p.oid) AS arguments_def, pg_catalog.pg_get_function_result(p.oid) AS result_def, p.prosrc AS source_text FROM pg_catalog.pg_proc p WHERE p.pronamespace = {schema_oid}::oid

-- data of a view? 500 rows
SELECT t.* FROM {schema}.users t LIMIT 501
