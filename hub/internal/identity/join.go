package identity

import (
	"bytes"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Join makes a machine a host: it proves by a token that it may, and by its
// request that it has a key. From is the address that it comes from.
func (s *Identity) Join(r fleet.JoinRequest, from string) (fleet.Credential, error) {
	text, err := fleet.ParseJoinToken(r.Token)
	if err != nil {
		return fleet.Credential{}, err
	}
	request, err := readRequest(r.Request)
	if err != nil {
		return fleet.Credential{}, err
	}
	credential, err := s.join(text, r, request, from)
	switch fleet.CodeOf(err) {
	case fleet.CodeUnauthenticated, fleet.CodeConflict:
		s.refuse("host-join", r.Host, from, err)
	}
	if err == nil {
		err = s.options.Admitted(credential.Host)
	}
	return credential, err
}

func (s *Identity) join(text fleet.JoinToken, r fleet.JoinRequest, request *x509.CertificateRequest, from string) (fleet.Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	pin := fleet.PinOf(request.RawSubjectPublicKeyInfo)
	t, id, again, err := s.redeem(text, r.Host, pin)
	if err != nil {
		return fleet.Credential{}, err
	}
	if !s.limit.Allow() { // who is refused takes nobody's turn
		return fleet.Credential{}, busy()
	}
	if former := s.hosts[id]; former != nil && former.Revoked.IsZero() && t.Host == "" && !again {
		return fleet.Credential{}, fleet.Conflict("host", "there is a host %s already", id).
			WithHint("take another id (--host-id), or let this machine take its place: muster token create --host %s", id)
	}
	h := &host{V: 1, ID: id, Key: request.RawSubjectPublicKeyInfo, Joined: now.UTC(), Token: t.ID, Labels: t.Labels}
	if !again {
		t.Uses--
	}
	credential, err := s.issue(h, request, []Row{row(tableTokens, t.ID, t)}, fleet.AuditEntry{
		Time: now.UTC(), Who: "token " + t.ID + " of " + t.By, Via: fleet.ViaHTTPS, From: from,
		Do: "host-join", Subject: "hosts/" + id, Result: fleet.AuditDone, Message: id + " has joined with the key " + pin.String(),
	})
	if err != nil {
		return fleet.Credential{}, err
	}
	s.tokens[t.ID] = &t
	delete(s.gone, id)
	s.options.Kick(id) // who had the id before
	s.options.Logger.Info("host joined", "host", id, "from", from, "token", t.ID)
	return credential, nil
}

// Renew gives a host another certificate for the key that it has joined with, also
// when the former one has expired.
func (s *Identity) Renew(r fleet.RenewRequest, from string) (fleet.Credential, error) {
	request, err := readRequest(r.Request)
	if err != nil {
		return fleet.Credential{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[r.Host]
	switch {
	case h == nil:
		err = forbidden("%.63s has not joined this hub", r.Host)
	case !h.Revoked.IsZero() || s.gone[r.Host]:
		err = forbidden("%s was removed from the fleet", r.Host)
	case !bytes.Equal(h.Key, request.RawSubjectPublicKeyInfo):
		err = forbidden("%s has joined with another key than this one", r.Host)
	}
	if err != nil {
		s.options.Logger.Warn("renewal refused", "host", r.Host, "from", from, "error", err)
		return fleet.Credential{}, err
	}
	if !s.limit.Allow() {
		return fleet.Credential{}, busy()
	}
	next := *h
	credential, err := s.issue(&next, request, nil)
	if err == nil {
		s.options.Logger.Info("host's certificate renewed", "host", r.Host, "until", next.NotAfter)
	}
	return credential, err
}

func forbidden(format string, args ...any) *fleet.Error {
	e := fleet.Invalid("host", format, args...).WithHint("let it join anew with: muster token create --host ID")
	e.Code = fleet.CodeForbidden
	return e
}

func busy() *fleet.Error {
	return &fleet.Error{Code: fleet.CodeUnavailable, Message: "too many machines ask to be let in", Hint: "try again in a few seconds"}
}

func readRequest(der []byte) (*x509.CertificateRequest, error) {
	request, err := x509.ParseCertificateRequest(der)
	if err == nil {
		err = request.CheckSignature()
	}
	if err != nil {
		return nil, fleet.Invalid("request", "it is not a certificate request: %v", err)
	}
	if request.PublicKeyAlgorithm != x509.ECDSA && request.PublicKeyAlgorithm != x509.Ed25519 {
		return nil, fleet.Invalid("request", "the key is of the kind %s: ECDSA and Ed25519 are taken", request.PublicKeyAlgorithm)
	}
	return request, nil
}

// issue makes a certificate, keeps what it changes, and only then counts it. The
// caller holds mu.
func (s *Identity) issue(h *host, request *x509.CertificateRequest, rows []Row, audit ...fleet.AuditEntry) (fleet.Credential, error) {
	now, issuer := s.options.Now(), s.signing()
	cert, err := issuer.host(h.ID, request.PublicKey, now, s.options.HostLife)
	if err != nil {
		return fleet.Credential{}, err
	}
	h.NotAfter, h.Issuer = cert.NotAfter, issuer.id
	if err := s.keep(append(rows, row(tableHosts, h.ID, h)), audit...); err != nil {
		return fleet.Credential{}, err
	}
	s.put(h)
	delete(s.asked, h.ID)
	c := fleet.Credential{
		Host: h.ID, Lineage: s.options.Lineage, Certificate: toPEM(cert), Roots: toPEM(s.roots()...),
		SystemRoots: s.operator != nil, MQTTPort: s.options.MQTTPort, Labels: h.Labels, Time: now.UTC(),
	}
	if s.operator == nil {
		c.ServerName = fleet.HubName
	}
	return c, nil
}

// Revoke has nobody let in any more with the key of a host that has left. It doesn't
// wait for that to be kept: what can't be kept now is tried again.
func (s *Identity) Revoke(host string) {
	s.mu.Lock()
	s.gone[host] = true
	s.mu.Unlock()
	go s.revokeGone()
}

// Distrust has nobody let in any more with a host's key, from now on, and cuts it off.
// What the fleet makes of a host that is lost is another matter.
func (s *Identity) Distrust(by fleet.Principal, host string) error {
	if err := fleet.ValidateHost(host); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[host]
	switch {
	case h == nil:
		return fleet.NotFound("%s has no key that could be revoked", host).WithHint("muster ca show lists the hosts that have joined")
	case !h.Revoked.IsZero():
		return fleet.Conflict("host", "the key of %s is revoked already", host)
	}
	now := s.options.Now().UTC()
	next := *h
	next.Revoked = now
	if err := s.keep([]Row{row(tableHosts, host, &next)}, entry(by, "host-revoke", "hosts/"+host, "the key of "+host+" opens nothing any more", now)); err != nil {
		return err
	}
	s.put(&next)
	delete(s.gone, host)
	s.options.CutOff(host)
	s.options.Logger.Info("host's key revoked", "host", host, "by", by.Name)
	return nil
}

func (s *Identity) revokeGone() {
	s.mu.Lock()
	gone := slices.Sorted(maps.Keys(s.gone))
	s.mu.Unlock()
	for _, host := range gone {
		if err := s.revoke(host); err != nil {
			s.options.Logger.Error("host's key not revoked; it is tried again", "host", host, "error", err)
		}
	}
}

// farewellTime is what an agent has to hear that its host is out of the fleet, before
// its session is ended.
const farewellTime = time.Second

// revoke lets nobody in any more with a host's key, and ends its session. One that
// isn't known is none any more either.
func (s *Identity) revoke(host string) error {
	s.mu.Lock()
	h := s.hosts[host]
	if h == nil || !h.Revoked.IsZero() || !s.gone[host] {
		delete(s.gone, host)
		s.mu.Unlock()
		return nil
	}
	next := *h
	next.Revoked = s.options.Now().UTC()
	err := s.keep([]Row{row(tableHosts, host, &next)})
	if err == nil {
		s.put(&next)
		delete(s.gone, host)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	time.AfterFunc(farewellTime, func() {
		if !s.Joined(host) { // nor has it joined anew meanwhile
			s.options.Kick(host)
		}
	})
	s.options.Logger.Info("host's key revoked", "host", host)
	return nil
}

// keep needs mu.
func (s *Identity) keep(rows []Row, audit ...fleet.AuditEntry) error {
	return s.options.Records.Keep(rows, audit...)
}

// refuse puts into the audit trail who wasn't let in. Nobody waits for that: mu isn't
// held.
func (s *Identity) refuse(do, host, from string, why error) {
	s.options.Logger.Warn("host refused", "host", host, "from", from, "error", why)
	if fleet.ValidateHost(host) != nil {
		host = "?"
	}
	s.options.Refused(fleet.AuditEntry{Who: "host " + host, Via: fleet.ViaHTTPS, From: from, Do: do, Subject: "hosts/" + host, Message: plain(why)})
}

// plain is an error's message, without the hint.
func plain(err error) string {
	var e *fleet.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

func entry(by fleet.Principal, do, subject, message string, now time.Time) fleet.AuditEntry {
	return fleet.AuditEntry{
		Time: now.UTC(), Who: by.Name, Role: by.Role, Via: by.Via, From: by.From, Do: do, Subject: subject, Result: fleet.AuditDone, Message: message,
	}
}
