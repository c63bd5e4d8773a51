//go:build soak

package broker_test

import "testing"

func TestManyTakeovers(t *testing.T) { takeOver(t, 3_000) }

func TestManyTakeoversAtTheSameTime(t *testing.T) { takeOverAtOnce(t, 500) }
