package fleet

import (
	"errors"
	"fmt"
	"testing"
)

func TestErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"not a port":                             Invalid("", "not a %s", "port"),
		"services.web.ports[0]: not a port":      Invalid("services.web.ports[0]", "not a port"),
		"host: it is another (muster host fail)": Conflict("host", "it is another").WithHint("muster %s fail", "host"),
		"there is none (see muster services)":    NotFound("there is %s", "none").WithHint("see muster services"),
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCodeOf(t *testing.T) {
	for want, err := range map[string]error{
		"":              nil,
		CodeInternal:    errors.New("plain"),
		CodeInvalid:     Invalid("x", "y"),
		CodeNotFound:    fmt.Errorf("read: %w", NotFound("gone")),
		CodeConflict:    errors.Join(errors.New("plain"), Conflict("x", "y"), Invalid("x", "y")),
		CodeUnavailable: &Error{Code: CodeUnavailable},
	} {
		if got := CodeOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
