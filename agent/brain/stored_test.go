package brain_test

import (
	"maps"
	"slices"

	"github.com/musterhq/muster/agent/brain"
)

// transfer brings an image from the registry of the world, where it isn't here.
func (w *world) transfer(ref string, r *brain.Result) {
	image, known := w.images[ref]
	if !known || !w.away[ref] {
		return
	}
	delete(w.away, ref)
	r.Fetched, r.New = true, w.stored[image.ID] == nil
	w.brought[image.ID] = w.brought[image.ID] || r.New
	w.store(ref)
}

// store has an image here, by its name.
func (w *world) store(ref string) {
	image := w.images[ref]
	s := w.stored[image.ID]
	if s == nil {
		s = &brain.StoredImage{ID: image.ID, Size: 1000}
		w.stored[image.ID] = s
	}
	if image.Digest != "" {
		s.Digests = []string{image.Digest}
	}
	if ref != image.Digest && ref != image.ID && !slices.Contains(s.Names, ref) {
		s.Names = append(s.Names, ref)
	}
}

func (w *world) storedNow() (all []brain.StoredImage) {
	for _, id := range slices.Sorted(maps.Keys(w.stored)) {
		image := *w.stored[id]
		for _, box := range w.boxes {
			image.Used = image.Used || box.ImageID == id
		}
		all = append(all, image)
	}
	return all
}

// drop removes an image: it has to be fetched again.
func (w *world) drop(id string) {
	delete(w.stored, id)
	delete(w.brought, id)
	for ref, image := range w.images {
		if image.ID == id {
			w.away[ref] = true
		}
	}
}
