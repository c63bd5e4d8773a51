package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"strings"
	"time"
)

// JoinToken lets a machine become a host. It names the hub's key, so that the
// machine knows the hub before it says anything secret.
type JoinToken struct {
	ID     [6]byte
	Secret [24]byte
	Pin    Pin
}

// Pin is the SHA-256 of a certificate's public key (its SubjectPublicKeyInfo).
type Pin [sha256.Size]byte

// PinOf makes one of a certificate's RawSubjectPublicKeyInfo.
func PinOf(spki []byte) Pin { return sha256.Sum256(spki) }

// String writes the pin as "sha256:" and its bytes in base64, without padding.
func (p Pin) String() string { return "sha256:" + base64.RawURLEncoding.EncodeToString(p[:]) }

// ParsePin reads what String wrote.
func ParsePin(text string) (pin Pin, err error) {
	raw, ok := strings.CutPrefix(text, "sha256:")
	data, bad := base64.RawURLEncoding.DecodeString(raw)
	if !ok || bad != nil || copy(pin[:], data) != len(pin) || len(data) != len(pin) {
		return Pin{}, Invalid("pin", "%.100q is not of the form sha256:…", text).WithHint("muster ca show prints it, on a machine that knows the hub")
	}
	return pin, nil
}

const (
	joinPrefix = "mjt_"
	joinBytes  = len(JoinToken{}.ID) + len(JoinToken{}.Secret) + len(Pin{})
	joinCheck  = 3 // bytes that tell a token with a typing error
)

// String is the token as people copy it.
func (t JoinToken) String() string {
	raw := append(append(append(make([]byte, 0, joinBytes+joinCheck), t.ID[:]...), t.Secret[:]...), t.Pin[:]...)
	sum := sha256.Sum256(raw)
	return joinPrefix + base64.RawURLEncoding.EncodeToString(append(raw, sum[:joinCheck]...))
}

// ParseJoinToken reads a token. Its errors don't repeat it.
func ParseJoinToken(text string) (JoinToken, error) {
	const hint = "copy the whole line that muster token create printed"
	body, ok := strings.CutPrefix(strings.TrimSpace(text), joinPrefix)
	if !ok {
		return JoinToken{}, Invalid("token", "this is not a join token: one begins with %s", joinPrefix).WithHint(hint)
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(raw) != joinBytes+joinCheck {
		return JoinToken{}, Invalid("token", "the join token is damaged or not whole").WithHint(hint)
	}
	sum := sha256.Sum256(raw[:joinBytes])
	if !bytes.Equal(sum[:joinCheck], raw[joinBytes:]) {
		return JoinToken{}, Invalid("token", "the join token has a typing error").WithHint(hint)
	}
	var t JoinToken
	n := copy(t.ID[:], raw)
	n += copy(t.Secret[:], raw[n:])
	copy(t.Pin[:], raw[n:])
	return t, nil
}

// LogValue keeps the secret out of logs.
func (t JoinToken) LogValue() slog.Value { return slog.StringValue(joinPrefix + "…") }

// HubName is the name that the certificates of a hub's own authority have, by
// whatever address the hub is reached.
const HubName = "hub.muster.internal"

// JoinRequest is what a machine sends that wants to be a host.
type JoinRequest struct {
	Token string `json:"token" maxLength:"200"`
	// Host is the id that it would like; empty: the token's.
	Host string `json:"host,omitempty" maxLength:"63"`
	// Request is a PKCS #10 certificate request in DER, signed with its new key.
	Request []byte `json:"request" maxLength:"8192"`
}

// RenewRequest is what a host sends that wants another certificate for the key
// that it has joined with. Who hasn't the key can't make the request, nor use the
// certificate.
type RenewRequest struct {
	Host    string `json:"host" maxLength:"63"`
	Request []byte `json:"request" maxLength:"8192"`
}

// Credential is what a host gets.
type Credential struct {
	Host    string `json:"host"`
	Lineage string `json:"lineage"`
	// Certificate is the host's, and Roots are those of the hub; in PEM.
	Certificate string `json:"certificate"`
	Roots       string `json:"roots"`
	// SystemRoots: the hub's own certificate may be one that the machine's roots
	// vouch for, instead of Roots.
	SystemRoots bool `json:"systemRoots,omitempty"`
	// ServerName is the name in the hub's certificate; empty: that of its address.
	ServerName string `json:"serverName,omitempty"`
	// MQTTPort is the broker's, at the address where the hub was reached.
	MQTTPort int               `json:"mqttPort"`
	Labels   map[string]string `json:"labels,omitempty"` // that the token gave the host
	// Time is the hub's, to tell a wrong clock.
	Time time.Time `json:"time"`
}

// TokenRequest says what a new join token is for.
type TokenRequest struct {
	Host   string            // that may join with it; empty: any that hasn't joined
	Labels map[string]string // that hosts get
	Uses   int
	TTL    time.Duration
}

// TokenView is a join token as people see it, without its secret.
type TokenView struct {
	ID      string            `json:"id"`
	Host    string            `json:"host,omitempty"` // the one it is for; empty: any that hasn't joined
	Labels  map[string]string `json:"labels,omitempty"`
	Uses    int               `json:"uses"` // left
	Expires time.Time         `json:"expires"`
	Created time.Time         `json:"created"`
	By      string            `json:"by"`
	Joined  []string          `json:"joined,omitempty"` // hosts that have joined with it; sorted
}

// Authority is a certificate authority of the hub's, as people see it.
type Authority struct {
	ID       int       `json:"id"`
	Pin      string    `json:"pin"`
	NotAfter time.Time `json:"notAfter"`
	Signs    bool      `json:"signs"` // it issues what is new
	Hosts    []string  `json:"hosts"` // that have their certificate of it; sorted
}
