// Package durable writes files so that after a crash they are there whole or
// not at all, and keeps one process at a time in a directory.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// File is what WriteFiles puts at a path.
type File struct {
	Path string
	Data []byte
	Mode fs.FileMode
}

// WriteFile writes data beside path, syncs it, renames it into place and syncs
// the directory.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	return WriteFiles([]File{{path, data, mode}})
}

// WriteFiles is WriteFile for many, in no order: their syncs run together, so
// that the file system can take them in one go.
func WriteFiles(files []File) error {
	temps := make([]string, len(files))
	defer func() {
		for _, name := range temps {
			if name != "" {
				_ = os.Remove(name) // fails after the rename, as it should
			}
		}
	}()
	err := Together(len(files), func(i int) (err error) {
		temps[i], err = writeTemp(files[i])
		return err
	})
	if err != nil {
		return err
	}
	var dirs []string
	for i, f := range files {
		if err := os.Rename(temps[i], f.Path); err != nil {
			return err
		}
		temps[i] = ""
		if dir := filepath.Dir(f.Path); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return Together(len(dirs), func(i int) error { return SyncDir(dirs[i]) })
}

// writeTemp writes and syncs a file beside the one it is to become. The name is
// given with an error too, if there is something to remove.
func writeTemp(file File) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(file.Path), "."+filepath.Base(file.Path)+".*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(file.Data)
	if err == nil {
		err = f.Chmod(file.Mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return f.Name(), err
}

// Together calls do for 0 to n-1, eight at a time, and gives the first error of
// the lowest number. It is for syncs, which wait rather than work.
func Together(n int, do func(i int) error) error {
	if n == 1 {
		return do(0)
	}
	errs := make([]error, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, 8) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				errs[i] = do(int(i))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// ErrLocked says that another process holds the directory.
var ErrLocked = errors.New("directory is in use")

// Lock takes the exclusive lock on dir until the returned file is closed. The
// kernel lets go of it when the process ends, however it ends.
func Lock(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is held by process %s", ErrLocked, dir, strings.TrimSpace(string(holder)))
		}
		return nil, err
	}
	// For the message above only: a lock without a number still locks.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return f, nil
}
