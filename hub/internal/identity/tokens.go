package identity

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Bounds of tokens.
const (
	maxTokens   = 1000
	maxUses     = 10_000
	maxTokenTTL = 7 * 24 * time.Hour
)

// CreateToken makes a token and returns its text, which nobody can get again.
func (s *Identity) CreateToken(by fleet.Principal, r fleet.TokenRequest) (string, fleet.TokenView, error) {
	if err := validate(r); err != nil {
		return "", fleet.TokenView{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	rows := s.expiredTokens(now)
	if len(s.tokens)-len(rows) >= maxTokens {
		return "", fleet.TokenView{}, fleet.Conflict("token", "there are %d join tokens already", maxTokens).WithHint("muster token ls, muster token rm")
	}
	text := fleet.JoinToken{Pin: s.pin()}
	rand.Read(text.ID[:])
	rand.Read(text.Secret[:])
	hash := sha256.Sum256(text.Secret[:])
	t := &token{V: 1, ID: hex.EncodeToString(text.ID[:]), Hash: hash[:], Host: r.Host, Labels: r.Labels, Uses: r.Uses, Expires: now.Add(r.TTL).UTC(), Created: now.UTC(), By: by.Name}
	subject := "any host"
	if r.Host != "" {
		subject = "hosts/" + r.Host
	}
	if err := s.keep(append(rows, row(tableTokens, t.ID, t)), entry(by, "token-create", subject, "join token "+t.ID+" until "+t.Expires.Format(time.RFC3339), now)); err != nil {
		return "", fleet.TokenView{}, err
	}
	for _, r := range rows {
		delete(s.tokens, r.Key)
	}
	s.tokens[t.ID] = t
	return text.String(), t.view(nil), nil
}

func validate(r fleet.TokenRequest) error {
	switch {
	case r.Uses < 1 || r.Uses > maxUses:
		return fleet.Invalid("uses", "%d is not between 1 and %d", r.Uses, maxUses)
	case r.Host != "" && r.Uses != 1:
		return fleet.Invalid("uses", "one host joins once").WithHint("leave the host out for a token that several may use")
	case r.TTL < time.Minute || r.TTL > maxTokenTTL:
		return fleet.Invalid("ttl", "%s is not between 1m and %s", r.TTL, maxTokenTTL)
	case len(r.Labels) > 64:
		return fleet.Invalid("labels", "more than 64 labels")
	}
	for name, value := range r.Labels {
		if name == "" || name == fleet.LabelHostname || len(name) > 128 || len(value) > 256 {
			return fleet.Invalid("labels", "%.128q can't be a label", name+"="+value)
		}
	}
	if r.Host != "" {
		return fleet.ValidateHost(r.Host)
	}
	return nil
}

// forgetAfter is how long a token that is of no use any more can be seen.
const forgetAfter = 24 * time.Hour

// expiredTokens are the rows that delete those which are long of no use. The
// caller holds mu.
func (s *Identity) expiredTokens(now time.Time) (rows []Row) {
	for _, id := range slices.Sorted(maps.Keys(s.tokens)) {
		if now.Sub(s.tokens[id].Expires) > forgetAfter {
			rows = append(rows, Row{Table: tableTokens, Key: id})
		}
	}
	return rows
}

// Tokens are those that there are, the newest first.
func (s *Identity) Tokens() []fleet.TokenView {
	s.mu.Lock()
	defer s.mu.Unlock()
	joined := map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(s.hosts)) {
		joined[s.hosts[id].Token] = append(joined[s.hosts[id].Token], id)
	}
	out := []fleet.TokenView{}
	for _, t := range s.tokens {
		out = append(out, t.view(joined[t.ID]))
	}
	slices.SortFunc(out, func(a, b fleet.TokenView) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
	})
	return out
}

func (t *token) view(joined []string) fleet.TokenView {
	return fleet.TokenView{
		ID: t.ID, Host: t.Host, Labels: t.Labels, Uses: t.Uses, Expires: t.Expires, Created: t.Created, By: t.By,
		Joined: joined,
	}
}

// DeleteToken makes a token of no use.
func (s *Identity) DeleteToken(by fleet.Principal, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens[id] == nil {
		return fleet.NotFound("there is no join token %.40q", id).WithHint("muster token ls")
	}
	if err := s.keep([]Row{{Table: tableTokens, Key: id}}, entry(by, "token-remove", "", "join token "+id, s.options.Now())); err != nil {
		return err
	}
	delete(s.tokens, id)
	return nil
}

// redeem says what a token is good for. Who asks again with the same key, because
// the answer was lost, gets it again. The caller holds mu.
func (s *Identity) redeem(text fleet.JoinToken, wanted string, key fleet.Pin) (t token, host string, again bool, err error) {
	id := hex.EncodeToString(text.ID[:])
	stored := s.tokens[id]
	hash := sha256.Sum256(text.Secret[:])
	if stored == nil || subtle.ConstantTimeCompare(stored.Hash, hash[:]) != 1 {
		return t, "", false, refused("the join token is none of this hub's, or was removed")
	}
	t = *stored
	host = wanted
	if t.Host != "" {
		if wanted != "" && wanted != t.Host {
			return t, "", false, refused("the join token is for the host %s, not for %.63s", t.Host, wanted)
		}
		host = t.Host
	}
	if err := fleet.ValidateHost(host); err != nil {
		return t, "", false, err
	}
	h := s.hosts[host]
	again = h != nil && h.Revoked.IsZero() && !s.gone[host] && h.Token == id && fleet.PinOf(h.Key) == key
	switch {
	case s.options.Now().After(t.Expires):
		return t, "", false, refused("the join token has expired at %s", t.Expires.Format(time.RFC3339))
	case t.Uses < 1 && !again:
		return t, "", false, refused("the join token was used already")
	}
	return t, host, again, nil
}

func refused(format string, args ...any) *fleet.Error {
	e := fleet.Invalid("token", format, args...).WithHint("make another one with: muster token create")
	e.Code = fleet.CodeUnauthenticated
	return e
}
