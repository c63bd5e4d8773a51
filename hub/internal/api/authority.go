package api

import (
	"context"
	"net/http"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const defaultTokenTTL = time.Hour

// AuthorityInfo is how clients know the hub.
type AuthorityInfo struct {
	PEM string `json:"pem" doc:"Certificates to trust"`
	Pin string `json:"pin" doc:"Names one that the hub shows: sha256: and the hash of its public key"`
	// Authorities that are trusted, the oldest first.
	Authorities []fleet.Authority `json:"authorities" nullable:"false"`
}

type authorityOutput struct{ Body AuthorityInfo }

func (a *API) routeAuthority() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/ca", "get-ca", "hub", "Show how clients know the hub, and which hosts have certificates of which authority"), func(context.Context, *struct{}) (*authorityOutput, error) {
		return a.authority(), nil
	})
	rotate := operation(fleet.RoleAdmin, http.MethodPost, "/v1/ca/rotate", "rotate-ca", "hub", "Begin to exchange the certificate authority, or finish it")
	rotate.MaxBodyBytes, rotate.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, rotate, func(_ context.Context, in *struct {
		Caller
		Body struct {
			_      struct{} `additionalProperties:"false"`
			Finish bool     `json:"finish,omitempty" doc:"Trust the new authority alone"`
			Force  bool     `json:"force,omitempty" doc:"Also while hosts have no certificate of it: those have to join anew"`
		}
	}) (*authorityOutput, error) {
		err := a.rotate(in.principal(), in.Body.Finish, in.Body.Force)
		if err != nil {
			return nil, err
		}
		return a.authority(), nil
	})
}

func (a *API) rotate(by fleet.Principal, finish, force bool) error {
	if finish {
		return a.options.Identity.FinishRotation(by, force)
	}
	return a.options.Identity.BeginRotation(by)
}

func (a *API) authority() *authorityOutput {
	pem, pin := a.options.Identity.Roots()
	return &authorityOutput{Body: AuthorityInfo{PEM: pem, Pin: pin.String(), Authorities: a.options.Identity.Authorities()}}
}

// principal is who gave the order.
func (c *Caller) principal() fleet.Principal { return c.by }
