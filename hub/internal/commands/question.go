package commands

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/orders"
	"github.com/musterhq/muster/shared/fleet"
)

// question answers what changes nothing that is asked for.
func (d *Dispatcher) question(ctx context.Context, j job, order orders.Order, on subjects) outcome {
	if order.Do == "status" {
		return status(on.service)
	}
	feature := fleet.FeatureAnswers
	if order.Do == "logs" || order.Do == "prune" {
		feature = ""
	}
	if err := askable(on.host, feature); err != nil {
		return outcome{err: err}
	}
	if order.DryRun && order.Do != "prune" {
		return outcome{message: "it would be done: " + on.host.ID + " is up, and would be asked"}
	}
	var did outcome
	switch order.Do {
	case "ping":
		did = d.ping(ctx, on)
	case "inspect":
		did = d.words(ctx, on, fleet.Ask{Do: fleet.AskInspect, Service: on.service.Key}, d.limits.Inspect, "what "+on.service.Key.String()+" is made of on "+on.host.ID)
	case "check":
		did = d.words(ctx, on, fleet.Ask{Do: fleet.AskProbe, Service: on.service.Key}, d.limits.Check, "all that was tried on "+on.host.ID+" is well")
	case "pull":
		ask := fleet.Ask{Do: fleet.AskPull, Service: on.service.Key, Image: imageOf(on.service), Cause: "pull by " + j.by.Name}
		did = d.words(ctx, on, ask, d.limits.Pull, on.host.ID+" has the image of version "+fmt.Sprint(on.service.Version)+" of "+on.service.Key.String())
	case "logs":
		did = d.logs(ctx, order, on)
	case "prune":
		did = d.prune(ctx, j, order, on)
	}
	return did
}

// status says how a service is, as its topic does.
func status(v fleet.ServiceView) outcome {
	text, err := json.MarshalIndent(fleet.ServiceStatus{
		State: v.State, Reasons: v.Reasons, Version: v.Version, Desired: v.Desired, Ready: v.Ready, Addresses: v.Addresses,
	}, "", "  ")
	return outcome{
		message: fmt.Sprintf("%s is %s: %d of %d ready, version %d", v.Key, v.State, v.Ready, v.Desired, v.Version),
		output:  string(text), err: err, lasting: true,
	}
}

// imageOf is what a service's instances are made from: by its digest, where that is
// known and a registry finds it by that.
func imageOf(v fleet.ServiceView) string {
	if strings.Contains(v.Pin, "@") {
		return v.Pin
	}
	return v.Image
}

// words asks what is answered in words.
func (d *Dispatcher) words(ctx context.Context, on subjects, ask fleet.Ask, within time.Duration, message string) outcome {
	answer, err := d.ask(ctx, on.host.ID, ask, within)
	if err != nil {
		return outcome{err: err}
	}
	if !answer.OK {
		return outcome{output: answer.Output, err: said(on.host.ID, answer), lasting: true}
	}
	return outcome{message: message, output: answer.Output, lasting: true}
}

// said is an agent's word for why something isn't as it was to be.
func said(host string, answer fleet.Answer) error {
	return unavailable("%s says: %s", host, cmp.Or(answer.Problem, "no"))
}

// skewed is how far a host's clock may be off before it is said.
const skewed = time.Second

func (d *Dispatcher) ping(ctx context.Context, on subjects) outcome {
	sent := d.options.Now()
	answer, err := d.ask(ctx, on.host.ID, fleet.Ask{Do: fleet.AskPing}, d.limits.Ping)
	if err != nil {
		return outcome{err: err}
	}
	took := d.options.Now().Sub(sent)
	message := fmt.Sprintf("%s answers in %s: its agent %s", on.host.ID, took.Round(100*time.Microsecond), answer.Output)
	if off := answer.At.Sub(sent.Add(took / 2)); !answer.At.IsZero() && off.Abs() > skewed {
		message += fmt.Sprintf("; its clock is off by %s", off.Round(time.Millisecond))
	}
	return outcome{message: message, lasting: true}
}

// logs reads the last lines of a service's instances on a host, and within the
// bound of a result the last of these.
func (d *Dispatcher) logs(ctx context.Context, order orders.Order, on subjects) outcome {
	if len(on.instances) == 0 {
		return outcome{err: fleet.NotFound("%s has no instance on %s", on.service.Key, on.host.ID).WithHint("muster service %s shows where it runs", on.service.Key)}
	}
	ctx, cancel := context.WithTimeout(ctx, d.limits.Logs)
	defer cancel()
	var out strings.Builder
	var failed error
	var names []string
	share := fleet.MaxOutput/len(on.instances) - len("… 0123456789-0123456789 …\n")
	for _, in := range on.instances {
		text, err := d.options.Agents.Tail(ctx, on.host.ID, in.ID, cmp.Or(order.Lines, orders.DefaultLines), max(share, 0))
		if err != nil {
			failed = err
			continue
		}
		if len(on.instances) > 1 {
			fmt.Fprintf(&out, "--- %s ---\n", in.ID)
		}
		out.WriteString(text)
		if names = append(names, in.ID); text != "" && !strings.HasSuffix(text, "\n") {
			out.WriteString("\n")
		}
	}
	return outcome{
		message: fmt.Sprintf("the last lines of %s on %s", strings.Join(names, ", "), on.host.ID), output: out.String(),
		err: failed, lasting: failed == nil,
	}
}

func (d *Dispatcher) prune(ctx context.Context, j job, order orders.Order, on subjects) outcome {
	answer, err := d.ask(ctx, on.host.ID, fleet.Ask{Do: fleet.AskPrune, DryRun: order.DryRun, Cause: "prune by " + j.by.Name}, d.limits.Prune)
	if err != nil {
		return outcome{err: err}
	}
	var lines []string
	bytes := int64(0)
	for _, image := range answer.Images {
		bytes += image.Bytes
		lines = append(lines, fmt.Sprintf("%s %d bytes", cmp.Or(strings.Join(image.Names, " "), image.ID), image.Bytes))
	}
	verb := "removed"
	if order.DryRun {
		verb = "would remove"
	}
	did := outcome{message: fmt.Sprintf("%s %s %d images that nothing needs, of %d bytes at most", on.host.ID, verb, len(lines), bytes), output: strings.Join(lines, "\n"), lasting: true}
	if !answer.OK {
		did.err = said(on.host.ID, answer)
	}
	return did
}
