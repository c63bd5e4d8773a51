package brain

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Kinds of operations on the engine.
const (
	OpPull    = "pull"    // Image, Local -> Result.Image or Missing; present already: no transfer
	OpCreate  = "create"  // Create -> Result.Container
	OpStart   = "start"   // Container -> Result.Container, if it could be told
	OpStop    = "stop"    // Container, Signal, Grace
	OpRemove  = "remove"  // Container (stopped) with its anonymous volumes, never named ones
	OpUnpause = "unpause" // Container
	OpRestore = "restore" // Container, Snapshot: name, resources and networks are put back
	// For the host, of no instance or version.
	OpImages      = "images"       // -> Result.Images
	OpRemoveImage = "remove-image" // Image (an id), Names: all that it has; never by force
)

// Op is one step on the engine, for one instance; a pull may be for a version that
// is to be prepared, and what concerns images is for neither. The shell carries it out and answers with a Result that has
// the same Instance, Version and Kind.
type Op struct {
	Kind      string
	Instance  string
	Version   string // its key, where there is no Instance
	Container string
	Image     string
	Names     []string // of the image
	Local     bool     // no transfer, only a look whether the image is there
	Never     bool     // with Local: that it isn't there is a problem
	Anew      bool     // a transfer although the image is there
	Create    *Create
	Signal    string        // empty: the image's, else SIGTERM
	Grace     time.Duration // before SIGKILL
	Snapshot  *Snapshot
	Cause     string
	// Secrets and Configs are to be there before a container is made or started.
	Secrets []Secret
	Configs []ConfigFile
	// Networks and MemorySwap are what a container that is put back is to have, as in
	// its spec.
	Networks   []fleet.Network
	MemorySwap int64
	// Login is what Registry is to be told at a pull, encrypted; empty: nothing. The
	// shell makes Credentials of it.
	Registry    string
	Login       string
	Credentials *fleet.Credentials
}

// Result is what became of an Op. An empty Problem is success.
type Result struct {
	Kind      string
	Instance  string
	Version   string
	Problem   string // in words, for people; no secret in it
	Permanent bool   // trying again as it is can't help (no such image, bad request)
	Gone      bool   // the container isn't there any more
	PortTaken bool   // a host port is used by somebody else
	Missing   bool   // after a local pull: the image isn't there
	Image     Image
	Fetched   bool // after a pull: it came from a registry
	New       bool // and the engine didn't have it before, by any name
	Images    []StoredImage
	Container Container // after create and start: as the engine has it, with its Snapshot
}

// ProbeTarget is a probe that is to run now. The shell keeps running exactly
// the set that the brain names, and reports each outcome.
type ProbeTarget struct {
	Instance  string
	Service   fleet.ServiceKey
	Container string // changes with each incarnation: results of another are stale
	Type      string // "http" or "tcp"
	Address   string // host:port
	Path      string
	Interval  time.Duration
	Timeout   time.Duration
}

// ProbeResult is one outcome of a probe.
type ProbeResult struct {
	Instance  string
	Container string
	OK        bool
	Reason    string // "HTTP 503", "connection refused"
}
