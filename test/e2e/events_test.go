//go:build e2e

package e2e

import (
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// mark makes only what happens from now on count: for happened, soon and never.
func (p *project) mark() {
	p.Helper()
	list, err := p.c.Client.Events(p.ctx(), client.EventFilter{Limit: 1})
	if err != nil {
		p.Fatal(err)
	}
	p.since = list.Revision
}

// happened lists the events of a type since the last mark, but for those about
// other projects' services.
func (p *project) happened(eventType string) (events []fleet.Event) {
	p.Helper()
	list, err := p.c.Client.Events(p.ctx(), client.EventFilter{Since: p.since, Type: eventType, Limit: 500})
	if err != nil {
		p.Fatal(err)
	}
	for _, e := range list.Items {
		if e.Data.Service == nil || e.Data.Service.Project == p.name {
			events = append(events, e)
		}
	}
	return events
}

// soon waits for an event since the last mark whose message has the text.
func (p *project) soon(limit time.Duration, eventType, contains string) fleet.Event {
	p.Helper()
	var found fleet.Event
	p.until(limit, "event "+eventType+" with "+contains, func() (bool, string) {
		var seen []string
		for _, e := range p.happened(eventType) {
			if strings.Contains(e.Data.Message, contains) {
				found = e
				return true, ""
			}
			seen = append(seen, e.Data.Message)
		}
		return false, strings.Join(seen, "; ")
	})
	return found
}

// never fails if an event of a type happened since the last mark.
func (p *project) never(eventTypes ...string) {
	p.Helper()
	for _, eventType := range eventTypes {
		for _, e := range p.happened(eventType) {
			p.Errorf("%s: %s", eventType, e.Data.Message)
		}
	}
}

// metric reads one of the hub's numbers.
func (p *project) metric(name string) float64 {
	p.Helper()
	res, err := direct.Get(p.c.URL + "/metrics")
	p.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	p.must(err)
	found := regexp.MustCompile(`(?m)^` + name + ` (.+)$`).FindSubmatch(text)
	if found == nil {
		p.Fatalf("there is no metric %s", name)
	}
	value, err := strconv.ParseFloat(string(found[1]), 64)
	p.must(err)
	return value
}
