package lens

import (
	"context"
	_ "embed" // the queries stand in files of their own
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Held is something that PUBLIC holds and a fenced store does not give it.
type Held struct {
	Kind      string // definer function, schema, function, table, …
	Target    string // as after ON in GRANT: "SCHEMA public"
	Privilege string // USAGE, EXECUTE, …
	Reachable bool   // a role that inherits PUBLIC alone can use it
}

// String says what is held, for people.
func (h Held) String() string {
	_, name, _ := strings.Cut(h.Target, " ")
	return h.Kind + " " + name + ": " + h.Privilege
}

//go:embed held.sql
var heldSQL string

// tellingFunctions matches what pg_catalog lets everybody execute and a lens
// session must not: it would learn of other sessions, of the size of tables and
// of hidden rows, or carry data to other sessions or out of the store.
const tellingFunctions = `^(` +
	`pg_notify|pg_listening_channels|pg_notification_queue_usage|pg_logical_emit_message` + // channels
	`|lo_.*|loread|lowrite` + // large objects persist and belong to nobody's lens
	`|pg_(try_)?advisory_.*` + // locks that other sessions can see
	`|pg_stat_get_.*|pg_cancel_backend|pg_terminate_backend|pg_lock_status|pg_blocking_pids` +
	`|pg_safe_snapshot_blocking_pids|pg_isolation_test_session_is_blocked|pg_prepared_xact` + // others' sessions
	`|pg_(total_)?relation_size|pg_table_size|pg_indexes_size|pg_database_size|pg_tablespace_size` +
	`|pg_relation_filepath|pg_relation_filenode|pg_filenode_relation` + // sizes and files
	`|pg_export_snapshot|pg_current_wal_.*|pg_current_snapshot|txid_current_snapshot|pg_xact_commit_timestamp.*|pg_last_committed_xact` +
	`|pg_get_functiondef|pg_get_function_sqlbody` + // sources may hold secrets
	`|set_config` + // sets what the gate refuses to SET: debug_print_plan shows estimates over hidden rows
	`)$`

// held lists what a role (0 is PUBLIC) holds, definer functions first.
func held(ctx context.Context, q Querier, grantee uint32) ([]Held, error) {
	rows, err := q.Query(ctx, heldSQL, grantee, tellingFunctions)
	if err != nil {
		return nil, fmt.Errorf("reading what PUBLIC holds: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h Held, err error) {
		var rank int
		err = row.Scan(&rank, &h.Kind, &h.Target, &h.Privilege, &h.Reachable)
		return h, err
	})
}

// CheckFence lists what a role without any grant could reach in the database of
// the connection; empty means fenced. Gates call it before they open a dataset.
// Any role may call it.
func CheckFence(ctx context.Context, q Querier) ([]Held, error) {
	list, err := held(ctx, q, 0)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(h Held) bool { return !h.Reachable }), nil
}

// publicRole inherits, once the fence stands, what PUBLIC held.
const publicRole = "trefoil_public"

// ordinaryRoles lists the operator's roles that inherit from PUBLIC and matter:
// no superusers, no predefined roles, none of ours. direct are those to which a
// membership in trefoil_public gives nothing, because they do not inherit or
// came after it.
func ordinaryRoles(ctx context.Context, q Querier) (all, direct []string, err error) {
	rows, err := q.Query(ctx, `
		SELECT r.rolname, coalesce(pg_has_role(r.oid, p.oid, 'USAGE'), p.oid IS NULL AND r.rolinherit)
		FROM pg_roles r LEFT JOIN pg_roles p ON p.rolname = $1
		WHERE NOT r.rolsuper AND r.rolname !~ '^(pg_|trefoil_)' ORDER BY 1`, publicRole)
	if err != nil {
		return nil, nil, err
	}
	var name string
	var inherits bool
	_, err = pgx.ForEachRow(rows, []any{&name, &inherits}, func() error {
		all = append(all, name)
		if !inherits {
			direct = append(direct, name)
		}
		return nil
	})
	return all, direct, err
}

// fenceSQL moves privileges from one grantee to others, one pair of statements
// for each kind of object and privilege.
func fenceSQL(list []Held, from string, to []string) []string {
	type key struct{ word, privilege string }
	var order []key
	targets := map[key][]string{}
	for _, h := range list {
		word, name, _ := strings.Cut(h.Target, " ")
		for _, two := range []string{"LARGE OBJECT", "FOREIGN SERVER", "FOREIGN DATA WRAPPER"} {
			if rest, ok := strings.CutPrefix(h.Target, two+" "); ok {
				word, name = two, rest
			}
		}
		k := key{word, h.Privilege}
		if targets[k] == nil {
			order = append(order, k)
		}
		targets[k] = append(targets[k], name)
	}
	var out []string
	for _, k := range order {
		on := " ON " + k.word + " " + strings.Join(targets[k], ", ")
		out = append(out, "GRANT "+k.privilege+on+" TO "+strings.Join(to, ", "), "REVOKE "+k.privilege+on+" FROM "+from)
	}
	return out
}

// sourceColumns are the columns of pg_proc that stay readable for PUBLIC, so
// that clients can list functions: all but the sources, and the system's own too
// (DataGrip reads xmin).
func sourceColumns(ctx context.Context, q Querier) (string, error) {
	var list string
	err := q.QueryRow(ctx, `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = 'pg_catalog.pg_proc'::regclass AND attname NOT IN ('prosrc', 'probin', 'prosqlbody')`).Scan(&list)
	return list, err
}

// defaultPrivileges gives the statements that take PUBLIC out of the operator's
// ALTER DEFAULT PRIVILEGES: they would put new objects outside the fence.
func defaultPrivileges(ctx context.Context, q Querier) ([]string, error) {
	rows, err := q.Query(ctx, `
		SELECT DISTINCT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM PUBLIC', r.rolname,
			CASE WHEN n.oid IS NOT NULL THEN format(' IN SCHEMA %I', n.nspname) ELSE '' END,
			CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'n' THEN 'SCHEMAS' ELSE 'TYPES' END)
		FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace,
			aclexplode(d.defaclacl) a
		WHERE a.grantee = 0 AND (d.defaclobjtype IN ('r', 'S', 'n') OR d.defaclnamespace <> 0) AND d.defaclobjtype <> 'T'
		ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
