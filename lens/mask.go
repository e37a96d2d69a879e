package lens

import (
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
)

// Masks as SQL. x is the column in its shown type (see shownType). Results:
//
//	keep        the value
//	hide        NULL
//	email       the first character, then ***@***; without an @: ***
//	phone       *** and the last two characters, if there are at least seven
//	name        first characters of the first and the last word: Anna Karin Berg is A. B.
//	ip          the /24 (IPv4) or /48 (IPv6) with the host bits zero
//	date        1 January of the year, midnight UTC; outside the years 1 to 9999 NULL
//	coordinate  to one decimal, some 11 km; outside ±360 NULL
//	text        [up to 40 characters]: the length, rounded up to ten
//
// The length of JSON, XML and bytea is a text too. An array of what a mask fits
// is masked element by element.
//
// An empty text stays empty. Raw values are never cast, since the error of a
// cast quotes them. Where plain string functions do, no regular expression is
// used: one costs a microsecond or two a value, which a list of ten rows would
// feel. So do translate() and btrim().

type maskFunc func(x string) string

// maskSQL gives the expression and type of a mask over a column of type typ;
// false when the mask cannot be computed for that type.
func maskSQL(m catalog.Mask, x, typ string) (expr, after string, ok bool) {
	switch m {
	case catalog.Keep, catalog.Pseudonym:
		return x, typ, true
	case catalog.Hide:
		return "NULL::" + typ, typ, true
	}
	family := family(typ)
	f := masks[m][family]
	if element, ok := strings.CutSuffix(typ, "[]"); ok && f == nil {
		e, after, fits := maskSQL(m, "u.e", element)
		// ARRAY gives {} for an empty one; one of several dimensions becomes flat.
		return "CASE WHEN " + x + " IS NOT NULL THEN ARRAY(SELECT " + e + " FROM unnest(" + x + ") WITH ORDINALITY u(e, o) ORDER BY u.o) END", after + "[]", fits
	}
	if f == nil {
		return "", "", false
	}
	if family == "text" || m == catalog.Length {
		typ = "text"
	}
	return f(x), typ, true
}

// family groups types that a mask treats alike.
func family(typ string) string {
	base, _, _ := strings.Cut(typ, "(")
	switch strings.TrimSpace(base) {
	case "text", "character varying", "character", "bpchar", "name":
		return "text"
	case "timestamp without time zone", "timestamp":
		return "timestamp"
	case "timestamp with time zone":
		return "timestamptz"
	}
	if strings.HasPrefix(typ, "timestamp(") {
		if strings.HasSuffix(typ, "with time zone") {
			return "timestamptz"
		}
		return "timestamp"
	}
	return base
}

var masks = map[catalog.Mask]map[string]maskFunc{
	catalog.Email: {"text": func(x string) string {
		return "CASE WHEN " + x + " IS NULL THEN NULL WHEN " + x + " = '' THEN '' WHEN strpos(" + x + ", '@') > 1 THEN left(" + x +
			", 1) || '***@***' ELSE '***' END"
	}},
	catalog.Phone: {"text": func(x string) string {
		return "CASE WHEN length(" + x + ") >= 7 THEN '***' || right(" + x + ", 2) WHEN " + x + " <> '' THEN '***' ELSE " + x + "::text END"
	}},
	catalog.PersonName: {"text": func(x string) string {
		return "CASE WHEN " + x + " = '' THEN '' WHEN strpos(" + x + ", ' ') = 0 THEN left(" + x + ", 1) || '.' ELSE left(" + x +
			", 1) || '. ' || left(split_part(" + x + ", ' ', -1), 1) || '.' END"
	}},
	catalog.Length: {
		"text": func(x string) string {
			return "CASE WHEN " + x + " = '' THEN '' ELSE " + upTo("char_length("+x+")", "characters") + " END"
		},
		"json":  func(x string) string { return upTo("char_length("+x+"::text)", "characters") },
		"jsonb": func(x string) string { return upTo("char_length("+x+"::text)", "characters") },
		"xml":   func(x string) string { return upTo("char_length("+x+"::text)", "characters") },
		"bytea": func(x string) string { return upTo("octet_length("+x+")", "bytes") },
	},
	catalog.IP: {
		"inet": func(x string) string { return network(x) + "::inet" },
		"cidr": func(x string) string { return network(x + "::inet") },
		"text": func(x string) string {
			return "CASE WHEN " + x + " IS NULL THEN NULL WHEN " + x + " = '' THEN ''" +
				" WHEN " + x + ` ~ '^[0-9]{1,3}([.][0-9]{1,3}){3}$' THEN substring(` + x + ` from '^(.*)[.][0-9]+$') || '.0/24'` +
				" WHEN " + x + ` ~* '^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){2}:[0-9a-f:]*$' THEN lower(substring(` + x + ` from '^([^:]*:[^:]*:[^:]*):')) || '::/48'` +
				" ELSE '***' END"
		},
	},
	catalog.Year: {
		"date": func(x string) string {
			return "CASE WHEN " + x + " BETWEEN '0001-01-01'::date AND '9999-12-31'::date THEN date_trunc('year', " + x + "::timestamp)::date END"
		},
		"timestamp": func(x string) string {
			return "CASE WHEN " + x + " BETWEEN '0001-01-01'::timestamp AND '9999-12-31'::timestamp THEN date_trunc('year', " + x + ") END"
		},
		"timestamptz": func(x string) string {
			return "CASE WHEN " + x + " BETWEEN '0001-01-01 00:00:00+00'::timestamptz AND '9999-12-31 00:00:00+00'::timestamptz THEN date_trunc('year', " + x + ", 'UTC') END"
		},
		"text": func(x string) string {
			return "CASE WHEN " + x + " IS NULL THEN NULL WHEN " + x + " = '' THEN '' WHEN " + x +
				" ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}' THEN left(" + x + ", 4) || '-01-01' ELSE '***' END"
		},
	},
	catalog.Coarse: {
		"double precision": func(x string) string { return within(x, coarse(x)) },
		"real":             func(x string) string { return within(x, coarse(x+"::float8")+"::real") },
		"numeric":          func(x string) string { return within(x, "round("+x+", 1)") },
		"point": func(x string) string {
			lat, lon := "("+x+")[0]", "("+x+")[1]"
			return within(lat, within(lon, "point("+coarse(lat)+", "+coarse(lon)+")"))
		},
	},
}

func upTo(length, unit string) string {
	return "'[up to ' || (" + length + " + 9) / 10 * 10 || ' " + unit + "]'"
}

func network(x string) string {
	return "network(set_masklen(" + x + ", least(masklen(" + x + "), CASE family(" + x + ") WHEN 4 THEN 24 ELSE 48 END)))"
}

// within keeps arithmetic away from values on which it would raise an error.
func within(x, then string) string {
	return "CASE WHEN " + x + " BETWEEN -360 AND 360 THEN " + then + " END"
}

// coarse adds 0 so that no minus sign is left of a small negative number.
func coarse(x string) string { return "(round(" + x + " * 10) / 10 + 0)" }
