package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

// Key opens one sealed part. Each part has its own, so that destroying it
// erases exactly that part.
type Key [32]byte

// Seal encrypts a part (name, salt, data) under a fresh key: AES-256-GCM with a
// zero nonce, which is sound because the key is never used again, and the
// entry's sequence as additional data, so that parts can't change places.
func Seal(dst []byte, seq uint64, p *Part) ([]byte, Key) {
	var key Key
	rand.Read(key[:])
	var nonce [12]byte
	var place [8]byte
	binary.BigEndian.PutUint64(place[:], seq)
	start := len(dst)
	dst = append(dst, byte(len(p.Name)))
	dst = append(dst, p.Name...)
	dst = append(dst, p.Salt[:]...)
	dst = append(dst, p.Data...)
	return aead(key).Seal(dst[:start], nonce[:], dst[start:], place[:]), key // in place
}

// ErrErased says that a part's key was destroyed.
var ErrErased = errors.New("part was erased")

// Open decrypts what Seal made. A zero key is an erased part.
func Open(seq uint64, key Key, sealed []byte) (Part, error) {
	if key == (Key{}) {
		return Part{}, ErrErased
	}
	var nonce [12]byte
	plain, err := aead(key).Open(nil, nonce[:], sealed, binary.BigEndian.AppendUint64(nil, seq))
	if err != nil || len(plain) < 1 || len(plain) < 1+int(plain[0])+32 {
		return Part{}, fmt.Errorf("entry %d: a sealed part does not open", seq)
	}
	n := 1 + int(plain[0])
	p := Part{Name: string(plain[1:n]), Data: plain[n+32:]}
	copy(p.Salt[:], plain[n:])
	return p, nil
}

func aead(key Key) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a 32-byte key is always valid
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES blocks have the size GCM wants
	}
	return gcm
}
