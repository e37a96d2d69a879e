-- The schema trefoil: what a store remembers about lenses and sessions. All of
-- it belongs to trefoil_owner, which cannot log in; nobody else may write here.

CREATE SCHEMA IF NOT EXISTS trefoil AUTHORIZATION trefoil_owner;

-- One row for each schema of views. Sessions are opened only on the row in force.
CREATE TABLE IF NOT EXISTS trefoil.lens (
	role     name PRIMARY KEY,             -- NOLOGIN; may read the views
	schema   name NOT NULL UNIQUE,
	dataset  text NOT NULL,
	lens     text NOT NULL,
	scope    text NOT NULL,
	digest   text NOT NULL,                -- SHA-256 of the compiled SQL, hex
	key_type text NOT NULL CHECK (key_type IN ('int', 'uuid', 'text', '')),
	in_force boolean NOT NULL,
	pads     boolean NOT NULL DEFAULT false, -- its views compute pseudonyms, with the grant's padded keys
	made     timestamptz NOT NULL DEFAULT clock_timestamp(),
	print    jsonb NOT NULL DEFAULT '{}'   -- what stood when it was applied
);
ALTER TABLE trefoil.lens ADD COLUMN IF NOT EXISTS pads boolean NOT NULL DEFAULT false; -- made before there was one
CREATE UNIQUE INDEX IF NOT EXISTS lens_in_force ON trefoil.lens (dataset, lens, scope) WHERE in_force;

