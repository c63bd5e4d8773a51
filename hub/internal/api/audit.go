package api

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

// Trail is the audit trail.
type Trail interface {
	// Audit writes an entry of what was no command.
	Audit(entry fleet.AuditEntry) error
	// Entries are the last ones that keep wants, newest first, from those before a
	// number on; 0: from the last.
	Entries(before uint64, limit int, keep func(fleet.AuditEntry) bool) ([]fleet.AuditEntry, error)
}

type auditInput struct {
	Who     string `query:"who" doc:"Only this one's: an account with its API tokens, or one of them"`
	Do      string `query:"do" doc:"Only this: restart, login, user-add …"`
	Subject string `query:"subject" doc:"Only about this, and what is below it" example:"services/shop"`
	Result  string `query:"result" enum:"done,refused,failed"`
	Before  uint64 `query:"before" doc:"Only entries with a lower number"`
	Limit   int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

func (a *API) routeAudit() {
	op := operation(fleet.RoleOperator, http.MethodGet, "/v1/audit", "list-audit", "people", "Show who asked for what, and what became of it, the newest first")
	register(a, op, func(_ context.Context, in *auditInput) (*itemsOutput[fleet.AuditEntry], error) {
		entries, err := a.options.Trail.Entries(in.Before, in.Limit, in.match)
		if entries == nil {
			entries = []fleet.AuditEntry{}
		}
		return &itemsOutput[fleet.AuditEntry]{Items[fleet.AuditEntry]{entries}}, err
	})
}

func (in *auditInput) match(e fleet.AuditEntry) bool {
	return (in.Who == "" || below(e.Who, in.Who)) &&
		(in.Do == "" || e.Do == in.Do) &&
		(in.Subject == "" || below(e.Subject, in.Subject)) &&
		(in.Result == "" || e.Result == in.Result)
}

// below says whether a path is another one, or below it.
func below(path, top string) bool {
	return path == top || len(path) > len(top) && path[:len(top)] == top && path[len(top)] == '/'
}

// audit writes what came of something that was no command. It has happened: that it
// can't be written down is the log's to tell.
func (a *API) audit(by fleet.Principal, do, subject, message string, err error) {
	if a.options.Trail == nil {
		return
	}
	entry := fleet.AuditEntry{Who: by.Name, Role: by.Role, Via: by.Via, From: by.From, Do: do, Subject: subject, Result: fleet.AuditDone, Message: message}
	if err != nil {
		entry.Result, entry.Message = fleet.AuditFailed, messageOf(err)
	}
	if err := a.options.Trail.Audit(entry); err != nil {
		a.log.Error("not written down in the audit trail", "do", do, "subject", subject, "who", by.Name, "error", err)
	}
}
