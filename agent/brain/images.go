package brain

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// StoredImage is an image that the engine has.
type StoredImage struct {
	ID      string
	Names   []string // "web:1"; none: it has lost its name
	Digests []string // "web@sha256:…"
	Size    int64    // bytes, with layers that it may share with others
	Used    bool     // a container is made from it, anybody's
}

// Fetched is what is kept of an image that this agent brought from a registry.
type Fetched struct {
	// Names are those that it got by being fetched; one that it has besides is
	// somebody else's.
	Names []string  `json:"names,omitempty"`
	At    time.Time `json:"at"`
}

// keep remembers that an image came from a registry. One that was there already,
// under another name, stays whose it was.
func (s *State) keep(ref string, r *Result, now time.Time) {
	if !r.Fetched || r.Image.ID == "" {
		return
	}
	fetched := s.cache.Fetched[r.Image.ID]
	if fetched == nil {
		if !r.New {
			return
		}
		fetched = &Fetched{At: now}
		s.cache.Fetched[r.Image.ID] = fetched
	}
	if name := keyOf(ref); !isImageID(name) && !slices.Contains(fetched.Names, name) {
		fetched.Names = append(fetched.Names, name)
	}
	s.dirty(now)
}

// keyOf makes references comparable: an id or a digest stands for itself, without
// its repository; a name has its tag, and not the registry that is the default.
func keyOf(ref string) string {
	if _, digest, found := strings.Cut(ref, "@"); found {
		return digest
	}
	if isImageID(ref) {
		return ref
	}
	name := strings.TrimPrefix(strings.TrimPrefix(ref, "index."), "docker.io/")
	name = strings.TrimPrefix(name, "library/")
	if !strings.Contains(name[strings.LastIndex(name, "/")+1:], ":") {
		name += ":latest"
	}
	return name
}

// needed are the images that something is made from, or may be, by their keys.
func (s *State) needed() map[string]bool {
	needed := map[string]bool{}
	need := func(refs ...string) {
		for _, ref := range refs {
			if ref != "" {
				needed[keyOf(ref)] = true
			}
		}
	}
	d := &s.accepted.desired
	need(d.Keep...)
	for version, spec := range d.Versions {
		need(spec.Image, d.Pins[version])
	}
	for i := range d.Instances {
		need(d.Instances[i].Pin)
	}
	for _, inst := range s.instances {
		need(inst.rec.Image.ID, inst.rec.Image.Digest)
	}
	for _, p := range s.preparations {
		need(p.image.ID, p.image.Digest)
	}
	return needed
}

// unneeded are those of the listed images that may go, those that came first
// first: this agent fetched them, nobody else gave them a name, no container is
// made from them, and nothing that is asked for or kept needs them.
func (s *State) unneeded(listed []StoredImage) []StoredImage {
	needed := s.needed()
	free := slices.DeleteFunc(slices.Clone(listed), func(image StoredImage) bool {
		fetched := s.cache.Fetched[image.ID]
		if fetched == nil || image.Used || needed[image.ID] {
			return true
		}
		return slices.ContainsFunc(image.Digests, func(digest string) bool { return needed[keyOf(digest)] }) ||
			slices.ContainsFunc(image.Names, func(name string) bool {
				return needed[keyOf(name)] || !slices.Contains(fetched.Names, keyOf(name))
			})
	})
	slices.SortFunc(free, func(a, b StoredImage) int {
		return cmp.Or(s.cache.Fetched[a.ID].At.Compare(s.cache.Fetched[b.ID].At), cmp.Compare(a.ID, b.ID))
	})
	return free
}

// forgetImages forgets what was fetched before the listing began and is gone.
func (s *State) forgetImages(listed []StoredImage, began, now time.Time) {
	for _, id := range sortedKeys(s.cache.Fetched) {
		there := slices.ContainsFunc(listed, func(image StoredImage) bool { return image.ID == id })
		if !there && s.cache.Fetched[id].At.Before(began) {
			delete(s.cache.Fetched, id)
			s.dirty(now)
		}
	}
}
