package identity

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Authorities are those that are trusted, the oldest first.
func (s *Identity) Authorities() []fleet.Authority {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []fleet.Authority{}
	for _, a := range s.authorities {
		view := fleet.Authority{ID: a.id, Pin: fleet.PinOf(a.cert.RawSubjectPublicKeyInfo).String(), NotAfter: a.cert.NotAfter, Signs: a == s.signing(), Hosts: []string{}}
		for _, id := range slices.Sorted(maps.Keys(s.hosts)) {
			if h := s.hosts[id]; h.Revoked.IsZero() && h.Issuer == a.id {
				view.Hosts = append(view.Hosts, id)
			}
		}
		out = append(out, view)
	}
	return out
}

// BeginRotation makes another authority. From now on it issues, both are trusted,
// and every host is asked for its renewal. Who trusts only the former one still
// trusts the hub, as that one vouches for the new one.
func (s *Identity) BeginRotation(by fleet.Principal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.authorities) > 1 {
		return fleet.Conflict("ca", "the authority is being exchanged already").WithHint("muster ca show says who is missing, muster ca rotate --finish ends it")
	}
	now := s.options.Now()
	next, err := newAuthority(s.signing().id+1, s.options.Lineage, s.signing(), now)
	if err != nil {
		return err
	}
	row, err := s.rowOf(next)
	if err != nil {
		return err
	}
	if err := s.keep([]Row{row}, entry(by, "ca-rotate", "ca/"+strconv.Itoa(next.id), "another certificate authority issues; both are trusted", now)); err != nil {
		return err
	}
	s.authorities = append(s.authorities, next)
	clear(s.asked)
	s.options.Logger.Info("certificate authority is exchanged: both are trusted", "pin", fleet.PinOf(next.cert.RawSubjectPublicKeyInfo).String())
	return s.serve()
}

// FinishRotation trusts the new authority alone. It is refused while a host has
// no certificate of it, unless forced: such a host has to join anew.
func (s *Identity) FinishRotation(by fleet.Principal, force bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.authorities) < 2 {
		return fleet.Conflict("ca", "the authority isn't being exchanged").WithHint("muster ca rotate begins it")
	}
	var behind []string
	for _, id := range slices.Sorted(maps.Keys(s.hosts)) {
		if h := s.hosts[id]; h.Revoked.IsZero() && h.Issuer != s.signing().id {
			behind = append(behind, id)
		}
	}
	if len(behind) > 0 && !force {
		return fleet.Conflict("ca", "%d hosts have no certificate of the new authority yet: %s", len(behind), strings.Join(behind[:min(len(behind), 10)], ", ")).
			WithHint("they renew when they are up; muster host rm those that are gone for good, or --force and let them join anew")
	}
	now := s.options.Now()
	former := s.authorities[:len(s.authorities)-1]
	last := *s.signing()
	last.cross = nil // nobody trusts what it was vouched for by
	kept, err := s.rowOf(&last)
	if err != nil {
		return err
	}
	rows := []Row{kept}
	for _, a := range former {
		rows = append(rows, Row{Table: tableAuthorities, Key: strconv.Itoa(a.id)})
	}
	if err := s.keep(rows, entry(by, "ca-rotate-finish", "ca/"+strconv.Itoa(last.id), "only the new certificate authority is trusted", now)); err != nil {
		return err
	}
	s.authorities = []*authority{&last}
	for _, host := range behind {
		s.options.Kick(host)
	}
	s.options.Logger.Info("only the new certificate authority is trusted", "without_certificate", len(behind))
	return s.serve()
}

// Hosts that are asked to renew at once, and the pause before one is asked again:
// it may have been away.
const (
	askedAtOnce = 50
	askAgain    = 2 * time.Minute
)

// askToRenew asks hosts whose certificate is of a former authority. The caller
// holds mu.
func (s *Identity) askToRenew() {
	if len(s.authorities) < 2 {
		return
	}
	now, n := s.options.Now(), 0
	for _, id := range slices.Sorted(maps.Keys(s.hosts)) {
		h := s.hosts[id]
		if n == askedAtOnce || !h.Revoked.IsZero() || h.Issuer == s.signing().id || now.Sub(s.asked[id]) < askAgain {
			continue
		}
		s.asked[id] = now
		s.options.Renew(id)
		n++
	}
}
