package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/shared/fleet"
)

// Problem is an error as RFC 9457 has it, with what fleet.Error adds.
type Problem struct {
	Title  string `json:"title" doc:"The status in words"`
	Status int    `json:"status"`
	Detail string `json:"detail" doc:"What went wrong, for people"`
	Code   string `json:"code" enum:"invalid,not_found,conflict,precondition,unavailable,internal,unauthenticated,forbidden" doc:"What went wrong, for programs"`
	Path   string `json:"path,omitempty" doc:"Where in the input"`
	Hint   string `json:"hint,omitempty" doc:"What to do next"`
	// Errors are all that is wrong, when it is more than one thing or the
	// request itself did not fit.
	Errors []Fault `json:"errors,omitempty" doc:"Everything that is wrong, when it is several things"`
}

// Fault is one of several things that are wrong.
type Fault struct {
	Path   string `json:"path,omitempty"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	switch p.Status {
	case http.StatusServiceUnavailable:
		return http.Header{"Retry-After": {"1"}}
	case http.StatusUnauthorized:
		return http.Header{"Www-Authenticate": {`Bearer realm="muster"`}}
	}
	return nil
}

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

var statuses = map[string]int{
	fleet.CodeInvalid:      http.StatusUnprocessableEntity,
	fleet.CodeNotFound:     http.StatusNotFound,
	fleet.CodeConflict:     http.StatusConflict,
	fleet.CodePrecondition: http.StatusPreconditionFailed,
	fleet.CodeUnavailable:  http.StatusServiceUnavailable,
	fleet.CodeInternal:     http.StatusInternalServerError,

	fleet.CodeUnauthenticated: http.StatusUnauthorized,
	fleet.CodeForbidden:       http.StatusForbidden,
}

// problem makes an error one for the caller. What is not meant for an
// operator goes to the log instead.
func (a *API) problem(err error) *Problem {
	faults := faultsOf(err)
	switch {
	case len(faults) > 0:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		faults = []*fleet.Error{{
			Code:    fleet.CodeUnavailable,
			Message: "the hub did not answer in time",
			Hint:    "an order may still be carried out: repeat it with the same Idempotency-Key",
		}}
	default:
		a.log.Error("request failed", "error", err)
		faults = []*fleet.Error{{Code: fleet.CodeInternal, Message: "the hub made a mistake", Hint: "its log says more"}}
	}
	first := faults[0]
	status, known := statuses[first.Code]
	if !known {
		status = http.StatusInternalServerError
	}
	p := newProblem(status, first.Code, first.Message)
	p.Path, p.Hint = first.Path, first.Hint
	if len(faults) > 1 {
		for _, f := range faults {
			p.Errors = append(p.Errors, Fault{f.Path, f.Message, f.Hint})
		}
	}
	return p
}

// faultsOf returns all of fleet's errors in err's tree.
func faultsOf(err error) []*fleet.Error {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case nil:
		return nil
	case *fleet.Error:
		return []*fleet.Error{e}
	case interface{ Unwrap() []error }:
		var all []*fleet.Error
		for _, part := range e.Unwrap() {
			all = append(all, faultsOf(part)...)
		}
		return all
	default:
		return faultsOf(errors.Unwrap(err))
	}
}

func newProblem(status int, code, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// init gives huma's own errors, about requests that don't fit, the same form.
// It is huma's only way to be told, and this package is its only user.
func init() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		code := fleet.CodeInvalid
		if status >= http.StatusInternalServerError {
			code = fleet.CodeInternal
		}
		p := newProblem(status, code, message)
		for _, err := range errs {
			p.Errors = append(p.Errors, faultOf(err))
		}
		if len(p.Errors) == 1 {
			p.Path, p.Detail = p.Errors[0].Path, p.Errors[0].Detail
		}
		return p
	}
}

// faultOf leaves out the value that didn't fit: it may be a secret.
func faultOf(err error) Fault {
	if detailer, ok := err.(huma.ErrorDetailer); ok {
		detail := detailer.ErrorDetail()
		return Fault{Path: detail.Location, Detail: detail.Message}
	}
	return Fault{Detail: err.Error()}
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a caller that has gone needs no answer
}
