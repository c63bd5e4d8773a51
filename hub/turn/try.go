package turn

import "github.com/musterhq/muster/shared/fleet"

// Try says what an order would come to, and changes nothing: what it does is
// dropped.
func (v View) Try(c fleet.Command) (fleet.Result, error) {
	result, err := begin(v.t.s, v.t.now).order(c)
	if result.Changed {
		result.Revision = v.t.s.Revision + 1
	}
	return result, err
}
