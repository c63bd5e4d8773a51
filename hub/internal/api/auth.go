package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/shared/fleet"
)

// Door says who comes in through a listener: each listener has one. An error turns
// them away; the principal's Via is set all the same when somebody tried to be let
// in, so that it is written down.
type Door func(r *http.Request) (fleet.Principal, error)

// Anyone is the door of a listener where nobody has to prove anything.
func Anyone(r *http.Request) (fleet.Principal, error) {
	return fleet.Principal{Name: "anonymous", Role: fleet.RoleAdmin, Via: fleet.ViaHTTP, From: address(r)}, nil
}

// Bearer is the door of who has a token in the header Authorization.
func (a *API) Bearer(via string) Door {
	return func(r *http.Request) (fleet.Principal, error) {
		text, err := bearer(r)
		if err != nil {
			return fleet.Principal{}, err
		}
		if a.options.People == nil {
			return fleet.Principal{}, errors.New("nobody can be let in by a token here")
		}
		by, err := a.options.People.Token(text, address(r))
		by.Via = via
		return by, err
	}
}

// Peer is the door of a listener whose connections know who is at the other end.
func Peer(r *http.Request) (fleet.Principal, error) {
	known, ok := r.Context().Value(connKey{}).(interface {
		Principal() (fleet.Principal, error)
	})
	if !ok {
		return fleet.Principal{}, errors.New("this connection doesn't say who is at the other end")
	}
	return known.Principal()
}

// connKey is where a request's context has its connection, and doorKey the door
// that it came in by.
type (
	connKey      struct{}
	doorKey      struct{}
	principalKey struct{}
)

// behind makes a listener's requests come in by its door.
func behind(door Door, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), doorKey{}, door)))
	})
}

// anyone stands for what takes no role: whoever comes has something else to prove
// who it is, or wants to.
const anyone fleet.Role = "anyone"

// Where an operation's metadata have the role that it takes, and its name in the
// audit trail if that is another than its id.
const (
	roleKey = "role"
	doKey   = "do"
)

// ordering names an operation as what it does is called in the audit trail.
func ordering(op huma.Operation, do string) huma.Operation {
	op.Metadata[doKey] = do
	return op
}

func doOf(op *huma.Operation) string {
	do, _ := op.Metadata[doKey].(string)
	return cmp.Or(do, op.OperationID)
}

// roleOf is the role that an operation takes; none that there is: nobody may.
func roleOf(op *huma.Operation) fleet.Role {
	role, _ := op.Metadata[roleKey].(fleet.Role)
	return role
}

// admit says who asks, and refuses who may not. Without a door nobody comes in, and
// what states no role is for nobody.
func (a *API) admit(r *http.Request, role fleet.Role, do string) (fleet.Principal, error) {
	if role == anyone {
		return fleet.Principal{}, nil
	}
	if role.Validate() != nil {
		return fleet.Principal{}, &fleet.Error{Code: fleet.CodeForbidden, Message: "nobody may do that: it isn't said what role it takes", Hint: "this is a fault of the hub's"}
	}
	by, err := enter(r)
	if err == nil {
		if !by.Role.Allows(role) {
			err = (&fleet.Error{Code: fleet.CodeForbidden, Message: fmt.Sprintf("%s is %s, and that takes %s", by.Name, by.Role, role)}).
				WithHint("an admin can change that: muster user role %s %s", accountOf(by), role)
			a.refused(fleet.AuditEntry{Who: by.Name, Role: by.Role, Via: by.Via, From: by.From, Do: do, Subject: subjectOf(r), Message: messageOf(err)})
		}
	} else if by.Via != "" {
		why := messageOf(err)
		if fleet.CodeOf(err) == fleet.CodeUnavailable {
			why = "too many attempts" // the time left differs each time
		}
		a.refused(fleet.AuditEntry{Who: cmp.Or(by.Name, "(a token)"), Via: by.Via, From: address(r), Do: "login", Message: why})
	}
	return by, err
}

// enter asks the door that a request came in by. With an error, a principal that has
// a way tells who tried.
func enter(r *http.Request) (fleet.Principal, error) {
	door, _ := r.Context().Value(doorKey{}).(Door)
	if door == nil {
		return fleet.Principal{}, errors.New("a request came in by no door")
	}
	return door(r)
}

func (a *API) refused(entry fleet.AuditEntry) {
	if a.options.People != nil {
		a.options.People.Refused(entry)
	}
}

// stillMay says whether a stream that began may go on: they all take a viewer.
func stillMay(r *http.Request) error {
	by, err := enter(r)
	if err == nil && !by.Role.Allows(fleet.RoleViewer) {
		err = errors.New("its role doesn't allow that any more")
	}
	return err
}

func accountOf(by fleet.Principal) string {
	name, _, _ := strings.Cut(by.Name, "/")
	return name
}

// subjectOf is what a request is about, as far as its path says.
func subjectOf(r *http.Request) string {
	switch project, service, host := r.PathValue("project"), r.PathValue("service"), r.PathValue("host"); {
	case service != "":
		return "services/" + project + "/" + service
	case project != "":
		return "projects/" + project
	case host != "":
		return "hosts/" + host
	}
	return r.URL.Path
}

// authorize is what every operation of huma's passes before its input is read.
func (a *API) authorize(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	by, err := a.admit(r, roleOf(ctx.Operation()), doOf(ctx.Operation()))
	if err != nil {
		writeProblem(w, a.problem(err))
		return
	}
	next(huma.WithValue(ctx, principalKey{}, by))
}

// only is what other paths pass.
func (a *API) only(role fleet.Role, do string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.admit(r, role, do); err != nil {
			writeProblem(w, a.problem(err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// principal is who asks.
func principal(ctx context.Context) fleet.Principal {
	by, _ := ctx.Value(principalKey{}).(fleet.Principal)
	return by
}

// bearer is the token that a request carries.
func bearer(r *http.Request) (string, error) {
	header := r.Header.Get("Authorization")
	scheme, text, _ := strings.Cut(header, " ")
	switch {
	case header == "":
		return "", (&fleet.Error{Code: fleet.CodeUnauthenticated, Message: "nobody is logged in"}).WithHint("muster login; programs use an API token (MUSTER_TOKEN)")
	case !strings.EqualFold(scheme, "Bearer"):
		return "", (&fleet.Error{Code: fleet.CodeUnauthenticated, Message: "only bearer tokens are taken here, no passwords"}).WithHint("muster login gives one for a password")
	}
	return strings.TrimSpace(text), nil
}

// address is where a request comes from, without the port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func messageOf(err error) string {
	var e *fleet.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
