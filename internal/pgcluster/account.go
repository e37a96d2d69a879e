package pgcluster

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is whom the server runs as; nil means ourselves.
type account struct {
	name     string
	uid, gid uint32
}

// serverUser is nil unless we are root, whom PostgreSQL refuses.
func serverUser() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root and there is no user postgres: run as an ordinary user, or make one with: useradd --system postgres")
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("user postgres has no numeric id: %q, %q", u.Uid, u.Gid)
	}
	return &account{name: u.Username, uid: uint32(uid), gid: uint32(gid)}, nil
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// canEnter checks every directory above a cluster's: initdb's own message for a
// home that is closed to others does not say which one it was.
func (a *account) canEnter(dir string) error {
	if a == nil {
		return nil
	}
	for {
		st, err := os.Stat(dir)
		if err != nil {
			return err
		}
		var want os.FileMode = 0o001
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			if sys.Uid == a.uid {
				want = 0o100
			} else if sys.Gid == a.gid {
				want = 0o010
			}
		}
		if st.Mode().Perm()&want == 0 {
			return fmt.Errorf("PostgreSQL runs as user %s here, which may not enter %s: choose a directory elsewhere, such as one under /var/lib or /tmp, or run as an ordinary user", a.name, dir)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}
