package hosts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
)

const (
	// stateDir holds the claims and what is lost when a host loses its power.
	stateDir = "/run/muster-hosts"
	// namePrefix starts the name of everything a fleet makes. Names of
	// interfaces have 15 bytes at most: "mht-250-199" fits.
	namePrefix = "mht-"
	maxNumber  = 250
	// firstHostAddress is the last byte of the first host's address.
	firstHostAddress = 11
	// filesDir is below a fleet's directory; no host has a dot in its name.
	filesDir = "files.d"
)

// claim says which fleet number is taken, by whom and for which hosts. It is
// written before anything is made, and all that is made follows from it.
type claim struct {
	Number int      `json:"number"`
	Owner  owner    `json:"owner"`
	Hosts  []string `json:"hosts"`
	// Dir is the fleet's directory, removed with the fleet.
	Dir string `json:"dir"`
	// Local marks an engine in the machine's own network namespace.
	Local bool `json:"local,omitempty"`
	// Engine is the socket of one that was there before. Of what is on it,
	// containers and volumes with Label, and Images, go with the claim.
	Engine string   `json:"engine,omitempty"`
	Label  string   `json:"label,omitempty"`
	Images []string `json:"images,omitempty"`
}

func (c claim) name() string         { return fmt.Sprintf("%s%d", namePrefix, c.Number) }
func (c claim) address(n int) string { return fmt.Sprintf("10.91.%d.%d", c.Number, n) }
func (c claim) hubAddress() string   { return c.address(1) }
func (c claim) runDir() string       { return filepath.Join(stateDir, c.name()) }
func (c claim) file() string         { return c.runDir() + ".json" }
func (c claim) files() string        { return filepath.Join(c.Dir, filesDir) }

// netns is the name of a host's network namespace and of its cgroup.
func (c claim) netns(host string) string { return c.name() + "-" + host }
func (c claim) veth(index int) string    { return fmt.Sprintf("%s-%d", c.name(), index) }

// newClaim takes a free number for what c describes, after it has swept what
// dead owners left.
func newClaim(ctx context.Context, dir string, c claim, logger *slog.Logger) (claim, error) {
	if dir == "" {
		dir = "/var/tmp"
	}
	dir, err := realDir(dir)
	if err != nil {
		return claim{}, err
	}
	unlock, err := lockState(ctx)
	if err != nil {
		return claim{}, err
	}
	defer unlock()
	if err := sweep(ctx, logger); err != nil {
		logger.Warn("sweeping dead test hosts failed", "error", err)
	}
	c.Owner = self()
	if c.Number, err = freeNumber(); err != nil {
		return claim{}, err
	}
	c.Dir = filepath.Join(dir, "muster-hosts-"+c.name())
	if err := c.write(); err != nil {
		return claim{}, err
	}
	if err := c.makeDirs(); err != nil {
		return claim{}, errors.Join(fmt.Errorf("make directories: %w", err), c.tearDown(ctx))
	}
	return c, nil
}

// write replaces the claim's file as a whole: half of one would keep its number
// for ever.
func (c claim) write() error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encode claim: %w", err)
	}
	part := c.file() + ".part"
	if err := errors.Join(os.WriteFile(part, data, 0o600), os.Rename(part, c.file())); err != nil {
		return fmt.Errorf("write claim: %w", err)
	}
	return nil
}

func (c claim) makeDirs() error {
	// What is there already is from before this machine's boot, which takes
	// the claims away.
	if err := errors.Join(unmountBelow(c.Dir), os.RemoveAll(c.Dir)); err != nil {
		return err
	}
	dirs := []string{c.files()}
	for _, host := range c.Hosts {
		dirs = append(dirs, filepath.Join(c.Dir, host), filepath.Join(c.runDir(), host))
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// realDir makes dir and returns its path without links, as mounts show it.
func realDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolve directory: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("resolve directory: %w", err)
	}
	return dir, nil
}

// freeNumber finds a number that no claim has and whose subnet this machine
// doesn't use.
func freeNumber() (int, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return 0, fmt.Errorf("list addresses: %w", err)
	}
	for n := 1; n <= maxNumber; n++ {
		c := claim{Number: n}
		if _, err := os.Stat(c.file()); err == nil {
			continue
		}
		if _, err := net.InterfaceByName(c.name()); err == nil {
			continue
		}
		if !subnetUsed(addresses, c.address(0)) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("all %d test fleets are taken: run testhosts sweep", maxNumber)
}

func subnetUsed(addresses []net.Addr, subnet string) bool {
	ip := net.ParseIP(subnet)
	for _, a := range addresses {
		n, ok := a.(*net.IPNet)
		if ok && (n.Contains(ip) || n.IP.Mask(net.CIDRMask(24, 32)).Equal(ip)) {
			return true
		}
	}
	return false
}

// claims reads every claim on this machine. A file that can't be read as one
// is reported and left alone.
func claims() ([]claim, error) {
	files, err := filepath.Glob(filepath.Join(stateDir, namePrefix+"*.json"))
	if err != nil {
		return nil, fmt.Errorf("list claims: %w", err)
	}
	var all []claim
	var errs []error
	for _, file := range files {
		c, err := readClaim(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("read claim %s: %w", file, err))
			continue
		}
		all = append(all, c)
	}
	return all, errors.Join(errs...)
}

func readClaim(file string) (claim, error) {
	var c claim
	data, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, err
	}
	if c.file() != file || !strings.HasPrefix(filepath.Base(c.Dir), "muster-hosts-"+namePrefix) {
		return c, errors.New("it isn't a claim of test hosts")
	}
	return c, nil
}
