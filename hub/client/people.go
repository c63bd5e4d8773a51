package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/musterhq/muster/shared/fleet"
)

// Items is a list that is no part of the fleet's state.
type Items[T any] struct {
	Items []T `json:"items"`
}

// Login begins a session.
func (c *Client) Login(ctx context.Context, name, password string) (fleet.Session, error) {
	return c.enter(ctx, "/v1/login", map[string]string{"name": name, "password": password})
}

// FirstAdmin makes the first account, with the secret in the hub's folder.
func (c *Client) FirstAdmin(ctx context.Context, secret, name, password string) (fleet.Session, error) {
	return c.enter(ctx, "/v1/first-admin", map[string]string{"secret": secret, "name": name, "password": password})
}

// enter sends a secret, if nobody can read it on the way.
func (c *Client) enter(ctx context.Context, path string, body map[string]string) (fleet.Session, error) {
	if c.base.Host != socketHost && !private(c.base) {
		return fleet.Session{}, inTheClear(c.base)
	}
	var session fleet.Session
	err := c.call(ctx, http.MethodPost, path, nil, nil, body, &session)
	return session, err
}

// Logout ends the session whose token the client has.
func (c *Client) Logout(ctx context.Context) error {
	return c.tell(ctx, http.MethodPost, "/v1/logout", nil)
}

// Whoami says whom the hub takes the caller for.
func (c *Client) Whoami(ctx context.Context) (fleet.Principal, error) {
	return get[fleet.Principal](ctx, c, "/v1/whoami", nil)
}

// Users lists accounts.
func (c *Client) Users(ctx context.Context) (Items[fleet.Account], error) {
	return get[Items[fleet.Account]](ctx, c, "/v1/users", nil)
}

// AddUser makes an account; without a password only API tokens let it in.
func (c *Client) AddUser(ctx context.Context, name string, role fleet.Role, password string) error {
	body := map[string]string{"name": name, "role": string(role)}
	if password != "" {
		body["password"] = password
	}
	return c.tell(ctx, http.MethodPost, "/v1/users", body)
}

// SetRole changes what an account may.
func (c *Client) SetRole(ctx context.Context, name string, role fleet.Role) error {
	return c.tell(ctx, http.MethodPatch, "/v1/users/"+step(name), map[string]string{"role": string(role)})
}

// SetDisabled lets nobody in by an account, or lets them in again.
func (c *Client) SetDisabled(ctx context.Context, name string, disabled bool) error {
	return c.tell(ctx, http.MethodPatch, "/v1/users/"+step(name), map[string]bool{"disabled": disabled})
}

// SetPassword sets a password; old is wanted if it is the caller's own.
func (c *Client) SetPassword(ctx context.Context, name, old, password string) error {
	body := map[string]string{"password": password}
	if old != "" {
		body["old"] = old
	}
	return c.tell(ctx, http.MethodPut, "/v1/users/"+step(name)+"/password", body)
}

// RemoveUser removes an account with its tokens and sessions.
func (c *Client) RemoveUser(ctx context.Context, name string) error {
	return c.tell(ctx, http.MethodDelete, "/v1/users/"+step(name), nil)
}

// APITokens lists an account's API tokens; empty: everybody's.
func (c *Client) APITokens(ctx context.Context, user string) (Items[fleet.APIToken], error) {
	return get[Items[fleet.APIToken]](ctx, c, "/v1/api-tokens", params("user", user))
}

// NewAPIToken says what an API token is for.
type NewAPIToken struct {
	User string         `json:"user"`
	Name string         `json:"name"`
	Role fleet.Role     `json:"role"`
	TTL  fleet.Duration `json:"ttl,omitempty"` // 0: until it is taken back
}

// MadeAPIToken is an API token with what it has to say.
type MadeAPIToken struct {
	fleet.APIToken
	Token string `json:"token"`
}

// AddAPIToken makes an API token.
func (c *Client) AddAPIToken(ctx context.Context, token NewAPIToken) (MadeAPIToken, error) {
	var made MadeAPIToken
	err := c.call(ctx, http.MethodPost, "/v1/api-tokens", nil, nil, token, &made)
	return made, err
}

// RemoveAPIToken takes one back.
func (c *Client) RemoveAPIToken(ctx context.Context, user, name string) error {
	return c.tell(ctx, http.MethodDelete, "/v1/api-tokens/"+step(user)+"/"+step(name), nil)
}

// AuditFilter chooses entries of the audit trail; what is empty doesn't restrict.
type AuditFilter struct {
	Who, Do, Subject, Result string
	Before                   uint64
	Limit                    int // the newest so many
}

// Audit lists entries of the audit trail, the newest first.
func (c *Client) Audit(ctx context.Context, f AuditFilter) (Items[fleet.AuditEntry], error) {
	query := params("who", f.Who, "do", f.Do, "subject", f.Subject, "result", f.Result, "limit", number(f.Limit))
	if f.Before != 0 {
		query.Set("before", strconv.FormatUint(f.Before, 10))
	}
	return get[Items[fleet.AuditEntry]](ctx, c, "/v1/audit", query)
}

// tell asks for something that is answered by nothing but yes.
func (c *Client) tell(ctx context.Context, method, path string, in any) error {
	return c.call(ctx, method, path, nil, nil, in, nil)
}
