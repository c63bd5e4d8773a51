package compose

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/musterhq/muster/shared/fleet"
)

// Bounds of what is verified.
const (
	maxRequests = 1_000_000
	maxSlower   = 100
)

func readVerify(f *fields) fleet.Verify {
	value, ok := f.get("verify")
	if !ok {
		return fleet.Verify{}
	}
	v, ok := newFields(f.p, f.at("verify"), value)
	if !ok {
		return fleet.Verify{}
	}
	out := fleet.Verify{
		Interval: v.duration("interval"),
		Requests: v.number("requests", maxRequests),
		Restarts: v.between("restarts", 0, maxTries),
		Success:  v.percent("success"),
		Judges:   readJudges(v),
	}
	out.Slower, _ = v.decimal("slower", "", 1, maxSlower)
	if off := v.yes("off"); v.has("off") {
		out.Off = &off
	}
	v.done()
	if out.Interval > 0 && out.Interval < fleet.MinInterval {
		f.p.invalid(v.at("interval"), "is %s: nothing is counted that often", out.Interval).WithHint("use %s or more", fleet.MinInterval)
	}
	if out.Off != nil && *out.Off {
		for _, key := range []string{"requests", "slower", "success"} {
			if v.has(key) {
				f.p.invalid(v.at(key), "has no meaning with off: true").WithHint("leave one of them out")
			}
		}
	}
	return out
}

// percent reads a share like 99 or "99.5%".
func (f *fields) percent(key string) float64 {
	n, stated := f.decimal(key, "%", 0, 100)
	if stated && n == 0 {
		f.p.invalid(f.at(key), "0%% would let everything pass").WithHint("leave it out for the default, or use off: true")
	}
	return n
}

func readJudges(f *fields) []fleet.Judge {
	const hint = "write it like [{http: 'https://ci.example.com/judge'}]"
	var out []fleet.Judge
	for i, item := range f.list("judges", fleet.MaxJudges, hint) {
		j, ok := newFields(f.p, index(f.at("judges"), i), item)
		if !ok {
			continue
		}
		judge := fleet.Judge{HTTP: j.text("http"), Prometheus: j.text("prometheus"), Query: j.text("query"), Min: j.bound("min"), Max: j.bound("max")}
		j.done()
		if wrong := (*fleet.Error)(nil); errors.As(judge.Validate(), &wrong) {
			wrong.Path = join(j.path, wrong.Path)
			f.p.add(wrong)
			continue
		}
		out = append(out, judge)
	}
	return out
}

// bound reads a limit of what a query may say.
func (f *fields) bound(key string) *float64 {
	if !f.has(key) {
		return nil
	}
	n, err := strconv.ParseFloat(fmt.Sprint(f.tree[key]), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		f.p.invalid(f.at(key), "must be a number, not %v", f.tree[key])
		return nil
	}
	return &n
}

// settleVerify has a rolling or recreate verified where that is asked for, and
// refuses what nobody could judge by.
func settleVerify(f *fields, strategy string, v *fleet.Verify, balanced bool) {
	path := f.at("verify")
	counts := map[string]bool{"requests": v.Requests != 0, "success": v.Success != 0, "slower": v.Slower != 0}
	counted := counts["requests"] || counts["success"] || counts["slower"]
	asked := counted || v.Interval != 0 || len(v.Judges) > 0
	if v.Off == nil && asked && (strategy == fleet.StrategyRolling || strategy == fleet.StrategyRecreate) {
		v.Off = new(false)
	}
	if v.Off == nil || *v.Off {
		return
	}
	if strategy == fleet.StrategyRecreate && counts["slower"] {
		f.p.invalid(join(path, "slower"), "has no meaning for strategy %s: no old version is there to compare with", strategy).WithHint("leave it out")
	}
	if balanced {
		return
	}
	for _, key := range sortedKeys(counts) {
		if counts[key] {
			f.p.invalid(join(path, key), "goes by what the balancers count, and this service is on none").WithHint("add x-lb or ports, or leave it out")
		}
	}
	if !counted && len(v.Judges) == 0 {
		f.p.invalid(path, "has nothing to go by: this service is on no balancer, and no judge is named").WithHint("add x-lb, ports or judges, or leave it out")
	}
}
