package fleet

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestJoinTokens(t *testing.T) {
	token := JoinToken{ID: [6]byte{1}, Secret: [24]byte{2}, Pin: Pin{3}}
	text := token.String()
	if got, err := ParseJoinToken(" " + text + "\n"); err != nil || got != token {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range text {
		other := text[:i] + string(text[i]^1) + text[i+1:]
		if got, err := ParseJoinToken(other); err == nil {
			t.Errorf("%d: taken as %+v", i, got)
		} else if strings.Contains(err.Error(), text[10:30]) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
	for _, text := range []string{"", "mjt_", text[:40], text + "A", strings.Repeat("A", 1000)} {
		if _, err := ParseJoinToken(text); CodeOf(err) != CodeInvalid {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", token)
	if strings.Contains(log.String(), text[10:30]) {
		t.Error("a token gets into the log")
	}
	if pin, err := ParsePin(token.Pin.String()); err != nil || pin != token.Pin {
		t.Errorf("%v, %v", pin, err)
	}
	for _, text := range []string{"", "sha256:", "sha256:AA", token.Pin.String() + "A", "md5:" + token.Pin.String()[7:]} {
		if pin, err := ParsePin(text); err == nil {
			t.Errorf("%q is %v", text, pin)
		}
	}
}

func FuzzParseJoinToken(f *testing.F) {
	f.Add(JoinToken{Secret: [24]byte{2}}.String())
	f.Add("mjt_")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseJoinToken(text)
		if err == nil && token.String() != strings.TrimSpace(text) {
			t.Errorf("%q is read as %s", text, fmt.Sprint(token))
		}
		if pin, err := ParsePin(text); err == nil && pin.String() != text {
			t.Errorf("%q is read as %s", text, pin)
		}
	})
}
