package broker_test

import (
	"bufio"
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// stock runs one of mosquitto's clients to its end.
func stock(t *testing.T, h *house, program string, args ...string) (output string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, at(h, args)...).CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s %v doesn't end: %s", program, args, out)
	}
	return string(out), err == nil
}

func at(h *house, args []string) []string {
	host, port, _ := net.SplitHostPort(h.addr)
	return append([]string{"-h", host, "-p", port}, args...)
}

// listen starts mosquitto_sub and returns its lines. It says nothing of being
// subscribed, so what it is to hear first must be retained.
func listen(t *testing.T, h *house, args ...string) <-chan string {
	t.Helper()
	cmd := exec.Command("mosquitto_sub", at(h, args)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range lines {
		}
		_ = cmd.Wait()
	})
	return lines
}

func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line, open := <-lines:
		if !open {
			t.Fatal("mosquitto_sub has ended")
		}
		return line
	case <-time.After(patience):
		t.Fatal("nothing was heard")
	}
	return ""
}

const format = "%t %p"

func TestStockReader(t *testing.T) {
	for _, version := range []string{"mqttv311", "mqttv5"} {
		t.Run(version, func(t *testing.T) {
			h := open(t)
			h.publish(t, topicOf("web1", "desired"), "secret", true)
			h.publish(t, "muster/v1/hub/state", "up", true)
			lines := listen(t, h, "-V", version, "-t", "muster/v1/#", "-q", "1", "-F", format)
			if got := next(t, lines); got != "muster/v1/hub/state up" {
				t.Fatalf("kept: %s", got)
			}
			h.publish(t, topicOf("web1", "desired"), "secret", true)
			h.publish(t, topicOf("web1", "ask"), "question", false)
			p := join(t, h.addr, agent("web1"))
			p.say(topicOf("web1", "presence"), "online", true)
			if got := next(t, lines); got != topicOf("web1", "presence")+" online" {
				t.Fatalf("live: %s", got)
			}
			p.Close()
			if got := next(t, lines); got != topicOf("web1", "presence")+" lost" {
				t.Fatalf("the Will: %s", got)
			}
		})
	}
}

func TestStockReaderIsDenied(t *testing.T) {
	h := open(t)
	for name, args := range map[string][]string{
		"desired":        {"-t", topicOf("web1", "desired")},
		"asks":           {"-t", topicOf("+", "ask")},
		"everything":     {"-t", "#"},
		"the hub's id":   {"-i", "inline", "-t", "muster/v1/#"},
		"keepalive":      {"-k", "700", "-t", "muster/v1/#"},
		"a Will":         {"-t", "muster/v1/#", "--will-topic", topicOf("web1", "presence"), "--will-payload", "lost"},
		"no MQTT of now": {"-V", "mqttv31", "-t", "muster/v1/#"},
	} {
		t.Run(name, func(t *testing.T) {
			if out, ok := stock(t, h, "mosquitto_sub", append([]string{"-C", "1"}, args...)...); ok && !strings.Contains(out, "requests were denied") {
				t.Errorf("it was allowed: %s", out)
			}
		})
	}
	for _, version := range []string{"mqttv311", "mqttv5"} {
		out, _ := stock(t, h, "mosquitto_pub", "-V", version, "-q", "1", "-t", topicOf("web1", "presence"), "-m", "forged")
		if h.hub.count(said{"web1", "presence", "", "forged"}) != 0 {
			t.Errorf("a reader published with %s: %s", version, out)
		}
	}
}

func TestStockAgent(t *testing.T) {
	h := open(t)
	as := func(host string, more ...string) []string {
		return append([]string{"-i", host, "-u", "agent:m-" + host, "-q", "1"}, more...)
	}
	if out, ok := stock(t, h, "mosquitto_pub", as("web1", "-t", topicOf("web1", "presence"), "-r", "-m", "online")...); !ok {
		t.Fatalf("its own presence: %s", out)
	}
	if h.hub.count(said{"web1", "presence", "", "online"}) != 1 {
		t.Fatal("the hub didn't hear it")
	}
	stock(t, h, "mosquitto_pub", as("web1", "-t", topicOf("web2", "presence"), "-m", "forged")...)
	if h.hub.count(said{"web2", "presence", "", "forged"}) != 0 {
		t.Error("an agent spoke in another's name")
	}
	h.publish(t, topicOf("web1", "desired"), "run this", true)
	lines := listen(t, h, as("web1", "-t", topicOf("web1", "desired"), "-F", format)...)
	if got := next(t, lines); got != topicOf("web1", "desired")+" run this" {
		t.Errorf("its desired state: %s", got)
	}
	if out, ok := stock(t, h, "mosquitto_sub", "-i", "web1", "-C", "1", "-t", topicOf("web1", "presence")); !ok {
		t.Errorf("a reader with an agent's id: %s", out)
	}
	h.publish(t, topicOf("web1", "desired"), "run that", true)
	if got := next(t, lines); got != topicOf("web1", "desired")+" run that" {
		t.Errorf("it took the agent's session: %s", got)
	}
}
