package turn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// Delta is what one turn changes.
type Delta struct {
	state *State
	*tables
	events []fleet.Event
	epoch  uint64
	// Revision that the delta makes; equal to the state's when nothing that
	// is stored changes.
	Revision uint64
}

// tables are the state's tables with the turn's changes on top.
type tables struct {
	services   layer[fleet.ServiceKey, Service]
	instances  layer[string, Instance]
	hosts      layer[string, Host]
	balancers  layer[fleet.BalancerKey, Balancer]
	pools      layer[PoolKey, Published]
	homes      layer[fleet.ServiceKey, Home]
	results    layer[string, Answered]
	documents  layer[string, Document]
	left       layer[string, Left]
	secrets    layer[fleet.SecretKey, Secret]
	registries layer[string, Registry]

	notes     layer[fleet.ServiceKey, notes]
	told      layer[fleet.ServiceKey, told]
	live      layer[string, Live]
	silences  layer[fleet.BalancerKey, Silence]
	windows   layer[fleet.ServiceKey, window]
	judgments layer[fleet.ServiceKey, judgment]
	hooks     layer[fleet.ServiceKey, hook]
	fleet     Fleetwide
}

// Tables are the names of the tables, as the store has them.
var Tables = []string{"services", "instances", "hosts", "balancers", "pools", "homes", "results", "documents", "left", "secrets", "registries"}

// recordVersion is written with every record.
const recordVersion = 1

type record[V any] struct {
	V      int `json:"v"`
	Record *V  `json:"record"`
}

// Row is one stored record; a nil Value deletes it.
type Row struct {
	Table string
	Key   string
	Value []byte
}

// Stored reports whether the delta has anything to commit.
func (d *Delta) Stored() bool { return d.Revision != d.state.Revision }

// Events are committed with the delta.
func (d *Delta) Events() []fleet.Event { return d.events }

// Rows encodes what has to be stored.
func (d *Delta) Rows() ([]Row, error) {
	var rows []Row
	err := firstError(
		encode(&rows, "services", d.services.changed, fleet.ServiceKey.String),
		encode(&rows, "instances", d.instances.changed, asIs),
		encode(&rows, "hosts", d.hosts.changed, asIs),
		encode(&rows, "balancers", d.balancers.changed, fleet.BalancerKey.String),
		encode(&rows, "pools", d.pools.changed, PoolKey.String),
		encode(&rows, "homes", d.homes.changed, fleet.ServiceKey.String),
		encode(&rows, "results", d.results.changed, asIs),
		encode(&rows, "documents", d.documents.changed, asIs),
		encode(&rows, "left", d.left.changed, asIs),
		encode(&rows, "secrets", d.secrets.changed, fleet.SecretKey.String),
		encode(&rows, "registries", d.registries.changed, asIs),
	)
	return rows, err
}

// Fold makes the delta part of the state. Call it after the commit.
func (d *Delta) Fold() {
	d.count()
	d.reindex()
	d.services.fold()
	d.instances.fold()
	d.hosts.fold()
	d.balancers.fold()
	d.pools.fold()
	d.homes.fold()
	d.results.fold()
	d.documents.fold()
	d.left.fold()
	d.secrets.fold()
	d.registries.fold()
	d.notes.fold()
	d.told.fold()
	d.live.fold()
	d.silences.fold()
	d.windows.fold()
	d.judgments.fold()
	d.hooks.fold()
	*d.state.fleet = d.fleet
	d.state.Revision, d.state.Epoch = d.Revision, d.epoch
}

func (d *Delta) reindex() {
	for key, s := range d.services.changed {
		d.state.roll(key, s)
	}
	for id, h := range d.hosts.changed {
		d.state.depart(id, h)
	}
	for id, after := range d.instances.changed {
		if before := d.state.Instances[id]; before != nil {
			d.state.unindex(before)
		}
		if after != nil {
			d.state.index(after)
		}
	}
}

func (s *State) index(in *Instance) {
	if s.byService[in.Service] == nil {
		s.byService[in.Service] = map[string]bool{}
	}
	if s.byHost[in.Host] == nil {
		s.byHost[in.Host] = map[string]bool{}
	}
	s.byService[in.Service][in.ID] = true
	s.byHost[in.Host][in.ID] = true
}

// roll keeps which services are being moved to another version, on which hosts
// their images are that the last such move has put there, and which depend on others.
func (s *State) roll(key fleet.ServiceKey, service *Service) {
	for _, host := range imageHosts(s.Services[key]) {
		if delete(s.imagesOn[host], key); len(s.imagesOn[host]) == 0 {
			delete(s.imagesOn, host)
		}
	}
	for _, host := range imageHosts(service) {
		if s.imagesOn[host] == nil {
			s.imagesOn[host] = map[fleet.ServiceKey]bool{}
		}
		s.imagesOn[host][key] = true
	}
	for _, on := range dependencies(s.Services[key]) {
		if delete(s.dependents[on], key); len(s.dependents[on]) == 0 {
			delete(s.dependents, on)
		}
	}
	for _, on := range dependencies(service) {
		if s.dependents[on] == nil {
			s.dependents[on] = map[fleet.ServiceKey]bool{}
		}
		s.dependents[on][key] = true
	}
	if service != nil && service.comes() {
		s.rolling[key] = true
		return
	}
	delete(s.rolling, key)
}

