package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

func TestWriteFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	var files []File
	for i := range 50 {
		sub := []string{"", "sub"}[i%2]
		files = append(files, File{filepath.Join(dir, sub, fmt.Sprint(i)), fmt.Appendf(nil, "file %d", i), 0o640})
	}
	for range 2 { // the second time over what is there
		if err := WriteFiles(files); err != nil {
			t.Fatal(err)
		}
	}
	for i, f := range files {
		data, err := os.ReadFile(f.Path)
		if st, e := os.Stat(f.Path); err != nil || e != nil || string(data) != fmt.Sprintf("file %d", i) || st.Mode() != 0o640 {
			t.Errorf("%s: %q, %v, %v", f.Path, data, err, e)
		}
	}
	files = append(files[:3], File{filepath.Join(dir, "missing", "x"), nil, 0o640})
	if err := WriteFiles(files); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a directory that is not there: %v", err)
	}
	for _, sub := range []string{".", "sub"} {
		if left, err := filepath.Glob(filepath.Join(dir, sub, ".*.*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestTogether(t *testing.T) {
	var calls, running, most atomic.Int64
	err := Together(100, func(i int) error {
		n := running.Add(1)
		defer running.Add(-1)
		for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
		}
		calls.Add(1)
		if i == 17 || i == 60 {
			return fmt.Errorf("number %d", i)
		}
		return nil
	})
	if err == nil || err.Error() != "number 17" || calls.Load() != 100 || most.Load() > 8 {
		t.Errorf("%v after %d calls, %d at a time", err, calls.Load(), most.Load())
	}
	if err := Together(0, nil); err != nil {
		t.Error(err)
	}
}
