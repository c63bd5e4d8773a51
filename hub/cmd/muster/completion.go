package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// completionFlag asks for the words that may come next.
const completionFlag = "--generate-bash-completion"

// completionTimeout bounds how long a shell waits for a hub. Tests wait longer.
var completionTimeout = time.Second

var (
	//go:embed completion/bash.sh
	bashCompletion string
	//go:embed completion/zsh.sh
	zshCompletion string
	//go:embed completion/fish.fish
	fishCompletion string
)

func (p *program) completionCommand() *cli.Command {
	scripts := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	return &cli.Command{
		Name:      "completion",
		Usage:     "write a completion script for a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: `Examples:
   source <(muster completion bash)
   source <(muster completion zsh)
   muster completion fish > ~/.config/fish/completions/muster.fish`,
		BashComplete: func(*cli.Context) { fmt.Fprint(p.stdout, "bash\nzsh\nfish\n") },
		Action: func(c *cli.Context) error {
			script, ok := scripts[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return usage("name a shell: bash, zsh or fish")
			}
			fmt.Fprint(p.stdout, script)
			return nil
		},
	}
}

// complete writes words from the hub, and nothing when there is no hub.
func (p *program) complete(c *cli.Context, words ...func(ctx context.Context, s *session) []string) {
	s, err := p.session(c)
	if err != nil {
		return
	}
	defer s.hub.Close()
	ctx, cancel := context.WithTimeout(c.Context, completionTimeout)
	defer cancel()
	for _, list := range words {
		for _, word := range list(ctx, s) {
			s.printf("%s\n", word)
		}
	}
}

func (p *program) completeServices(c *cli.Context) { p.complete(c, serviceWords) }

// completeVersions has services first, then the versions of the one that stands
// there.
func (p *program) completeVersions(c *cli.Context) {
	if service := c.Args().First(); service != "" {
		p.complete(c, versionWords(service))
	} else {
		p.complete(c, serviceWords)
	}
}

func (p *program) completeRollback(c *cli.Context) {
	if service := c.Args().First(); service != "" && c.IsSet("to") {
		p.complete(c, versionWords(service))
	} else if service == "" {
		p.complete(c, serviceWords)
	}
}

func (p *program) completeRollout(c *cli.Context) {
	given := c.Args().Slice()
	switch {
	case len(given) == 0, len(given) == 1 && slices.Contains(verbs, given[0]):
		p.complete(c, serviceWords)
	case len(given) == 1:
		fmt.Fprintln(p.stdout, strings.Join(verbs, "\n"))
	}
}

func (p *program) completePrune(c *cli.Context) {
	if c.IsSet("host") {
		p.complete(c, hostWords(""))
	}
}

func (p *program) completeHosts(c *cli.Context) {
	for _, command := range c.Command.Subcommands {
		fmt.Fprintln(p.stdout, command.Name)
	}
	p.complete(c, hostWords(""))
}

func (p *program) completeLogs(c *cli.Context) { p.complete(c, serviceWords, instanceWords) }

func (p *program) completeTargets(c *cli.Context) { p.complete(c, serviceWords, hostWords("host:")) }

func (p *program) completeBalancers(c *cli.Context) {
	p.complete(c, func(ctx context.Context, s *session) []string {
		list, _ := s.hub.Balancers(ctx)
		var words []string
		for _, view := range list.Items {
			words = append(words, view.Key.String())
		}
		return words
	})
}

func serviceWords(ctx context.Context, s *session) []string {
	list, _ := s.hub.Services(ctx, "")
	var words []string
	for _, view := range list.Items {
		words = append(words, view.Key.String())
	}
	return words
}

func instanceWords(ctx context.Context, s *session) []string {
	list, _ := s.hub.Instances(ctx, "", "")
	var words []string
	for _, view := range list.Items {
		words = append(words, view.ID)
	}
	return words
}

func versionWords(service string) func(context.Context, *session) []string {
	return func(ctx context.Context, s *session) []string {
		key, err := s.serviceKey(ctx, service)
		if err != nil {
			return nil
		}
		list, _ := s.hub.Versions(ctx, key)
		var words []string
		for _, view := range list.Items {
			words = append(words, strconv.Itoa(view.Number))
		}
		return words
	}
}

func hostWords(prefix string) func(context.Context, *session) []string {
	return func(ctx context.Context, s *session) []string {
		list, _ := s.hub.Hosts(ctx)
		var words []string
		for _, view := range list.Items {
			words = append(words, prefix+view.ID)
		}
		return words
	}
}
