package people

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/musterhq/muster/shared/fleet"
)

// Cost is what a password costs who checks it, and who guesses.
type Cost struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// usualCost is what OWASP's cheat sheet asks of argon2id.
var usualCost = Cost{Memory: 19 << 10, Passes: 2, Threads: 1}

// The most that a stored hash may ask for: one that was damaged doesn't take the
// hub's memory.
const (
	mostMemory = 1 << 20 // KiB
	mostPasses = 16
	saltBytes  = 16
	hashBytes  = 32
)

// Passwords are as long as people think they are, and no longer than makes sense.
const (
	leastPassword = 10
	mostPassword  = 256
)

var errPHC = errors.New("not an argon2id hash")

// hashed is a password that was hashed.
type hashed struct {
	cost Cost
	salt []byte
	sum  []byte
}

func hashPassword(password string, cost Cost) hashed {
	h := hashed{cost: cost, salt: make([]byte, saltBytes)}
	rand.Read(h.salt)
	h.sum = h.of(password)
	return h
}

func (h hashed) of(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.cost.Passes, h.cost.Memory, h.cost.Threads, hashBytes)
}

func (h hashed) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.of(password), h.sum) == 1
}

// String is the hash in the PHC's form: $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func (h hashed) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.cost.Memory, h.cost.Passes, h.cost.Threads, b64(h.salt), b64(h.sum))
}

// parsePHC reads what String writes, and nothing else.
func parsePHC(text string) (hashed, error) {
	var h hashed
	parts := strings.Split(text, "$")
	if len(parts) != 6 || len(text) > 256 {
		return h, errPHC
	}
	var memory, passes, threads uint64
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return h, errPHC
	}
	if memory > mostMemory || passes > mostPasses || threads > math.MaxUint8 || passes < 1 || threads < 1 || memory < 8*threads {
		return h, errPHC
	}
	h.cost = Cost{uint32(memory), uint32(passes), uint8(threads)}
	strict := base64.RawStdEncoding.Strict()
	var err, err2 error
	h.salt, err = strict.DecodeString(parts[4])
	h.sum, err2 = strict.DecodeString(parts[5])
	if err != nil || err2 != nil || len(h.salt) != saltBytes || len(h.sum) != hashBytes || h.String() != text {
		return hashed{}, errPHC
	}
	return h, nil
}

// validatePassword refuses what is guessed too soon.
func validatePassword(name, password string) error {
	switch {
	case len(password) < leastPassword:
		return fleet.Invalid("password", "it has fewer than %d characters", leastPassword).WithHint("several words are easy to remember and hard to guess")
	case len(password) > mostPassword:
		return fleet.Invalid("password", "it has more than %d bytes", mostPassword)
	case strings.ContainsAny(password, "\x00\r\n"):
		return fleet.Invalid("password", "it has a line's end in it")
	case strings.HasPrefix(password, tokenPrefix):
		return fleet.Invalid("password", "it begins like an API token")
	case strings.EqualFold(password, name), strings.Count(password, password[:1]) == len(password):
		return fleet.Invalid("password", "anybody would try that one first")
	}
	return nil
}
