package index

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/trefoil-dev/trefoil/record"
)

// db is an open file: one connection that writes, and a few that only read.
type db struct {
	write *sql.DB
	conn  *sql.Conn // the only one of write
	read  *sql.DB
	begun bool // it is being written
	next  uint64
	last  record.Hash
}

// readers bounds the searches that run at a time.
const readers = 2

// files are what SQLite keeps beside the path in write-ahead mode.
func files(path string) []string { return []string{path, path + "-wal", path + "-shm"} }

// remove deletes the index.
func remove(path string) error {
	for _, f := range files(path) {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func dsn(path, more string) string {
	name := url.URL{Path: path}
	return "file:" + name.EscapedPath() + "?mode=rw&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" + more
}

// While it is written nothing is synced: that would hold up the log's own
// syncs. SQLite survives the end of the process so, but not that of the machine.
// Therefore the file says, durably, in which boot it is being written; one of
// an earlier boot is made anew. settled and unsettled are the two steps.
const (
	unsettled = `UPDATE meta SET boot = ? WHERE one = 1; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA synchronous = OFF`
	settled   = `PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE); UPDATE meta SET boot = '' WHERE one = 1; PRAGMA wal_checkpoint(TRUNCATE)`
)

// boot names the time since the machine was started. Where that can't be known
// it names this process, so that a kill, too, costs a rebuild.
func boot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Sprintf("process %d", os.Getpid())
	}
	return strings.TrimSpace(string(id))
}

// openDB opens the index of this log, and makes a new one when there is none or
// when what is there does not fit: it is another log's, another version's, ahead
// of the log, or damaged. why says so.
func openDB(ctx context.Context, opt *Options) (d *db, why string, err error) {
	if _, err := os.Stat(opt.Path); err == nil {
		d, err = connect(ctx, opt.Path)
		if err == nil {
			err = d.fits(ctx, opt)
		}
		if err == nil {
			err = d.unsettle(ctx)
		}
		if err == nil {
			return d, "", nil
		}
		d.close()
		if !unfit(err) {
			return nil, "", err
		}
		why = err.Error()
	} else if errors.Is(err, fs.ErrNotExist) {
		why = "there is none"
	} else {
		return nil, "", err
	}
	if err := remove(opt.Path); err != nil {
		return nil, "", err
	}
	f, err := os.OpenFile(opt.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, "", err
	}
	if err := f.Close(); err != nil {
		return nil, "", err
	}
	if d, err = connect(ctx, opt.Path); err == nil {
		err = d.create(ctx, opt)
	}
	if err == nil {
		err = d.unsettle(ctx)
	}
	if err != nil {
		d.close()
		return nil, "", err
	}
	return d, why, nil
}

// connect opens an existing file. It gives a db to close even with an error.
func connect(ctx context.Context, path string) (d *db, err error) {
	d = &db{}
	if err := os.Chmod(path, 0o600); err != nil {
		return d, err
	}
	if d.write, err = sql.Open("sqlite", dsn(path, "&_pragma=cache_size(-8192)")); err != nil {
		return d, err
	}
	d.write.SetMaxOpenConns(1)
	if d.conn, err = d.write.Conn(ctx); err != nil {
		return d, err
	}
	if d.read, err = sql.Open("sqlite", dsn(path, "&_pragma=cache_size(-2048)&_pragma=query_only(1)")); err != nil {
		return d, err
	}
	d.read.SetMaxOpenConns(readers)
	return d, nil
}

func (d *db) close() {
	if d == nil {
		return
	}
	if d.read != nil {
		_ = d.read.Close() // nothing of it is to be kept
	}
	if d.conn != nil {
		if d.begun { // if it fails, the file is made anew after a power cut
			_, _ = d.conn.ExecContext(context.Background(), settled)
		}
		_ = d.conn.Close()
	}
	if d.write != nil {
		_ = d.write.Close() // what was committed is in the file already
	}
}

// errUnfit says that an index is of no use for this log.
var errUnfit = errors.New("the index does not fit the log")

// fits reads where the index stands and whether it is this log's.
func (d *db) fits(ctx context.Context, opt *Options) error {
	var v int
	var genesis, m, last []byte
	var when string
	row := d.conn.QueryRowContext(ctx, `SELECT version, genesis, mark, boot, next, last FROM meta WHERE one = 1`)
	if err := row.Scan(&v, &genesis, &m, &when, &d.next, &last); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: it does not say where it stands", errUnfit)
		}
		return err
	}
	want, err := leafHash(opt.Log, 0)
	if err != nil {
		return err
	}
	switch {
	case v != version:
		return fmt.Errorf("%w: it has version %d, not %d", errUnfit, v, version)
	case string(genesis) != string(want[:]):
		return fmt.Errorf("%w: it is another log's", errUnfit)
	case string(m) != string(mark(opt.Key)):
		return fmt.Errorf("%w: it was made with another key", errUnfit)
	case when != "" && when != boot():
		return fmt.Errorf("%w: the machine went down while it was written", errUnfit)
	case d.next > opt.Log.Durable():
		return fmt.Errorf("%w: it stands at entry %d of %d", errUnfit, d.next, opt.Log.Durable())
	}
	if d.next > 0 {
		if d.last, err = leafHash(opt.Log, d.next-1); err != nil {
			return err
		}
	}
	if string(last) != string(d.last[:]) {
		return fmt.Errorf("%w: entry %d is another", errUnfit, d.next-1)
	}
	return nil
}

func (d *db) unsettle(ctx context.Context) error {
	_, err := d.conn.ExecContext(ctx, unsettled, boot())
	d.begun = err == nil
	return err
}

// create makes the tables of an empty file.
func (d *db) create(ctx context.Context, opt *Options) error {
	genesis, err := leafHash(opt.Log, 0)
	if err != nil {
		return err
	}
	if _, err := d.conn.ExecContext(ctx, "BEGIN;"+schema); err != nil {
		return err
	}
	if _, err := d.conn.ExecContext(ctx, `INSERT INTO meta VALUES (1, ?, ?, ?, '', 0, ?)`, version, genesis[:], mark(opt.Key), d.last[:]); err != nil {
		return err
	}
	_, err = d.conn.ExecContext(ctx, "COMMIT")
	return err
}

func leafHash(log Log, seq uint64) (record.Hash, error) {
	leaf, err := log.Leaf(seq)
	if err != nil {
		return record.Hash{}, err
	}
	return record.LeafHash(leaf), nil
}

// person is what stands for somebody's key in the index.
func person(key [32]byte, subject string) []byte {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("person\x00" + subject))
	return h.Sum(nil)[:16]
}

// mark tells one key from another.
func mark(key [32]byte) []byte {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("mark\x00"))
	return h.Sum(nil)[:8]
}

// unfit says whether an error means that the file is of no use, rather than that
// the disk, the log or the moment is.
func unfit(err error) bool {
	var s *sqlite.Error
	if !errors.As(err, &s) {
		return errors.Is(err, errUnfit)
	}
	switch s.Code() & 0xff {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_CONSTRAINT, lib.SQLITE_ERROR, lib.SQLITE_MISMATCH, lib.SQLITE_SCHEMA:
		return true // the statements are ours and right: it is the tables that are not
	}
	return false
}
