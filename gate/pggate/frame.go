package pggate

import (
	"bytes"
	"encoding/binary"
)

// Message types of the frontend/backend protocol 3.0 that the gate names
// (PostgreSQL documentation, "Message Formats").
const (
	// From the client.
	msgQuery        = 'Q'
	msgParse        = 'P'
	msgBind         = 'B'
	msgDescribe     = 'D'
	msgExecute      = 'E'
	msgClose        = 'C'
	msgSync         = 'S'
	msgFlush        = 'H'
	msgTerminate    = 'X'
	msgFunctionCall = 'F'
	msgPassword     = 'p' // SASLInitialResponse and SASLResponse too
	msgCopyData     = 'd' // both directions
	msgCopyDone     = 'c' // both directions
	msgCopyFail     = 'f'

	// From the store.
	msgAuthentication   = 'R'
	msgKeyData          = 'K'
	msgParameterStatus  = 'S'
	msgReady            = 'Z'
	msgError            = 'E'
	msgNotice           = 'N'
	msgNotification     = 'A'
	msgParseComplete    = '1'
	msgBindComplete     = '2'
	msgCloseComplete    = '3'
	msgParamDescription = 't'
	msgRowDescription   = 'T'
	msgNoData           = 'n'
	msgDataRow          = 'D'
	msgCommandComplete  = 'C'
	msgEmptyQuery       = 'I'
	msgPortalSuspended  = 's'
	msgCopyOut          = 'H'
	msgNegotiate        = 'v'
)

// headerSize is a message's type byte and its length, which counts itself but not
// the type byte.
const headerSize = 5

// header reads the header at the start of b, which holds at least headerSize
// bytes. size is that of the whole message, header included; it is below
// headerSize when the peer's length is nonsense.
func header(b []byte) (kind byte, size int) {
	return b[0], int(int32(binary.BigEndian.Uint32(b[1:headerSize]))) + 1
}

// begin appends a message header with an open length; finish fills it in.
func begin(b []byte, kind byte) (out []byte, at int) {
	return append(b, kind, 0, 0, 0, 0), len(b)
}

func finish(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at+1:], uint32(len(b)-at-1))
	return b
}

// cut takes one zero-terminated string off the front of b.
func cut(b []byte) (s, rest []byte, ok bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}

// cut16 and cut32 take a big-endian integer off the front of b.
func cut16(b []byte) (v uint16, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint16(b), b[2:], true
}

func cut32(b []byte) (v uint32, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(b), b[4:], true
}
