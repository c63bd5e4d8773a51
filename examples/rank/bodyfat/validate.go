package bodyfat

import (
	"fmt"
	"math"
)

// Estimates outside these bounds, in percent, come from mistaken measurements.
const (
	minPercent = 2
	maxPercent = 75
)

// FieldError says which field of a request is wrong, and what would be right.
type FieldError struct {
	Field   string
	Message string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// Validate returns a *FieldError for the first field that no adult's body has.
func (b Body) Validate() error {
	switch b.Sex {
	case Male, Female:
	case "":
		return &FieldError{"sex", `missing; give "male" or "female"`}
	default:
		return &FieldError{"sex", fmt.Sprintf(`%q is neither "male" nor "female"`, b.Sex)}
	}
	for _, f := range []struct {
		name, unit string
		value      float64
		min, max   float64
		optional   bool
	}{
		// The equation from the body mass index holds for people over 15.
		{"age", "years", float64(b.Age), 16, 120, false},
		{"height", "cm", b.Height, 100, 250, false},
		{"weight", "kg", b.Weight, 25, 350, false},
		{"waist", "cm", b.Waist, 40, 250, true},
		{"neck", "cm", b.Neck, 20, 80, true},
		{"hip", "cm", b.Hip, 50, 250, true},
	} {
		switch {
		case f.value == 0 && f.optional:
		case f.value == 0:
			return &FieldError{f.name, fmt.Sprintf("missing; give it in %s", f.unit)}
		case math.IsNaN(f.value) || f.value < f.min || f.value > f.max:
			return &FieldError{f.name, fmt.Sprintf("%g is not between %g and %g %s", f.value, f.min, f.max, f.unit)}
		}
	}
	if b.Waist > 0 && b.Neck >= b.Waist {
		return &FieldError{"neck", fmt.Sprintf("%g cm is not less than the waist's %g cm", b.Neck, b.Waist)}
	}
	return nil
}

func (b Body) implausible(percent float64) error {
	field := "weight"
	if _, formula := b.percent(); formula != BMI {
		field = "waist"
	}
	return &FieldError{field, fmt.Sprintf(
		"together with the other measurements this gives %.1f %% body fat; measure again", percent)}
}
