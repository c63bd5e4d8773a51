package haproxy

import "github.com/musterhq/muster/shared/fleet"

// samples is of how many requests HAProxy's averages are, at most.
const samples = 512

// counters are what HAProxy counted for a server, or sums of that.
type counters struct {
	connections uint64 // the server was chosen for; a second try isn't another one
	answers     uint64 // whose head came, of whatever status: one that changes protocols too
	errors      uint64 // those of 5xx
	refused     uint64 // connections that failed after all tries
	unanswered  uint64 // errors of answers; a reset before it may count twice
	missing     uint64 // requests that ended without an answer; see meter.read
	broken      uint64 // answers that ended early, or stood still for too long
	retried     uint64 // connections tried again, here or elsewhere
}

// readCounters reads a server's line of "show stat". HAProxy counts an answer
// that ends early as an error of the response and as an abort of the server's,
// and one that stands still only as the latter. A server that hangs up instead
// of answering is an error only in the first request on a client's connection:
// in a later one the client is expected to try again. So those are missing that
// were begun and neither go on nor ended in any other way.
func readCounters(r row) counters {
	c := counters{
		connections: r.count("lbtot"),
		errors:      r.count("hrsp_5xx"),
		refused:     r.count("econ"),
		unanswered:  r.count("eresp"),
		broken:      r.count("srv_abrt"),
		retried:     r.count("wretr") + r.count("wredis"),
	}
	for _, class := range []string{"hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other"} {
		c.answers += r.count(class)
	}
	if r.text("mode") == fleet.ProtocolHTTP {
		c.missing = ahead(r.count("stot"), r.count("scur")+c.answers+c.refused+c.retried+r.count("cli_abrt"))
	}
	return c
}

// meter is a server's line of "show stat" as it was last read, and what was said
// to be missing then.
type meter struct {
	counters
	suspected uint64
}

// read takes in what the line says now. Where it is behind, HAProxy began anew:
// the server was taken out and added again. HAProxy doesn't count everything at
// the same moment, so what is missing is so when it was already the last time.
func (m meter) read(now counters) (next meter, grown counters) {
	if now.connections < m.connections || now.answers < m.answers {
		m = meter{}
	}
	next = since(now)
	next.missing = max(m.missing, min(now.missing, m.suspected))
	return next, counters{
		connections: ahead(next.connections, m.connections),
		answers:     ahead(next.answers, m.answers),
		errors:      ahead(next.errors, m.errors),
		refused:     ahead(next.refused, m.refused),
		unanswered:  ahead(next.unanswered, m.unanswered),
		missing:     ahead(next.missing, m.missing),
		broken:      ahead(next.broken, m.broken),
		retried:     ahead(next.retried, m.retried),
	}
}

// since is a meter that has read so much already.
func since(now counters) meter { return meter{counters: now, suspected: now.missing} }

func ahead(now, last uint64) uint64 { return now - min(now, last) }

func (c counters) plus(d counters) counters {
	return counters{
		connections: c.connections + d.connections,
		answers:     c.answers + d.answers,
		errors:      c.errors + d.errors,
		refused:     c.refused + d.refused,
		unanswered:  c.unanswered + d.unanswered,
		missing:     c.missing + d.missing,
		broken:      c.broken + d.broken,
		retried:     c.retried + d.retried,
	}
}

// requests are those that have ended, or that have an answer at least: one that
// hangs says nothing of how a version does until it is given up. Of a protocol
// that HAProxy doesn't know the connections are counted as they begin.
func (c counters) requests(protocol string) uint64 {
	if protocol == fleet.ProtocolHTTP {
		return c.answers + c.refused + max(c.unanswered, c.missing)
	}
	return c.connections
}

// failed are those of requests that a client noticed.
func (c counters) failed(protocol string) uint64 {
	return min(c.requests(protocol), c.errors+c.refused+max(c.unanswered, c.missing, c.broken))
}

// average is how long the requests of some servers took.
type average struct{ sum, requests int }

// with adds a server. A request counts until its answer begins: the whole time
// that HAProxy knows has in it how slow the client is, what it thought about
// between two requests on a connection, and the life of a WebSocket. A
// connection of another protocol has no answer.
func (a average) with(r row, c counters) average {
	requests := int(min(c.answers, samples))
	return average{a.sum + requests*(r.number("ctime")+r.number("rtime")), a.requests + requests}
}
