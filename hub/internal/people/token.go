package people

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"
)

const (
	tokenPrefix = "mst_"
	idBytes     = 10
	secretBytes = 32 // 256 bits: nobody guesses them, so a fast hash is enough
)

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// bearer is a token as its owner has it: mst_<id>_<secret>. The id finds the
// record and is no secret.
type bearer struct {
	id     string
	secret [secretBytes]byte
}

func newBearer() bearer {
	var id [idBytes]byte
	var b bearer
	rand.Read(id[:])
	rand.Read(b.secret[:])
	b.id = letters.EncodeToString(id[:])
	return b
}

// text is what its owner is told, once.
func (b bearer) text() string {
	return tokenPrefix + b.id + "_" + letters.EncodeToString(b.secret[:])
}

func (b bearer) sum() []byte {
	sum := sha256.Sum256(b.secret[:])
	return sum[:]
}

func (b bearer) matches(sum []byte) bool { return subtle.ConstantTimeCompare(b.sum(), sum) == 1 }

// parseBearer reads what text writes, and nothing else.
func parseBearer(text string) (b bearer, ok bool) {
	rest, marked := strings.CutPrefix(text, tokenPrefix)
	id, secret, parted := strings.Cut(rest, "_")
	if !marked || !parted || len(id) != letters.EncodedLen(idBytes) || len(secret) != letters.EncodedLen(secretBytes) {
		return bearer{}, false
	}
	decoded, err := letters.DecodeString(secret)
	if _, wrong := letters.DecodeString(id); err != nil || wrong != nil {
		return bearer{}, false
	}
	b.id = id
	copy(b.secret[:], decoded)
	if b.text() != text { // bits at the end that belong to nothing
		return bearer{}, false
	}
	return b, true
}
