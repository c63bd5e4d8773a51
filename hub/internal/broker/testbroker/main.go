// Command testbroker is the hub's broker in a process of its own, with
// nothing behind it. The agent's side is tested against it: it can be killed,
// halted and started again like a hub.
//
// It prints each message that reaches it as a line of JSON, and publishes
// each such line that it reads. It ends with its standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"

	"github.com/musterhq/muster/hub/internal/broker"
	"github.com/musterhq/muster/shared/wire"
)

// line is one message, in or out.
type line struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	Retain  bool   `json:"retain,omitempty"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:1883", "`address` to listen on")
	flag.Parse()
	if err := run(*listen, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testbroker:", err)
		os.Exit(1)
	}
}

func run(listen string, in io.Reader, out io.Writer) error {
	options := broker.DefaultOptions()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	options.Doors = []broker.Door{{Listener: listener, Open: true}}
	options.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	b, err := broker.New(options, &printer{out: json.NewEncoder(out), machines: map[string]string{}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	err = publish(b, in)
	cancel()
	return errors.Join(err, <-ended)
}

func publish(b *broker.Broker, in io.Reader) error {
	for scan := bufio.NewScanner(in); scan.Scan(); {
		var m line
		if err := json.Unmarshal(scan.Bytes(), &m); err != nil {
			return fmt.Errorf("read line: %w", err)
		}
		if err := b.Publish(m.Topic, []byte(m.Payload), m.Retain); err != nil {
			return err
		}
	}
	return nil
}

// printer is a Handler that admits the first machine of each host.
type printer struct {
	mu       sync.Mutex // guards the rest
	out      *json.Encoder
	machines map[string]string
}

func (p *printer) Admit(host, machineID string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if owner, known := p.machines[host]; known && owner != machineID {
		return errors.New("another machine has this host id")
	}
	p.machines[host] = machineID
	return nil
}

func (p *printer) Message(host, leaf, rest string, payload []byte) {
	topic := wire.Host(host, leaf)
	if rest != "" {
		topic += "/" + rest
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.out.Encode(line{Topic: topic, Payload: string(payload)})
}

func (p *printer) Alive() bool { return true }

func (p *printer) Again(string, []byte, bool) bool { return false }
func (p *printer) Refused(string, string)          {}
func (p *printer) Slowed(string, float64)          {}

func (p *printer) Cloned(_, _, _ string) {}
func (p *printer) Command(broker.Order)  {}