func imageHosts(s *Service) []string {
	switch {
	case s == nil:
		return nil
	case s.Rollout == nil:
		return s.Fetch
	}
	return slices.Concat(s.Rollout.Hosts, s.Fetch)
}

// comes: a version of the service is on its way, by a rollout, or once others are there.
func (s *Service) comes() bool {
	return s.Rollout != nil && !s.Rollout.Over() || len(s.Fetch) > 0
}

// sound has a stored rollout be as the hub takes it, whoever stored it.
func (s *State) sound(key fleet.ServiceKey) {
	if service := s.Services[key]; service.Rollout != nil {
		r := rollout.Sound(*service.Rollout, service.Asked.Count)
		service.Rollout = &r
	}
}

func (s *State) unindex(in *Instance) {
	if delete(s.byService[in.Service], in.ID); len(s.byService[in.Service]) == 0 {
		delete(s.byService, in.Service)
	}
	if delete(s.byHost[in.Host], in.ID); len(s.byHost[in.Host]) == 0 {
		delete(s.byHost, in.Host)
	}
}

// Load puts one stored record back into the state.
func (s *State) Load(table, key string, value []byte) error {
	var err error
	switch table {
	case "services":
		if err = decode(s.Services, key, value, serviceKey); err == nil {
			service, _ := serviceKey(key)
			s.blank, s.anew = false, s.anew && s.Services[service].Generation > s.Restored
			s.sound(service)
			s.roll(service, s.Services[service])
		}
	case "instances":
		if err = decode(s.Instances, key, value, same); err == nil {
			s.index(s.Instances[key])
			s.tally.instance(s.Instances[key], 1)
		}
	case "hosts":
		if err = decode(s.Hosts, key, value, same); err == nil {
			s.tally.host(s.Hosts[key], s.live[key], 1)
			s.depart(key, s.Hosts[key])
		}
	case "balancers":
		err = decode(s.Balancers, key, value, balancerKey)
	case "pools":
		err = decode(s.Pools, key, value, poolKey)
	case "homes":
		s.blank = false // it had services
		err = decode(s.Homes, key, value, serviceKey)
	case "results":
		err = decode(s.Results, key, value, same)
	case "documents":
		err = decode(s.Documents, key, value, same)
	case "left":
		err = decode(s.Left, key, value, same)
	case "secrets":
		err = decode(s.Secrets, key, value, secretKey)
	case "registries":
		err = decode(s.Registries, key, value, same)
	default:
		err = fmt.Errorf("unknown table")
	}
	if err != nil {
		return fmt.Errorf("load %s %q: %w", table, key, err)
	}
	return nil
}

func encode[K comparable, V any](rows *[]Row, table string, changed map[K]*V, text func(K) string) error {
	names := make(map[string]*V, len(changed))
	for key, value := range changed {
		names[text(key)] = value
	}
	for _, name := range sorted(names, byText) {
		row := Row{Table: table, Key: name}
		if value := names[name]; value != nil {
			raw, err := json.Marshal(record[V]{V: recordVersion, Record: value})
			if err != nil {
				return fmt.Errorf("encode %s %q: %w", table, name, err)
			}
			row.Value = raw
		}
		*rows = append(*rows, row)
	}
	return nil
}

func decode[K comparable, V any](into map[K]*V, text string, value []byte, parse func(string) (K, error)) error {
	key, err := parse(text)
	if err != nil {
		return err
	}
	var r record[V]
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	if r.V != recordVersion || r.Record == nil {
		return fmt.Errorf("record version %d is not %d", r.V, recordVersion)
	}
	into[key] = r.Record
	return nil
}

// String is "host/project/service".
func (k PoolKey) String() string { return k.Host + "/" + k.Service.String() }

func (k PoolKey) less(other PoolKey) bool {
	if k.Host != other.Host {
		return k.Host < other.Host
	}
	return k.Service.Less(other.Service)
}

func poolKey(text string) (PoolKey, error) {
	host, rest, _ := strings.Cut(text, "/")
	service, err := fleet.ParseServiceKey(rest)
	return PoolKey{Host: host, Service: service}, err
}

func balancerKey(text string) (key fleet.BalancerKey, err error) {
	err = key.UnmarshalText([]byte(text))
	return key, err
}

func serviceKey(text string) (fleet.ServiceKey, error) { return fleet.ParseServiceKey(text) }

func same(text string) (string, error) { return text, nil }

func asIs(text string) string { return text }

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// ChangedHosts are the host records that the delta writes; nil: deleted.
func (d *Delta) ChangedHosts() map[string]*Host { return d.hosts.changed }

// ChangedServices are the service records that the delta writes; nil: deleted.
func (d *Delta) ChangedServices() map[fleet.ServiceKey]*Service { return d.services.changed }

// ChangedPools are the pools that the delta writes; nil: deleted.
func (d *Delta) ChangedPools() map[PoolKey]*Published { return d.pools.changed }
