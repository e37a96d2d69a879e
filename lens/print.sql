-- What stands of the lens in force for dataset $1, lens $2, scope $3: one digest
-- for each thing whose change would change what sessions see.
WITH f AS (
	SELECT * FROM trefoil.lens_in_force($1, $2, $3)
), schema AS (
	SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_catalog.pg_namespace n, f WHERE n.nspname = f.schema
), role AS (
	SELECT r.oid, r.rolname, r.rolname IN ('trefoil_owner', 'trefoil_gate') AS shared
	FROM pg_catalog.pg_roles r, f
	WHERE r.rolname IN (f.role, 'trefoil_owner', 'trefoil_gate') OR r.oid = (SELECT nspowner FROM schema)
), member AS ( -- pg_class and pg_proc have no index by schema, pg_depend has
	SELECT d.classid, d.objid, n.nspname = 'trefoil' AS shared
	FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid
	WHERE n.nspname = 'trefoil' OR n.oid = (SELECT oid FROM schema)
), view AS (
	SELECT c.oid, c.relname, c.relkind, c.relowner, c.reloptions, c.relacl, c.relhastriggers
	FROM member JOIN pg_catalog.pg_class c ON c.oid = member.objid WHERE member.classid = 'pg_catalog.pg_class'::regclass AND NOT member.shared
), item(name, source) AS (
	-- The rule holds the parsed query, by oids: what really runs.
	SELECT CASE relkind WHEN 'v' THEN 'view ' ELSE 'relation ' END || relname, concat_ws('|', relkind, relowner::regrole, reloptions, relacl, relhastriggers,
		(SELECT string_agg(w.ev_action::text, '|' ORDER BY w.oid) FROM pg_catalog.pg_rewrite w WHERE w.ev_class = view.oid))
	FROM view
	UNION ALL
	SELECT 'schema ' || nspname, concat_ws('|', nspowner::regrole, nspacl) FROM schema
	UNION ALL
	SELECT 'function ' || p.oid::regprocedure, concat_ws('|', p.proowner::regrole, p.prosecdef, p.proconfig, p.proacl, p.prosrc)
	FROM member JOIN pg_catalog.pg_proc p ON p.oid = member.objid WHERE member.classid = 'pg_catalog.pg_proc'::regclass
	UNION ALL
	SELECT 'table trefoil.' || c.relname, concat_ws('|', c.relowner::regrole,
		-- viewers of all datasets may read what their views look up
		(SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(c.relacl) a WHERE a::text !~ '^"?trefoil_v_'),
		c.relrowsecurity, c.relhastriggers)
	FROM member JOIN pg_catalog.pg_class c ON c.oid = member.objid WHERE member.classid = 'pg_catalog.pg_class'::regclass AND member.shared
	UNION ALL
	SELECT 'role ' || r.rolname, concat_ws('|', a.rolsuper, a.rolinherit, a.rolcreaterole, a.rolcreatedb, a.rolcanlogin, a.rolreplication, a.rolbypassrls,
		a.rolconfig,
		(SELECT string_agg(g.rolname || m.admin_option, ',' ORDER BY g.rolname) FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
			WHERE m.member = r.oid AND g.rolname !~ '^trefoil_[lsf]_'),
		'members',
		(SELECT string_agg(g.rolname || m.admin_option, ',' ORDER BY g.rolname) FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.member
			WHERE m.roleid = r.oid AND g.rolname !~ '^trefoil_[sf]_'))
	FROM role r JOIN pg_catalog.pg_roles a ON a.oid = r.oid
	UNION ALL
	-- Everything on which the role holds a privilege, wherever it lies; of the
	-- lens's role also what it owns. The views' owner owns older lenses, too.
	SELECT 'privileges of ' || r.rolname, string_agg(concat_ws('.', s.dbid, s.classid, s.objid, s.deptype), ',' ORDER BY s.dbid, s.classid, s.objid, s.deptype)
	FROM role r JOIN pg_catalog.pg_shdepend s ON s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = r.oid
	WHERE NOT r.shared AND (s.deptype = 'a' OR s.deptype = 'o' AND r.rolname = (SELECT f.role FROM f)) GROUP BY r.rolname
	UNION ALL
	SELECT 'row security of ' || n.nspname || '.' || t.relname, concat_ws('|', t.relrowsecurity, t.relforcerowsecurity,
		-- the owner is exempt from policies
		CASE WHEN t.relrowsecurity THEN t.relowner::regrole END,
		(SELECT string_agg(concat_ws('|', p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[], p.polqual, p.polwithcheck), '|' ORDER BY p.polname) FROM pg_catalog.pg_policy p WHERE p.polrelid = t.oid))
	FROM (SELECT DISTINCT d.refobjid FROM view,
		LATERAL (SELECT w.oid FROM pg_catalog.pg_rewrite w WHERE w.ev_class = view.oid OFFSET 0) w,
		LATERAL (SELECT d.refobjid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> view.oid OFFSET 0) d) d
	JOIN pg_catalog.pg_class t ON t.oid = d.refobjid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
)
SELECT f.role, f.schema, f.digest, f.print,
	(SELECT jsonb_object_agg(i.name, left(encode(sha256(convert_to(coalesce(i.source, ''), 'UTF8')), 'hex'), 32)) FROM item i)
FROM f
