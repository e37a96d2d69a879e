//go:build unix

package app

import "syscall"

// umask sets the mode files are made with, and gives the one before.
func umask(mask int) int { return syscall.Umask(mask) }
