package fleet

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Bounds of secrets.
const (
	MaxSecret      = 64 << 10 // bytes of a value
	MaxSecrets     = 32       // of one service
	MaxCredentials = 8 << 10  // bytes of a user name and a password
)

var (
	secretName   = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)
	registryName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$`)
)

// SecretKey is the identity of a secret: the project and the name in it. Its text
// form is "project/name".
type SecretKey struct {
	Project string
	Name    string
}

// String returns "project/name".
func (k SecretKey) String() string { return k.Project + "/" + k.Name }

// MarshalText makes the key usable as a JSON string and as a JSON object's key.
// A key that names nothing is the empty text.
func (k SecretKey) MarshalText() ([]byte, error) {
	if k == (SecretKey{}) {
		return nil, nil
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads "project/name", or the empty text.
func (k *SecretKey) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*k = SecretKey{}
		return nil
	}
	parsed, err := ParseSecretKey(string(text))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}

// Less orders keys by project, then by name.
func (k SecretKey) Less(other SecretKey) bool {
	if k.Project != other.Project {
		return k.Project < other.Project
	}
	return k.Name < other.Name
}

// ParseSecretKey reads "project/name" and validates both parts.
func ParseSecretKey(text string) (SecretKey, error) {
	project, name, found := strings.Cut(text, "/")
	if !found {
		return SecretKey{}, Invalid("secret", "%.140q is not of the form project/name", text)
	}
	if err := ValidateProject(project); err != nil {
		return SecretKey{}, err
	}
	if err := ValidateSecretName(name); err != nil {
		return SecretKey{}, err
	}
	return SecretKey{Project: project, Name: name}, nil
}

// ValidateSecretName accepts what can be a file's name, too.
func ValidateSecretName(name string) error {
	if !secretName.MatchString(name) {
		return Invalid("secret", "%.140q is not a secret's name: use 1 to 63 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit", name)
	}
	return nil
}

// SecretRef names one revision of a secret: "project/name@3".
func SecretRef(key SecretKey, revision int) string {
	return key.String() + "@" + strconv.Itoa(revision)
}

// FileMode are a file's permissions; its text form is octal: "0444".
type FileMode uint32

// String writes the permissions in octal.
func (m FileMode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// MarshalText writes the permissions in octal.
func (m FileMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads permissions in octal.
func (m *FileMode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n > 0o7777 {
		return Invalid("mode", "%.16q is not a mode like 0444", text)
	}
	*m = FileMode(n)
	return nil
}

// SecretMount is a secret that the containers of a version see as a file.
type SecretMount struct {
	Name string `json:"name"` // in the service's project
	// Revision is the hub's word, from what the secret was when the version was
	// made. Sum tells values apart that had the same number, as they may have when
	// a store was restored; without the hub's key it says nothing.
	Revision int      `json:"revision"`
	Sum      string   `json:"sum,omitempty"`
	Target   string   `json:"target"` // an absolute path in the container
	UID      int      `json:"uid,omitempty"`
	GID      int      `json:"gid,omitempty"`
	Mode     FileMode `json:"mode"`
}

// SealedValue is a value that only the hub's key opens.
type SealedValue struct {
	Sealed []byte `json:"sealed,omitempty"`
	// Fingerprint tells values under the same name apart, for who has the hub's key.
	Fingerprint string `json:"fingerprint"`
	Size        int    `json:"size"` // bytes of what is sealed
}

// LogValue says that there is one.
func (SealedValue) LogValue() slog.Value { return slog.StringValue("(sealed)") }

// Credentials are what a registry is told at each pull.
type Credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// LogValue says whose they are.
func (c Credentials) LogValue() slog.Value {
	return slog.StringValue(c.Username + " (password not shown)")
}

// String says whose they are.
func (c Credentials) String() string { return c.Username + " (password not shown)" }

// SecretView is a secret as people see it: never its value.
type SecretView struct {
	Key      SecretKey    `json:"key"`
	Revision int          `json:"revision"`
	Created  time.Time    `json:"created"` // of that revision
	Actor    string       `json:"actor,omitempty"`
	Cause    string       `json:"cause,omitempty"`
	UsedBy   []ServiceKey `json:"usedBy,omitempty"` // services that are asked for with it; sorted
	// Kept are older revisions whose values kept versions of services need; sorted.
	Kept []int `json:"kept,omitempty"`
}

// RegistryView is a registry's credentials as people see them.
type RegistryView struct {
	Host     string       `json:"host"`
	Username string       `json:"username"`
	Revision int          `json:"revision"`
	Created  time.Time    `json:"created"`
	Actor    string       `json:"actor,omitempty"`
	Cause    string       `json:"cause,omitempty"`
	UsedBy   []ServiceKey `json:"usedBy,omitempty"` // services whose image comes from there; sorted
}

// SecretChange is one secret's part of a plan: its value came with the document.
type SecretChange struct {
	Secret   SecretKey `json:"secret"`
	Action   string    `json:"action"` // add or change
	Revision int       `json:"revision"`
}

// DefaultRegistry is where images come from whose name has no registry.
const DefaultRegistry = "docker.io"

// RegistryOf is the registry that an image's name leads to; empty: none, as it is an
// image's id.
func RegistryOf(image string) string {
	if image == "" || strings.HasPrefix(image, "sha256:") {
		return ""
	}
	first, _, slash := strings.Cut(image, "/")
	if !slash || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return DefaultRegistry
	}
	return canonicalRegistry(first)
}

// ParseRegistry reads a registry's name as people write it: "registry.example.com",
// "localhost:5000". Docker's own has several.
func ParseRegistry(text string) (string, error) {
	host := canonicalRegistry(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(text), "https://"), "http://"), "/"))
	_, port, hasPort := strings.Cut(host, ":")
	number, err := strconv.Atoi(port)
	if !registryName.MatchString(host) || hasPort && (err != nil || number < 1 || number > maxPort) {
		return "", Invalid("registry", "%.140q is not a registry", text).WithHint("write it as it is in the names of its images, like registry.example.com or localhost:5000; %s is Docker's own", DefaultRegistry)
	}
	return host, nil
}

func canonicalRegistry(host string) string {
	switch host {
	case "index.docker.io", "registry-1.docker.io", "hub.docker.com", "index.docker.io/v1":
		return DefaultRegistry
	}
	return host
}

// recipient takes an X25519 public key, or nothing.
func recipient(path, value string) *Error {
	if raw, err := base64.StdEncoding.DecodeString(value); value != "" && (err != nil || len(raw) != 32) {
		return Invalid(path, "is not a public key")
	}
	return nil
}
