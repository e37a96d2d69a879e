package record

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// AppendEntry appends leaf bytes and parts in the form the write-ahead log
// keeps: len16 leaf ‖ leaf ‖ len16 parts ‖ (len8 name ‖ name ‖ salt32 ‖ len32 ‖ bytes)….
// It is as secret as the store itself.
func AppendEntry(b, leaf []byte, parts []Part) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(leaf)))
	b = append(b, leaf...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(parts)))
	for i := range parts {
		p := &parts[i]
		b = append(b, byte(len(p.Name)))
		b = append(b, p.Name...)
		b = append(b, p.Salt[:]...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(p.Data)))
		b = append(b, p.Data...)
	}
	return b
}

var errShort = errors.New("entry ends early")

// SplitEntry takes apart what AppendEntry made. Leaf and part data alias b.
func SplitEntry(b []byte) (leaf []byte, parts []Part, err error) {
	take := func(n int) []byte {
		if err != nil || n > len(b) {
			err = errShort
			return nil
		}
		out := b[:n:n]
		b = b[n:]
		return out
	}
	u16 := func() int {
		if v := take(2); v != nil {
			return int(binary.BigEndian.Uint16(v))
		}
		return 0
	}
	leaf = take(u16())
	n := u16()
	if n > MaxParts {
		return nil, nil, fmt.Errorf("entry has %d parts, more than %d", n, MaxParts)
	}
	parts = make([]Part, 0, n)
	for range n {
		var p Part
		if l := take(1); l != nil {
			p.Name = string(take(int(l[0])))
		}
		copy(p.Salt[:], take(32))
		if l := take(4); l != nil {
			size := binary.BigEndian.Uint32(l)
			if size > MaxPart {
				return nil, nil, fmt.Errorf("part %s has %d bytes, more than %d", p.Name, size, MaxPart)
			}
			p.Data = take(int(size))
		}
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, p)
	}
	if err == nil && len(b) != 0 {
		err = errors.New("entry goes on after its last part")
	}
	return leaf, parts, err
}
