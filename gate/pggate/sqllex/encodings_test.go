package sqllex

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

// TestEncodingsJoinNoMore asks the installed PostgreSQL what the rules of the
// scanner rest on: which byte of ASCII a client encoding may join to a high
// byte before it, and which high bytes become ASCII.
func TestEncodingsJoinNoMore(t *testing.T) {
	ctx := context.Background()
	c := pgtest.New(t)
	conn, err := pgx.Connect(ctx, pgtest.DB(t, c))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `
		CREATE FUNCTION read(b bytea, enc text) RETURNS text LANGUAGE plpgsql AS $$
		BEGIN RETURN convert_from(b, enc); EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$`); err != nil {
		t.Fatal(err)
	}
	// Every encoding the server can name, but the two that convert nothing.
	rows, err := conn.Query(ctx, `
		WITH pair AS MATERIALIZED (
			SELECT e.enc, hi, lo, read(decode(to_hex(hi) || lpad(to_hex(lo), 2, '0'), 'hex'), e.enc) AS as_text
			FROM (SELECT DISTINCT pg_encoding_to_char(i) AS enc, pg_encoding_max_length(i) AS width FROM generate_series(0, 60) i) e,
				generate_series(128, 255) hi, generate_series(1, 255) lo
			WHERE e.enc NOT IN ('', 'UTF8', 'SQL_ASCII', 'MULE_INTERNAL')
				AND (e.width > 1 OR lo = 65)) -- one byte is one character: try each once
		SELECT enc, hi, lo, as_text,
			CASE WHEN lo >= 128 THEN as_text ~ '[\x01-\x7f]'
			     WHEN right(as_text, 1) = chr(lo) THEN left(as_text, -1) ~ '[\x01-\x7f]'
			     ELSE as_text ~ '[\x01-\x7f]' END AS ascii
		FROM pair
		WHERE as_text IS NOT NULL AND (lo >= 128 OR right(as_text, 1) <> chr(lo) OR length(as_text) > 2)`)
	if err != nil {
		t.Fatal(err)
	}
	var (
		enc, text string
		hi, lo    int
		ascii     bool
		joined    = map[string]int{}
		becomes   = map[string]string{}
	)
	if _, err := pgx.ForEachRow(rows, []any{&enc, &hi, &lo, &text, &ascii}, func() error {
		if lo < 0x80 {
			joined[enc]++
			if lo < 0x40 || lo > 0x7e {
				return fmt.Errorf("%s joins %02x to %02x", enc, lo, hi)
			}
		}
		if ascii {
			becomes[fmt.Sprintf("%s %02x %02x", enc, hi, lo)] = text
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(joined) < 5 {
		t.Errorf("only %v join anything: the test says little", joined)
	}
	want := map[string]string{"SHIFT_JIS_2004 81 5f": `\`, "SHIFT_JIS_2004 81 b0": "~"}
	if fmt.Sprint(becomes) != fmt.Sprint(want) {
		t.Errorf("high bytes become ASCII: %v, want %v", becomes, want)
	}
}
