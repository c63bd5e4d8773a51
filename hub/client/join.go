package client

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

// TokenOrder says what a join token is for.
type TokenOrder struct {
	Host   string            `json:"host,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Uses   int               `json:"uses,omitempty"` // 0: one
	TTL    fleet.Duration    `json:"ttl,omitempty"`  // 0: an hour
}

// CreatedToken is a join token with its text, which nobody can get again.
type CreatedToken struct {
	fleet.TokenView
	Token string   `json:"token"`
	Names []string `json:"names"` // where a new host may reach the hub; the first is the best guess
}

// CreateToken makes a join token.
func (c *Client) CreateToken(ctx context.Context, order TokenOrder, w Write) (CreatedToken, error) {
	var out CreatedToken
	err := c.call(ctx, http.MethodPost, "/v1/join-tokens", nil, w.header(), order, &out)
	return out, err
}

// Tokens lists join tokens.
func (c *Client) Tokens(ctx context.Context) (List[fleet.TokenView], error) {
	return get[List[fleet.TokenView]](ctx, c, "/v1/join-tokens", nil)
}

// DeleteToken makes a join token of no use.
func (c *Client) DeleteToken(ctx context.Context, id string, w Write) error {
	return c.call(ctx, http.MethodDelete, "/v1/join-tokens/"+step(id), nil, w.header(), nil, nil)
}

// RevokeHost lets nobody in any more with a host's key, and cuts it off.
func (c *Client) RevokeHost(ctx context.Context, host string, w Write) error {
	return c.call(ctx, http.MethodPost, "/v1/hosts/"+step(host)+"/revoke", nil, w.header(), nil, nil)
}

// AuthorityInfo is how clients know the hub.
type AuthorityInfo struct {
	PEM         string            `json:"pem"`
	Pin         string            `json:"pin"`
	Authorities []fleet.Authority `json:"authorities"`
}

// Authority shows how clients know the hub.
func (c *Client) Authority(ctx context.Context) (AuthorityInfo, error) {
	return get[AuthorityInfo](ctx, c, "/v1/ca", nil)
}

// RotateAuthority begins to exchange the certificate authority, or finishes it.
func (c *Client) RotateAuthority(ctx context.Context, finish, force bool, w Write) (AuthorityInfo, error) {
	var out AuthorityInfo
	err := c.call(ctx, http.MethodPost, "/v1/ca/rotate", nil, w.header(), map[string]bool{"finish": finish, "force": force}, &out)
	return out, err
}

// ACL is who may read and write which topics, as another broker takes it.
func (c *Client) ACL(ctx context.Context, format, hub string) ([]byte, error) {
	return c.Raw(ctx, "/v1/acl", params("format", format, "hub", hub))
}
