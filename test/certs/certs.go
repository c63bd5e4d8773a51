// Package certs makes certificates for tests.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Pair is a certificate and its key.
type Pair struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// NewKey makes a key.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// NewAuthority makes one that nobody vouches for.
func NewAuthority(t testing.TB) Pair {
	t.Helper()
	key := NewKey(t)
	return Pair{sign(t, authority(), authority(), key.Public(), key), key}
}

// Between makes an authority that this one vouches for.
func (p Pair) Between(t testing.TB) Pair {
	t.Helper()
	return p.Issue(t, *authority())
}

// Issue makes a certificate, with a key of its own.
func (p Pair) Issue(t testing.TB, of x509.Certificate) Pair {
	t.Helper()
	key := NewKey(t)
	return Pair{p.Sign(t, of, key.Public()), key}
}

// Sign makes a certificate for somebody else's key. Where of says nothing else it
// is valid an hour from now, and since an hour.
func (p Pair) Sign(t testing.TB, of x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	return sign(t, &of, p.Cert, key, p.Key)
}

// An authority is there before all that it vouches for, and after.
func authority() *x509.Certificate {
	const long = 100 * 24 * time.Hour
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-long), NotAfter: time.Now().Add(long),
		IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func sign(t testing.TB, of, parent *x509.Certificate, key crypto.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	now := time.Now()
	of.SerialNumber, of.BasicConstraintsValid = big.NewInt(now.UnixNano()), true
	if of.NotBefore.IsZero() {
		of.NotBefore = now.Add(-time.Hour)
	}
	if of.NotAfter.IsZero() {
		of.NotAfter = now.Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, of, parent, key, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TLS is the certificate as it is shown, with those above it that are shown too.
func (p Pair) TLS(above ...*x509.Certificate) tls.Certificate {
	out := tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key, Leaf: p.Cert}
	for _, cert := range above {
		out.Certificate = append(out.Certificate, cert.Raw)
	}
	return out
}

// Pool has this certificate alone.
func (p Pair) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.Cert)
	return pool
}

// PEM is the certificate and its key as text, one after the other.
func (p Pair) PEM(t testing.TB) (chain, key []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return PEM(p.Cert), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// PEM is a certificate as text.
func PEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}
