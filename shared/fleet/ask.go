package fleet

// What the hub can ask an agent.
const (
	AskLogs     = "logs"      // Instance, Tail: the agent sends the bytes to Stream
	AskCheck    = "check"     // Address: can this host open a TCP connection to it?
	AskAgentLog = "agent-log" // the agent sends the end of its own log to Stream
	// AskPrune has the agent remove images that nothing needs, or say with DryRun
	// which they are; it sends Pruned as JSON to Stream. Beside Keep, what the host
	// is to run stays, and what was never of ours.
	AskPrune = "prune"
)

// Ask is a question of the hub's to an agent. It changes nothing, but for an
// AskPrune without DryRun.
type Ask struct {
	ID       string   `json:"id"`
	Do       string   `json:"do"`
	TTL      Duration `json:"ttl"` // not answered after that, counted from receipt
	Instance string   `json:"instance,omitempty"`
	Tail     int      `json:"tail,omitempty"`
	Address  string   `json:"address,omitempty"` // "host:port"
	// Stream is the path on the hub's HTTP address that takes a byte stream
	// by POST, once.
	Stream string `json:"stream,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"`
	// Keep are the images of all kept versions, each by its pin where that is known,
	// else by its name.
	Keep []string `json:"keep,omitempty"`
}

// Answer is an agent's answer to an Ask.
type Answer struct {
	ID      string `json:"id"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
	// Looked: the agent did try the address of an AskCheck. Without it the
	// answer says nothing about the address.
	Looked bool `json:"looked,omitempty"`
}

// Pruned is what an AskPrune came to.
type Pruned struct {
	// Images were removed, or would be in a dry run; sorted by Name.
	Images []PrunedImage `json:"images,omitempty"`
	Bytes  int64         `json:"bytes"` // on the disk that this frees, at most: images share layers
	// Problem is why not all that nothing needs could be removed, in words.
	Problem string `json:"problem,omitempty"`
}

// PrunedImage is an image that nothing needs.
type PrunedImage struct {
	Name  string `json:"name"` // with its tag or digest; an image id where it has neither
	Bytes int64  `json:"bytes"`
}

// Ack is the hub's echo: what it has processed of an agent's messages.
type Ack struct {
	Session string `json:"session"`
	Actual  uint64 `json:"actual"` // sequence of the last actual taken in
	// Events is the number of the last event committed, in Numbering.
	Events    uint64 `json:"events"`
	Numbering string `json:"numbering,omitempty"`
}

// EventBatch is what an agent publishes of its events: those not yet
// acknowledged, in order, numbered from First on. Numbering names the
// count: an agent whose disk was lost starts another.
type EventBatch struct {
	Numbering string  `json:"numbering"`
	First     uint64  `json:"first"`
	Events    []Event `json:"events"`
}
