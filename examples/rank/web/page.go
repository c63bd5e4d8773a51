package web

import (
	htmltemplate "html/template"
	"mime"
	"strconv"
	"strings"
	texttemplate "text/template"
)

var htmlBoard = htmltemplate.Must(htmltemplate.New("board").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Body-fat leaderboard</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 36rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #ccc; text-align: left; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
footer { color: #666; margin-top: 1rem; }
</style>
</head>
<body>
<h1>Body-fat leaderboard</h1>
<table>
<thead><tr><th class="n">Rank</th><th>Name</th><th class="n">Body fat</th></tr></thead>
<tbody>
{{range .Entries}}<tr><td class="n">{{.Rank}}</td><td>{{.Name}}</td><td class="n">{{printf "%.1f" .Percent}} %</td></tr>
{{else}}<tr><td colspan="3">Nobody yet: POST /people</td></tr>
{{end}}</tbody>
</table>
<footer>{{len .Entries}} of {{.People}} people. Answered by {{.Instance}}, version {{.Version}}.</footer>
</body>
</html>
`))

var textBoard = texttemplate.Must(texttemplate.New("board").Parse(
	`{{range .Entries}}{{printf "%4d  %5.1f %%  %s" .Rank .Percent .Name}}
{{else}}Nobody yet: POST /people
{{end}}{{len .Entries}} of {{.People}} people. Answered by {{.Instance}}, version {{.Version}}.
`))

var helpText = texttemplate.Must(texttemplate.New("help").Parse(`Body-fat leaderboard, version {{.Version}}, instance {{.Instance}}

POST /people         enter a person, as JSON: name, sex ("male" or "female"), age (years),
                     height (cm), weight (kg); for the circumference method waist and
                     neck, and for women hip (cm)
GET  /people/{name}  a person and their rank
GET  /board?top=10   the ranking as JSON, text/html or text/plain, by Accept
GET  /healthz        200 while the store answers
`))

// preferred returns the offer that an Accept header values most, the first one
// where it has no preference.
func preferred(accept string, offers ...string) string {
	best, bestQuality := offers[0], 0.0
	for _, offer := range offers {
		if q := quality(accept, offer); q > bestQuality {
			best, bestQuality = offer, q
		}
	}
	return best
}

// quality is what an Accept header gives a media type: the q of the most
// specific range that covers it, 0 for none.
func quality(accept, offer string) float64 {
	kind, _, _ := strings.Cut(offer, "/")
	found, specific := 0.0, -1
	for part := range strings.SplitSeq(accept, ",") {
		mediaType, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		rank := -1
		switch mediaType {
		case offer:
			rank = 2
		case kind + "/*":
			rank = 1
		case "*/*":
			rank = 0
		}
		if rank <= specific {
			continue
		}
		found, specific = 1, rank
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
			found = q
		}
	}
	return found
}
