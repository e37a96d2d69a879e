// Package app assembles one instance from its configuration: it alone knows
// every implementation. New reads files and the log, Start listens, Wait
// returns when the instance has stopped, Stop ends it in order. It holds no
// globals: two instances run in one process.
package app
