package balancer

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxCertificate bounds a certificate's file, in bytes.
const maxCertificate = 1 << 20

// certificate is a chain with its key, read and found sound but for its dates.
type certificate struct {
	content []byte // PEM: the chain, then the key
	leaf    *x509.Certificate
}

// sources are the files that a certificate may be in: one with the chain and the
// key, or a folder with one of each, as certbot keeps them.
func sources(dir, name string) (one string, two [2]string) {
	folder := filepath.Join(dir, name)
	return folder + ".pem", [2]string{filepath.Join(folder, "fullchain.pem"), filepath.Join(folder, "privkey.pem")}
}

// readCertificate reads what the host has by a name.
func readCertificate(dir, name string) (certificate, error) {
	one, two := sources(dir, name)
	content, err := readBounded(one)
	if errors.Is(err, fs.ErrNotExist) {
		var chain, key []byte
		if chain, err = readBounded(two[0]); errors.Is(err, fs.ErrNotExist) {
			return certificate{}, fmt.Errorf("there is neither %s nor %s", one, two[0])
		}
		if err == nil {
			key, err = readBounded(two[1])
		}
		content = slices.Concat(chain, []byte("\n"), key)
	}
	if err != nil {
		return certificate{}, err
	}
	return parseCertificate(content)
}

func readBounded(path string) ([]byte, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxCertificate+1))
	if err == nil && len(content) > maxCertificate {
		err = fmt.Errorf("%s has more than %d bytes", path, maxCertificate)
	}
	return content, err
}

// parseCertificate keeps the certificates and the one key of a text, and nothing
// else that is in it.
func parseCertificate(text []byte) (certificate, error) {
	var chain, keys bytes.Buffer
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			chain.Write(pem.EncodeToMemory(block))
		case block.Type == "PRIVATE KEY" || strings.HasSuffix(block.Type, " PRIVATE KEY") && block.Type != "ENCRYPTED PRIVATE KEY":
			if keys.Len() > 0 {
				return certificate{}, errors.New("it has more than one key")
			}
			keys.Write(pem.EncodeToMemory(block))
		case block.Type == "ENCRYPTED PRIVATE KEY":
			return certificate{}, errors.New("its key is encrypted, and nobody is there to type the password")
		}
	}
	if chain.Len() == 0 || keys.Len() == 0 {
		return certificate{}, errors.New("it lacks a certificate or its key, in PEM")
	}
	pair, err := tls.X509KeyPair(chain.Bytes(), keys.Bytes())
	if err != nil {
		return certificate{}, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return certificate{}, err
	}
	return certificate{append(chain.Bytes(), keys.Bytes()...), leaf}, nil
}

// dated says what is wrong with a certificate at a time.
func (c certificate) dated(now time.Time) error {
	switch {
	case now.Before(c.leaf.NotBefore):
		return fmt.Errorf("it isn't valid before %s", c.leaf.NotBefore.UTC().Format(time.RFC3339))
	case now.After(c.leaf.NotAfter):
		return fmt.Errorf("it expired at %s", c.leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// covers says whether clients take the certificate for a host name, which may be
// one like "*.example.com".
func (c certificate) covers(host string) bool {
	if suffix, wild := strings.CutPrefix(host, "*."); wild {
		return slices.ContainsFunc(c.leaf.DNSNames, func(name string) bool { return strings.EqualFold(name, "*."+suffix) })
	}
	return c.leaf.VerifyHostname(host) == nil
}

// file is the name of its copy: by what is in it.
func (c certificate) file(name string) string {
	digest := sha256.Sum256(c.content)
	return name + "-" + hex.EncodeToString(digest[:8]) + ".pem"
}
