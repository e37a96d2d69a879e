//go:build linux

package ledger_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk is a file system of its own that can be filled.
type smallDisk struct{ dir string }

// mountSmall puts a file system of size bytes under dir, with what is in it.
// That needs root, or a user namespace: without root the test runs again in one,
// and the caller gets nil and returns.
func mountSmall(t *testing.T, dir string, size int) *smallDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		top, _, _ := strings.Cut(t.Name(), "/")
		out, err := exec.Command("unshare", "--user", "--map-root-user", "--mount", os.Args[0], "-test.run", "^"+top+"$").CombinedOutput()
		if err != nil {
			t.Fatalf("in a user namespace: %v\n%s\nthis test needs root, or unshare (apt-get install util-linux) and user namespaces", err, out)
		}
		return nil
	}
	held := t.TempDir()
	if err := os.CopyFS(held, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(size)); err != nil {
		t.Fatalf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.CopyFS(dir, os.DirFS(held)); err != nil {
		t.Fatal(err)
	}
	return &smallDisk{dir}
}

// fill leaves about so many bytes free.
func (d *smallDisk) fill(t *testing.T, leave int64) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "ballast"), make([]byte, int64(st.Bavail)*st.Bsize-leave), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *smallDisk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(filepath.Join(d.dir, "ballast")); err != nil {
		t.Fatal(err)
	}
}
