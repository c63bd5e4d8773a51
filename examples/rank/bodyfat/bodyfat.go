// Package bodyfat estimates how much of a body is fat. It uses two published
// formulas and always says which:
//
//   - with tape measurements (waist and neck; for women hip too), the
//     circumference equations of the U.S. Navy: J. A. Hodgdon and M. B. Beckett,
//     "Prediction of percent body fat for U.S. Navy men from body circumferences
//     and height", Report 84-11, and "… for U.S. Navy women …", Report 84-29,
//     Naval Health Research Center, San Diego, 1984. They give the body's
//     density, which W. E. Siri's equation (1961) turns into a share of fat.
//     Standard error 3.5 (men) and 3.7 (women) percentage points.
//   - without them, the adults' equation from the body mass index: P. Deurenberg,
//     J. A. Weststrate and J. C. Seidell, "Body mass index as a measure of body
//     fatness: age- and sex-specific prediction formulas", British Journal of
//     Nutrition 65 (1991), 105-114. Standard error 4.1 percentage points.
package bodyfat

import "math"

// Sex is what the formulas distinguish.
type Sex string

// The two sexes that the formulas were fitted to.
const (
	Male   Sex = "male"
	Female Sex = "female"
)

// Body is one person's measurements: lengths in centimetres, weight in
// kilograms, age in years. Zero means not measured.
type Body struct {
	Sex    Sex     `json:"sex"`
	Age    int     `json:"age"`
	Height float64 `json:"height"`
	Weight float64 `json:"weight"`
	Waist  float64 `json:"waist,omitempty"` // men: at the navel; women: at the narrowest
	Neck   float64 `json:"neck,omitempty"`  // just below the larynx
	Hip    float64 `json:"hip,omitempty"`   // at the widest
}

// The formulas' names, as given in answers.
const (
	NavyMen   = "US Navy circumference method for men (Hodgdon and Beckett, NHRC Report 84-11, 1984; Siri 1961)"
	NavyWomen = "US Navy circumference method for women (Hodgdon and Beckett, NHRC Report 84-29, 1984; Siri 1961)"
	BMI       = "BMI method for adults (Deurenberg, Weststrate and Seidell, Br J Nutr 65:105-114, 1991)"
)

// Estimate is a body's share of fat and where the figure comes from.
type Estimate struct {
	Percent float64 `json:"percent"` // rounded to one decimal
	Formula string  `json:"formula"`
}

// Of estimates the share of fat of a valid body. It fails, naming a field, for
// measurements that are each possible but not together.
func Of(b Body) (Estimate, error) {
	if err := b.Validate(); err != nil {
		return Estimate{}, err
	}
	percent, formula := b.percent()
	if math.IsNaN(percent) || percent < minPercent || percent > maxPercent {
		return Estimate{}, b.implausible(percent)
	}
	return Estimate{Percent: math.Round(percent*10) / 10, Formula: formula}, nil
}

func (b Body) percent() (float64, string) {
	switch {
	case b.Sex == Male && b.Waist > 0 && b.Neck > 0:
		return siri(1.0324 - 0.19077*math.Log10(b.Waist-b.Neck) + 0.15456*math.Log10(b.Height)), NavyMen
	case b.Sex == Female && b.Waist > 0 && b.Neck > 0 && b.Hip > 0:
		return siri(1.29579 - 0.35004*math.Log10(b.Waist+b.Hip-b.Neck) + 0.22100*math.Log10(b.Height)), NavyWomen
	}
	metres := b.Height / 100
	percent := 1.20*b.Weight/(metres*metres) + 0.23*float64(b.Age) - 5.4
	if b.Sex == Male {
		percent -= 10.8
	}
	return percent, BMI
}

// siri turns a body's density, in kilograms per litre, into its percentage of fat.
func siri(density float64) float64 { return 495/density - 450 }
