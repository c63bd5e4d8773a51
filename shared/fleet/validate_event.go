package fleet

// Validate refuses a batch that no correct agent sends. The hub keeps events
// and shows them to people.
func (b *EventBatch) Validate() error {
	if b.First == 0 || b.First > maxEventFirst {
		return Invalid("first", "%d is not the number of an event", b.First)
	}
	return first(
		text("numbering", b.Numbering, maxName),
		each("events", maxEvents, b.Events, (*Event).validate),
	)
}

func (e *Event) validate() *Error {
	return firstOf(
		text("specversion", e.SpecVersion, maxName),
		name("id", e.ID, maxName),
		text("source", e.Source, maxName),
		matches("type", e.Type, eventName, "an event's type"),
		when("time", e.Time),
		text("subject", e.Subject, maxName),
		text("cause", e.Cause, maxName),
		text("actor", e.Actor, maxName),
		within("data", e.Data.validate()),
	)
}

func (d *EventData) validate() *Error {
	var owner *Error
	if d.Service != nil && !d.Service.IsZero() {
		owner = service("service", *d.Service)
	}
	return firstOf(
		text("message", d.Message, MaxMessage),
		owner,
		text("instance", d.Instance, maxName),
		text("host", d.Host, maxName),
		notNegative("version", d.Version),
		text("detail", string(d.Detail), maxDetail),
	)
}

// Validate refuses an answer that no correct agent gives.
func (a *Answer) Validate() error {
	return first(
		matches("id", a.ID, askName, "a question's id"),
		text("problem", a.Problem, MaxReason),
		text("output", a.Output, MaxOutput),
		each("images", maxImages, a.Images, (*PrunedImage).validate),
	)
}

func (p *PrunedImage) validate() *Error {
	return firstOf(name("id", p.ID, maxName), each("names", maxLabels, p.Names, func(n *string) *Error { return name("name", *n, maxLabel) }), notNegative("bytes", p.Bytes))
}
