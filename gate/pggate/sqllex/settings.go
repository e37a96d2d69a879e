package sqllex

import "github.com/trefoil-dev/trefoil/internal/fault"

// rule says which values of a parameter a client may set.
type rule uint8

const (
	never    rule = iota
	anyValue      // harmless whatever the value
	pinned        // accepted and replaced by the gate's own value
	onlyUTF8
	onlyOn
	noticeUp // notice, warning, error
)

// settings are the parameters we have an opinion on, by name; all others are
// refused. docs/statements.md gives the reasons and a test compares the two.
var settings = [...]struct {
	name string
	rule rule
}{
	{"application_name", pinned},
	{"bytea_output", anyValue},
	{"client_encoding", onlyUTF8},
	{"client_min_messages", noticeUp},
	{"datestyle", anyValue},
	{"default_text_search_config", anyValue},
	{"default_transaction_deferrable", anyValue},
	{"default_transaction_isolation", anyValue},
	{"default_transaction_read_only", anyValue},
	{"escape_string_warning", anyValue},
	{"extra_float_digits", anyValue},
	{"idle_in_transaction_session_timeout", anyValue},
	{"idle_session_timeout", anyValue},
	{"intervalstyle", anyValue},
	{"jit", anyValue},
	{"lc_monetary", anyValue},
	{"lc_numeric", anyValue},
	{"lc_time", anyValue},
	{"lock_timeout", anyValue},
	{"role", never},
	{"row_security", never},
	{"search_path", never},
	{"session_authorization", never},
	{"standard_conforming_strings", onlyOn},
	{"statement_timeout", anyValue},
	{"timezone", anyValue},
	{"transaction_deferrable", anyValue},
	{"transaction_isolation", anyValue},
	{"transaction_read_only", anyValue},
	{"transaction_timeout", anyValue},
	{"work_mem", never},
	{"xmlbinary", anyValue},
	{"xmloption", anyValue},
}

// lookup finds a parameter by its name in lower case. The name it returns is a
// constant, and empty when we do not know the parameter.
func lookup(name []byte) (rule, string) {
	lo, hi := 0, len(settings)
	for lo < hi {
		mid := (lo + hi) / 2
		if settings[mid].name < string(name) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(settings) && settings[lo].name == string(name) {
		return settings[lo].rule, settings[lo].name
	}
	return never, ""
}

// allows reports whether the value, in lower case and without quotes, may be
// set. Values that could be spelled in more ways than these are refused.
func (r rule) allows(value []byte) bool {
	switch r {
	case anyValue, pinned:
		return true
	case onlyUTF8:
		switch string(value) {
		case "utf8", "utf-8", "unicode":
			return true
		}
	case onlyOn:
		switch string(value) {
		case "on", "true", "yes", "1":
			return true
		}
	case noticeUp:
		switch string(value) {
		case "notice", "warning", "error":
			return true
		}
	}
	return false
}

// CheckSetting judges a parameter of a startup packet by the rules for SET. It
// returns nil for application_name, which the caller overwrites.
func CheckSetting(name, value string) *fault.Error {
	var p parser
	r, known := lookup(p.folded([]byte(name)))
	switch {
	case r == never:
		return Refusal{Reason: SettingRefused, Word: known}.fault()
	case !r.allows(p.folded([]byte(value))):
		return Refusal{Reason: ValueRefused, Word: known}.fault()
	}
	return nil
}
