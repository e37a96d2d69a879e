package badinput

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/testbin"
	"github.com/trefoil-dev/trefoil/record"
)

// disk is a small file system of its own under an instance's data directory. It
// is mounted in a mount namespace, which ends with the test and which nobody
// else sees; that needs no root where the kernel lets users have namespaces.
type disk struct {
	t     *testing.T
	enter []string // what begins a command line that is to see it
	path  string   // of its root, from outside
}

// mount puts a file system of that size, in MiB, over the data directory of an
// instance and moves there what it holds.
func mount(t *testing.T, i *instance, size int) *disk {
	t.Helper()
	data := i.path("data")
	user, enter := []string{"--mount"}, []string{"nsenter", "--mount"}
	if os.Geteuid() != 0 {
		user, enter = append(user, "--user", "--map-root-user"), append(enter, "--user", "--preserve-credentials")
	}
	script := fmt.Sprintf(`mount -t tmpfs -o size=%dm,mode=700 trefoil "$0" && cp -a --sparse=never "$1/." "$0" && echo mounted && exec cat`, size)
	if err := os.Rename(data, data+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", append(user, "sh", "-c", script, data, data+".moved")...)
	hold, err := cmd.StdinPipe() // it ends when this closes, at the latest with the test process
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("%v (apt-get install util-linux)", err)
	}
	t.Cleanup(func() { hold.Close(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "mounted\n" {
		t.Fatalf("no tmpfs could be mounted; run this as root, or let users have namespaces (sysctl user.max_user_namespaces): %q, %v", line, err)
	}
	return &disk{t: t, enter: append(enter, "--target", strconv.Itoa(cmd.Process.Pid), "--"), path: fmt.Sprintf("/proc/%d/root%s", cmd.Process.Pid, data)}
}

// fill leaves no byte free.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.Create(filepath.Join(d.path, "ballast"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		block := make([]byte, size)
		for err == nil {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			d.t.Fatal(err)
		}
		err = nil
	}
}

// free takes back what fill took.
func (d *disk) free() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.path, "ballast")); err != nil {
		d.t.Fatal(err)
	}
}

// long is a file with statements from one number up to another, each of 3.5 MiB:
// twenty fill a segment of the write-ahead log, which has its space from when it
// was made.
func long(t *testing.T, from, to int) string {
	t.Helper()
	var b strings.Builder
	for n := from; n < to; n++ {
		fmt.Fprintf(&b, "SELECT 'long ' || %d /* %s */;\n", n, strings.Repeat("long", 7<<17))
	}
	path := filepath.Join(t.TempDir(), "long.sql")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var longs = regexp.MustCompile(`long \d+`)

func TestFullDisk(t *testing.T) {
	g := newGate(t)
	d := mount(t, g.instance, 320) // two segments of 64 MiB, the evidence of one, and air
	g.enter = append(d.enter, trefoil)
	g.start()
	received := g.long(0, 3)
	if len(received) != 3 {
		t.Fatalf("%d of 3 statements were served", len(received))
	}
	// From here on what can still be recorded is served, and nothing else.
	d.fill()
	received = append(received, g.long(3, 23)...)
	g.serve.Await("nothing is served until there is space for the log")
	for range 3 { // not for the smallest, either
		g.says([]string{"FATAL:  nothing is served because it could not be recorded: no space left under the write-ahead log", "HINT:  "}, "hamar", "", "-c", "SELECT 1")
	}
	if state := g.sqlState("dublin-1"); state != "58030" {
		t.Errorf("SQLSTATE %q", state)
	}
	g.write("rules/rules.cedar", g.read("rules/rules.cedar")+"// changed\n")
	g.does(3, "could not be recorded", "publish", g.config())

	d.free()
	g.serve.Await("there is space again")
	g.serves("dublin-1")
	g.serves("hamar")
	g.records(received)
	g.verifies()

	// The same, and a power cut while the disk is full.
	d.fill()
	received = append(received, g.long(23, 43)...)
	g.serve.Kill()
	d.free()
	g.start()
	g.serves("dublin-1")
	g.records(received)
	g.stops()
}

// long sends statements until one can't be recorded, and gives those whose rows
// were received.
func (g *gate) long(from, to int) []string {
	g.t.Helper()
	code, said := g.psql("dublin-1", "", "-Atf", long(g.t, from, to))
	received := longs.FindAllString(said, -1)
	whole := code == 0 && len(received) == to-from
	refused := code == 2 && len(received) < to-from && (strings.Contains(said, "58030: ") || strings.Contains(said, "FATAL:  nothing is served"))
	if !whole && !refused {
		g.t.Errorf("exit code %d, %d of %d statements were served\n%.2000s", code, len(received), to-from, said)
	}
	return received
}

// records checks that each of these statements has one record.
func (g *gate) records(received []string) {
	g.t.Helper()
	recorded := make(map[string]int)
	for _, text := range g.parts(record.KindStatement, record.PartStatement) {
		if m := longText.FindSubmatch(text); m != nil {
			recorded["long "+string(m[1])]++
		}
	}
	for _, name := range received {
		if recorded[name] != 1 {
			g.t.Errorf("%q was received and is recorded %d times", name, recorded[name])
		}
	}
}

var longText = regexp.MustCompile(`'long ' \|\| (\d+)`)

// TestFullDiskAtStart: without space for the first segment there is no start.
func TestFullDiskAtStart(t *testing.T) {
	i := newInstance(t)
	d := mount(t, i, 4)
	code, _, errs := testbin.Run(t, d.enter[0], append(d.enter[1:], trefoil, "serve", i.config())...)
	if code != 3 || !strings.Contains(errs, "no space left under the write-ahead log") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}