-- Which role serves which grant: a person's session, or all sessions of a service's grant.
CREATE TABLE IF NOT EXISTS trefoil.session (
	role     name PRIMARY KEY,
	gate     text NOT NULL,
	lens     name NOT NULL REFERENCES trefoil.lens,
	grant_id bigint NOT NULL,
	pads     bytea CHECK (octet_length(pads) = 128), -- the grant's key, where a view computes with it: padded twice, as RFC 2104 says, so that sha256() is enough
	opened   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS session_grant ON trefoil.session (grant_id);
CREATE INDEX IF NOT EXISTS session_lens ON trefoil.session (lens);

-- The subjects of a case, in the column of their key's type, while a session of
-- the grant is open, and in the pseudonymous lens what is shown of them.
CREATE TABLE IF NOT EXISTS trefoil.scope (
	grant_id bigint NOT NULL,
	key_int  bigint,
	key_uuid uuid,
	key_text text,
	pseudonym text,
	CHECK (num_nonnulls(key_int, key_uuid, key_text) = 1)
);
ALTER TABLE trefoil.scope ADD COLUMN IF NOT EXISTS pseudonym text;
CREATE UNIQUE INDEX IF NOT EXISTS scope_pseudonym ON trefoil.scope (grant_id, pseudonym) WHERE pseudonym IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS scope_int ON trefoil.scope (grant_id, key_int) WHERE key_int IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS scope_uuid ON trefoil.scope (grant_id, key_uuid) WHERE key_uuid IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS scope_text ON trefoil.scope (grant_id, key_text) WHERE key_text IS NOT NULL;

-- Tables of the operator's on which row security was turned on for a dataset with
-- rows: rls, and what a drop has to restore.
CREATE TABLE IF NOT EXISTS trefoil.secured (
	dataset  text NOT NULL,
	relation oid NOT NULL,
	was_on   boolean NOT NULL,             -- the table had row security before
	policy   text NOT NULL,                -- condition of the rows that lenses show; empty while released
	PRIMARY KEY (dataset, relation)
);

-- role_open makes a login role and writes what its views look up. The gate
-- chooses neither the lens role nor the schema. p_pseudonyms stand beside
-- p_subjects in the pseudonymous lens and are NULL in others. Only the two
-- functions behind it call it.
CREATE OR REPLACE FUNCTION trefoil.role_open(
	r name, p_limit int, p_gate text, p_lens_role name,
	p_grant bigint, p_verifier text, p_subjects text[], p_pseudonyms text[], p_pads bytea)
RETURNS TABLE (role name, schema name, digest text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	l trefoil.lens;
	held bigint;
	wanted bigint;
BEGIN
	-- Anything else would be taken for a password in clear.
	IF p_verifier IS NULL OR p_verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}$' THEN
		RAISE EXCEPTION 'verifier is not a SCRAM-SHA-256 verifier' USING ERRCODE = '22023';
	END IF;
	SELECT * INTO STRICT l FROM trefoil.lens x WHERE x.role = p_lens_role AND x.in_force;
	EXECUTE format('CREATE ROLE %I LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS'
		' CONNECTION LIMIT %s PASSWORD %L IN ROLE %I ROLE trefoil_owner', r, p_limit, p_verifier, l.role);
	EXECUTE format('ALTER ROLE %I SET search_path TO %I', r, l.schema);
	-- Opening and closing of one grant take turns: a close must not remove the
	-- scope that an open has just found there.
	PERFORM pg_advisory_xact_lock(1953654118, (p_grant % 2147483647)::int);
	IF l.pads AND p_pads IS NULL THEN
		RAISE EXCEPTION 'lens %/% in scope % needs a pseudonym key', l.dataset, l.lens, l.scope USING ERRCODE = '55000';
	END IF;
	IF l.pads AND EXISTS (SELECT FROM trefoil.session s WHERE s.grant_id = p_grant AND s.pads <> p_pads) THEN
		RAISE EXCEPTION 'grant % has another pseudonym key already', p_grant USING ERRCODE = '55000';
	END IF;
	INSERT INTO trefoil.session (role, gate, lens, grant_id, pads) VALUES (r, p_gate, l.role, p_grant, CASE WHEN l.pads THEN p_pads END);
	IF l.scope = 'case' THEN
		IF (l.lens = 'pseudonymous') <> (p_pseudonyms IS NOT NULL) OR p_pseudonyms IS NOT NULL AND cardinality(p_pseudonyms) <> cardinality(p_subjects) THEN
			RAISE EXCEPTION 'lens % and the pseudonyms do not go together', l.lens USING ERRCODE = '22023';
		END IF;
		INSERT INTO trefoil.scope (grant_id, key_int, key_uuid, key_text, pseudonym)
			SELECT DISTINCT p_grant,
				CASE l.key_type WHEN 'int' THEN k::bigint END,
				CASE l.key_type WHEN 'uuid' THEN k::uuid END,
				CASE l.key_type WHEN 'text' THEN k END,
				p
			FROM unnest(p_subjects, p_pseudonyms) u(k, p)
			ON CONFLICT DO NOTHING;
		SELECT count(*) INTO held FROM trefoil.scope s WHERE s.grant_id = p_grant;
		SELECT count(DISTINCT CASE l.key_type WHEN 'int' THEN k::bigint::text WHEN 'uuid' THEN k::uuid::text ELSE k END)
			INTO wanted FROM unnest(p_subjects) k;
		IF held <> wanted OR held = 0 OR held > 1000 THEN
			RAISE EXCEPTION 'grant % names % subjects and its scope holds %', p_grant, wanted, held USING ERRCODE = '55000';
		END IF;
		PERFORM FROM trefoil.scope s WHERE s.grant_id = p_grant AND s.pseudonym IS DISTINCT FROM (
			SELECT u.p FROM unnest(p_subjects, p_pseudonyms) u(k, p)
			WHERE u.k = coalesce(s.key_int::text, s.key_uuid::text, s.key_text) LIMIT 1);
		IF FOUND THEN
			RAISE EXCEPTION 'grant % has other pseudonyms already', p_grant USING ERRCODE = '55000';
		END IF;
	END IF;
	RETURN QUERY SELECT r, l.schema, l.digest;
END $$;

-- lens_role is the role of the lens in force.
CREATE OR REPLACE FUNCTION trefoil.lens_role(p_dataset text, p_lens text, p_scope text)
RETURNS name
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	r name;
BEGIN
	SELECT x.role INTO r FROM trefoil.lens x
		WHERE x.dataset = p_dataset AND x.lens = p_lens AND x.scope = p_scope AND x.in_force;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no lens %/% in scope % is in force', p_dataset, p_lens, p_scope USING ERRCODE = '55000';
	END IF;
	RETURN r;
END $$;

-- session_open makes the role of one session of a person: used once and never again.
CREATE OR REPLACE FUNCTION trefoil.session_open(
	p_gate text, p_seq bigint, p_dataset text, p_lens text, p_scope text,
	p_grant bigint, p_verifier text, p_subjects text[], p_pseudonyms text[], p_pads bytea)
RETURNS TABLE (role name, schema name, digest text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF p_gate IS NULL OR p_gate !~ '^[a-z0-9][a-z0-9-]{0,29}$' OR p_seq IS NULL OR p_seq < 0 THEN
		RAISE EXCEPTION 'gate or sequence is not legal' USING ERRCODE = '22023';
	END IF;
	RETURN QUERY SELECT * FROM trefoil.role_open('trefoil_s_' || p_gate || '_' || p_seq, 1, p_gate,
		trefoil.lens_role(p_dataset, p_lens, p_scope), p_grant, p_verifier, p_subjects, p_pseudonyms, p_pads);
END $$;

-- service_open makes the role that all sessions of one grant of a service share
-- at one gate, for as long as there is one. A lens that is applied anew gets
-- another role beside it. What an earlier run of the gate left is closed first:
-- nobody holds its secret any more.
CREATE OR REPLACE FUNCTION trefoil.service_open(
	p_gate text, p_service text, p_limit int, p_dataset text, p_lens text, p_scope text,
	p_grant bigint, p_verifier text, p_subjects text[], p_pseudonyms text[], p_pads bytea)
RETURNS TABLE (role name, schema name, digest text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	l name := trefoil.lens_role(p_dataset, p_lens, p_scope);
	r name;
BEGIN
	IF p_gate IS NULL OR p_gate !~ '^[a-z0-9][a-z0-9-]{0,29}$' OR coalesce(p_service, '') = '' OR p_grant IS NULL
		OR p_limit IS NULL OR p_limit < 1 OR p_limit > 100000 THEN
		RAISE EXCEPTION 'gate, service, grant or limit is not legal' USING ERRCODE = '22023';
	END IF;
	r := 'trefoil_f_' || left(regexp_replace(lower(p_service), '[^a-z0-9]+', '-', 'g'), 32) || '_'
		|| left(encode(sha256(convert_to(concat_ws('/', p_gate, p_service, l, p_grant), 'UTF8')), 'hex'), 16);
	PERFORM trefoil.session_close(r);
	RETURN QUERY SELECT * FROM trefoil.role_open(r, p_limit, p_gate, l, p_grant, p_verifier, p_subjects, p_pseudonyms, p_pads);
END $$;

-- service_leave ends the backend of one session of a service, of which others go on.
CREATE OR REPLACE FUNCTION trefoil.service_leave(p_role name, p_pid int)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN p_role ~ '^trefoil_f_' AND EXISTS (SELECT FROM trefoil.session s WHERE s.role = p_role)
		AND EXISTS (SELECT FROM pg_stat_get_activity(p_pid) a JOIN pg_roles u ON u.oid = a.usesysid WHERE u.rolname = p_role)
		AND pg_terminate_backend(p_pid, 5000);
END $$;

-- session_close ends a session: its backends, its role, its rows. False when
-- there is no such session, so that closing twice is harmless.
CREATE OR REPLACE FUNCTION trefoil.session_close(p_role name)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	g bigint;
	b record;
BEGIN
	SELECT s.grant_id INTO g FROM trefoil.session s WHERE s.role = p_role FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF p_role !~ '^trefoil_(s_[a-z0-9-]+_[0-9]+|f_[a-z0-9-]+_[0-9a-f]{16})$' THEN
		RAISE EXCEPTION 'not a session role' USING ERRCODE = '22023';
	END IF;
	IF EXISTS (SELECT FROM pg_roles a WHERE a.rolname = p_role) THEN
		FOR b IN SELECT a.pid FROM pg_stat_get_activity(NULL) a JOIN pg_roles u ON u.oid = a.usesysid WHERE u.rolname = p_role LOOP
			CONTINUE WHEN pg_terminate_backend(b.pid, 5000);
			-- False also for a backend that ended by itself just before.
			PERFORM pg_stat_clear_snapshot();
			IF EXISTS (SELECT FROM pg_stat_get_activity(b.pid)) THEN
				RAISE EXCEPTION 'backend % of % does not end', b.pid, p_role USING ERRCODE = '55000';
			END IF;
		END LOOP;
		EXECUTE format('DROP OWNED BY %I', p_role);
		EXECUTE format('DROP ROLE %I', p_role);
	END IF;
	PERFORM pg_advisory_xact_lock(1953654118, (g % 2147483647)::int);
	DELETE FROM trefoil.session s WHERE s.role = p_role;
	IF NOT EXISTS (SELECT FROM trefoil.session s WHERE s.grant_id = g) THEN
		DELETE FROM trefoil.scope s WHERE s.grant_id = g;
	END IF;
	RETURN true;
END $$;

-- sweep closes what a gate left behind: its own sessions that have no backend
-- and that it does not say it still uses.
CREATE OR REPLACE FUNCTION trefoil.sweep(p_gate text, p_keep text[])
RETURNS SETOF name
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	s record;
BEGIN
	FOR s IN SELECT x.role FROM trefoil.session x
		WHERE x.gate = p_gate AND NOT x.role = ANY (coalesce(p_keep, '{}')::name[])
		AND NOT EXISTS (SELECT FROM pg_stat_get_activity(NULL) a JOIN pg_roles u ON u.oid = a.usesysid WHERE u.rolname = x.role)
		ORDER BY x.opened
	LOOP
		IF trefoil.session_close(s.role) THEN
			RETURN NEXT s.role;
		END IF;
	END LOOP;
END $$;

-- lens_in_force is what the gate compares with what it finds; see print.go.
CREATE OR REPLACE FUNCTION trefoil.lens_in_force(p_dataset text, p_lens text, p_scope text)
RETURNS TABLE (role name, schema name, digest text, print jsonb)
LANGUAGE sql STABLE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT l.role, l.schema, l.digest, l.print FROM trefoil.lens l
	WHERE l.dataset = p_dataset AND l.lens = p_lens AND l.scope = p_scope AND l.in_force
$$;

ALTER TABLE trefoil.lens OWNER TO trefoil_owner;
ALTER TABLE trefoil.session OWNER TO trefoil_owner;
ALTER TABLE trefoil.scope OWNER TO trefoil_owner;
ALTER TABLE trefoil.secured OWNER TO trefoil_owner;
ALTER FUNCTION trefoil.role_open OWNER TO trefoil_owner;
ALTER FUNCTION trefoil.lens_role OWNER TO trefoil_owner;
ALTER FUNCTION trefoil.session_open OWNER TO trefoil_owner;
ALTER FUNCTION trefoil.service_open OWNER TO trefoil_owner;
ALTER FUNCTION trefoil.service_leave OWNER TO trefoil_owner;
ALTER FUNCTION trefoil.session_close OWNER TO trefoil_owner;
ALTER FUNCTION trefoil.sweep OWNER TO trefoil_owner;
ALTER FUNCTION trefoil.lens_in_force OWNER TO trefoil_owner;

REVOKE ALL ON SCHEMA trefoil FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA trefoil FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trefoil FROM PUBLIC;
GRANT USAGE ON SCHEMA trefoil TO trefoil_gate;
GRANT EXECUTE ON FUNCTION trefoil.session_open, trefoil.service_open, trefoil.service_leave, trefoil.session_close, trefoil.sweep, trefoil.lens_in_force TO trefoil_gate;

-- What the functions need of what the fence takes from PUBLIC.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer), pg_catalog.pg_terminate_backend(integer, bigint),
	pg_catalog.pg_advisory_xact_lock(integer, integer) TO trefoil_owner;
-- The gate hashes the source of the functions above (print.go).
GRANT SELECT ON pg_catalog.pg_proc TO trefoil_gate;
-- The gate's few statements are planned once, not at every session's start.
ALTER ROLE trefoil_gate SET plan_cache_mode TO force_generic_plan;
