// Command trefoil is what operators and staff run. Each subcommand is a file
// of this folder; all that append to the log are clients of 'trefoil serve'.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/internal/durable"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// cli is the whole command line, in the order of a user's work: look at it, run
// it, ask for access, check what was recorded.
type cli struct {
	Demo     demoCmd     `cmd:"" group:"Try it:" help:"Four real PostgreSQL stores, a story, and gates to try."`
	Init     initCmd     `cmd:"" group:"Run a zone (operators):" help:"Make a directory with a commented trefoil.yaml, keys and a new log."`
	Check    checkCmd    `cmd:"" group:"Run a zone (operators):" help:"Validate configuration and rules; with --against-store list what a store has unclassified."`
	Catalog  catalogCmd  `cmd:"" group:"Run a zone (operators):" help:"Draft a catalogue from a live database."`
	Lens     lensCmd     `cmd:"" group:"Run a zone (operators):" help:"Fence a store and give it its lenses."`
	Serve    serveCmd    `cmd:"" group:"Run a zone (operators):" help:"Run the log, the gate and the API of one zone."`
	Publish  publishCmd  `cmd:"" group:"Run a zone (operators):" help:"Put the rules' files in force."`
	Enrol    enrolCmd    `cmd:"" group:"Run a zone (operators):" help:"Bind a person's SSH key to their login."`
	Withdraw withdrawCmd `cmd:"" group:"Run a zone (operators):" help:"End a person's SSH key: it signs nothing any more."`
	Index    indexCmd    `cmd:"" group:"Run a zone (operators):" help:"The tables behind 'log search'."`
	Access   accessCmd   `cmd:"" group:"Ask for access, and decide about it (staff):" help:"Ask for access, approve, deny, revoke, list, show."`
	Log      logCmd      `cmd:"" group:"Check what was recorded (anybody):" help:"Verify, show, prove and follow the log."`
	Version  versionCmd  `cmd:"" group:"Other:" help:"Print the version."`
}

// env is what every command runs in.
type env struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
}

func (e *env) printf(format string, args ...any) { fmt.Fprintf(e.stdout, format, args...) }

type versionCmd struct{}

func (versionCmd) Run(e *env) error {
	e.printf("trefoil %s\n", app.Version)
	return nil
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const description = `Trefoil makes data-sovereignty promises checkable: staff read personal data only through a gate that decides, records before it releases, and can be recomputed by an outsider.

Exit codes: 0 done; 1 refused, or verification failed; 2 usage or configuration; 3 unavailable.`

// newParser describes the command line to kong. exit is told of --help.
func newParser(stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	return kong.New(&cli{}, kong.Name("trefoil"), kong.Writers(stdout, stderr), kong.Exit(exit), kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"config": "trefoil.yaml", "env_user": os.Getenv("USER")})
}

// run is main with its surroundings given. Without arguments it prints the help.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends us at once
	for _, name := range []string{"TREFOIL_CONFIG", "TREFOIL_SOCKET", "TREFOIL_URL", "TREFOIL_CA", "TREFOIL_LOGIN", "TREFOIL_KEY", "TREFOIL_ADMIN"} {
		if os.Getenv(name) == "" {
			_ = os.Unsetenv(name) // kong would take an empty path for this directory
		}
	}
	exit := -1
	parser, err := newParser(stdout, stderr, func(code int) { exit = code })
	if err != nil {
		fmt.Fprintln(stderr, "trefoil:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // help was printed
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "trefoil: %s\nhint: %s --help\n", err, path(err))
		return 2
	}
	return report(stderr, k.Run(&env{ctx: ctx, stdout: stdout, stderr: stderr}))
}

// path is the command that was being read when the line stopped making sense.
func path(err error) string {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil {
		if node := p.Context.Selected(); node != nil {
			return node.FullPath()
		}
	}
	return "trefoil"
}

// errRefused makes exit code 1 of what a command has already printed.
var errRefused = errors.New("refused")

// report prints an error with its detail and the next step, and gives the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, errRefused) {
		return 1
	}
	f := explained(err)
	fmt.Fprintf(w, "trefoil: %s\n", f.Message)
	for _, d := range f.Detail {
		fmt.Fprintf(w, "  %s\n", d)
	}
	if f.Cause != nil && !strings.Contains(f.Message, f.Cause.Error()) {
		fmt.Fprintf(w, "  %s\n", f.Cause)
	}
	if f.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", f.Hint)
	}
	switch f.Kind {
	case fault.BadInput, fault.TooLarge:
		return 2
	case fault.StoreAway, fault.NotRecorded, fault.NoLease, fault.Stopping, fault.TooMany:
		return 3
	}
	return 1
}

// explained gives the errors of libraries a row of the table. What is left is
// said as it is, because who runs a command may see everything it meets.
func explained(err error) *fault.Error {
	var f *fault.Error
	var file *fs.PathError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.Canceled):
		return fault.New(fault.Denied, "interrupted")
	case errors.Is(err, durable.ErrLocked):
		return fault.New(fault.Stopping, "%s", err).WithHint("one instance serves a data_dir; that one answers: trefoil access list")
	case errors.As(err, &pg) && pg.Code == "42501": // insufficient_privilege
		return fault.New(fault.Denied, "the store refuses: %s", err).WithHint("--admin names a superuser of the store")
	case errors.As(err, &file):
		return fault.New(fault.BadInput, "%s", err)
	}
	return fault.New(fault.Internal, "%s", err)
}
