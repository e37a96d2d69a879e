package clients

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// valuesRow is a row of brief.SQL.Values.
type valuesRow struct {
	id      int64
	seconds int32
	lat     float64
	at      time.Time
	title   string
	north   bool
}

// texts is how every client writes the row down: thousandths of a degree, whole
// seconds of the epoch.
func (v valuesRow) texts() []string {
	return []string{fmt.Sprint(v.id), fmt.Sprint(v.seconds), fmt.Sprintf("%.0f", math.RoundToEven(v.lat*1000)), fmt.Sprint(v.at.Unix()), v.title, fmt.Sprint(v.north)}
}

// hint is the part of a hint that does not change with its wording, when it is there.
func hint(text string) string {
	if strings.Contains(text, "leave the schema out") {
		return "leave the schema out"
	}
	return text
}
