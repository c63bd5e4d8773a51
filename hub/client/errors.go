package client

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// ErrUnreachable is in the tree of every error that means that the hub did
// not answer: whether the request arrived is not known.
var ErrUnreachable = errors.New("the hub can't be reached")

// ErrUnknownAuthority is in the tree when nobody here knows who has signed the hub's
// certificate.
var ErrUnknownAuthority = errors.New("the hub's certificate is of an authority that isn't known here")

// unreachable explains why no answer came.
func (c *Client) unreachable(ctx context.Context, cause error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(cause, &wrapped) {
		cause = wrapped.Err
	}
	reason := cause.Error()
	if errors.Is(cause, context.DeadlineExceeded) {
		reason = "no answer in time"
	}
	e := &fleet.Error{Code: fleet.CodeUnavailable, Message: "the hub at " + c.URL() + " can't be reached: " + reason}
	e.Hint = "is it running there? name another one by --hub or MUSTER_HUB"
	var unknown x509.UnknownAuthorityError
	why := ErrUnreachable
	switch {
	case errors.As(cause, &unknown):
		why = ErrUnknownAuthority
		e.Message = "the hub at " + c.URL() + " shows a certificate of an authority that isn't known here"
		e.Hint = "muster login " + c.URL() + " --ca FILE or --pin sha256:… has it known; for programs: MUSTER_CA_FILE"
	case c.base.Host == socketHost && errors.Is(cause, fs.ErrPermission):
		e.Hint = "the hub's socket is for root and the group muster (usermod -aG muster USER, then log in to the machine anew); or muster login at the hub's address"
	}
	return &unreachableError{e, why}
}

type unreachableError struct {
	explained *fleet.Error
	why       error
}

func (e *unreachableError) Error() string   { return e.explained.Error() }
func (e *unreachableError) Unwrap() []error { return []error{e.explained, ErrUnreachable, e.why} }

// details is an RFC 9457 problem with the hub's own members.
type details struct {
	Title  string   `json:"title"`
	Detail string   `json:"detail"`
	Code   string   `json:"code"`
	Path   string   `json:"path"`
	Hint   string   `json:"hint"`
	Errors []detail `json:"errors"`
}

type detail struct {
	Path   string `json:"path"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

// problem reads an answer that is no success.
func problem(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var d details
	if err := json.Unmarshal(data, &d); err != nil || d.Title+d.Detail+d.Code == "" {
		e := &fleet.Error{Code: codeOf(resp.StatusCode), Message: "the answer was " + resp.Status + ", which no hub says"}
		return e.WithHint("check the hub's URL")
	}
	code := d.Code
	if code == "" {
		code = codeOf(resp.StatusCode)
	}
	var errs []error
	for _, item := range d.Errors {
		if item.Detail == "" {
			continue // it says nothing
		}
		errs = append(errs, &fleet.Error{Code: code, Path: strings.TrimPrefix(item.Path, "body."), Message: item.Detail, Hint: item.Hint})
	}
	switch len(errs) {
	case 0:
		message := cmp.Or(d.Detail, d.Title, "the answer was "+resp.Status)
		return &fleet.Error{Code: code, Path: d.Path, Message: message, Hint: d.Hint}
	case 1:
		return errs[0]
	default:
		return errors.Join(errs...)
	}
}

// codeOf is the code that fits a status, for answers that carry none.
func codeOf(status int) string {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return fleet.CodeNotFound
	case http.StatusUnauthorized:
		return fleet.CodeUnauthenticated
	case http.StatusForbidden:
		return fleet.CodeForbidden
	case http.StatusConflict:
		return fleet.CodeConflict
	case http.StatusPreconditionFailed:
		return fleet.CodePrecondition
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return fleet.CodeUnavailable
	}
	if status >= 500 {
		return fleet.CodeInternal
	}
	return fleet.CodeInvalid
}
