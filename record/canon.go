package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxSafeInt is the largest integer every JSON reader keeps exactly (RFC 8785, 2^53-1).
const maxSafeInt = 1<<53 - 1

// Canonical gives v as canonical JSON: RFC 8785 restricted to whole numbers of
// at most 53 bits. Fields with no value are left out only where the type says
// omitempty or omitzero.
func Canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return canonicalize(raw)
}

// ParseCanonical reads canonical JSON into v, a pointer to a zero value, so
// strictly that Canonical(v) gives the same bytes: unknown and missing fields,
// other spellings of the same value and trailing bytes are errors.
func ParseCanonical(data []byte, v any) error {
	again, err := canonicalize(data)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		return errors.New("JSON is not in canonical form")
	}
	if err := json.Unmarshal(data, v); err != nil {
		return err
	}
	// What v holds must be all there is: this catches unknown and missing fields
	// and names in another case, which encoding/json would take.
	if again, err = Canonical(v); err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		return fmt.Errorf("JSON has not exactly the fields of a %T", v)
	}
	return nil
}

func canonicalize(raw []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("JSON goes on after its value")
	}
	return appendValue(make([]byte, 0, len(raw)), tree)
}

func appendValue(b []byte, v any) (_ []byte, err error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return AppendString(b, v), nil
	case json.Number:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || n > maxSafeInt || n < -maxSafeInt {
			return nil, fmt.Errorf("number %s is not a whole number of at most 53 bits", v)
		}
		return strconv.AppendInt(b, n, 10), nil
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendValue(b, e); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Slice(keys, func(i, j int) bool { return lessUTF16(keys[i], keys[j]) })
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(AppendString(b, k), ':')
			if b, err = appendValue(b, v[k]); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	return nil, fmt.Errorf("value of type %T has no canonical form", v)
}

// lessUTF16 orders keys by UTF-16 code units, as RFC 8785 section 3.2.3 asks.
func lessUTF16(a, b string) bool {
	x, y := utf16.Encode([]rune(a)), utf16.Encode([]rune(b))
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return len(x) < len(y)
}

// AppendString appends s as an RFC 8785 string. Bytes that are not UTF-8 become
// U+FFFD; it allocates nothing, for the hot path.
func AppendString(b []byte, s string) []byte { return appendText(b, s) }

// AppendBytes is AppendString for bytes.
func AppendBytes(b, s []byte) []byte { return appendText(b, s) }

func appendText[T string | []byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+4, len(s))]))
			b = utf8.AppendRune(b, r)
			i += n
			continue
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ':
			b = append(b, c)
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\f':
			b = append(b, '\\', 'f')
		case c == '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
	}
	return append(b, '"')
}
