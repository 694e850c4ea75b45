// Verify checks a log's folder with nothing of this project's: only golang.org/x/mod/sumdb/note and tlog.
//
// It reads requests from standard input, one JSON object a line, and answers each with one line: {"ok":true} or {"error":"..."}.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Do     string   `json:"do"`
	Vkeys  []string `json:"vkeys"`
	Note   string   `json:"note"`   // a signed note
	Old    string   `json:"old"`    // an earlier one
	Folder string   `json:"folder"` // holds tile/
	Index  int64    `json:"index"`
	Record []byte   `json:"record"`
	Hashes []string `json:"hashes"`
	Key    string   `json:"key"` // a private key in Go's form
	Text   string   `json:"text"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var asked request
		err := json.Unmarshal(lines.Bytes(), &asked)
		value := ""
		if err == nil {
			value, err = answer(asked)
		}
		reply := map[string]any{"ok": err == nil, "value": value}
		if err != nil {
			reply["error"] = err.Error()
		}
		out, _ := json.Marshal(reply)
		fmt.Println(string(out))
	}
}

func answer(asked request) (string, error) {
	switch asked.Do {
	case "note":
		opened, err := open(asked.Note, asked.Vkeys)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d verified, %d unverified", len(opened.Sigs), len(opened.UnverifiedSigs)), nil
	case "sign":
		return sign(asked)
	case "inclusion":
		return "", inclusion(asked)
	case "consistency":
		return "", consistency(asked)
	case "stored":
		return "", stored(asked)
	case "grown":
		return "", grown(asked)
	case "bundle":
		return "", bundle(asked)
	}
	return "", fmt.Errorf("unknown request %q", asked.Do)
}

// sign makes a note here that the other side has to open.
func sign(asked request) (string, error) {
	signer, err := note.NewSigner(asked.Key)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: asked.Text}, signer)
	return string(signed), err
}

func open(text string, vkeys []string) (*note.Note, error) {
	var verifiers []note.Verifier
	for _, vkey := range vkeys {
		verifier, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, verifier)
	}
	return note.Open([]byte(text), note.VerifierList(verifiers...))
}

// head is the tree that a signed checkpoint names.
func head(text string, vkeys []string) (tlog.Tree, error) {
	opened, err := open(text, vkeys)
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tlog.Tree{}, errors.New("not a checkpoint of three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func proof(lines []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

// inclusion: a proof that the other side made.
func inclusion(asked request) error {
	tree, err := head(asked.Note, asked.Vkeys)
	if err != nil {
		return err
	}
	hashes, err := proof(asked.Hashes)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(hashes, tree.N, tree.Hash, asked.Index, tlog.RecordHash(asked.Record))
}

// consistency: likewise.
func consistency(asked request) error {
	tree, err := head(asked.Note, asked.Vkeys)
	if err != nil {
		return err
	}
	old, err := head(asked.Old, asked.Vkeys)
	if err != nil {
		return err
	}
	hashes, err := proof(asked.Hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(hashes, tree.N, tree.Hash, old.N, old.Hash)
}

// stored: the record is at its place, by the tiles alone. The reader checks every tile that it reads against the root.
func stored(asked request) error {
	tree, err := head(asked.Note, asked.Vkeys)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, &folder{path: asked.Folder})
	hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, asked.Index)})
	if err != nil {
		return err
	}
	if hashes[0] != tlog.RecordHash(asked.Record) {
		return errors.New("another record stands there")
	}
	made, err := tlog.ProveRecord(tree.N, asked.Index, reader)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(made, tree.N, tree.Hash, asked.Index, hashes[0])
}

// grown: the new tree's tiles prove the old one to be its beginning.
func grown(asked request) error {
	tree, err := head(asked.Note, asked.Vkeys)
	if err != nil {
		return err
	}
	old, err := head(asked.Old, asked.Vkeys)
	if err != nil {
		return err
	}
	made, err := tlog.ProveTree(tree.N, old.N, tlog.TileHashReader(tree, &folder{path: asked.Folder}))
	if err != nil {
		return err
	}
	return tlog.CheckTree(made, tree.N, tree.Hash, old.N, old.Hash)
}

// bundle: each record of an entry bundle (given in base64 as text) has its hash in the tile of the same place.
func bundle(asked request) error {
	data, err := base64.StdEncoding.DecodeString(asked.Text)
	if err != nil {
		return err
	}
	tree, err := head(asked.Note, asked.Vkeys)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, &folder{path: asked.Folder})
	for index := asked.Index * 256; len(data) > 0; index++ {
		if len(data) < 2 || len(data) < 2+int(data[0])<<8+int(data[1]) {
			return errors.New("the bundle is cut")
		}
		length := int(data[0])<<8 + int(data[1])
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return err
		}
		if hashes[0] != tlog.RecordHash(data[2:2+length]) {
			return fmt.Errorf("record %d has another hash in its tile", index)
		}
		data = data[2+length:]
	}
	return nil
}

// folder reads C2SP tiles: their paths are those of this library without the height.
type folder struct{ path string }

func (f *folder) Height() int { return 8 }

func (f *folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := f.read(tile)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (f *folder) SaveTiles([]tlog.Tile, [][]byte) {}

// read falls back to the full tile, as the specification allows a log to drop a partial one.
func (f *folder) read(tile tlog.Tile) ([]byte, error) {
	data, err := os.ReadFile(f.file(tile))
	if errors.Is(err, os.ErrNotExist) && tile.W < 256 {
		full := tile
		full.W = 256
		data, err = os.ReadFile(f.file(full))
	}
	if err != nil {
		return nil, err
	}
	if len(data) < tile.W*tlog.HashSize {
		return nil, fmt.Errorf("%s is too short", tile.Path())
	}
	return data[:tile.W*tlog.HashSize], nil
}

func (f *folder) file(tile tlog.Tile) string {
	return filepath.Join(f.path, "tile", strings.TrimPrefix(tile.Path(), "tile/8/"))
}
