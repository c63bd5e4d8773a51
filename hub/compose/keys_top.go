package compose

// Said of more than one place.
const (
	labelsUnread  = "nothing reads them"
	perHost       = "each host has a bridge of its own by that name; containers on different hosts reach each other through the balancers"
	setAsSecret   = "set the value by muster secret set, and write external: true"
	readWhereItIs = "muster apply reads it where you are"
)

var topLevel = &schema{fields: keys{
	"name":     yes("the project; 1 to 63 of `a-z 0-9 _ -`. The command line takes the folder's name if it is missing"),
	"services": yes("1 to 1000 of them"),
	"volumes":  yes("a named volume is called `<project>_<key>` unless named or external"),
	"networks": becomes(perHost),
	"secrets":  yes("see [Secrets](compose.md#secrets)"),
	"configs":  yes("see [Configs](compose.md#configs)"),
	"include":  first("what a file includes is part of the project; a cycle is refused with its files"),
	"version":  idle("the specification doesn't use it any more"),
	"models":   no("hosts run containers, not models", "run the model's server as a service"),
	"jobs":     no("a service can be a job", "use a service with deploy.mode: replicated-job"),
}}

var volumeKeys = &schema{fields: keys{
	"name":        yes("in full, as the engine knows it"),
	"external":    becomes("it is called by its key or `name`; a host that lacks it makes an empty one").with(oldName),
	"driver":      yes("hosts need its plugin, where it isn't `local`"),
	"driver_opts": yes("used when a host makes the volume, like those of an NFS share"),
	"labels":      ignored(labelsUnread),
}}

var networkKeys = &schema{fields: keys{
	"name":        yes("in full, as the engine knows it; without it `<project>_<key>`"),
	"external":    yes("it has to be on each host already, and stays; `host` and `none` are the engine's own").with(oldName),
	"driver":      becomes("`bridge`; `overlay`, as Swarm has it, becomes one, with a warning. Others are refused"),
	"driver_opts": yes("those of a bridge; an overlay's are left out"),
	"internal":    yes("containers reach nothing but others on it; nobody reaches their ports, the balancers neither"),
	"enable_ipv6": yes("the engine must have addresses to give"),
	"enable_ipv4": idle("bridges have it"),
	"attachable":  idle("anybody can attach a container to a bridge"),
	"ipam":        no("each host's engine gives its bridges addresses that are free there", "leave it out, or make the network on the hosts and use it by external: true"),
	"labels":      ignored(labelsUnread),
}}

var secretKeys = &schema{fields: keys{
	"name":            yes("if it is called otherwise in the project"),
	"external":        yes("it was set by `muster secret set PROJECT/NAME`").with(oldName),
	"file":            first(readWhereItIs + ", and sends the value along; the document doesn't keep it"),
	"environment":     first(readWhereItIs + ", and sends the value along; the document doesn't keep it"),
	"content":         no("a value would be readable in the document", setAsSecret),
	"labels":          ignored(labelsUnread),
	"driver":          no("the hub keeps secrets itself", setAsSecret),
	"driver_opts":     no("the hub keeps secrets itself", setAsSecret),
	"template_driver": no("nobody fills in templates", "write the value as it is to be"),
}}

var configKeys = &schema{fields: keys{
	"name":            yes("if it is called otherwise in the project"),
	"content":         yes("the text itself; variables are filled in"),
	"file":            first(readWhereItIs + "; it becomes `content`"),
	"environment":     first(readWhereItIs + "; it becomes `content`"),
	"external":        becomes("a secret of the project, which is where the hub keeps what comes by itself: `muster secret set PROJECT/NAME`").with(oldName),
	"labels":          ignored(labelsUnread),
	"template_driver": no("nobody fills in templates", "write the content as it is to be"),
}}
