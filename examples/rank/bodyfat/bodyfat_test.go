package bodyfat

import (
	"errors"
	"math"
	"testing"
)

var (
	man   = Body{Sex: Male, Age: 35, Height: 180, Weight: 80, Waist: 85, Neck: 38}
	woman = Body{Sex: Female, Age: 30, Height: 165, Weight: 60, Waist: 70, Neck: 32, Hip: 95}
)

func with(b Body, change func(*Body)) Body {
	change(&b)
	return b
}

func TestEstimates(t *testing.T) {
	for _, c := range []struct {
		name    string
		body    Body
		percent float64
		formula string
	}{
		// By hand: density 1.0324 - 0.19077*log10(47) + 0.15456*log10(180) = 1.061988…
		{"man with tape", man, 16.1, NavyMen},
		// By hand: density 1.29579 - 0.35004*log10(133) + 0.22100*log10(165) = 1.042420…
		{"woman with tape", woman, 24.9, NavyWomen},
		// By hand: 1.2*80/3.24 + 0.23*35 - 10.8 - 5.4 = 21.4796…
		{"man without neck", with(man, func(b *Body) { b.Neck = 0 }), 21.5, BMI},
		{"man without waist", with(man, func(b *Body) { b.Waist = 0 }), 21.5, BMI},
		// By hand: 1.2*60/2.7225 + 0.23*30 - 5.4 = 27.9463…
		{"woman without hip", with(woman, func(b *Body) { b.Hip = 0 }), 27.9, BMI},
		{"a man's hip is not used", with(man, func(b *Body) { b.Hip = 99 }), 16.1, NavyMen},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Of(c.body)
			if err != nil {
				t.Fatal(err)
			}
			if got.Percent != c.percent || got.Formula != c.formula {
				t.Fatalf("got %+v, want %v by %s", got, c.percent, c.formula)
			}
		})
	}
}

// The equations for inches are a fit of their own; both must agree within a
// percentage point.
func TestAgreesWithTheEquationsInInches(t *testing.T) {
	log := func(cm float64) float64 { return math.Log10(cm / 2.54) }
	for height := 150.0; height <= 200; height += 10 {
		for waist := 80.0; waist <= 110; waist += 10 {
			m := with(man, func(b *Body) { b.Height, b.Waist = height, waist })
			w := with(woman, func(b *Body) { b.Height, b.Waist = height, waist })
			for _, c := range []struct {
				body Body
				want float64
			}{
				{m, 86.010*log(waist-m.Neck) - 70.041*log(height) + 36.76},
				{w, 163.205*log(waist+w.Hip-w.Neck) - 97.684*log(height) - 78.387},
			} {
				got, err := Of(c.body)
				if err != nil || math.Abs(got.Percent-c.want) > 1 {
					t.Errorf("%+v: %v %v, in inches %.1f", c.body, got.Percent, err, c.want)
				}
			}
		}
	}
}

func TestErrorsNameTheField(t *testing.T) {
	for _, c := range []struct {
		field  string
		change func(*Body)
	}{
		{"sex", func(b *Body) { b.Sex = "" }},
		{"sex", func(b *Body) { b.Sex = "m" }},
		{"age", func(b *Body) { b.Age = 0 }},
		{"age", func(b *Body) { b.Age = 15 }},
		{"height", func(b *Body) { b.Height = 0 }},
		{"height", func(b *Body) { b.Height = 1.8 }},
		{"height", func(b *Body) { b.Height = math.NaN() }},
		{"weight", func(b *Body) { b.Weight = -80 }},
		{"weight", func(b *Body) { b.Weight = math.Inf(1) }},
		{"waist", func(b *Body) { b.Waist = 10 }},
		{"neck", func(b *Body) { b.Neck = 300 }},
		{"neck", func(b *Body) { b.Waist, b.Neck = 60, 61 }},
		{"hip", func(b *Body) { b.Hip = 1 }},
		{"waist", func(b *Body) { b.Waist, b.Neck = 40, 39 }},                   // far below 2 %
		{"weight", func(b *Body) { b.Waist, b.Weight, b.Height = 0, 350, 150 }}, // far above 75 %
	} {
		_, err := Of(with(man, c.change))
		var field *FieldError
		if !errors.As(err, &field) || field.Field != c.field {
			t.Errorf("want an error about %s, got %v", c.field, err)
		}
	}
}
