package fleet

import (
	"errors"
	"fmt"
)

// Codes of errors that reach an operator. They are part of the API.
const (
	CodeInvalid      = "invalid"      // the input is wrong: Path says where
	CodeNotFound     = "not_found"    // what was named does not exist
	CodeConflict     = "conflict"     // it contradicts something else that was asked for
	CodePrecondition = "precondition" // If-Match named another generation
	CodeUnavailable  = "unavailable"  // not now: nothing was changed, try again
	CodeInternal     = "internal"     // a fault of Muster's
	// CodeUnauthenticated: nobody has proved who asks, or not well enough.
	CodeUnauthenticated = "unauthenticated"
	// CodeForbidden: who asks is known, and may not.
	CodeForbidden = "forbidden"
)

// Error is an error for an operator: a code for programs, a sentence for
// people, where it went wrong and what to do next.
type Error struct {
	Code    string `json:"code"`
	Path    string `json:"path,omitempty"` // place in the input, like "services.web.ports[0]"
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do next
}

func (e *Error) Error() string {
	text := e.Message
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Invalid makes an error about the input at path.
func Invalid(path, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Path: path, Message: fmt.Sprintf(format, args...)}
}

// NotFound makes an error about something that does not exist.
func NotFound(format string, args ...any) *Error {
	return &Error{Code: CodeNotFound, Message: fmt.Sprintf(format, args...)}
}

// Conflict makes an error about a contradiction.
func Conflict(path, format string, args ...any) *Error {
	return &Error{Code: CodeConflict, Path: path, Message: fmt.Sprintf(format, args...)}
}

// WithHint adds what the operator can do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// CodeOf returns the code of the first Error in err's tree, CodeInternal when
// there is none, and "" for nil.
func CodeOf(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
