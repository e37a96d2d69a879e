// Command trefoil is what operators and staff run. Each subcommand is a file
// of this folder; all that append to the log are clients of 'trefoil serve'.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// cli is the whole command line.
type cli struct {
	Init    initCmd    `cmd:"" help:"Make a directory with a commented trefoil.yaml, keys and a new log."`
	Check   checkCmd   `cmd:"" help:"Validate configuration and rules; with --against-store list what a store has unclassified."`
	Serve   serveCmd   `cmd:"" help:"Run the log, the gate and the API of one zone."`
	Publish publishCmd `cmd:"" help:"Put the rules' files in force."`
	Enrol   enrolCmd   `cmd:"" help:"Bind a person's SSH key to their login."`
	Access  accessCmd  `cmd:"" help:"Ask for access, approve, deny, revoke, list, show."`
	Lens    lensCmd    `cmd:"" help:"Fence a store and give it its lenses."`
	Log     logCmd     `cmd:"" help:"Verify, show, prove and follow the log."`
	Demo    demoCmd    `cmd:"" help:"Two real PostgreSQL stores, a story, and a gate to try."`
	Version versionCmd `cmd:"" help:"Print the version."`
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

// run is main with its surroundings given. Exit codes: 0 done, 1 refused or
// verification failed, 2 usage or configuration, 3 unavailable.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit := -1
	parser, err := kong.New(&cli{}, kong.Name("trefoil"), kong.UsageOnError(), kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.Description("Trefoil makes data-sovereignty promises checkable: staff read personal data only through a gate that decides, records before it releases, and can be recomputed by an outsider."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"config": "trefoil.yaml", "env_user": os.Getenv("USER")})
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
		fmt.Fprintf(stderr, "trefoil: %s\nhint: trefoil --help, or trefoil COMMAND --help\n", err)
		return 2
	}
	return report(stderr, k.Run(&env{ctx: ctx, stdout: stdout, stderr: stderr}))
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
	var f *fault.Error
	if !errors.As(err, &f) {
		fmt.Fprintf(w, "trefoil: %s\n", err)
		return 1
	}
	fmt.Fprintf(w, "trefoil: %s\n", f.Message)
	for _, d := range f.Detail {
		fmt.Fprintf(w, "  %s\n", d)
	}
	if f.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", f.Hint)
	}
	switch f.Kind {
	case fault.BadInput, fault.Conflict:
		return 2
	case fault.StoreAway, fault.NotRecorded, fault.NoLease, fault.Stopping, fault.TooMany:
		return 3
	}
	return 1
}
