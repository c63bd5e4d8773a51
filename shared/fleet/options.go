package fleet

import "slices"

// WithoutOptions is the spec with something instead of what drivers of volumes and of
// logging are told, which may be passwords.
func (s Spec) WithoutOptions(instead string) Spec {
	hide := func(options map[string]string) map[string]string {
		if options == nil {
			return nil
		}
		out := map[string]string{}
		for key := range options {
			out[key] = instead
		}
		return out
	}
	s.Mounts = slices.Clone(s.Mounts)
	for i := range s.Mounts {
		s.Mounts[i].DriverOptions = hide(s.Mounts[i].DriverOptions)
	}
	if s.Runtime != nil && s.Runtime.Logging != nil {
		runtime, logging := *s.Runtime, *s.Runtime.Logging
		logging.Options = hide(logging.Options)
		runtime.Logging = &logging
		s.Runtime = &runtime
	}
	return s
}
