package scan

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Errors of a store quote the value they failed on; none of that is repeated.
func TestRefusalsRepeatNoValue(t *testing.T) {
	for code, fatal := range map[string]bool{"22P02": false, "42501": false, "57014": false, "55P03": false, "57P01": true, "XX001": false} {
		const canary = "cAnArY"
		note, err := refusal(context.Background(), &pgconn.PgError{Code: code, Message: `invalid input syntax: "cAnArY"`, Detail: canary, Hint: canary, Where: canary})
		if (err != nil) != fatal || !fatal && note == "" {
			t.Errorf("%s: note %q, error %v", code, note, err)
		}
		var pg *pgconn.PgError
		if strings.Contains(note, canary) || err != nil && strings.Contains(err.Error(), canary) || errors.As(err, &pg) {
			t.Errorf("%s: note %q, error %v", code, note, err)
		}
	}
	ended, stop := context.WithCancel(context.Background())
	stop()
	if _, err := refusal(ended, &pgconn.PgError{Code: "57014"}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestShapes(t *testing.T) {
	for v, want := range map[string]shape{
		"aoife@letterbox.example": mail, "192.0.2.7": ip, "2001:db8::1": ip, "10.0.0.0/8": ip, "+49 30 1234567": phone, "(030) 123-4567": phone,
		"4111 1111 1111 1111": card, "DE89 3704 0044 0532 0130 00": iban, "00:1b:44:11:3a:b7": mac, "53.3498, -6.2603": coordinates,
		"$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW": secret, "2024-02-29": isoDate, "https://a.example/": url, "IE": country2,
		"9f86d081-884c-4d63-9a2f-0a1b2c3d4e5f": uuid,
	} {
		if got, ok := shapeOf(v); !ok || got != want {
			t.Errorf("%s: %v %d, want %d", v, ok, got, want)
		}
	}
	for _, v := range []string{"", "a", "@", "a@b", "12:30:00", "1.2.3", "4111 1111 1111 1112", "DE89 3704 0044 0532 0130 01", "1234567", "2024", "1,5", "-", "+", "()", ",", "ab", "$2b$", "deadbeef", strings.Repeat("9", 500), "\xff\xfe"} {
		if got, ok := shapeOf(v); ok {
			t.Errorf("%q: %d", v, got)
		}
	}
}

// What strangers wrote into their rows is looked at by code of ours.
func FuzzLook(f *testing.F) {
	for _, v := range []string{"", "Anna Berg", "a@b.example", "{\"x\"}", "4111 1111 1111 1111", "DE8", "1900-01-01", "-1.5e400", "\xff", "::", "\u202e"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, family := range []string{"text", "int", "number", "date", "document", "boolean"} {
			for _, array := range []bool{false, true} {
				var s stats
				s.look([]byte(v), &column{family: family, array: array})
				for sh, n := range s.shapes {
					if n < 0 || n > 1 || n > s.values {
						t.Errorf("%q is %d times %d", v, n, sh)
					}
				}
			}
		}
	})
}
