package peers

import (
	"os/user"
	"slices"
	"sync"
	"time"
)

const (
	believed = 30 * time.Second // what the machine said of a user
	remember = 1000             // users
)

// machine says who there is.
type machine interface {
	name(uid string) (string, error)
	groups(uid string) ([]string, error)
	group(name string) (string, error)
}

// system is the machine that the hub runs on.
type system struct{}

func (system) name(uid string) (string, error) {
	u, err := user.LookupId(uid)
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

func (system) groups(uid string) ([]string, error) {
	u, err := user.LookupId(uid)
	if err != nil {
		return nil, err
	}
	return u.GroupIds()
}

func (system) group(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// users remembers for a while what the machine said: that may be a slow directory
// on the network.
type users struct {
	machine machine
	now     func() time.Time

	mu    sync.Mutex // guards what follows
	known map[string]said
	gid   said
}

type said struct {
	name   string
	groups []string
	until  time.Time
}

func newUsers(m machine) *users { return &users{machine: m, now: time.Now, known: map[string]said{}} }

func (u *users) ask(uid string) said {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	if is, known := u.known[uid]; known && now.Before(is.until) {
		return is
	}
	is := said{name: "uid " + uid, until: now.Add(believed)}
	if name, err := u.machine.name(uid); err == nil {
		is.name = name
		is.groups, _ = u.machine.groups(uid) // of whom nothing is known, is no member
	}
	if len(u.known) >= remember {
		for old := range u.known {
			delete(u.known, old)
			break
		}
	}
	u.known[uid] = is
	return is
}

func (u *users) name(uid string) string { return u.ask(uid).name }

func (u *users) member(uid, gid string) bool { return slices.Contains(u.ask(uid).groups, gid) }

// group is the id of Group; "": there is no such group.
func (u *users) group() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	if now.Before(u.gid.until) {
		return u.gid.name
	}
	gid, err := u.machine.group(Group)
	if err != nil {
		gid = ""
	}
	u.gid = said{name: gid, until: now.Add(believed)}
	return gid
}
