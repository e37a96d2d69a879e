-- What a grantee holds that PostgreSQL did not need to give it. $1 is the
-- grantee's oid (0 is PUBLIC), $2 the pattern of functions of pg_catalog that
-- tell about other sessions or hidden rows, or carry data out. One row for each
-- privilege on each object:
--   rank       definer functions first
--   kind       for people
--   target     what stands after ON in GRANT and REVOKE
--   privilege  what stands before it
--   reachable  a role that inherits PUBLIC alone can use it
WITH ns AS (
	SELECT n.oid, n.nspname AS name, n.nspname IN ('pg_catalog', 'information_schema') AS system,
		EXISTS (SELECT FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
			WHERE a.grantee = 0 AND a.privilege_type = 'USAGE') AS open
	FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast|temp)'
), routines AS (
	SELECT p.oid, ns.name AS schema, ns.system, ns.open, p.prosecdef, p.proname,
		format('ROUTINE %I.%I(%s)', ns.name, p.proname, oidvectortypes(p.proargtypes)) AS target
	FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
	WHERE EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = $1)
)
SELECT CASE WHEN r.prosecdef THEN 1 ELSE 3 END AS rank,
	CASE WHEN r.prosecdef THEN 'definer function' ELSE 'function' END AS kind, r.target, 'EXECUTE' AS privilege, r.open AS reachable
FROM routines r
WHERE NOT r.system OR r.oid >= 16384 OR r.proname ~ $2
	-- given to PUBLIC after initdb had withheld it
	OR EXISTS (SELECT FROM pg_init_privs i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = r.oid
		AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) x WHERE x.grantee = 0))
UNION ALL
SELECT 2, 'schema', format('SCHEMA %I', ns.name), a.privilege_type, true
FROM pg_namespace n JOIN ns ON ns.oid = n.oid, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
WHERE a.grantee = $1 AND NOT (ns.system AND a.privilege_type = 'USAGE')
UNION ALL
SELECT 4, CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' ELSE 'table' END,
	format(CASE c.relkind WHEN 'S' THEN 'SEQUENCE %I.%I' ELSE 'TABLE %I.%I' END, ns.name, c.relname), a.privilege_type, ns.open
FROM pg_class c JOIN ns ON ns.oid = c.relnamespace, aclexplode(c.relacl) a
WHERE a.grantee = $1 AND (NOT ns.system OR c.oid >= 16384
	-- initdb notes its own grants, except those of information_schema, which it makes later
	OR NOT (ns.name = 'information_schema' AND a.privilege_type = 'SELECT') AND NOT EXISTS (SELECT FROM pg_init_privs i, aclexplode(i.initprivs) x
		WHERE i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = 0 AND x.grantee = 0 AND x.privilege_type = a.privilege_type))
	AND NOT (c.oid = 'pg_proc'::regclass AND a.privilege_type = 'SELECT')
UNION ALL
SELECT 4, 'column', format('TABLE %I.%I', ns.name, c.relname), format('%s (%I)', a.privilege_type, t.attname), ns.open
FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN ns ON ns.oid = c.relnamespace, aclexplode(t.attacl) a
WHERE a.grantee = $1 AND NOT (c.oid = 'pg_proc'::regclass AND t.attname NOT IN ('prosrc', 'probin', 'prosqlbody'))
	AND NOT EXISTS (SELECT FROM pg_init_privs i, aclexplode(i.initprivs) x
		WHERE i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = t.attnum AND x.grantee = 0 AND x.privilege_type = a.privilege_type)
UNION ALL
-- Sources of functions hold whatever their authors wrote into them.
SELECT 5, 'function sources', 'TABLE pg_catalog.pg_proc', 'SELECT', true
FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = 'pg_proc'::regclass AND a.grantee = $1 AND a.privilege_type = 'SELECT'
UNION ALL
SELECT 6, 'database', format('DATABASE %I', d.datname), a.privilege_type, a.privilege_type <> 'CONNECT'
FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
WHERE d.datname = current_database() AND a.grantee = $1
UNION ALL
SELECT 6, 'language', format('LANGUAGE %I', l.lanname), a.privilege_type, true
FROM pg_language l, aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a WHERE l.lanpltrusted AND a.grantee = $1
UNION ALL
SELECT 7, 'foreign data wrapper', format('FOREIGN DATA WRAPPER %I', f.fdwname), a.privilege_type, true
FROM pg_foreign_data_wrapper f, aclexplode(f.fdwacl) a WHERE a.grantee = $1
UNION ALL
SELECT 7, 'foreign server', format('FOREIGN SERVER %I', f.srvname), a.privilege_type, true
FROM pg_foreign_server f, aclexplode(f.srvacl) a WHERE a.grantee = $1
UNION ALL
SELECT 7, 'large object', format('LARGE OBJECT %s', o.oid), a.privilege_type, true
FROM pg_largeobject_metadata o, aclexplode(o.lomacl) a WHERE a.grantee = $1
UNION ALL
SELECT 7, 'tablespace', format('TABLESPACE %I', s.spcname), a.privilege_type, true
FROM pg_tablespace s, aclexplode(s.spcacl) a WHERE a.grantee = $1
UNION ALL
SELECT 7, 'parameter', format('PARAMETER %s', p.parname), a.privilege_type, true
FROM pg_parameter_acl p, aclexplode(p.paracl) a WHERE a.grantee = $1
ORDER BY 1, 3, 4
