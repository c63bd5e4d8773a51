package compose

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// maxErrors bounds what one document can make us report.
const maxErrors = 100

// problems collects what is wrong with a document, so that an operator sees
// all of it at once.
type problems struct {
	errs     []*fleet.Error
	dropped  int
	warnings []string
}

// invalid records an error about the input at path.
func (p *problems) invalid(path, format string, args ...any) *fleet.Error {
	return p.add(fleet.Invalid(path, format, args...))
}

func (p *problems) add(e *fleet.Error) *fleet.Error {
	if len(p.errs) >= maxErrors {
		p.dropped++
		return e
	}
	p.errs = append(p.errs, e)
	return e
}

func (p *problems) warn(path, format string, args ...any) {
	p.warnings = append(p.warnings, path+": "+fmt.Sprintf(format, args...))
}

// err joins the errors, sorted by path; nil when there are none.
func (p *problems) err() error {
	if len(p.errs) == 0 {
		return nil
	}
	sorted := slices.Clone(p.errs)
	slices.SortStableFunc(sorted, func(a, b *fleet.Error) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return strings.Compare(a.Message, b.Message)
	})
	var errs []error
	for _, e := range sorted {
		errs = append(errs, e)
	}
	if p.dropped > 0 {
		errs = append(errs, fleet.Invalid("", "and %d more errors", p.dropped))
	}
	return errors.Join(errs...)
}

func (p *problems) sortedWarnings() []string {
	slices.Sort(p.warnings)
	return slices.Compact(p.warnings)
}

// Errors takes apart what Map returned: one *fleet.Error for each thing that
// is wrong. Any other error becomes a single one; nil stays nil.
func Errors(err error) []*fleet.Error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*fleet.Error
		for _, e := range joined.Unwrap() {
			all = append(all, Errors(e)...)
		}
		return all
	}
	var e *fleet.Error
	if errors.As(err, &e) {
		return []*fleet.Error{e}
	}
	return []*fleet.Error{{Code: fleet.CodeInternal, Message: err.Error()}}
}
