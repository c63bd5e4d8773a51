package store

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

// Get reads one record; nil: there is none.
func (s *Store) Get(table, key string) (value []byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(tablePrefix + table))
		if bucket == nil {
			return fmt.Errorf("there is no table %q", table)
		}
		value = bytes.Clone(bucket.Get([]byte(key)))
		return nil
	})
	return value, err
}
