package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/musterhq/muster/shared/fleet"
)

// FormatVersion is the version of the envelope. Fields are only ever added.
const FormatVersion = 1

// MaxDesired is the largest desired message in bytes; MaxMessage bounds every
// message that is read.
const (
	MaxDesired = 512 << 10
	MaxMessage = 1 << 20
)

// Envelope goes round every message. Sum covers the raw bytes of Body, so
// that a reader verifies fields that it doesn't know.
type Envelope struct {
	V          int             `json:"v"`
	Lineage    string          `json:"lineage,omitempty"` // the hub's store, named at its first start
	Epoch      uint64          `json:"epoch,omitempty"`   // grows with each start of the hub
	Generation uint64          `json:"generation"`        // hub: revision of the last change; agent: sequence
	Sum        string          `json:"sum"`
	Body       json.RawMessage `json:"body"`
}

// Sum is the hex SHA-256 of a body, cut to 32 characters.
func Sum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}

// Seal encodes body and puts it in an envelope. The bytes are the same for
// the same arguments.
func Seal(lineage string, epoch, generation uint64, body any) ([]byte, error) {
	raw, err := Encode(body)
	if err != nil {
		return nil, err
	}
	return SealRaw(lineage, epoch, generation, raw)
}

// SealRaw puts an encoded body in an envelope.
func SealRaw(lineage string, epoch, generation uint64, raw []byte) ([]byte, error) {
	return Encode(Envelope{V: FormatVersion, Lineage: lineage, Epoch: epoch, Generation: generation, Sum: Sum(raw), Body: raw})
}

// Encode writes compact JSON without escaping HTML and without a newline, so
// that the bytes inside an envelope stay as they were summed.
func Encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// Open reads an envelope, checks size, format and sum, and decodes the body
// into body. Its errors are *fleet.Error with code invalid.
func Open(payload []byte, body any) (Envelope, error) {
	var env Envelope
	if len(payload) == 0 {
		return env, fleet.Invalid("payload", "the message is empty")
	}
	if len(payload) > MaxMessage {
		return env, fleet.Invalid("payload", "the message has %d bytes, more than %d", len(payload), MaxMessage)
	}
	if err := json.Unmarshal(payload, &env); err != nil {
		return env, fleet.Invalid("payload", "not an envelope: %v", err)
	}
	if env.V < 1 {
		return env, fleet.Invalid("payload.v", "the envelope has no version")
	}
	if got := Sum(env.Body); got != env.Sum {
		return env, fleet.Invalid("payload.sum", "the body's sum is %s, the envelope says %s", got, env.Sum)
	}
	if body == nil {
		return env, nil
	}
	if err := json.Unmarshal(env.Body, body); err != nil {
		return env, fleet.Invalid("payload.body", "%v", err)
	}
	return env, nil
}
