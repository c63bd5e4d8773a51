package identity

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Tables are the names of the tables in the store.
var Tables = []string{tableAuthorities, tableTokens, tableHosts}

const (
	tableAuthorities = "authorities"
	tableTokens      = "jointokens"
	tableHosts       = "credentials"
)

// Row sets one record, or deletes it when Value is nil.
type Row struct {
	Table, Key string
	Value      []byte
}

// Records keeps what identity decides: all of it, or nothing and an error.
type Records interface {
	Keep(rows []Row, audit ...fleet.AuditEntry) error
}

// Vault seals the keys of authorities.
type Vault interface {
	Seal(name string, data []byte) []byte
	Unseal(name string, sealed []byte) ([]byte, error)
}

type storedAuthority struct {
	V     int    `json:"v"`
	Cert  []byte `json:"cert"`
	Cross []byte `json:"cross,omitempty"`
	Key   []byte `json:"key"` // sealed
}

// token is one that machines may join with, as it is stored: its secret isn't.
type token struct {
	V       int               `json:"v"`
	ID      string            `json:"id"`
	Hash    []byte            `json:"hash"`
	Host    string            `json:"host,omitempty"` // empty: any that hasn't joined
	Labels  map[string]string `json:"labels,omitempty"`
	Uses    int               `json:"uses"` // left
	Expires time.Time         `json:"expires"`
	Created time.Time         `json:"created"`
	By      string            `json:"by"`
}

// host is what the hub knows of one that has joined.
type host struct {
	V        int               `json:"v"`
	ID       string            `json:"id"`
	Key      []byte            `json:"key"` // the public half, as SubjectPublicKeyInfo
	Joined   time.Time         `json:"joined"`
	Token    string            `json:"token"` // id
	Labels   map[string]string `json:"labels,omitempty"`
	NotAfter time.Time         `json:"notAfter"`  // of the last certificate
	Issuer   int               `json:"authority"` // of the last certificate
	// Revoked: nobody is let in with the key any more.
	Revoked time.Time `json:"revoked,omitzero"`
}

func (s *Identity) rowOf(a *authority) (Row, error) {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return Row{}, err
	}
	stored := storedAuthority{V: 1, Cert: a.cert.Raw, Key: s.options.Vault.Seal(sealName(a.id), key)}
	if a.cross != nil {
		stored.Cross = a.cross.Raw
	}
	return row(tableAuthorities, strconv.Itoa(a.id), stored), nil
}

func sealName(id int) string { return "authorities/" + strconv.Itoa(id) }

func row(table, key string, value any) Row {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("encode " + table + ": " + err.Error()) // plain data
	}
	return Row{Table: table, Key: key, Value: raw}
}

// Load takes in one record of the store's, before Open.
func (s *Identity) Load(table, key string, value []byte) error {
	var err error
	switch table {
	case tableAuthorities:
		var a *authority
		if a, err = s.loadAuthority(key, value); err == nil {
			s.authorities = append(s.authorities, a)
			slices.SortFunc(s.authorities, func(a, b *authority) int { return a.id - b.id })
		}
	case tableTokens:
		t := &token{}
		err = json.Unmarshal(value, t)
		s.tokens[key] = t
	case tableHosts:
		h := &host{}
		err = json.Unmarshal(value, h)
		s.hosts[key] = h
	}
	if err != nil {
		return fmt.Errorf("read %s/%s: %w", table, key, err)
	}
	return nil
}

func (s *Identity) loadAuthority(key string, value []byte) (*authority, error) {
	var stored storedAuthority
	if err := json.Unmarshal(value, &stored); err != nil {
		return nil, err
	}
	id, err := strconv.Atoi(key)
	if err != nil {
		return nil, err
	}
	a := &authority{id: id}
	if a.cert, err = x509.ParseCertificate(stored.Cert); err != nil {
		return nil, err
	}
	if len(stored.Cross) > 0 {
		if a.cross, err = x509.ParseCertificate(stored.Cross); err != nil {
			return nil, err
		}
	}
	opened, err := s.options.Vault.Unseal(sealName(id), stored.Key)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(opened)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the key is a %T", private)
	}
	a.key = signer
	return a, nil
}
