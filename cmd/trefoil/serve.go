package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/trefoil-dev/trefoil/app"
)

// stopTimeout bounds an orderly end; a second signal ends at once.
const stopTimeout = 15 * time.Second

// syncers is how many threads wait for a disk at a time: the committer and the
// builder. One that does keeps its processor until the runtime notices, so
// there is one more for each.
const syncers = 2

type serveCmd struct {
	Config string `short:"c" default:"${config}" env:"TREFOIL_CONFIG" type:"path" placeholder:"FILE" help:"Configuration; without it trefoil.yaml."`
}

func (c *serveCmd) Run(e *env) error {
	cfg, err := app.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + syncers)
	}
	log := slog.New(slog.NewJSONHandler(e.stderr, nil))
	a, err := app.New(cfg, app.Deps{Logger: log})
	if err != nil {
		return err
	}
	if err := a.Start(); err != nil {
		_ = stop(a, log) // what kept it from starting is what to tell
		return err
	}
	log.Info("serving", "zone", cfg.Zone, "gate", cfg.Gate, "postgres", cfg.Listen.Postgres, "api", cfg.Listen.API, "socket", cfg.Socket())
	log.Warn("lease: none. Nobody outside can stop this gate; every start entry says so.")
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-hup:
			if err := a.Reload(); err != nil {
				log.Error("the certificate stays the old one", "err", err)
				continue
			}
			log.Info("the certificate was read again")
		case err := <-a.Failed():
			log.Error("stopping", "err", err)
			_ = stop(a, log) // logged
			return err
		case <-e.ctx.Done():
			log.Info("stopping")
			return stop(a, log)
		}
	}
}

func stop(a *app.App, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := a.Stop(ctx)
	if err != nil {
		log.Error("stopped, not in order", "err", err)
	} else {
		log.Info("stopped")
	}
	return err
}
