package fleetloop

import (
	"cmp"
	"errors"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// audited is what the audit trail says of a turn's commands, in their order. Those
// that change something are written in the same transaction as what they change.
//
// A dry run isn't in it, nor any other look at the fleet: it changes nothing, and
// who plans often would hide what was done. A repeat isn't either: it was answered
// by what stands there already.
func audited(inputs []turn.Input, replies map[int]turn.Reply, now time.Time) (entries []fleet.AuditEntry) {
	for i, in := range inputs {
		command, ok := in.(turn.CommandIn)
		if !ok {
			continue
		}
		c, reply := command.Command, replies[i]
		if c.DryRun || reply.Repeat && reply.Err == nil {
			continue
		}
		entry := fleet.AuditEntry{
			Time: now.UTC(), Who: cmp.Or(c.By.Name, c.Actor), Role: c.By.Role, Via: c.By.Via, From: c.By.From,
			Do: c.Do, Subject: c.Subject(), ID: c.ID, Result: fleet.AuditDone, Message: reply.Result.Message,
		}
		if reply.Err != nil {
			entry.Result, entry.Message = fleet.AuditRefused, message(reply.Err)
		}
		entry.Message = fleet.Clip(entry.Message, 500)
		entries = append(entries, entry)
	}
	return entries
}

// failed is what is said of a turn that couldn't be stored.
func failed(entries []fleet.AuditEntry, err error) []fleet.AuditEntry {
	for i := range entries {
		if entries[i].Result == fleet.AuditDone {
			entries[i].Result, entries[i].Message = fleet.AuditFailed, fleet.Clip("not stored: "+message(err), 500)
		}
		entries[i].Revision = 0
	}
	return entries
}

// message is what an error says, without what to do next.
func message(err error) string {
	var e *fleet.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// audit writes what changed nothing. Nobody waits for it.
func (l *Loop) audit(entries []fleet.AuditEntry) {
	if len(entries) == 0 {
		return
	}
	if err := l.opts.Store.Audit(entries); err != nil {
		l.opts.Logger.Error("not written down in the audit trail", "entries", len(entries), "first", entries[0].Do, "who", entries[0].Who, "error", err)
	}
}

// Audit writes an entry of something that was no command, with the hub's time.
func (l *Loop) Audit(entry fleet.AuditEntry) error {
	entry.Time = l.now().UTC()
	entry.Message = fleet.Clip(entry.Message, 500)
	return l.opts.Store.Audit([]fleet.AuditEntry{entry})
}
