package scan

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// few is how many values a share is told of at least.
const few = 10

// stats are the counts of one column's sample. No value is in them but the first
// and last year of dates, which are compared and never told.
type stats struct {
	values  int // that are neither null nor empty
	shapes  [shapeCount]int
	low, up int
}

// look counts one value as the store writes it; nil is null.
func (s *stats) look(v []byte, c *column) {
	v = bytes.TrimSpace(v[:min(len(v), 4*maxLength)])
	if len(v) == 0 {
		return
	}
	if c.array { // its first element speaks for it
		v = bytes.TrimLeft(v, `{"`)
		v, _, _ = bytes.Cut(v, []byte(","))
		v = bytes.TrimRight(v, `"}`)
	}
	if len(v) == 0 {
		return
	}
	s.values++
	switch c.family {
	case "text":
		s.text(string(v))
	case "document":
		s.inside(string(v))
	case "date", "time":
		s.year(v)
	case "number":
		s.number(string(v))
	case "int":
		if cardNumber(string(v)) {
			s.shapes[card]++
		}
	}
}

func (s *stats) text(v string) {
	n := 0
	for w := range strings.FieldsSeq(v) {
		if strings.ContainsFunc(w, unicode.IsLetter) {
			n++
		}
	}
	if n >= 5 {
		s.shapes[prose]++
	}
	if sh, ok := shapeOf(v); ok {
		s.shapes[sh]++
	} else {
		s.inside(v)
	}
	if givenName(v) {
		s.shapes[given]++
	}
}

// inside counts texts that contain what has a shape of its own.
func (s *stats) inside(v string) {
	hasMail, hasNumber, hasName := false, false, false
	for w := range strings.FieldsFuncSeq(v, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"',;<>()[]{}=`, r) }) {
		w = strings.Trim(w, ".:!?")
		sh, ok := shapeOf(w)
		hasMail = hasMail || ok && sh == mail
		hasNumber = hasNumber || ok && (sh == phone || sh == card || sh == iban || sh == ip)
		hasName = hasName || len(w) > 2 && unicode.IsUpper(rune(w[0])) && givenName(w)
	}
	switch {
	case hasMail:
		s.shapes[mailInside]++
	case hasNumber:
		s.shapes[numberInside]++
	case hasName:
		s.shapes[nameInside]++
	}
}

func (s *stats) year(v []byte) {
	head, _, ok := bytes.Cut(v, []byte("-"))
	y, err := strconv.Atoi(string(head))
	if !ok || err != nil {
		return
	}
	if s.low == 0 || y < s.low {
		s.low = y
	}
	s.up = max(s.up, y)
}

func (s *stats) number(v string) {
	f, err := strconv.ParseFloat(v, 64)
	_, decimals, _ := strings.Cut(v, ".")
	if err != nil || math.IsNaN(f) || math.Abs(f) > 180 {
		return
	}
	s.shapes[degrees]++
	if math.Abs(f) > 1 && len(decimals) >= 4 {
		s.shapes[fineDegrees]++
	}
}

// share is how large a part of the values has a shape.
func (s *stats) share(sh shape) float64 {
	if s.values == 0 {
		return 0
	}
	return float64(s.shapes[sh]) / float64(s.values)
}

// most tells whether nearly all values have a shape.
func (s *stats) most(sh shape) bool { return s.share(sh) >= 0.8 }

// told is a share in words, rounded so that no single row shows in it.
func (s *stats) told(sh shape) string {
	if s.values < few {
		return "its few values " + shapeWords[sh]
	}
	p := int(math.Round(s.share(sh)*20)) * 5
	switch p {
	case 0:
		return "some sampled values " + shapeWords[sh]
	case 100:
		return "nearly all sampled values " + shapeWords[sh]
	}
	return "about " + strconv.Itoa(p) + " % of sampled values " + shapeWords[sh]
}
