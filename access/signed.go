package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

const (
	// MaxSubjects is how many people a case may name.
	MaxSubjects = 1000
	maxSkew     = 5 * time.Minute // between a signature's time and ours
	maxGrant    = 31 * 24 * time.Hour
	maxDocument = 256 << 10
	maxReason   = 4 << 10
	maxKeyBytes = 1 << 10 // of one subject's key
)

// Signed is a document a person signed, with what it names by hash only.
type Signed struct {
	Document  []byte        // canonical JSON
	Signature []byte        // armoured, as ssh-keygen -Y sign makes it
	Subjects  []record.Part // the keys of the people named, salted; requests only
	Reason    *record.Part  // free text, salted; nil: none
}

// open reads the document into v and finds which of login's enrolled keys
// signed it.
func open(s *State, doc Signed, namespace string, v any, login *string) (Key, error) {
	if len(doc.Document) > maxDocument {
		return Key{}, fault.New(fault.TooLarge, "the signed document has more than %d bytes", maxDocument)
	}
	if err := record.ParseCanonical(doc.Document, v); err != nil {
		return Key{}, fault.New(fault.BadInput, "the signed document does not read: %w", err)
	}
	if s.Rules == nil {
		return Key{}, errNoRules()
	}
	if _, err := s.Rules.Facts.Directory.Person(*login); err != nil { // whoever has left has no say any more
		return Key{}, err
	}
	for _, k := range s.Keys[*login] {
		if k.Ended != 0 {
			continue
		}
		pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Authorized))
		if err == nil && identity.Verify(pub, namespace, doc.Document, doc.Signature) == nil {
			return k, nil
		}
	}
	return Key{}, fault.New(fault.BadLogin, "no enrolled key of %q made this signature", *login).
		WithHint("the operator enrols a key: trefoil enrol %s --key ~/.ssh/id_ed25519.pub", *login)
}

// fresh checks what keeps a signature from being used elsewhere or again.
func (r *Register) fresh(origin string, signed int64, document []byte, seen map[string]bool) (digest string, err error) {
	sum := sha256.Sum256(document)
	digest = hex.EncodeToString(sum[:])
	now := r.clock().UnixMicro()
	switch {
	case origin != r.origin:
		return digest, fault.New(fault.BadInput, "this was signed for the log %q; ours is %q", origin, r.origin)
	case signed < now-maxSkew.Microseconds() || signed > now+maxSkew.Microseconds():
		return digest, fault.New(fault.BadInput, "this was signed more than %s away from our clock", maxSkew).WithHint("sign it again, and check the clock")
	case seen[digest]:
		return digest, fault.New(fault.Conflict, "this very document has been used before").WithHint("sign a new one")
	}
	return digest, nil
}

// committed checks that the parts are those the document names by hash.
func committed(names []string, parts []record.Part, reasonHash string, reason *record.Part) error {
	if len(names) != len(parts) {
		return fault.New(fault.BadInput, "the document names %d people, %d came with it", len(names), len(parts))
	}
	seen := make(map[string]bool, len(parts))
	for i := range parts {
		p := &parts[i]
		if p.Name != record.PartSubject+strconv.Itoa(i) || p.Hash().String() != names[i] {
			return fault.New(fault.BadInput, "person %d is not the one that was signed for", i)
		}
		key := string(p.Data)
		if key == "" || len(key) > maxKeyBytes || !plainText(key) {
			return fault.New(fault.BadInput, "person %d has no usable key", i)
		}
		if seen[key] {
			return fault.New(fault.BadInput, "the same person is named twice")
		}
		seen[key] = true
	}
	if reason != nil && !plainText(string(reason.Data)) {
		return fault.New(fault.BadInput, "the reason is not plain text in UTF-8")
	}
	if (reasonHash == "") != (reason == nil) || reason != nil && (reason.Name != record.PartReason || reason.Hash().String() != reasonHash || len(reason.Data) > maxReason) {
		return fault.New(fault.BadInput, "the reason is not the one that was signed, or longer than %d bytes", maxReason)
	}
	return nil
}

// plainText says whether s is UTF-8 without control characters other than tab
// and line ends: nothing a person writes can look like a frame of the log.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r'
	})
}

// NewSubject makes the part that names one person.
func NewSubject(i int, key string) record.Part {
	return record.NewPart(fmt.Sprintf("%s%d", record.PartSubject, i), []byte(key))
}

// NewReason makes the part that holds a person's free text.
func NewReason(text string) record.Part { return record.NewPart(record.PartReason, []byte(text)) }

// NewNonce is 128 random bits, so that no two documents are alike.
func NewNonce() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
