package clips

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// table says how many rows a user has in a table and how to write them.
type table struct {
	name string
	rows func(sh shape) int
	put  func(w *writer, s *store, u *user, sh shape)
}

// tables in the order in which they are loaded; countries is not the users'.
var tables = []table{
	{"countries", nil, nil},
	{"users", func(shape) int { return 1 }, putUser},
	{"devices", func(sh shape) int { return int(sh.devices) }, putDevices},
	{"signins", func(sh shape) int { return int(sh.signins) }, putSignins},
	{"videos", func(sh shape) int { return int(sh.videos) }, putVideos},
	{"views", func(sh shape) int { return int(sh.views) }, putViews},
	{"messages", func(sh shape) int { return int(sh.messages) }, putMessages},
	{"orders", func(sh shape) int { return int(sh.orders) }, putOrders},
}

func putUser(w *writer, _ *store, u *user, _ shape) {
	w.r.seed(u.id, streamUser^0x100) // beside what newUser drew
	w.int(u.id)
	w.text(u.handle())
	w.text(u.fullName())
	w.text(u.email())
	if w.r.n(8) == 0 {
		w.null()
	} else {
		w.text(u.phoneNumber())
	}
	w.date(u.born)
	w.text(u.country.code)
	switch {
	case u.id == journalistID:
		w.text("Reporter. I write about platforms and the people who run them.")
	case w.r.n(3) == 0:
		w.null()
	default:
		w.phrase(u, pick(&w.r, bios[:]))
	}
	w.time(u.created)
	w.end()
}

func putDevices(w *writer, _ *store, u *user, sh shape) {
	w.r.seed(u.id, streamDevices)
	for k := range int(sh.devices) {
		m := pick(&w.r, models[:])
		w.int(rowID(streamDevices, u.id, k))
		w.int(u.id)
		w.text(m.platform)
		w.text(m.name)
		if m.platform == "web" {
			w.null()
		} else {
			w.uuid(w.r.pcg.Uint64(), w.r.pcg.Uint64())
		}
		w.addr(u.address(&w.r))
		w.time(w.r.between(u.created, max(u.created, asOf-90*day))) // before every sign-in
		w.end()
	}
}

func putSignins(w *writer, _ *store, u *user, sh shape) {
	w.r.seed(u.id, streamSignins)
	span := int64(90*day) / int64(max(1, sh.signins))
	for k := range int(sh.signins) {
		w.int(rowID(streamSignins, u.id, k))
		w.int(u.id)
		w.int(rowID(streamDevices, u.id, w.r.n(int(sh.devices))))
		start := max(u.created, asOf-90*day+int64(k)*span)
		w.time(w.r.between(start, min(start+span, asOf)-1))
		w.addr(u.address(&w.r))
		w.place(u)
		w.bool(w.r.n(25) > 0)
		w.end()
	}
}

func putVideos(w *writer, _ *store, u *user, sh shape) {
	w.r.seed(u.id, streamVideos)
	for k := range int(sh.videos) {
		w.int(rowID(streamVideos, u.id, k))
		w.int(u.id)
		w.phrase(u, pick(&w.r, titles[:]))
		if w.r.n(3) == 0 {
			w.null()
		} else {
			w.phrase(u, pick(&w.r, descriptions[:]))
		}
		w.time(w.r.between(u.created, asOf-1))
		w.place(u)
		w.int(w.r.between(5, 180))
		w.end()
	}
}

func putViews(w *writer, s *store, u *user, sh shape) {
	w.r.seed(u.id, streamViews)
	for k := range int(sh.views) {
		w.int(rowID(streamViews, u.id, k))
		w.int(u.id)
		w.int(pick(&w.r, s.videos))
		w.time(w.r.between(max(u.created, asOf-60*day), asOf-1))
		w.int(w.r.between(200, 180_000))
		w.end()
	}
}

func putMessages(w *writer, s *store, u *user, sh shape) {
	w.r.seed(u.id, streamMessages)
	for k := range int(sh.messages) {
		// Any other user of the store: skip over oneself.
		i := w.r.n(len(s.ids) - 1)
		to := s.ids[i]
		if to >= u.id {
			to = s.ids[i+1]
		}
		w.int(rowID(streamMessages, u.id, k))
		w.int(u.id)
		w.int(to)
		w.time(w.r.between(max(u.created, asOf-365*day), asOf-1))
		w.phrase(u, pick(&w.r, messageBodies[:]))
		w.end()
	}
}

