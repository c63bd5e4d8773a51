package broker

// Stats is what a broker has done since it started, and who is connected.
type Stats struct {
	Agents, Readers                    int
	MessagesReceived, MessagesSent     uint64
	BytesReceived, BytesSent           uint64
	Dropped                            uint64 // messages that a subscriber was too slow for
	Refused                            uint64 // clients that were turned away or cut off
	RetainedMessages, SubscribedTopics int
}

// Stats reads counters; it costs the same however many clients there are.
func (b *Broker) Stats() Stats {
	info := b.server.Info.Clone()
	connected := b.hook.sessions.connected()
	return Stats{
		Agents: connected[roleAgent], Readers: connected[roleReader],
		MessagesReceived: count(info.MessagesReceived), MessagesSent: count(info.MessagesSent),
		BytesReceived: count(info.BytesReceived), BytesSent: count(info.BytesSent),
		Dropped: count(info.MessagesDropped), Refused: b.hook.turnedAway.Load(),
		RetainedMessages: int(info.Retained), SubscribedTopics: int(info.Subscriptions),
	}
}

func count(n int64) uint64 { return uint64(max(n, 0)) }
