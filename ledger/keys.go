package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"sync/atomic"

	_ "modernc.org/sqlite" // the driver's only interface

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// keyStore holds the keys of sealed parts: one row for each bundle of 256
// entries, its keys in order, wrapped by the evidence master key. Destroying a
// key overwrites it: secure_delete zeroes the pages, and the rollback journal
// is truncated.
type keyStore struct {
	db   *sql.DB
	aead cipher.AEAD
	fits atomic.Bool // it has opened a bundle's keys
}

// openKeys opens keys.db. A log that lost it must not go on with an empty one,
// so only a new log makes it.
func openKeys(path string, master [32]byte, create bool) (*keyStore, error) {
	block, err := aes.NewCipher(master[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	flags := os.O_RDONLY
	if create {
		flags = os.O_RDWR | os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: no payload recorded so far can be opened without it; restore it from a copy", path)
	}
	if err != nil {
		return nil, err
	}
	f.Close()
	name := url.URL{Path: path}
	db, err := sql.Open("sqlite", "file:"+name.EscapedPath()+"?mode=rw&_pragma=journal_mode(TRUNCATE)&_pragma=synchronous(FULL)&_pragma=secure_delete(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	schema := `SELECT bundle, wrapped FROM keys LIMIT 0`
	if create {
		schema = `CREATE TABLE IF NOT EXISTS keys (bundle INTEGER PRIMARY KEY, wrapped BLOB NOT NULL) STRICT`
	}
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &keyStore{db: db, aead: aead}, nil
}

func (k *keyStore) close() { k.db.Close() }

// bundle gives the keys of one bundle; none if it has no row.
func (k *keyStore) bundle(n uint64) ([]record.Key, error) {
	var wrapped []byte
	err := k.db.QueryRow(`SELECT wrapped FROM keys WHERE bundle = ?`, int64(n)).Scan(&wrapped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keys of bundle %d: %w", n, err)
	}
	size := k.aead.NonceSize()
	if len(wrapped) < size {
		return nil, fmt.Errorf("keys of bundle %d are damaged", n)
	}
	plain, err := k.aead.Open(nil, wrapped[:size], wrapped[size:], binary.BigEndian.AppendUint64(nil, n))
	switch {
	case err != nil && !k.fits.Load():
		return nil, fault.New(fault.BadInput, "the keys of evidence do not open with this evidence master key").
			WithHint("keys.evidence names the file that trefoil init made for this log")
	case err != nil || len(plain)%len(record.Key{}) != 0:
		return nil, fmt.Errorf("keys of bundle %d do not open with this evidence master key, and others do: they were altered", n)
	}
	k.fits.Store(true)
	keys := make([]record.Key, len(plain)/len(record.Key{}))
	for i := range keys {
		copy(keys[i][:], plain[i*len(keys[i]):])
	}
	return keys, nil
}

// put writes the keys of several bundles in one transaction.
func (k *keyStore) put(bundles map[uint64][]record.Key) error {
	tx, err := k.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for n, keys := range bundles {
		plain := make([]byte, 0, len(keys)*len(record.Key{}))
		for _, key := range keys {
			plain = append(plain, key[:]...)
		}
		nonce := make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(plain)+k.aead.Overhead())
		rand.Read(nonce)
		wrapped := k.aead.Seal(nonce, nonce, plain, binary.BigEndian.AppendUint64(nil, n))
		if _, err := tx.Exec(`INSERT OR REPLACE INTO keys (bundle, wrapped) VALUES (?, ?)`, int64(n), wrapped); err != nil {
			return err
		}
	}
	return tx.Commit()
}
