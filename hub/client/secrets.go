package client

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

func secretPath(key fleet.SecretKey) string {
	return "/v1/projects/" + step(key.Project) + "/secrets/" + step(key.Name)
}

// Secrets lists the secrets of a project; empty: all. Nobody can read their values.
func (c *Client) Secrets(ctx context.Context, project string) (List[fleet.SecretView], error) {
	return get[List[fleet.SecretView]](ctx, c, "/v1/secrets", params("project", project))
}

// SetSecret sets a secret. Each service that uses it gets a new version.
func (c *Client) SetSecret(ctx context.Context, key fleet.SecretKey, value []byte, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPut, secretPath(key), w, map[string][]byte{"value": value})
}

// RemoveSecret removes a secret that nothing uses.
func (c *Client) RemoveSecret(ctx context.Context, key fleet.SecretKey, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodDelete, secretPath(key), w, nil)
}

// Registries lists the registries that there are credentials for.
func (c *Client) Registries(ctx context.Context) (List[fleet.RegistryView], error) {
	return get[List[fleet.RegistryView]](ctx, c, "/v1/registries", nil)
}

// SetRegistry sets what a registry is told at each pull.
func (c *Client) SetRegistry(ctx context.Context, host string, login fleet.Credentials, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPut, "/v1/registries/"+step(host), w, login)
}

// RemoveRegistry forgets what a registry was told.
func (c *Client) RemoveRegistry(ctx context.Context, host string, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodDelete, "/v1/registries/"+step(host), w, nil)
}
