package clips

import (
	"bytes"
	"io"
	"math"
	"strconv"
	"testing"
)

// keys gives the keys of a table's rows, and whose each is, as COPY loads them.
func keys(t *testing.T, s *store, tab table) (rows, users []int64) {
	t.Helper()
	text, err := io.ReadAll(newReader(s, tab))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		cells := bytes.SplitN(line, []byte("\t"), 3)
		for i, to := range []*[]int64{&rows, &users} {
			n, err := strconv.ParseInt(string(cells[i]), 10, 64)
			if err != nil {
				t.Fatalf("%s: %s", tab.name, err)
			}
			*to = append(*to, n)
		}
	}
	return rows, users
}

// TestRowKeysTellNothingOfTheirUser tries what somebody would who sees keys of rows
// beside pseudonyms: divide them, take remainders, sort, join table with table.
func TestRowKeysTellNothingOfTheirUser(t *testing.T) {
	s, err := newStore(small)
	if err != nil {
		t.Fatal(err)
	}
	type owner struct {
		key, user int64
	}
	elsewhere := map[owner]string{}
	for _, tab := range tables[2:] { // those of rows that hang on a user
		rows, users := keys(t, s, tab)
		for i, key := range rows {
			if other := elsewhere[owner{key, users[i]}]; other != "" {
				t.Errorf("key %d of user %d is in %s and in %s", key, users[i], other, tab.name)
			}
			elsewhere[owner{key, users[i]}] = tab.name
		}
		for _, try := range []struct {
			what string
			of   func(key, k int64) int64
		}{
			{"/", func(key, k int64) int64 { return key / k }},
			{"%", func(key, k int64) int64 { return key % (k + 1) }},
		} {
			guess := make([]int64, len(rows))
			for k := int64(1); k <= 4096; k++ {
				hits := 0
				for i, key := range rows {
					guess[i] = try.of(key, k)
					if guess[i] == users[i] {
						hits++
					}
				}
				if hits*50 > len(rows) {
					t.Fatalf("%s: key %s %d is the user's in %d of %d rows", tab.name, try.what, k, hits, len(rows))
				}
				// What is their key but for a constant or a factor, or sorts like it, goes with it.
				if c := correlation(guess, users); math.Abs(c) > 0.25 {
					t.Fatalf("%s: key %s %d goes with the user's: correlation %.2f", tab.name, try.what, k, c)
				}
			}
		}
	}
}

// correlation is Pearson's coefficient, from -1 to 1.
func correlation(a, b []int64) float64 {
	mean := func(x []int64) (sum float64) {
		for _, v := range x {
			sum += float64(v)
		}
		return sum / float64(len(x))
	}
	ma, mb := mean(a), mean(b)
	var ab, aa, bb float64
	for i := range a {
		da, db := float64(a[i])-ma, float64(b[i])-mb
		ab, aa, bb = ab+da*db, aa+da*da, bb+db*db
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

func TestRowKeysAreUniqueAndPositive(t *testing.T) {
	const last = firstID + 100*UsersAtScale1 - 1 // at the largest scale
	if int64(last)*perUser+perUser > 1<<32 {
		t.Errorf("user %d has row numbers beyond 32 bits", last)
	}
	for _, from := range []int64{firstID, last - 20_000} {
		seen := map[int64]bool{}
		for id := from; id <= from+20_000; id++ {
			for k := range perUser {
				key := rowID(streamViews, id, k)
				if key < 1 || seen[key] {
					t.Fatalf("row %d of user %d: key %d is not positive or was given before", k, id, key)
				}
				seen[key] = true
			}
		}
	}
}
