package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// debianDefaults keeps Debian's package from starting a server of its own the
// moment it is installed; we want the programs alone.
const (
	debianConf     = "/etc/postgresql-common/createcluster.conf"
	debianDefaults = "# Written by trefoil before PostgreSQL was installed: programs only, no server started.\n" +
		"# Delete this line to get Debian's default \"main\" cluster with later versions.\n" +
		"create_main_cluster = false\n"
)

// Install makes Find succeed where it can: as root on Debian and its kin it
// installs the package postgresql, with the package manager's output on w. Where
// it cannot, its error names the command. It does nothing when PostgreSQL is
// already there.
func Install(ctx context.Context, w io.Writer) error {
	_, _, missing := Find()
	if missing == nil {
		return nil
	}
	if os.Geteuid() != 0 || !isDebian() {
		return missing
	}
	if err := quietDebian(debianConf, w); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"update"},
		{"install", "--yes", "--no-install-recommends", "postgresql"},
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		// ucf, which the package uses for its configuration, then keeps the file above.
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "UCF_FORCE_CONFFOLD=1")
		cmd.Stdout, cmd.Stderr = w, w
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s failed: %w; %s", args[0], err, installHint())
		}
	}
	// An older release installs an older PostgreSQL; say so rather than fail later.
	_, _, err := Find()
	return err
}

// quietDebian writes the defaults unless the machine has its own, and says so.
func quietDebian(conf string, w io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(conf), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(conf, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		fmt.Fprintf(w, "%s exists and is kept; with its defaults Debian also starts a server of its own, \"main\"\n", conf)
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "wrote %s, so that Debian starts no server of its own\n", conf)
	_, err = f.WriteString(debianDefaults)
	return errors.Join(err, f.Close())
}
