package fleet

// Explanation says why an instance runs where it does, and why not elsewhere, or
// where one more instance of a service would go: as it would be decided now.
type Explanation struct {
	Service  ServiceKey `json:"service"`
	Instance string     `json:"instance,omitempty"` // empty: it is about one more
	Slot     int        `json:"slot,omitempty"`     // 0: any
	Version  int        `json:"version"`
	Host     string     `json:"host,omitempty"`
	State    string     `json:"state,omitempty"` // of the instance, in a word
	Cause    string     `json:"cause,omitempty"` // the event behind what is wanted of it
	// Verdict is the answer in a sentence.
	Verdict string `json:"verdict"`
	// Needs are what a host has to have for it, and what is preferred, in words.
	Needs []string `json:"needs,omitempty"`
	// Data is where the data of its slot is; empty: it has none yet.
	Data string `json:"data,omitempty"`
	// Pools are what balancers have of it, in words; sorted.
	Pools []string `json:"pools,omitempty"`
	// Reasons say why the service isn't there yet.
	Reasons []string `json:"reasons,omitempty"`
	// Hosts are all hosts, those that could have it first, the best of them before the
	// others.
	Hosts []HostChoice `json:"hosts"`
}

// HostChoice is a host as placement sees it for one instance, which itself isn't
// counted.
type HostChoice struct {
	Host     string `json:"host"`
	Here     bool   `json:"here,omitempty"`    // it is there
	Refusal  string `json:"refusal,omitempty"` // why it can't be there; empty: it could
	Siblings int    `json:"siblings"`          // instances of the service that stay there
	// Instances are all that are there, of every service.
	Instances int `json:"instances"`
	// Capacity is what the host counts for beside others.
	Capacity float64 `json:"capacity"`
	// Free is the memory that nobody has reserved, in bytes.
	Free int64 `json:"free"`
	// Groups are the hosts that are alike in the labels that the service is spread over.
	Groups []GroupChoice `json:"groups,omitempty"`
}

// GroupChoice is how many of a service are on hosts that are alike in a label.
type GroupChoice struct {
	Label    string `json:"label"`
	Value    string `json:"value"` // empty: without the label
	Siblings int    `json:"siblings"`
}
