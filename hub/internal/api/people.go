package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/shared/fleet"
)

// People are the accounts, and who lets others in, as the API needs them.
type People interface {
	// Token says who comes with a token; the API says by which way.
	Token(text, from string) (fleet.Principal, error)
	// Refused writes down that somebody was turned away.
	Refused(entry fleet.AuditEntry)
	// Enter and First begin a session, Leave ends the one of a token.
	Enter(name, password, from, via string) (fleet.Session, error)
	First(secret, name, password, from, via string) (fleet.Session, error)
	Leave(by fleet.Principal, text string) error

	Accounts() []fleet.Account
	AddAccount(by fleet.Principal, name string, role fleet.Role, password string) error
	SetRole(by fleet.Principal, name string, role fleet.Role) error
	SetDisabled(by fleet.Principal, name string, disabled bool) error
	SetPassword(by fleet.Principal, name, old, password string) error
	RemoveAccount(by fleet.Principal, name string) error

	Tokens(by fleet.Principal, account string) ([]fleet.APIToken, error)
	AddToken(by fleet.Principal, account, name string, role fleet.Role, ttl time.Duration) (string, fleet.APIToken, error)
	RemoveToken(by fleet.Principal, account, name string) error
}

// Items is the body of a list that is no part of the fleet's state.
type Items[T any] struct {
	Items []T `json:"items" nullable:"false"`
}

type itemsOutput[T any] struct {
	Body Items[T]
}

// Remote is where a request comes from, for who has no principal yet.
type Remote struct {
	from, via string
	token     string
}

// Resolve implements huma.Resolver.
func (o *Remote) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	o.from, o.via = address(r), fleet.ViaHTTP
	if r.TLS != nil {
		o.via = fleet.ViaHTTPS
	}
	if _, ok := r.Context().Value(connKey{}).(interface {
		Principal() (fleet.Principal, error)
	}); ok {
		o.via = fleet.ViaSocket
	}
	o.token, _ = bearer(r)
	return nil
}

type loginInput struct {
	Remote
	Body struct {
		_        struct{} `additionalProperties:"false"`
		Name     string   `json:"name" minLength:"1" maxLength:"80"`
		Password string   `json:"password" minLength:"1" maxLength:"1024"`
	}
}

type firstInput struct {
	Remote
	Body struct {
		_        struct{} `additionalProperties:"false"`
		Secret   string   `json:"secret" minLength:"1" maxLength:"100" doc:"What stands in the file first-admin of the hub's folder"`
		Name     string   `json:"name" minLength:"1" maxLength:"80"`
		Password string   `json:"password" minLength:"1" maxLength:"1024"`
	}
}

type sessionOutput struct {
	Body fleet.Session
}

type noOutput struct{}

type whoamiOutput struct {
	Body fleet.Principal
}

// small bounds an operation's body.
func (a *API) small(op huma.Operation) huma.Operation {
	op.MaxBodyBytes, op.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	return op
}

func (a *API) routeLogin() {
	login := a.small(operation(anyone, http.MethodPost, "/v1/login", "login", "people", "Begin a session with a name and a password"))
	login.Description = "The answer has a bearer token, which is good until the session ends."
	register(a, login, func(_ context.Context, in *loginInput) (*sessionOutput, error) {
		session, err := a.options.People.Enter(in.Body.Name, in.Body.Password, in.from, in.via)
		return &sessionOutput{session}, err
	})
	first := a.small(operation(anyone, http.MethodPost, "/v1/first-admin", "first-admin", "people", "Make the first account, an admin's, with the secret in the hub's folder"))
	register(a, first, func(_ context.Context, in *firstInput) (*sessionOutput, error) {
		session, err := a.options.People.First(in.Body.Secret, in.Body.Name, in.Body.Password, in.from, in.via)
		return &sessionOutput{session}, err
	})
	register(a, operation(fleet.RoleViewer, http.MethodPost, "/v1/logout", "logout", "people", "End the session whose token this request carries"), func(ctx context.Context, in *struct{ Remote }) (*noOutput, error) {
		if in.token == "" {
			return nil, fleet.Conflict("token", "this request carries no session's token")
		}
		return nil, a.options.People.Leave(principal(ctx), in.token)
	})
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/whoami", "whoami", "people", "Show who asks, as the hub knows them"), func(ctx context.Context, _ *struct{}) (*whoamiOutput, error) {
		return &whoamiOutput{principal(ctx)}, nil
	})
}

// UserNamed names an account.
type UserNamed struct {
	Name string `path:"name" maxLength:"80"`
}

type addUserInput struct {
	Body struct {
		_        struct{}   `additionalProperties:"false"`
		Name     string     `json:"name" minLength:"1" maxLength:"80"`
		Role     fleet.Role `json:"role" enum:"viewer,operator,admin"`
		Password string     `json:"password,omitempty" maxLength:"1024" doc:"Without one, only API tokens let it in"`
	}
}

