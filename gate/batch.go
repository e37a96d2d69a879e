package gate

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"hash/maphash"
	"strconv"

	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/record"
)

const (
	// maxBatch bounds the lines of a batch that more than one statement is in.
	maxBatch = 4 << 20
	// maxLines bounds one statement's, so that a batch of it alone is a part.
	maxLines = record.MaxPart - 1<<10
	// lineRoom is what a line has beside its text and parameters, at most.
	lineRoom = 160
)

// batch is the lines of one entry of kind 'statements' while they are gathered.
type batch struct {
	part  []byte         // the part 'statement', still without its end
	ends  []int          // where each line ends in it
	texts map[uint64]int // lines that are texts, by their hash
	seed  maphash.Seed
	asked []asked // the sessions with a statement in it

	statements, rows, bytes, failed int64
}

// asked says how far a session's statements stand in the batch.
type asked struct {
	by    *batched
	below uint64 // 1 + the number of the newest
}

const partHead = `{"lines":[`

func newBatch() *batch {
	b := &batch{texts: make(map[uint64]int), seed: maphash.MakeSeed()}
	b.reset()
	return b
}

func (b *batch) reset() {
	if cap(b.part) > 2*maxBatch {
		b.part = nil // a burst's buffer is not kept
	}
	clear(b.asked)
	clear(b.texts)
	b.part, b.ends, b.asked = append(b.part[:0], partHead...), b.ends[:0], b.asked[:0]
	b.statements, b.rows, b.bytes, b.failed = 0, 0, 0, 0
}

func (b *batch) empty() bool { return len(b.ends) == 0 }

// begin is where the next line goes; end takes it.
func (b *batch) begin() []byte {
	if b.empty() {
		return b.part
	}
	return append(b.part, ',')
}

func (b *batch) end(part []byte) {
	b.part = part
	b.ends = append(b.ends, len(part))
}

func (b *batch) line(i int) []byte {
	from := len(partHead)
	if i > 0 {
		from = b.ends[i-1] + 1
	}
	return b.part[from:b.ends[i]]
}

// text gives the index of a line that is a text, which it adds unless it stands
// here already.
func (b *batch) text(line []byte) int {
	h := maphash.Bytes(b.seed, line)
	if i, ok := b.texts[h]; ok && bytes.Equal(b.line(i), line) {
		return i
	}
	i := len(b.ends)
	b.end(append(b.begin(), line...))
	b.texts[h] = i
	return i
}

// statement adds a record.LineStatement.
func (b *batch) statement(n, session uint64, text int, micros int64, params []byte) {
	p := strconv.AppendUint(append(b.begin(), `{"n":`...), n, 10)
	if len(params) > len("[]") {
		p = append(append(p, `,"params":`...), params...)
	}
	p = strconv.AppendUint(append(p, `,"session":`...), session, 10)
	p = strconv.AppendInt(append(p, `,"text":`...), int64(text), 10)
	p = strconv.AppendInt(append(p, `,"time":`...), micros, 10)
	b.end(append(p, '}'))
	b.statements++
}

// result adds a record.LineResult.
func (b *batch) result(session uint64, r *pggate.Result) {
	p := strconv.AppendInt(append(b.begin(), `{"bytes":`...), r.Bytes, 10)
	p = strconv.AppendInt(append(p, `,"micros":`...), r.Duration.Microseconds(), 10)
	p = strconv.AppendUint(append(p, `,"of":`...), r.Pos, 10)
	if r.Completeness != pggate.Complete {
		p = append(append(p, `,"outcome":"`...), outcomes[r.Completeness]...)
		p = append(p, '"')
	}
	p = strconv.AppendInt(append(p, `,"rows":`...), r.Rows, 10)
	p = strconv.AppendUint(append(p, `,"session":`...), session, 10)
	if r.SQLState[0] != 0 {
		p = append(append(p, `,"state":"`...), r.SQLState[:]...)
		p = append(p, '"')
	}
	b.end(append(p, '}'))
	b.rows, b.bytes = b.rows+r.Rows, b.bytes+r.Bytes
	if r.Completeness == pggate.Failed {
		b.failed++
	}
}

// appendText appends a record.LineText.
func appendText(b []byte, st *pggate.Statement) []byte {
	b = append(b, '{')
	if st.Ambiguous {
		b = append(b, `"ambiguous":true,`...)
	}
	if st.Kind != "" {
		b = append(append(append(b, `"kind":"`...), st.Kind...), `",`...) // the lexer's own words need no escaping
	}
	if len(st.Name) > 0 {
		b = append(record.AppendBytes(append(b, `"name":`...), st.Name), ',')
	}
	if len(st.Portal) > 0 {
		b = append(record.AppendBytes(append(b, `"portal":`...), st.Portal), ',')
	}
	b = record.AppendString(append(b, `"protocol":`...), st.Protocol.String())
	b = record.AppendBytes(append(b, `,"sql":`...), st.SQL)
	return append(b, '}')
}

// sealer makes entries of batches. Its buffers are used again.
type sealer struct {
	draft  record.Draft
	salt   [32]byte
	body   []byte
	digest []byte
	hashes []record.Hash
}

// seal makes the entry of a batch. It refers to the batch until it is appended.
func (s *sealer) seal(b *batch, grant uint64, scope, purpose string, open int64) *record.Draft {
	rand.Read(s.salt[:]) // never fails
	s.hashes = s.hashes[:0]
	for i := range b.ends {
		s.hashes = append(s.hashes, record.LineHash(record.LineSalt(&s.salt, uint64(i)), b.line(i)))
	}
	root := record.Root(s.hashes)
	b.part = base64.StdEncoding.AppendEncode(append(b.part, `],"salt":"`...), s.salt[:])
	b.part = append(b.part, `"}`...)

	p := strconv.AppendInt(append(s.digest[:0], `{"lines":`...), int64(len(b.ends)), 10)
	p = base64.StdEncoding.AppendEncode(append(p, `,"root":"`...), root[:])
	s.digest = append(p, `"}`...)

	p = strconv.AppendInt(append(s.body[:0], `{"bytes":`...), b.bytes, 10)
	p = strconv.AppendInt(append(p, `,"count":`...), b.statements, 10)
	p = strconv.AppendInt(append(p, `,"failed":`...), b.failed, 10)
	p = strconv.AppendUint(append(p, `,"grant":`...), grant, 10)
	p = strconv.AppendInt(append(p, `,"open":`...), open, 10)
	p = strconv.AppendInt(append(p, `,"rows":`...), b.rows, 10)
	p = record.AppendString(append(p, `,"scope":`...), scope)
	s.body = append(p, '}')

	outcome := record.Allowed
	if b.statements == 0 {
		outcome = record.None
	}
	s.draft.Reset(record.KindStatements, outcome, purpose)
	s.draft.Add(record.PartDecision, s.body)
	s.draft.Add(record.PartDigest, s.digest)
	s.draft.Add(record.PartStatement, b.part)
	return &s.draft
}
