package identity

import (
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestRotation(t *testing.T) {
	kept := &shelf{rows: map[string]Row{}}
	h := open(t, kept)
	m, late := newMachine(t), newMachine(t)
	before, err := h.Join(fleet.JoinRequest{Token: h.token(t, fleet.TokenRequest{}), Host: "web1", Request: m.request(t)}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Join(fleet.JoinRequest{Token: h.token(t, fleet.TokenRequest{}), Host: "web2", Request: late.request(t)}, ""); err != nil {
		t.Fatal(err)
	}
	if err := h.FinishRotation(admin, true); fleet.CodeOf(err) != fleet.CodeConflict {
		t.Error(err)
	}
	if err := h.BeginRotation(admin); err != nil {
		t.Fatal(err)
	}
	if err := h.BeginRotation(admin); fleet.CodeOf(err) != fleet.CodeConflict {
		t.Error(err)
	}
	h.look()
	if !slices.Equal(h.asked, []string{"web1", "web2"}) {
		t.Errorf("asked %v", h.asked)
	}
	h.look()
	if len(h.asked) != 2 {
		t.Error("they are asked again at once")
	}
	h = open(t, kept) // it starts anew meanwhile
	if host, err := h.connect(t, m, before, ""); err != nil || host != "web1" {
		t.Errorf("who knows the former authority alone: %q, %v", host, err)
	}
	after, err := h.Renew(fleet.RenewRequest{Host: "web1", Request: m.request(t)}, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, roots := range map[string]string{"both": after.Roots, "the former one alone": before.Roots} {
		if host, err := h.connect(t, m, after, roots); err != nil || host != "web1" {
			t.Errorf("trusting %s: %q, %v", name, host, err)
		}
	}
	if err := h.FinishRotation(admin, false); err == nil || !strings.Contains(err.Error(), "web2") {
		t.Error(err)
	}
	if _, err := h.Renew(fleet.RenewRequest{Host: "web2", Request: late.request(t)}, ""); err != nil {
		t.Fatal(err)
	}
	if err := h.FinishRotation(admin, false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if host, err := h.connect(t, m, after, ""); err != nil || host != "web1" {
			t.Errorf("after it: %q, %v", host, err)
		}
		if host, _ := h.connect(t, m, before, after.Roots); host != "" {
			t.Error("a certificate of the former authority is still taken")
		}
		if _, err := h.connect(t, m, after, before.Roots); err == nil {
			t.Error("the former authority still vouches for the hub")
		}
		h = open(t, kept)
	}
}