type changeUserInput struct {
	UserNamed
	Body struct {
		_        struct{}    `additionalProperties:"false"`
		Role     *fleet.Role `json:"role,omitempty" enum:"viewer,operator,admin"`
		Disabled *bool       `json:"disabled,omitempty"`
	}
}

type passwordInput struct {
	UserNamed
	Body struct {
		_        struct{} `additionalProperties:"false"`
		Old      string   `json:"old,omitempty" maxLength:"1024" doc:"The password that it has now, if it is one's own"`
		Password string   `json:"password" minLength:"1" maxLength:"1024"`
	}
}

func (a *API) routeUsers() {
	const path = "/v1/users/{name}"
	register(a, operation(fleet.RoleAdmin, http.MethodGet, "/v1/users", "list-users", "people", "List accounts"), func(context.Context, *struct{}) (*itemsOutput[fleet.Account], error) {
		return &itemsOutput[fleet.Account]{Items[fleet.Account]{a.options.People.Accounts()}}, nil
	})
	register(a, ordering(a.small(operation(fleet.RoleAdmin, http.MethodPost, "/v1/users", "add-user", "people", "Make an account")), "user-add"), func(ctx context.Context, in *addUserInput) (*noOutput, error) {
		return nil, a.options.People.AddAccount(principal(ctx), in.Body.Name, in.Body.Role, in.Body.Password)
	})
	register(a, ordering(a.small(operation(fleet.RoleAdmin, http.MethodPatch, path, "change-user", "people", "Change what an account may")), "user-role"), a.changeUser)
	register(a, ordering(operation(fleet.RoleAdmin, http.MethodDelete, path, "remove-user", "people", "Remove an account with its API tokens and sessions"), "user-remove"), func(ctx context.Context, in *UserNamed) (*noOutput, error) {
		return nil, a.options.People.RemoveAccount(principal(ctx), in.Name)
	})
	password := a.small(operation(fleet.RoleViewer, http.MethodPut, path+"/password", "set-password", "people", "Set a password: one's own, or as an admin another's"))
	password.Description = "It ends the account's sessions; API tokens stay."
	register(a, password, func(ctx context.Context, in *passwordInput) (*noOutput, error) {
		return nil, a.options.People.SetPassword(principal(ctx), in.Name, in.Body.Old, in.Body.Password)
	})
}

func (a *API) changeUser(ctx context.Context, in *changeUserInput) (*noOutput, error) {
	by := principal(ctx)
	if in.Body.Role == nil && in.Body.Disabled == nil {
		return nil, fleet.Invalid("body", "neither role nor disabled is given")
	}
	if in.Body.Role != nil {
		if err := a.options.People.SetRole(by, in.Name, *in.Body.Role); err != nil {
			return nil, err
		}
	}
	if in.Body.Disabled != nil {
		return nil, a.options.People.SetDisabled(by, in.Name, *in.Body.Disabled)
	}
	return nil, nil
}

type listTokensInput struct {
	User string `query:"user" maxLength:"80" doc:"Only this account's; others than one's own are an admin's to see"`
}

type addTokenInput struct {
	Body struct {
		_    struct{}       `additionalProperties:"false"`
		User string         `json:"user" minLength:"1" maxLength:"80" doc:"The account in whose name it lets somebody in"`
		Name string         `json:"name" minLength:"1" maxLength:"80"`
		Role fleet.Role     `json:"role" enum:"viewer,operator,admin" doc:"At most that of its account"`
		TTL  fleet.Duration `json:"ttl,omitempty" doc:"How long it is good; without it: until it is taken back"`
	}
}

// NewToken is an API token with what it has to say, which is told this once.
type NewToken struct {
	fleet.APIToken
	Token string `json:"token"`
}

type newTokenOutput struct {
	Body NewToken
}

type apiTokenInput struct {
	User  string `path:"user" maxLength:"80"`
	Token string `path:"token" maxLength:"80"`
}

func (a *API) routeTokens() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/api-tokens", "list-api-tokens", "people", "List API tokens"), func(ctx context.Context, in *listTokensInput) (*itemsOutput[fleet.APIToken], error) {
		tokens, err := a.options.People.Tokens(principal(ctx), in.User)
		return &itemsOutput[fleet.APIToken]{Items[fleet.APIToken]{tokens}}, err
	})
	register(a, a.small(operation(fleet.RoleViewer, http.MethodPost, "/v1/api-tokens", "add-api-token", "people", "Make an API token for a program")), func(ctx context.Context, in *addTokenInput) (*newTokenOutput, error) {
		text, token, err := a.options.People.AddToken(principal(ctx), in.Body.User, in.Body.Name, in.Body.Role, in.Body.TTL.D())
		return &newTokenOutput{NewToken{token, text}}, err
	})
	register(a, operation(fleet.RoleViewer, http.MethodDelete, "/v1/api-tokens/{user}/{token}", "remove-api-token", "people", "Take an API token back"), func(ctx context.Context, in *apiTokenInput) (*noOutput, error) {
		return nil, a.options.People.RemoveToken(principal(ctx), in.User, in.Token)
	})
}
