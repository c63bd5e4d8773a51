package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) loginCommand() *cli.Command {
	return &cli.Command{
		Name:      "login",
		Usage:     "begin a session at a hub, and remember it",
		ArgsUsage: "[URL]",
		Description: `Asks for name and password, and keeps the session's token, the hub's URL and how
the hub is known in ~/.config/muster/credentials.yaml, for you alone to read.

A hub with a certificate of its own is known by --ca, a file with its authority's
certificate, or by --pin, which muster ca show prints on a machine that knows the
hub. Without either, the system's authorities count.

On a new hub the first account is made with the secret in the file first-admin in
the hub's folder: --first-admin NAME asks for it, and for a password.

Examples:
   muster login https://hub.example:8443 --pin sha256:…
   muster login --user ann --password-stdin < password
   muster login https://hub.example:8443 --ca ca.pem --first-admin ann`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "user", Usage: "`NAME` of the account"},
			&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate of the hub's authority"},
			&cli.StringFlag{Name: "pin", Usage: "the authority's `PIN`, sha256:…"},
			&cli.StringFlag{Name: "first-admin", Usage: "make the first account, `NAME`"},
			&cli.BoolFlag{Name: "password-stdin", Usage: "read the password from standard input; with --first-admin the secret before it"},
		},
		Action: p.login,
	}
}

func (p *program) login(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("muster login is called as: muster login [URL]").hint("see muster login --help")
	}
	if c.String("ca") != "" && c.String("pin") != "" {
		return usage("--ca and --pin say the same: give one of them")
	}
	o, err := p.loginOptions(c)
	if err != nil {
		return err
	}
	hub, err := client.New(o)
	if err != nil {
		return err
	}
	defer hub.Close()
	if _, err := hub.Raw(c.Context, "/healthz", nil); err != nil { // before anybody types a password
		return p.unknownHub(c.Context, o.URL, err)
	}
	session, err := p.enter(c, hub)
	if err != nil {
		return err
	}
	saved := profile{Hub: strings.TrimRight(o.URL, "/"), Name: session.Name, Token: session.Token, Expires: session.Expires, CA: string(o.CA)}
	if len(o.CA) > 0 {
		saved.CA = p.authorities(c.Context, o, session.Token)
	}
	if err := p.writeProfile(saved); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "logged in to %s as %s (%s) until %s\n", saved.Hub, session.Name, session.Role, stamp(session.Expires))
	return nil
}

// loginOptions say which hub, and how it is known.
func (p *program) loginOptions(c *cli.Context) (client.Options, error) {
	saved, err := p.readProfile()
	if err != nil {
		return client.Options{}, err
	}
	url := c.Args().First()
	if url == "" {
		if url, err = p.hubURL(c, saved); err != nil {
			return client.Options{}, err
		}
	}
	if strings.HasPrefix(url, "unix:") {
		return client.Options{}, usage("nobody has to log in to the hub on this machine: %s knows who you are", url).hint("name the hub's https address to log in there: muster login https://HUB:8443")
	}
	o := client.Options{URL: url, Private: true}
	if saved.is(url) {
		o.CA = []byte(saved.CA)
	}
	if file := p.getenv("MUSTER_CA_FILE"); file != "" {
		if o.CA, err = os.ReadFile(file); err != nil {
			return o, fmt.Errorf("read MUSTER_CA_FILE: %w", err)
		}
	}
	switch file, text := c.String("ca"), c.String("pin"); {
	case file != "":
		if o.CA, err = os.ReadFile(file); err != nil {
			return o, fmt.Errorf("read --ca: %w", err)
		}
	case text != "":
		pin, err := fleet.ParsePin(text)
		if err != nil {
			return o, err
		}
		if o.CA, err = client.Pinned(c.Context, url, pin); err != nil {
			return o, err
		}
	}
	return o, nil
}

