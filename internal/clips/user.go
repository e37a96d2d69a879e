package clips

import (
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"
)

const seed = 0x636c697073_0001 // "clips", version 1 of the data

// Streams of numbers: what is drawn from one never shifts another.
const (
	streamHome uint64 = iota
	streamShape
	streamUser
	streamDevices
	streamSignins
	streamVideos
	streamViews
	streamMessages
	streamOrders
)

// rng draws from PCG with a reduction of our own, so that the bytes of the
// dataset hang on the generator alone (math/rand/v2, PCG-DXSM) and on no float.
type rng struct{ pcg rand.PCG }

// seed starts the numbers of one stream of one user.
func (r *rng) seed(id int64, stream uint64) { r.pcg.Seed(mix(uint64(id)), seed^mix(stream)) }

// mix is the finaliser of SplitMix64; PCG wants seeds that differ in many bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// n draws from [0, k).
func (r *rng) n(k int) int {
	hi, _ := bits.Mul64(r.pcg.Uint64(), uint64(k))
	return int(hi)
}

// between draws from [lo, hi].
func (r *rng) between(lo, hi int64) int64 { return lo + int64(r.n(int(hi-lo+1))) }

// near draws around v, denser in the middle, at most spread away.
func (r *rng) near(v, spread int) int {
	return v + (r.n(2*spread+1)+r.n(2*spread+1)+r.n(2*spread+1))/3 - spread
}

func pick[T any](r *rng, from []T) T { return from[r.n(len(from))] }

const (
	firstID      = 100_001
	caseUserID   = 100_800 // divisible by 1 to 10
	journalistID = 100_417
	londonerID   = 100_802
	newYorkerID  = 100_796
)

// The data is a snapshot of this moment; nothing in it is later.
var (
	asOf   = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).Unix()
	launch = time.Date(2018, 9, 1, 0, 0, 0, 0, time.UTC).Unix()
)

const day = 24 * 60 * 60

// user is what everything else about a user hangs on.
type user struct {
	id            int64
	home          int // index of country
	country       *country
	given, family string
	domain        string
	created, born int64 // Unix seconds
	phone         int   // last six digits
}

// homeOf is the index of the country in which a user lives.
func homeOf(id int64) int {
	switch id {
	case caseUserID:
		return indexOf("IE")
	case journalistID:
		return indexOf("DE")
	}
	var r rng
	r.seed(id, streamHome)
	return countryAt(r.n(weightSum))
}

func indexOf(code string) int {
	for i := range countries {
		if countries[i].code == code {
			return i
		}
	}
	return 0
}

func newUser(id int64) user {
	var r rng
	r.seed(id, streamUser)
	u := user{id: id, home: homeOf(id)}
	u.country = &countries[u.home]
	pool := &namesOf[u.country.names]
	u.given, u.family = pick(&r, pool.given), pick(&r, pool.family)
	u.domain = pick(&r, mailDomains[:])
	// Two draws, the lower counts: the young are many, and the youngest is 13.
	years := min(r.n(60), r.n(60))
	u.born = asOf - int64(13+years)*365*day - r.between(4*day, 364*day)
	first := max(launch, u.born+13*365*day+3*day) // nobody joined younger than 13, give or take leap days
	u.created = r.between(first, asOf-day)
	u.phone = r.n(1_000_000)
	switch id {
	case caseUserID:
		u.given, u.family = "Aoife", "Brennan"
	case journalistID:
		u.given, u.family = "Nora", "Feldmann"
	}
	return u
}

func (u *user) fullName() string { return u.given + " " + u.family }

// handle is unique, for no name ends in a digit.
func (u *user) handle() string {
	switch u.id {
	case caseUserID:
		return "aoife.brennan"
	case journalistID:
		return "norafeldmann"
	}
	return fold(u.given) + "." + fold(u.family) + strconv.FormatInt(u.id-firstID+1, 10)
}

func (u *user) email() string { return u.handle() + "@" + u.domain }

func (u *user) phoneNumber() string {
	s := strconv.Itoa(1_000_000 + u.phone)
	return "+" + u.country.calling + "555" + s[1:]
}

// address draws a network address: the home country's mostly, sometimes another's.
func (u *user) address(r *rng) netip.Addr {
	home := u.home
	if r.n(40) == 0 {
		home = r.n(len(countries)) // travelling, or a VPN
	}
	x := r.pcg.Uint64()
	if r.n(4) > 0 {
		return netip.AddrFrom4([4]byte{100, 64 + byte(home), byte(x >> 8), 1 + byte(x%254)})
	}
	a := [16]byte{0x20, 0x01, 0x0d, 0xb8, byte(home), byte(x >> 8), byte(x >> 16), 0, 15: 1}
	for i := range 7 {
		a[8+i] = byte(x >> (8 * i))
	}
	return netip.AddrFrom16(a)
}
