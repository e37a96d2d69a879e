// Package proof is what anybody needs to check a log without trusting its
// keeper: the C2SP forms of checkpoint, tile and proof, and reading them from a
// directory or over HTTP. It knows nothing of what the entries mean.
//
// Sources: c2sp.org/tlog-tiles, c2sp.org/tlog-checkpoint, c2sp.org/signed-note,
// c2sp.org/tlog-proof. The tree is RFC 6962's, computed by x/mod/sumdb/tlog.
package proof

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// TileHeight is the height of every tile: 256 hashes, or 256 entries.
const TileHeight = 8

// TileWidth is the number of entries in a full bundle.
const TileWidth = 1 << TileHeight

// TilePath is a tile's path in C2SP tlog-tiles: tlog's own without the height,
// and with "entries" for data.
func TilePath(t tlog.Tile) string {
	p := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", t.H))
	if rest, ok := strings.CutPrefix(p, "data/"); ok {
		p = "entries/" + rest
	}
	return "tile/" + p
}

// EntryTile is the bundle that holds the entry n in a log of the size.
func EntryTile(n, size uint64) tlog.Tile {
	bundle := n / TileWidth
	return tlog.Tile{H: TileHeight, L: -1, N: int64(bundle), W: int(min(size-bundle*TileWidth, TileWidth))}
}

// Source reads a log's published files by their C2SP path. A file that is not
// there gives an error that is fs.ErrNotExist.
type Source interface {
	ReadFile(path string) ([]byte, error)
}

// Dir is a Source of a directory.
type Dir string

// ReadFile reads below the directory.
func (d Dir) ReadFile(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), filepath.FromSlash(path)))
}

// maxFile bounds what an HTTP source reads: a bundle of 256 entries of 64 KiB.
const maxFile = TileWidth * (2 + 65535)

// HTTP is a Source below a URL without trailing slash.
type HTTP struct {
	URL    string
	Client *http.Client // nil: one with a time limit of 30 s
}

// ReadFile gets URL/path.
func (h HTTP) ReadFile(path string) ([]byte, error) {
	client := h.Client
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	resp, err := client.Get(h.URL + "/" + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	default:
		return nil, fmt.Errorf("%s: the log answers %s", path, resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	return data, err
}

// ReadTile reads a tile of the width it is named with. Where a partial tile has
// been replaced by the full one, it gives the full one's beginning.
func ReadTile(src Source, t tlog.Tile) ([]byte, error) {
	data, err := src.ReadFile(TilePath(t))
	if errors.Is(err, fs.ErrNotExist) && t.W < TileWidth {
		full := t
		full.W = TileWidth
		data, err = src.ReadFile(TilePath(full))
	}
	if err != nil {
		return nil, err
	}
	if t.L >= 0 {
		if want := t.W * tlog.HashSize; len(data) < want {
			return nil, fmt.Errorf("%s has %d bytes, not %d", TilePath(t), len(data), want)
		} else {
			data = data[:want]
		}
	}
	return data, nil
}

// reader serves tlog from a Source.
type reader struct{ src Source }

// TileReader makes tlog's view of a source.
func TileReader(src Source) tlog.TileReader { return reader{src} }

func (r reader) Height() int { return TileHeight }

func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := ReadTile(r.src, t)
		if err != nil {
			return nil, err
		}
		out[i] = data
	}
	return out, nil
}

func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}

// AppendEntry appends an entry to a bundle: len16 ‖ bytes.
func AppendEntry(bundle, entry []byte) []byte {
	bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(entry)))
	return append(bundle, entry...)
}

// SplitBundle gives the first n entries of a bundle; they alias it.
func SplitBundle(bundle []byte, n int) ([][]byte, error) {
	out := make([][]byte, 0, n)
	for i := range n {
		if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
			return out, fmt.Errorf("the bundle ends within its entry %d of %d", i, n)
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		out = append(out, bundle[2:end:end])
		bundle = bundle[end:]
	}
	return out, nil
}
