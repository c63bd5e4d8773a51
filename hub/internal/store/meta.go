package store

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// Schema is what this program writes. It is raised when an older program must not
// open the file, also when it could read it: one that writes a record again drops
// the fields that it doesn't know.
//
//	1  services, instances, hosts, balancers, pools, homes, results, documents
//	2  services have rollouts, balancers the features of their agents
//	3  accounts, hosts' keys, secrets; the audit trail
const Schema = 3

// Names of the buckets in the file. Tables have a prefix of their own, so
// that no table's name can meet those of the store.
const (
	metaBucket   = "meta"
	eventsBucket = "events"
	auditBucket  = "audit"
	tablePrefix  = "table/"
)

var metaKey = []byte("meta")

// Meta is what a store knows of itself.
type Meta struct {
	Schema int `json:"schema"`
	// Lineage is random and names this fleet's history: agents that follow
	// one lineage don't obey another.
	Lineage string `json:"lineage"`
	// Epoch counts the hub's starts; it only rises, even when an older copy
	// of the file is put back.
	Epoch uint64 `json:"epoch"`
	// Revision is the last one committed.
	Revision uint64 `json:"revision"`
	// Restored is the revision from which the store went on that was restored
	// from a backup, or begun anew for a fleet that lost its own; 0: neither.
	Restored uint64    `json:"restored,omitempty"`
	Created  time.Time `json:"created"`
}

func newMeta() Meta {
	return Meta{Schema: Schema, Lineage: rand.Text(), Created: time.Now().UTC()}
}

func readMeta(tx *bbolt.Tx) (Meta, error) {
	var meta Meta
	bucket := tx.Bucket([]byte(metaBucket))
	if bucket == nil {
		return meta, errors.New("it is not a store of Muster's")
	}
	if err := json.Unmarshal(bucket.Get(metaKey), &meta); err != nil {
		return meta, fmt.Errorf("read its meta record: %w", err)
	}
	if meta.Schema < 1 || meta.Lineage == "" {
		return meta, errors.New("its meta record is incomplete")
	}
	return meta, nil
}

func writeMeta(tx *bbolt.Tx, meta Meta) error {
	value, err := json.Marshal(meta)
	if err != nil {
		return fmt.Errorf("encode the meta record: %w", err)
	}
	return tx.Bucket([]byte(metaBucket)).Put(metaKey, value)
}