// unknownHub says what a hub shows that can't be believed, and how to find out
// whether it can.
func (p *program) unknownHub(ctx context.Context, url string, err error) error {
	if !errors.Is(err, client.ErrUnknownAuthority) {
		return err
	}
	pin, shownErr := client.ShownPin(ctx, url)
	if shownErr != nil {
		return err
	}
	return (&fleet.Error{Code: fleet.CodeUnauthenticated, Message: fmt.Sprintf("the hub at %s shows a certificate of an authority that isn't known here: %s", url, pin)}).
		WithHint("compare it with what muster ca show says on the hub's machine; if it is the same: muster login %s --pin %s", url, pin)
}

func (p *program) enter(c *cli.Context, hub *client.Client) (fleet.Session, error) {
	read, err := p.secrets(c.Bool("password-stdin"))
	if err != nil {
		return fleet.Session{}, err
	}
	if name := c.String("first-admin"); name != "" {
		secret, err := read.read(c.Context, "The secret in the hub's first-admin file")
		if err != nil {
			return fleet.Session{}, err
		}
		password, err := read.choose(c.Context, "New password of "+name)
		if err != nil {
			return fleet.Session{}, err
		}
		return hub.FirstAdmin(c.Context, strings.TrimSpace(secret), name, password)
	}
	name := c.String("user")
	if name == "" {
		if read.lines != nil {
			return fleet.Session{}, usage("say --user NAME with --password-stdin")
		}
		if name, err = p.ask(c.Context, "Name: ", true); err != nil {
			return fleet.Session{}, err
		}
	}
	password, err := read.read(c.Context, "Password")
	if err != nil {
		return fleet.Session{}, err
	}
	return hub.Login(c.Context, strings.TrimSpace(name), password)
}

// authorities are all that the hub is known by now, while it exchanges one for
// another too.
func (p *program) authorities(ctx context.Context, o client.Options, token string) string {
	o.Token = token
	hub, err := client.New(o)
	if err != nil {
		return string(o.CA)
	}
	defer hub.Close()
	info, err := hub.Authority(ctx)
	if err != nil || info.PEM == "" {
		return string(o.CA)
	}
	return info.PEM
}

func (p *program) logoutCommand() *cli.Command {
	return &cli.Command{
		Name:   "logout",
		Usage:  "end the session, and forget it here",
		Action: p.logout,
	}
}

// logout forgets the session here in any case, and has the hub end it if it is
// there.
func (p *program) logout(c *cli.Context) error {
	path := p.usual(profileFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(p.stdout, "nobody is logged in")
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the credentials: %w", err)
	}
	saved, bad := parseProfile(data)
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("forget the session: %w", err)
	}
	if bad != nil || saved.Token == "" {
		fmt.Fprintln(p.stdout, "logged out")
		return nil
	}
	hub, err := client.New(client.Options{URL: saved.Hub, Token: saved.Token, CA: []byte(saved.CA)})
	if err == nil {
		defer hub.Close()
		err = hub.Logout(c.Context)
	}
	if err != nil && fleet.CodeOf(err) != fleet.CodeUnauthenticated {
		fmt.Fprintf(p.stderr, "the hub wasn't told, so the session goes on there until %s: %v\n", stamp(saved.Expires), err)
	}
	fmt.Fprintf(p.stdout, "logged out of %s\n", saved.Hub)
	return nil
}

func (p *program) whoamiCommand() *cli.Command {
	return &cli.Command{
		Name:   "whoami",
		Usage:  "show whom the hub takes you for",
		Action: p.with(0, 0, whoami),
	}
}

func whoami(ctx context.Context, s *session, _ []string) error {
	by, err := s.hub.Whoami(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(by)
	}
	s.line("Hub", s.hub.URL())
	s.line("Name", by.Name)
	s.line("Role", string(by.Role))
	s.line("From", by.From+" by "+by.Via)
	if saved, err := s.readProfile(); err == nil && saved.is(s.hub.URL()) && s.getenv("MUSTER_TOKEN") == "" {
		s.line("Until", stamp(saved.Expires))
	}
	return nil
}
