package api

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/shared/fleet"
)

// Identity lets hosts in, and knows who the hub is.
type Identity interface {
	Join(r fleet.JoinRequest, from string) (fleet.Credential, error)
	Renew(r fleet.RenewRequest, from string) (fleet.Credential, error)
	CreateToken(by fleet.Principal, r fleet.TokenRequest) (string, fleet.TokenView, error)
	Tokens() []fleet.TokenView
	DeleteToken(by fleet.Principal, id string) error
	Distrust(by fleet.Principal, host string) error
	// Roots are what clients trust, in PEM; pin names the certificate by which new
	// ones know the hub.
	Roots() (pem string, pin fleet.Pin)
	Authorities() []fleet.Authority
	BeginRotation(by fleet.Principal) error
	FinishRotation(by fleet.Principal, force bool) error
}

// Origin is where a request comes from.
type Origin struct{ address string }

// Resolve implements huma.Resolver.
func (o *Origin) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	o.address = r.RemoteAddr
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		o.address = host
	}
	return nil
}

// CreatedToken is a join token with its text, which nobody can get again.
type CreatedToken struct {
	fleet.TokenView
	Token string `json:"token" doc:"The secret text: it is shown this once"`
	// Names of the hub that a new host may reach it at, with the port; the first is
	// the best guess.
	Names []string `json:"names" nullable:"false" doc:"Where a new host may reach the hub, host:port; the first is the best guess"`
}

type tokenInput struct {
	Caller
	Body struct {
		_      struct{}          `additionalProperties:"false"`
		Host   string            `json:"host,omitempty" doc:"The host that may join with it, also in the place of a machine that has; empty: any host that hasn't joined"`
		Labels map[string]string `json:"labels,omitempty" doc:"Labels that hosts get which join with it"`
		Uses   int               `json:"uses,omitempty" doc:"How many hosts may join with it; 0: one"`
		TTL    fleet.Duration    `json:"ttl,omitempty" doc:"How long it is good for; 0: an hour"`
	}
}

func (a *API) routeJoin() {
	join := operation(anyone, http.MethodPost, "/v1/join", "join", "hosts", "Become a host, with a join token and a certificate request")
	join.MaxBodyBytes, join.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, join, func(_ context.Context, in *struct {
		Origin
		Body fleet.JoinRequest
	}) (*credentialOutput, error) {
		credential, err := a.options.Identity.Join(in.Body, in.address)
		return &credentialOutput{Body: credential}, err
	})
	renew := operation(anyone, http.MethodPost, "/v1/renew", "renew", "hosts", "Get another certificate for the key that a host has joined with")
	renew.MaxBodyBytes, renew.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, renew, func(_ context.Context, in *struct {
		Origin
		Body fleet.RenewRequest
	}) (*credentialOutput, error) {
		credential, err := a.options.Identity.Renew(in.Body, in.address)
		return &credentialOutput{Body: credential}, err
	})
	create := operation(fleet.RoleAdmin, http.MethodPost, "/v1/join-tokens", "create-join-token", "hosts", "Make a token that hosts join with")
	create.MaxBodyBytes, create.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, create, a.createToken)
	register(a, operation(fleet.RoleAdmin, http.MethodGet, "/v1/join-tokens", "list-join-tokens", "hosts", "List join tokens, without their secrets"), func(ctx context.Context, _ *struct{}) (*listOutput[fleet.TokenView], error) {
		return list(ctx, a, func(View) []fleet.TokenView { return a.options.Identity.Tokens() })
	})
	register(a, operation(fleet.RoleAdmin, http.MethodDelete, "/v1/join-tokens/{id}", "delete-join-token", "hosts", "Make a join token of no use"), func(_ context.Context, in *struct {
		Caller
		ID string `path:"id" maxLength:"40"`
	}) (*struct{}, error) {
		return nil, a.options.Identity.DeleteToken(in.principal(), in.ID)
	})
	register(a, operation(fleet.RoleAdmin, http.MethodPost, "/v1/hosts/{host}/revoke", "revoke-host", "hosts", "Let nobody in any more with a host's key, from now on, and cut it off"), func(_ context.Context, in *struct {
		Caller
		Host string `path:"host"`
	}) (*struct{}, error) {
		return nil, a.options.Identity.Distrust(in.by, in.Host)
	})
	a.routeAuthority()
	a.routeACL()
}

type credentialOutput struct{ Body fleet.Credential }

func (a *API) createToken(_ context.Context, in *tokenInput) (*struct{ Body CreatedToken }, error) {
	r := fleet.TokenRequest{Host: in.Body.Host, Labels: in.Body.Labels, Uses: in.Body.Uses, TTL: in.Body.TTL.Or(defaultTokenTTL)}
	if r.Uses == 0 {
		r.Uses = 1
	}
	text, view, err := a.options.Identity.CreateToken(in.principal(), r)
	if err != nil {
		return nil, err
	}
	out := CreatedToken{TokenView: view, Token: text, Names: []string{}}
	if a.options.Port != 0 {
		for _, name := range a.options.Names {
			out.Names = append(out.Names, net.JoinHostPort(name, strconv.Itoa(a.options.Port)))
		}
	}
	return &struct{ Body CreatedToken }{out}, nil
}
