package clips

import (
	"fmt"
	"io"
)

// shape is how many rows of each kind hang on a user.
type shape struct {
	devices, signins, videos, views, messages, orders uint8
}

// shapeOf draws it: on average 1.5 devices, 5 sign-ins, 0.5 videos, 8 views, 2
// messages sent and 0.5 orders. The people of the stories have a little of
// everything.
func shapeOf(id int64) shape {
	switch id {
	case caseUserID:
		return shape{devices: 2, signins: 8, videos: 2, views: 20, messages: 6, orders: 2}
	case journalistID:
		return shape{devices: 2, signins: 12, videos: 3, views: 9, messages: 9, orders: 1}
	}
	var r rng
	r.seed(id, streamShape)
	upTo := func(k int) uint8 { return uint8(r.n(k + 1)) }
	sh := shape{devices: 1 + upTo(1), signins: 1 + upTo(8), views: upTo(16), messages: upTo(4), orders: upTo(1)}
	if r.n(4) == 0 { // few make, most watch
		sh.videos = 1 + upTo(2)
	}
	return sh
}

// store is the population of one store.
type store struct {
	ids    []int64 // ascending
	shapes []shape
	videos []int64 // every video's id
}

func newStore(o Options) (*store, error) {
	n, err := o.users()
	if err != nil {
		return nil, err
	}
	if o.Zone != "" && o.Zone != "eu" && o.Zone != "us" {
		return nil, fmt.Errorf("the platform has no zone %q: it is eu or us", o.Zone)
	}
	sites := int64(max(1, o.Sites))
	if o.Site < 0 || int64(o.Site) >= sites || sites > 10 {
		return nil, fmt.Errorf("site %d of %d: sites are numbered from 0, and there are at most 10", o.Site, sites)
	}
	s := &store{}
	for id := int64(firstID); id < firstID+int64(n); id++ {
		if id%sites != int64(o.Site) || !o.Everywhere && countries[homeOf(id)].eu == (o.Zone == "us") {
			continue
		}
		sh := shapeOf(id)
		s.ids = append(s.ids, id)
		s.shapes = append(s.shapes, sh)
		for k := range int(sh.videos) {
			s.videos = append(s.videos, rowID(streamVideos, id, k))
		}
	}
	return s, nil
}

func (s *store) count(t table) (total int64) {
	if t.rows == nil {
		return int64(len(countries))
	}
	for _, sh := range s.shapes {
		total += int64(t.rows(sh))
	}
	return total
}

// reader generates the rows of one table as COPY reads them.
type reader struct {
	s        *store
	t        table
	w        writer
	unread   []byte // of w.buf
	next     int    // user, or country
	done     int64  // rows written
	total    int64
	reported int64
	progress func(done int64) // may be nil
}

func newReader(s *store, t table) *reader {
	return &reader{s: s, t: t, total: s.count(t)}
}

const chunk = 64 << 10

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.unread) == 0 {
		r.fill()
		if len(r.unread) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

func (r *reader) fill() {
	r.w.buf = r.w.buf[:0]
	for len(r.w.buf) < chunk && r.step() {
	}
	r.unread = r.w.buf
	if r.progress != nil && r.done < r.total && r.done-r.reported >= max(1, r.total/20) {
		r.reported = r.done
		r.progress(r.done)
	}
}

// step writes the rows of the next user or country.
func (r *reader) step() bool {
	if r.t.put == nil {
		if r.next == len(countries) {
			return false
		}
		r.w.text(countries[r.next].code)
		r.w.text(countries[r.next].name)
		r.w.end()
		r.next++
		r.done++
		return true
	}
	if r.next == len(r.s.ids) {
		return false
	}
	u := newUser(r.s.ids[r.next])
	r.t.put(&r.w, r.s, &u, r.s.shapes[r.next])
	r.done += int64(r.t.rows(r.s.shapes[r.next]))
	r.next++
	return true
}
