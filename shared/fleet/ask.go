package fleet

import "time"

// What the hub can ask an agent.
const (
	AskLogs     = "logs"      // Instance, Tail, and with FeatureFollow what LogQuery has: the agent sends the bytes to Stream
	AskCheck    = "check"     // Address: can this host open a TCP connection to it?
	AskAgentLog = "agent-log" // the agent sends the end of its own log to Stream
	AskPrune    = "prune"     // DryRun, Cause: images that nothing needs go; answered with Images
	AskRenew    = "renew"     // the agent gets itself another certificate; it doesn't answer
	// Those that follow are for agents with FeatureAnswers; answered with Output.
	AskPing    = "ping"    // the agent's own clock, and how long it has run
	AskInspect = "inspect" // Service: what its instances here are made of, without values of environments
	AskProbe   = "probe"   // Service, or all: its instances' probes, the engine and the balancers now
	AskPull    = "pull"    // Service, Image, Cause: the image is fetched, unless it is there
)

// Ask is a question of the hub's to an agent. It changes nothing that runs: an
// AskPrune without DryRun takes away images that nothing needs, and an AskPull
// brings one.
type Ask struct {
	ID       string   `json:"id"`
	Do       string   `json:"do"`
	TTL      Duration `json:"ttl"` // not answered after that, counted from receipt
	Instance string   `json:"instance,omitempty"`
	Tail     int      `json:"tail,omitempty"`
	// Follow, After, Since and Stamps are an AskLogs' and for agents with FeatureFollow.
	// Follow goes on with what is written, until the container ends or nobody takes it
	// any more; TTL is then the time until it begins. After leaves out what has an older
	// stamp, Since what was written longer ago; Stamps begins each line with its stamp.
	Follow  bool      `json:"follow,omitempty"`
	After   time.Time `json:"after,omitzero"` // by the host's clock
	Since   Duration  `json:"since,omitempty"`
	Stamps  bool      `json:"stamps,omitempty"`
	Address string    `json:"address,omitempty"` // "host:port"
	// Stream is the path on the hub's HTTP address that takes a byte stream
	// by POST, once.
	Stream string `json:"stream,omitempty"`
	// DryRun asks what would be removed.
	DryRun bool `json:"dryRun,omitempty"`
	// Cause is the id of the command behind an AskPrune or AskPull.
	Cause   string     `json:"cause,omitempty"`
	Service ServiceKey `json:"service,omitzero"`
	Image   string     `json:"image,omitempty"`
}

// LogQuery says which of a container's output is wanted, and how.
type LogQuery struct {
	Tail   int       // the last lines; 0, with Follow: all
	Since  time.Time // not what was written before; zero: whenever
	Follow bool      // go on with what is written, until the container ends
	Stamps bool      // each line begins with when it was written, RFC 3339 in UTC, and a blank
}

// Query is what an AskLogs asks for, at a time by the host's clock.
func (a *Ask) Query(now time.Time) LogQuery {
	q := LogQuery{Tail: a.Tail, Since: a.After, Follow: a.Follow, Stamps: a.Stamps}
	if since := now.Add(-a.Since.D()); a.Since > 0 && since.After(q.Since) {
		q.Since = since
	}
	return q
}

// Answer is an agent's answer to an Ask.
type Answer struct {
	ID      string `json:"id"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
	// Looked: the agent did try the address of an AskCheck. Without it the
	// answer says nothing about the address.
	Looked bool `json:"looked,omitempty"`
	// Images are those that an AskPrune removed, or would remove; also when not
	// all went.
	Images []PrunedImage `json:"images,omitempty"`
	// Output is what was asked for, in words; at most MaxOutput. At is when, by the
	// host's clock.
	Output string    `json:"output,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// PrunedImage is an image that nothing needs.
type PrunedImage struct {
	ID    string   `json:"id"`              // the engine's
	Names []string `json:"names,omitempty"` // without one: its digests
	Bytes int64    `json:"bytes"`           // with layers that it may share with others
}

// Ack is the hub's echo: what it has processed of an agent's messages.
type Ack struct {
	Session string `json:"session"`
	Actual  uint64 `json:"actual"` // sequence of the last actual taken in
	// Events is the number of the last event committed, in Numbering.
	Events    uint64 `json:"events"`
	Numbering string `json:"numbering,omitempty"`
	// Left: the hub has heard that the host has left the fleet, and has forgotten it.
	Left bool `json:"left,omitempty"`
}

// EventBatch is what an agent publishes of its events: those not yet
// acknowledged, in order, numbered from First on. Numbering names the
// count: an agent whose disk was lost starts another.
type EventBatch struct {
	Numbering string  `json:"numbering"`
	First     uint64  `json:"first"`
	Events    []Event `json:"events"`
}
