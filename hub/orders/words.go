// Package orders reads the commands that people give: a few words like "restart
// shop/rank", or the same as JSON. It knows no fleet: whom a name stands for, and
// whether it may be done, is for others to say. It is pure.
package orders

import "strings"

// About is what a command is about.
type About int

// What there are commands about.
const (
	Host About = iota
	Service
)

func (a About) String() string {
	if a == Service {
		return "service"
	}
	return "host"
}

// Word is a command.
type Word struct {
	Name string
	// Takes are its arguments in the order of the text form; those that can be left
	// out in brackets: "SERVICE [LINES]". In JSON their names are in small letters.
	Takes string
	// Changes: it changes what is asked for. Others are questions.
	Changes bool
	Help    string
}

// Synopsis is the command's text form: "logs SERVICE [LINES]".
func (w Word) Synopsis() string { return strings.TrimSpace(w.Name + " " + w.Takes) }

// takes are the names of its arguments, and how many of them it has to have.
func (w Word) takes() (all []string, needed int) {
	for _, arg := range strings.Fields(strings.ToLower(w.Takes)) {
		name := strings.Trim(arg, "[]")
		if all = append(all, name); name == arg {
			needed++
		}
	}
	return all, needed
}

// Words are all commands about a host, or a service, in the order in which people
// are told of them.
func Words(about About) []Word {
	if about == Service {
		return serviceWords
	}
	return hostWords
}

var hostWords = []Word{
	{"restart", "SERVICE", true, "replace the service's instances on this host, through the drain barrier"},
	{"stop", "SERVICE", true, "let the service's instances on this host leave, and place none here"},
	{"start", "SERVICE", true, "take back a stop"},
	{"drain", "", true, "move the host's instances away, and place none here"},
	{"maintenance", "[FOR]", true, "place none here, and let nothing follow from its silence, so long (2h) or until activate; --drain: move its instances away, too; --reason WHY, as the last"},
	{"activate", "", true, "place instances here again"},
	{"freeze", "", true, "change nothing on the host, whatever happens"},
	{"unfreeze", "", true, "look after it again"},
	{"pull", "SERVICE", false, "fetch the image of the service's version"},
	{"prune", "", false, "remove images that nothing needs"},
	{"logs", "SERVICE [LINES]", false, "the last lines of the service's instances on this host"},
	{"inspect", "SERVICE", false, "what the service's instances on this host are made of; of environments the names only"},
	{"check", "[SERVICE]", false, "try the probes of instances on this host now; whether its engine and balancers answer"},
	{"ping", "", false, "whether the agent answers, and how fast"},
}

var serviceWords = []Word{
	{"scale", "COUNT", true, "set the number of instances"},
	{"restart", "", true, "replace the instances, a few at a time"},
	{"rebalance", "", true, "move instances to hosts that suit them better, one after another"},
	{"stop", "", true, "let all instances leave; the count is kept"},
	{"start", "", true, "take back a stop"},
	{"freeze", "", true, "change nothing of the service, whatever happens"},
	{"unfreeze", "", true, "look after it again"},
	{"promote", "", true, "let the rollout go on to its next step; --fully: to its end"},
	{"pause", "", true, "hold the rollout where it is"},
	{"resume", "", true, "let it go on"},
	{"abort", "", true, "go back to the version that the rollout came from"},
	{"retry", "", true, "begin a rollout anew that failed"},
	{"rollback", "[VERSION]", true, "go back to an older version, or to the one before"},
	{"status", "", false, "how the service is"},
}

// Find finds a command by its name.
func Find(about About, name string) (Word, bool) {
	for _, w := range Words(about) {
		if w.Name == name {
			return w, true
		}
	}
	return Word{}, false
}

// known lists the commands for who named none of them.
func known(about About) string {
	var names []string
	for _, w := range Words(about) {
		names = append(names, w.Synopsis())
	}
	return "there are: " + strings.Join(names, ", ")
}
