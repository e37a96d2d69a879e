// Package badinput gives the program what it must not trip over, as an operator
// or a client would: files that are wrong, a port that is taken, packets that
// are no packets, a store that is away, a disk that is full. Each must end in a
// sentence somebody can act on; nothing recorded is lost, and nobody is let
// through. It holds tests only.
package badinput
