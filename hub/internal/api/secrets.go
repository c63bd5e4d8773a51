package api

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

// Sealer makes values unreadable. What is clear goes no further than here.
type Sealer interface {
	Secret(key fleet.SecretKey, value []byte) fleet.SealedValue
	Registry(host string, login fleet.Credentials) (fleet.SealedValue, error)
}

// valueBytes bounds a body that has one value.
const valueBytes = 2*fleet.MaxSecret + 4<<10

type secretInput struct {
	Caller
	Project string `path:"project"`
	Name    string `path:"name"`
	Body    struct {
		_     struct{} `additionalProperties:"false"`
		Value string   `json:"value" doc:"The value, in base64" contentEncoding:"base64"`
	}
}

type secretRemoval struct {
	Caller
	Project string `path:"project"`
	Name    string `path:"name"`
}

func secretKey(project, name string) (fleet.SecretKey, error) {
	if err := fleet.ValidateProject(project); err != nil {
		return fleet.SecretKey{}, err
	}
	return fleet.SecretKey{Project: project, Name: name}, fleet.ValidateSecretName(name)
}

type secretsInput struct {
	Project string `query:"project" doc:"Only those of this project"`
}

type registryInput struct {
	Caller
	Host string `path:"host"`
	Body struct {
		_        struct{} `additionalProperties:"false"`
		Username string   `json:"username" minLength:"1"`
		Password string   `json:"password" minLength:"1"`
	}
}

type registryRemoval struct {
	Caller
	Host string `path:"host"`
}

func (a *API) routeSecrets() {
	all := operation(fleet.RoleViewer, http.MethodGet, "/v1/secrets", "list-secrets", "secrets", "List secrets: their names and revisions, never their values")
	register(a, all, func(ctx context.Context, in *secretsInput) (*listOutput[fleet.SecretView], error) {
		return list(ctx, a, func(view View) []fleet.SecretView { return view.Secrets(in.Project) })
	})
	set := operation(fleet.RoleOperator, http.MethodPut, "/v1/projects/{project}/secrets/{name}", "set-secret", "secrets", "Set a secret; each service that uses it gets a new version")
	set.MaxBodyBytes, set.BodyReadTimeout = valueBytes, a.limits.RequestTime
	register(a, set, a.setSecret)
	register(a, operation(fleet.RoleOperator, http.MethodDelete, "/v1/projects/{project}/secrets/{name}", "remove-secret", "secrets", "Remove a secret that nothing uses"),
		func(ctx context.Context, in *secretRemoval) (*resultOutput, error) {
			key, err := secretKey(in.Project, in.Name)
			if err != nil {
				return nil, err
			}
			return a.do(ctx, &in.Caller, fleet.Command{Do: fleet.DoSecretRemove, Secret: key}, false)
		})
	register(a, operation(fleet.RoleOperator, http.MethodGet, "/v1/registries", "list-registries", "secrets", "List the registries that there are credentials for"),
		func(ctx context.Context, _ *struct{}) (*listOutput[fleet.RegistryView], error) {
			return list(ctx, a, View.Registries)
		})
	login := operation(fleet.RoleAdmin, http.MethodPut, "/v1/registries/{host}", "set-registry", "secrets", "Set what a registry is told at each pull")
	login.MaxBodyBytes, login.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, login, a.setRegistry)
	register(a, operation(fleet.RoleAdmin, http.MethodDelete, "/v1/registries/{host}", "remove-registry", "secrets", "Forget what a registry was told"),
		func(ctx context.Context, in *registryRemoval) (*resultOutput, error) {
			host, err := fleet.ParseRegistry(in.Host)
			if err != nil {
				return nil, err
			}
			return a.do(ctx, &in.Caller, fleet.Command{Do: fleet.DoRegistryRemove, Registry: host}, false)
		})
}

func (a *API) setSecret(ctx context.Context, in *secretInput) (*resultOutput, error) {
	key, err := secretKey(in.Project, in.Name)
	if err != nil {
		return nil, err
	}
	value, err := secretValue("body.value", in.Body.Value)
	if err != nil {
		return nil, err
	}
	sealed := a.options.Sealer.Secret(key, value)
	return a.do(ctx, &in.Caller, fleet.Command{Do: fleet.DoSecretSet, Secret: key, Sealed: &sealed}, false)
}

// secretValue reads a value. Its errors don't show any of it.
func secretValue(path, text string) ([]byte, error) {
	value, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, fleet.Invalid(path, "is not base64")
	case len(value) == 0:
		return nil, fleet.Invalid(path, "is empty").WithHint("a secret has a value of 1 to %d bytes; muster secret rm removes one", fleet.MaxSecret)
	case len(value) > fleet.MaxSecret:
		return nil, fleet.Invalid(path, "has %d bytes, more than %d", len(value), fleet.MaxSecret).
			WithHint("what is larger is no secret but data: put it into a volume, encrypted, and its key here")
	}
	return value, nil
}

// sealAll seals the values that came with a document.
func (a *API) sealAll(project string, values map[string]string) (map[string]fleet.SealedValue, error) {
	if len(values) == 0 {
		return nil, nil
	}
	sealed := map[string]fleet.SealedValue{}
	for name, text := range values {
		key, err := secretKey(project, name)
		if err != nil {
			return nil, err
		}
		value, err := secretValue("secrets."+name, text)
		if err != nil {
			return nil, err
		}
		sealed[name] = a.options.Sealer.Secret(key, value)
	}
	return sealed, nil
}

func (a *API) setRegistry(ctx context.Context, in *registryInput) (*resultOutput, error) {
	host, err := fleet.ParseRegistry(in.Host)
	if err != nil {
		return nil, err
	}
	if size := len(in.Body.Username) + len(in.Body.Password); size > fleet.MaxCredentials/2 {
		return nil, fleet.Invalid("body", "user name and password have %d bytes, more than %d", size, fleet.MaxCredentials/2)
	}
	sealed, err := a.options.Sealer.Registry(host, fleet.Credentials{Username: in.Body.Username, Password: in.Body.Password})
	if err != nil {
		return nil, err
	}
	return a.do(ctx, &in.Caller, fleet.Command{Do: fleet.DoRegistrySet, Registry: host, Username: in.Body.Username, Sealed: &sealed}, false)
}
