// Witness is a small C2SP witness: it watches one log in memory and cosigns what it can prove to have only grown.
//
//	witness <log's vkey> <log's origin> <witness's name>
//
// It listens on the loopback and prints two lines: its URL and its cosignature vkey.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const cosignatureType = 4

type witness struct {
	mutex   sync.Mutex
	origin  string
	logKey  note.Verifier
	name    string
	private ed25519.PrivateKey
	seen    tlog.Tree
}

type refusal struct {
	status int
	body   string
}

func main() {
	logKey, err := note.NewVerifier(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	w := &witness{origin: os.Args[2], logKey: logKey, name: os.Args[3], private: private}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	key := append([]byte{cosignatureType}, public...)
	fmt.Printf("http://%s/\n%s+%08x+%s\n", listener.Addr(), w.name, w.keyID(), base64.StdEncoding.EncodeToString(key))
	http.HandleFunc("/add-checkpoint", w.addCheckpoint)
	// The test that started us closes our input when it ends.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, nil))
}

func (w *witness) addCheckpoint(out http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(out, in.Body, 1<<20))
	if err != nil || in.Method != http.MethodPost {
		http.Error(out, "POST a checkpoint", http.StatusBadRequest)
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	line, refused := w.judge(body)
	if refused == nil {
		fmt.Fprint(out, line)
		return
	}
	if refused.status == http.StatusConflict {
		out.Header().Set("Content-Type", "text/x.tlog.size")
	}
	out.WriteHeader(refused.status)
	fmt.Fprint(out, refused.body)
}

func (w *witness) judge(body []byte) (string, *refusal) {
	old, proof, checkpoint, err := parse(body)
	if err != nil {
		return "", &refusal{http.StatusBadRequest, err.Error()}
	}
	if !bytes.HasPrefix(checkpoint, []byte(w.origin+"\n")) {
		return "", &refusal{http.StatusNotFound, "unknown log"}
	}
	opened, err := note.Open(checkpoint, note.VerifierList(w.logKey))
	if err != nil {
		return "", &refusal{http.StatusForbidden, err.Error()}
	}
	tree, err := head(opened.Text)
	if err != nil || old > tree.N {
		return "", &refusal{http.StatusBadRequest, "the old size is greater than the checkpoint's, or there is none"}
	}
	if old != w.seen.N {
		return "", &refusal{http.StatusConflict, fmt.Sprintf("%d\n", w.seen.N)}
	}
	if err := grew(w.seen, tree, proof); err != nil {
		return "", &refusal{http.StatusUnprocessableEntity, err.Error()}
	}
	w.seen = tree
	return w.cosign(opened.Text), nil
}

func grew(old, tree tlog.Tree, proof []tlog.Hash) error {
	switch {
	case old.N == 0 && len(proof) == 0:
		return nil
	case old.N == tree.N && old.Hash == tree.Hash && len(proof) == 0:
		return nil
	case old.N == 0 || old.N == tree.N:
		return errors.New("inconsistent, or a proof where none belongs")
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
}

func (w *witness) cosign(text string) string {
	now := uint64(time.Now().Unix())
	signature := ed25519.Sign(w.private, []byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", now, text)))
	payload := make([]byte, 12)
	binary.BigEndian.PutUint32(payload, w.keyID())
	binary.BigEndian.PutUint64(payload[4:], now)
	return fmt.Sprintf("— %s %s\n", w.name, base64.StdEncoding.EncodeToString(append(payload, signature...)))
}

func (w *witness) keyID() uint32 {
	public := w.private.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(append([]byte(w.name+"\n\x04"), public...))
	return binary.BigEndian.Uint32(sum[:])
}

func parse(body []byte) (old int64, proof []tlog.Hash, checkpoint []byte, err error) {
	before, after, found := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(before), "\n")
	if !found || !strings.HasPrefix(lines[0], "old ") || len(lines) > 64 {
		return 0, nil, nil, errors.New("not an add-checkpoint request")
	}
	old, err = strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil {
		return 0, nil, nil, err
	}
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, nil, nil, err
		}
		proof = append(proof, hash)
	}
	return old, proof, after, nil
}

func head(text string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return tlog.Tree{}, errors.New("not a checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}