func putOrders(w *writer, _ *store, u *user, sh shape) {
	w.r.seed(u.id, streamOrders)
	for k := range int(sh.orders) {
		w.int(rowID(streamOrders, u.id, k))
		w.int(u.id)
		w.time(w.r.between(max(u.created, asOf-730*day), asOf-1))
		w.int(w.r.between(299, 25_000))
		w.text(u.country.currency)
		w.text(u.fullName())
		w.phrase(u, "%a")
		w.text(strconv.Itoa(10_000 + w.r.n(10_000))[1:])
		w.end()
	}
}

// writer appends rows in the text format of COPY. No value holds a tab, a line
// break or a backslash, so nothing is escaped.
type writer struct {
	r   rng
	buf []byte
}

func (w *writer) sep()          { w.buf = append(w.buf, '\t') }
func (w *writer) end()          { w.buf[len(w.buf)-1] = '\n' } // over the last separator
func (w *writer) null()         { w.text(`\N`) }
func (w *writer) text(s string) { w.buf = append(w.buf, s...); w.sep() }
func (w *writer) int(v int64)   { w.buf = strconv.AppendInt(w.buf, v, 10); w.sep() }
func (w *writer) date(sec int64) {
	w.buf = time.Unix(sec, 0).UTC().AppendFormat(w.buf, "2006-01-02")
	w.sep()
}

func (w *writer) time(sec int64) {
	w.buf = time.Unix(sec, 0).UTC().AppendFormat(w.buf, "2006-01-02 15:04:05+00")
	w.sep()
}

func (w *writer) addr(a netip.Addr) { w.buf = a.AppendTo(w.buf); w.sep() }

func (w *writer) bool(b bool) {
	if b {
		w.text("t")
	} else {
		w.text("f")
	}
}

// uuid writes a random UUID (RFC 9562, version 4).
func (w *writer) uuid(hi, lo uint64) {
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	var raw [16]byte
	for i := range 8 {
		raw[i], raw[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
	w.buf = hex.AppendEncode(w.buf, raw[:])
	w.sep()
}

// place writes latitude and longitude near the user's city, or neither.
func (w *writer) place(u *user) {
	if w.r.n(5) == 0 {
		w.null()
		w.null()
		return
	}
	w.degrees(w.r.near(u.country.lat, 40_000))
	w.degrees(w.r.near(u.country.lon, 40_000))
}

// degrees writes 1e-5 degrees as a decimal fraction.
func (w *writer) degrees(v int) {
	if v < 0 {
		w.buf = append(w.buf, '-')
		v = -v
	}
	w.buf = strconv.AppendInt(w.buf, int64(v/100_000), 10)
	w.buf = append(w.buf, '.')
	w.buf = append(w.buf, strconv.Itoa(100_000 + v%100_000)[1:]...)
	w.sep()
}

// phrase writes a template: %h a hobby, %c the user's city, %e their mail
// address, %p their telephone number, %a their postal address.
func (w *writer) phrase(u *user, tmpl string) {
	start := len(w.buf)
	defer func() {
		if c := w.buf[start]; c >= 'a' && c <= 'z' { // a hobby that begins the sentence
			w.buf[start] = c - 'a' + 'A'
		}
	}()
	for {
		before, after, found := strings.Cut(tmpl, "%")
		w.buf = append(w.buf, before...)
		if !found {
			break
		}
		switch after[0] {
		case 'h':
			w.buf = append(w.buf, pick(&w.r, hobbies[:])...)
		case 'c':
			w.buf = append(w.buf, u.country.city...)
		case 'e':
			w.buf = append(w.buf, u.email()...)
		case 'p':
			w.buf = append(w.buf, u.phoneNumber()...)
		case 'a':
			w.buf = strconv.AppendInt(w.buf, int64(1+w.r.n(120)), 10)
			w.buf = append(w.buf, ' ')
			w.buf = append(w.buf, pick(&w.r, streets[:])...)
			w.buf = append(w.buf, ", "...)
			w.buf = append(w.buf, u.country.city...)
		}
		tmpl = after[1:]
	}
	w.sep()
}
