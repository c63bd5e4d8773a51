package commands

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/orders"
	"github.com/musterhq/muster/shared/fleet"
)

// outcome is what became of an order.
type outcome struct {
	message  string
	output   string
	revision uint64
	err      error
	// lasting: a repeat gets it again. What was refused before anything was done
	// is looked at anew.
	lasting bool
	// logged: the fleet's loop has it in the audit trail.
	logged bool
}

// carryOut does what an order says, unless wrong says that it isn't one, and
// returns the result.
func (d *Dispatcher) carryOut(ctx context.Context, j job, order orders.Order, wrong error) fleet.CommandResult {
	named := order.ID != ""
	if !named {
		order.ID = rand.Text()
	}
	did := outcome{err: wrong}
	switch {
	case !j.by.Role.Allows(fleet.RoleOperator):
		did.err = forbidden(j.by)
	case wrong != nil:
	case named && !order.DryRun:
		key, content := j.by.Name+" "+order.ID, j.about.String()+" "+order.String()
		before, release, err := d.remembered.begin(ctx, key, content)
		if err != nil {
			did.err = err
			break
		}
		if before != nil {
			again := *before
			again.Message, again.Output = "a repeat: nothing was done again", ""
			_ = d.audit(j, &again) // who repeats has been answered before
			return *before
		}
		did = d.once(ctx, j, order)
		result := d.result(j, order, did)
		if did.lasting {
			release(&result, d.options.Now())
		} else {
			release(nil, d.options.Now())
		}
		return result
	default:
		did = d.once(ctx, j, order)
	}
	return d.result(j, order, did)
}

func forbidden(by fleet.Principal) error {
	role := string(by.Role)
	if role == "" {
		role = "nothing"
	}
	return &fleet.Error{Code: fleet.CodeForbidden, Message: fmt.Sprintf("commands take the role operator, and %s is %s", by.Name, role)}
}

// once carries an order out that isn't a repeat.
func (d *Dispatcher) once(ctx context.Context, j job, order orders.Order) outcome {
	if late := d.options.Now().Sub(order.NotAfter); !order.NotAfter.IsZero() && late > 0 {
		return outcome{err: fleet.Conflict("notAfter", "it came %s too late: it was to be carried out by %s, and the hub got it at %s",
			late.Round(time.Millisecond), order.NotAfter.UTC().Format(time.RFC3339), j.received.UTC().Format(time.RFC3339)).
			WithHint("give it again, if it is still meant; the hub's clock counts")}
	}
	on, err := d.find(ctx, j.about, order)
	if err != nil {
		return outcome{err: err}
	}
	word, _ := orders.Find(j.about.kind(), order.Do)
	if word.Changes {
		return d.change(ctx, j, order, on)
	}
	return d.question(ctx, j, order, on)
}

// result writes down what became of an order, and keeps it in the audit trail. What
// can't be kept there isn't answered.
func (d *Dispatcher) result(j job, order orders.Order, did outcome) fleet.CommandResult {
	r := fleet.CommandResult{
		ID: order.ID, Do: order.String(), By: j.by.Name, DryRun: order.DryRun, OK: did.err == nil,
		Message: did.message, Output: fleet.Clip(did.output, fleet.MaxOutput), Revision: did.revision, At: d.options.Now().UTC(),
	}
	if did.err != nil {
		explain(&r, did.err)
	}
	if did.logged {
		return r
	}
	if err := d.audit(j, &r); err != nil {
		r.OK, r.Output = false, ""
		explain(&r, busy("it can't be written into the audit trail: %v", err))
	}
	return r
}

// explain writes down why a command wasn't carried out, or not wholly.
func explain(r *fleet.CommandResult, err error) {
	r.Code, r.Message = fleet.CodeOf(err), err.Error()
	var e *fleet.Error
	if errors.As(err, &e) {
		if r.Message, r.Hint = e.Message, e.Hint; e.Path != "" {
			r.Message = e.Path + ": " + e.Message
		}
	}
}

func (d *Dispatcher) audit(j job, r *fleet.CommandResult) error {
	entry := fleet.AuditEntry{
		Time: r.At, Who: j.by.Name, Role: j.by.Role, Via: j.by.Via, From: j.by.From,
		Do: "command", Subject: j.about.subject(), ID: r.ID, Result: fleet.AuditDone, Message: fleet.Clip(r.Message, fleet.MaxMessage),
	}
	if r.Do != "" {
		entry.Do = "command " + r.Do
	}
	if r.DryRun {
		entry.Do += " --dry-run"
	}
	switch {
	case r.OK:
	case r.Code == fleet.CodeUnavailable || r.Code == fleet.CodeInternal:
		entry.Result = fleet.AuditFailed
	default:
		entry.Result = fleet.AuditRefused
	}
	err := d.options.Audit(entry)
	if err != nil {
		d.options.Logger.Error("command not written into the audit trail", "by", j.by.Name, "about", j.about.String(), "id", r.ID, "error", err)
	}
	return err
}
