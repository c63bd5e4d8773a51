package turn

import "testing"

func TestALayersSizeCountsWhatEachWouldVisit(t *testing.T) {
	one := 1
	l := over(map[string]*int{"kept": &one, "edited": &one, "deleted": &one})
	l.edit("edited")
	l.delete("deleted")
	l.put("added", &one)
	l.put("added and deleted", &one)
	l.delete("added and deleted")
	visited := 0
	l.each(func(string, *int) { visited++ })
	if visited != 3 || l.size() != 3 {
		t.Errorf("each visits %d, the size is %d, want 3", visited, l.size())
	}
	l.fold()
	if l := over(l.base); l.size() != 3 {
		t.Errorf("folded in, the size is %d", l.size())
	}
}
