package pggate

import "encoding/binary"

// parseMessage is a Parse taken apart in place.
type parseMessage struct {
	name, text []byte
	oids       []byte // 4 bytes each
}

func readParse(b []byte) (m parseMessage, ok bool) {
	if m.name, b, ok = cut(b); !ok {
		return m, false
	}
	if m.text, b, ok = cut(b); !ok {
		return m, false
	}
	n, b, ok := cut16(b)
	m.oids = b
	return m, ok && len(b) == 4*int(n)
}

// bindMessage is a Bind taken apart in place.
type bindMessage struct {
	portal, name []byte
	params       []Param
}

// readBind reads a Bind's body; params is memory to use again. Result formats are
// the store's business.
func readBind(b []byte, params []Param) (m bindMessage, ok bool) {
	m.params = params[:0]
	if m.portal, b, ok = cut(b); !ok {
		return m, false
	}
	if m.name, b, ok = cut(b); !ok {
		return m, false
	}
	nf, b, ok := cut16(b)
	if !ok || len(b) < 2*int(nf) {
		return m, false
	}
	formats := b[:2*int(nf)]
	np, b, ok := cut16(b[2*int(nf):])
	if !ok || int(nf) > 1 && nf != np {
		return m, false
	}
	for i := range int(np) {
		var p Param
		switch {
		case nf == 1:
			p.Format = int16(binary.BigEndian.Uint16(formats))
		case nf > 1:
			p.Format = int16(binary.BigEndian.Uint16(formats[2*i:]))
		}
		var size uint32
		if size, b, ok = cut32(b); !ok {
			return m, false
		}
		if size != 1<<32-1 {
			if size > uint32(len(b)) {
				return m, false
			}
			p.Value, b = b[:size:size], b[size:]
		}
		m.params = append(m.params, p)
	}
	nr, b, ok := cut16(b)
	return m, ok && len(b) == 2*int(nr)
}
