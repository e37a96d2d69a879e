package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// printBatch tells the lines of a service's batch, each under the number by which
// it is proved. A text is told with the statements that ask it.
func (e *env) printBatch(data json.RawMessage) error {
	var b record.Batch
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	lines := make([]record.Line, len(b.Lines))
	for i, raw := range b.Lines {
		canonical, err := record.Canonical(raw) // the API's encoder escapes more
		if err == nil {
			lines[i], err = record.ParseLine(canonical)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", i, err)
		}
		if lines[i].Text != nil {
			continue
		}
		var text *record.LineText
		if s := lines[i].Statement; s != nil && s.Text >= 0 && s.Text < int64(i) {
			text = lines[s.Text].Text
		}
		e.printf("%6d %s\n", i, lineWords(lines[i], text))
	}
	return nil
}

// lineWords tells one line of a batch.
func lineWords(l record.Line, text *record.LineText) string {
	switch {
	case l.Statement != nil:
		s := l.Statement
		words := fmt.Sprintf("%s statement %d of session %d: ", stamp(s.Time), s.N, s.Session)
		if text != nil && text.SQL != "" {
			words += plain(text.SQL)
		} else if text != nil {
			words += strings.TrimSpace(fmt.Sprintf("by name %s %s", plain(text.Name), plain(text.Portal)))
		}
		for i, p := range s.Params {
			words += fmt.Sprintf(", $%d = %s", i+1, p)
		}
		return words
	case l.Result != nil:
		r := l.Result
		words := fmt.Sprintf("result of statement %d of session %d: %d rows, %d bytes, %.1f ms", r.Of, r.Session, r.Rows, r.Bytes, float64(r.Micros)/1000)
		if r.Outcome != "" {
			words += ", " + string(r.Outcome)
		}
		if r.State != "" {
			words += ", SQLSTATE " + r.State
		}
		return words
	}
	return "text " + plain(l.Text.SQL)
}

// plain is a text in one line, quoted if it would not be.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// lineProof is what 'log prove --statement' prints: the proof that the batch is in
// the log, and of it one statement or result.
type lineProof struct {
	Format string `json:"format"`
	Entry  string `json:"entry"` // C2SP tlog-proof
	record.Shown
}

const lineProofFormat = "trefoil/statement-proof/v1"

func parseLineProof(text []byte) (*lineProof, error) {
	var p lineProof
	if err := json.Unmarshal(text, &p); err != nil || p.Format != lineProofFormat {
		return nil, fault.New(fault.BadInput, "this is no proof of a statement: its format is not %s", lineProofFormat)
	}
	return &p, nil
}

// print checks the lines against the batch's leaf, which is known to be in the
// log, and tells them.
func (p *lineProof) print(e *env, leaf []byte) error {
	l, err := record.ParseLeaf(leaf)
	if err == nil {
		err = p.Check(&l)
	}
	if err != nil {
		return fault.New(fault.Denied, "the proof does not hold: %s", err)
	}
	var text *record.LineText
	for _, shown := range p.Lines {
		line, err := record.ParseLine([]byte(shown.Line))
		if err != nil {
			return fault.New(fault.Denied, "the proof does not hold: line %d: %s", shown.Index, err)
		}
		if text == nil && line.Text != nil && len(p.Lines) > 1 {
			text = line.Text
			continue
		}
		e.printf("%s\nis line %d of\n", lineWords(line, text), shown.Index)
	}
	return nil
}
