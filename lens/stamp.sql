-- A short sum over the versions of the catalogue rows that print.sql reads, for
-- the lens in force of dataset $1, lens $2, scope $3: some milliseconds for a
-- thousand views, where reading and hashing their definitions takes a hundred
-- times as long. Whatever SQL changes gets another xmin. Left out are the rights
-- of the views' owner: nobody can use more of them without one of the changes
-- that are counted here; and row security of tables without a policy, which can
-- only hide rows.
WITH f AS MATERIALIZED (
	SELECT role, schema, digest FROM trefoil.lens_in_force($1, $2, $3)
), schema AS MATERIALIZED (
	SELECT n.oid, n.xmin, n.nspowner, n.nspname = 'trefoil' AS shared FROM pg_catalog.pg_namespace n WHERE n.nspname IN ((SELECT schema FROM f), 'trefoil')
), role AS MATERIALIZED (
	SELECT r.oid, r::text AS attributes, r.rolname = (SELECT role FROM f) AS lens FROM pg_catalog.pg_roles r
	WHERE r.rolname IN ((SELECT role FROM f), 'trefoil_owner', 'trefoil_gate') OR r.oid = (SELECT nspowner FROM schema WHERE NOT shared)
), member AS MATERIALIZED ( -- pg_class and pg_proc have no index by schema, pg_depend has
	SELECT d.classid, d.objid FROM schema, LATERAL (SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
		WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = schema.oid OFFSET 0) d
), version(xmin, place) AS (
	SELECT xmin, oid::bigint FROM schema
	UNION ALL
	SELECT c.xmin, c.oid::bigint + (1::bigint << 32) FROM member, LATERAL (SELECT c.xmin, c.oid FROM pg_catalog.pg_class c WHERE c.oid = member.objid OFFSET 0) c
	WHERE member.classid = 'pg_catalog.pg_class'::regclass
	UNION ALL
	SELECT w.xmin, w.oid::bigint + (2::bigint << 32) FROM member, LATERAL (SELECT w.xmin, w.oid FROM pg_catalog.pg_rewrite w WHERE w.ev_class = member.objid OFFSET 0) w
	WHERE member.classid = 'pg_catalog.pg_class'::regclass
	UNION ALL
	SELECT p.xmin, p.oid::bigint + (3::bigint << 32) FROM member, LATERAL (SELECT p.xmin, p.oid FROM pg_catalog.pg_proc p WHERE p.oid = member.objid OFFSET 0) p
	WHERE member.classid = 'pg_catalog.pg_proc'::regclass
	UNION ALL
	SELECT s.xmin, s.objid::bigint + s.classid::bigint * s.dbid::bigint + (4::bigint << 32) FROM role, LATERAL (SELECT s.xmin, s.objid, s.classid, s.dbid FROM pg_catalog.pg_shdepend s
		WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = role.oid OFFSET 0) s WHERE role.lens
	UNION ALL
	SELECT p.xmin, hashtextextended((SELECT concat(c.oid, c.relrowsecurity, c.relforcerowsecurity, c.relowner) FROM pg_catalog.pg_class c WHERE c.oid = p.polrelid), p.oid::bigint) FROM pg_catalog.pg_policy p
	UNION ALL
	SELECT '0'::xid, hashtextextended(role.attributes, 0) FROM role
	UNION ALL
	SELECT m.xmin, m.roleid::bigint << 32 | m.member::bigint FROM role JOIN pg_catalog.pg_auth_members m ON m.member = role.oid
		JOIN pg_catalog.pg_roles g ON g.oid = m.roleid WHERE g.rolname !~ '^trefoil_[sfl]_'
	UNION ALL
	SELECT m.xmin, m.roleid::bigint << 32 | m.member::bigint FROM role JOIN pg_catalog.pg_auth_members m ON m.roleid = role.oid
		JOIN pg_catalog.pg_roles g ON g.oid = m.member WHERE g.rolname !~ '^trefoil_[sf]_'
)
SELECT f.role, f.schema, f.digest, (SELECT count(*) || ' ' || bit_xor(hashtextextended(v.xmin::text, v.place)) FROM version v) FROM f
